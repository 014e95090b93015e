//! `cargo xtask no-std`: the crates that promise `no_std` keep it, feature by feature.
//!
//! No target without a standard library can be had everywhere this runs, so the proof is made on
//! the host: a probe crate brings its own panic handler, which is an error of the compiler's
//! (E0152) as soon as anything it depends on brings in `std`, which has one too.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{process, repo::Repo};

/// The crates that promise it.
const CRATES: &[&str] = &["merkle-core"];

/// The probe's only source file; `{crate}` is the crate on trial.
const PROBE: &str = "\
#![no_std]

extern crate {crate};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
";

/// What the compiler says when a second panic handler comes from `std`.
const STD_IS_HERE: &str = "found duplicate lang item `panic_impl`";

pub(crate) fn run(repo: &Repo) -> Result<()> {
    let metadata = repo.metadata("Cargo.toml")?;
    for name in CRATES {
        let packages = metadata["packages"].as_array().context("no packages")?;
        let package = packages
            .iter()
            .find(|package| package["name"].as_str() == Some(name));
        let features = &package.with_context(|| format!("no crate {name}"))?["features"];
        let probe = Probe { repo, name };

        // The probe must be able to fail, or it proves nothing.
        let complaint = probe.complaint(&["std"])?;
        ensure!(
            complaint.is_some_and(|text| text.contains(STD_IS_HERE)),
            "the probe does not notice std in {name} with its feature `std`"
        );

        let without_std = without_std(features);
        let mut trials: Vec<Vec<&str>> = vec![vec![]];
        trials.extend(without_std.iter().map(|feature| vec![*feature]));
        if without_std.len() > 1 {
            trials.push(without_std.iter().copied().collect());
        }
        for trial in trials {
            if let Some(complaint) = probe.complaint(&trial)? {
                bail!("{name} with features {trial:?} needs std, or does not build:\n{complaint}");
            }
            eprintln!("no_std: {name} with features {trial:?}");
        }
    }
    Ok(())
}

/// Those of `features`, as `cargo metadata` has them, that do not lead to `std`.
fn without_std(features: &Value) -> BTreeSet<&str> {
    let features = features.as_object().into_iter().flatten();
    let enables: Vec<(&str, Vec<&str>)> = features
        .map(|(name, list)| {
            let list = list.as_array().into_iter().flatten();
            (name.as_str(), list.filter_map(Value::as_str).collect())
        })
        .collect();
    let mut with_std = BTreeSet::from(["std", "default"]);
    loop {
        let known = with_std.len();
        for (name, list) in &enables {
            if list.iter().any(|other| with_std.contains(other)) {
                with_std.insert(name);
            }
        }
        if with_std.len() == known {
            break;
        }
    }
    let names = enables.iter().map(|(name, _)| *name);
    names.filter(|name| !with_std.contains(name)).collect()
}

/// The probe crate for `name`: it is written where cargo builds, and never part of the checkout.
struct Probe<'r> {
    repo: &'r Repo,
    name: &'r str,
}

impl Probe<'_> {
    /// What the compiler has against the probe with `features`; `None` when it builds.
    fn complaint(&self, features: &[&str]) -> Result<Option<String>> {
        let folder = self.write(features)?;
        let mut cargo = self.repo.cargo();
        cargo
            .args(["check", "--quiet", "--manifest-path"])
            .arg(folder.join("Cargo.toml"));
        cargo.env("CARGO_TARGET_DIR", folder.join("target"));
        let output = cargo.output().with_context(|| process::shown(&cargo))?;
        let failed = !output.status.success();
        Ok(failed.then(|| String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn write(&self, features: &[&str]) -> Result<PathBuf> {
        let folder = self.repo.target().join("no-std").join(self.name);
        fs::create_dir_all(folder.join("src"))?;
        // Written as TOML, whose strings and lists look like Rust's here.
        let path = self.repo.root().join("crates").join(self.name);
        let manifest = format!(
            "[package]\nname = \"no-std-probe\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies.{}]\npath = {path:?}\ndefault-features = false\nfeatures = {features:?}\n",
            self.name
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        let source = PROBE.replace("{crate}", &self.name.replace('-', "_"));
        fs::write(folder.join("src/lib.rs"), source)?;
        // The same versions as everywhere else.
        fs::copy(
            self.repo.root().join("Cargo.lock"),
            folder.join("Cargo.lock"),
        )?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leaves_out_features_that_lead_to_std() {
        let features = json!({
            "default": ["std"], "std": ["blake3/std"], "serde": ["dep:serde"],
            "cli": ["files"], "files": ["std"], "ics23": [],
        });
        assert_eq!(without_std(&features), BTreeSet::from(["ics23", "serde"]));
    }
}
