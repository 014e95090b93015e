//! The checkout: where it is, what is in it, how cargo is called in it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{process, rocksdb};

/// A checkout of this repository.
pub(crate) struct Repo {
    root: PathBuf,
    /// Where cargo builds, if not where it would by itself.
    pub(crate) target_dir: Option<PathBuf>,
}

impl Repo {
    /// The checkout that this xtask was built from.
    pub(crate) fn here() -> Result<Self> {
        // `cargo run` says it at run time; the compiled-in value serves the test binary.
        let manifest_dir = env::var_os("CARGO_MANIFEST_DIR");
        let xtask = manifest_dir.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = xtask
            .parent()
            .context("xtask has no parent folder")?
            .to_owned();
        Ok(Self {
            root,
            target_dir: None,
        })
    }

    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `cargo`, to be run at the root.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&self.root);
        // `cargo run` leaves this one behind, and cargo's subcommands would take it over the
        // toolchain asked for.
        cargo.env_remove("CARGO");
        if let Some(dir) = &self.target_dir {
            cargo.env("CARGO_TARGET_DIR", dir);
        }
        cargo
    }

    /// The folder that [`cargo`](Self::cargo) builds in.
    pub(crate) fn target(&self) -> PathBuf {
        let dir = self
            .target_dir
            .clone()
            .or_else(|| env::var_os("CARGO_TARGET_DIR").map(Into::into));
        self.root.join(dir.unwrap_or_else(|| "target".into()))
    }

    /// What `cargo metadata` says of the packages in the workspace of `manifest`.
    pub(crate) fn metadata(&self, manifest: &str) -> Result<Value> {
        let mut cargo = self.cargo();
        cargo.args([
            "metadata",
            "--no-deps",
            "--format-version=1",
            "--manifest-path",
            manifest,
        ]);
        let json = process::capture(&mut cargo)?;
        serde_json::from_str(&json).context("`cargo metadata` wrote what is no JSON")
    }

    /// Library crates under `crates/` that have features: their names, sorted.
    pub(crate) fn libraries_with_features(&self) -> Result<Vec<String>> {
        let metadata = self.metadata("Cargo.toml")?;
        let packages = metadata["packages"].as_array().context("no packages")?;
        let crates = self.root.join("crates");
        let is_library = |package: &&Value| {
            let manifest = package["manifest_path"].as_str().unwrap_or_default();
            let mut kinds = package["targets"].as_array().into_iter().flatten();
            Path::new(manifest).starts_with(&crates)
                && package["features"]
                    .as_object()
                    .is_some_and(|features| !features.is_empty())
                && kinds.any(|target| target["kind"][0].as_str() == Some("lib"))
        };
        let libraries = packages.iter().filter(is_library);
        let mut names: Vec<_> = libraries
            .filter_map(|package| package["name"].as_str())
            .map(str::to_owned)
            .collect();
        names.sort();
        Ok(names)
    }

    /// `--features=` with all there are of the packages in the workspace, except what only
    /// `cargo xtask rocksdb` builds, and those of the packages `without`.
    pub(crate) fn all_features(&self, without: &[&str]) -> Result<String> {
        let metadata = self.metadata("Cargo.toml")?;
        let packages = metadata["packages"].as_array().context("no packages")?;
        let mut features = Vec::new();
        for package in packages {
            let name = package["name"].as_str().context("package without a name")?;
            if without.contains(&name) {
                continue;
            }
            let own = package["features"].as_object().into_iter().flatten();
            features.extend(
                own.filter(|(feature, _)| *feature != rocksdb::FEATURE)
                    .map(|(feature, _)| format!("{name}/{feature}")),
            );
        }
        Ok(format!("--features={}", features.join(",")))
    }

    /// Files that git tracks, or would once added; relative to the root.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut git = Command::new("git");
        git.current_dir(&self.root);
        git.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let list = process::capture(&mut git)?;
        let paths = list
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        Ok(paths
            .filter(|path| self.root.join(path).is_file())
            .collect())
    }
}
