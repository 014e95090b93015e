//! `cargo xtask layering`: dependencies between our crates point strictly down.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::repo::Repo;

/// Each crate under `crates/` with those of ours that it may depend on: the layers of
/// `docs/architecture.md`. A new crate is a line here first.
const LAYERS: &[(&str, &[&str])] = &[
    ("merkle-core", &[]),
    ("reality-db", &["merkle-core"]),
    ("truth-vault", &["merkle-core"]),
    ("vigilance", &["merkle-core"]),
    (
        "persistence",
        &["merkle-core", "reality-db", "truth-vault", "vigilance"],
    ),
    (
        "gateway",
        &[
            "persistence",
            "merkle-core",
            "reality-db",
            "truth-vault",
            "vigilance",
        ],
    ),
    (
        "diotec360",
        &[
            "gateway",
            "persistence",
            "merkle-core",
            "truth-vault",
            "vigilance",
        ],
    ),
];

/// Packages outside `crates/`: they may use every crate, and no crate may use them.
const TOOLS: &[&str] = &["xtask", "benches", "rivals"];

/// Storage engines, each with the one crate that knows it.
const ENGINES: &[(&str, &str)] = &[
    ("sled", "reality-db"),
    ("rocksdb", "reality-db"),
    ("rusqlite", "vigilance"),
];

pub(crate) fn run(repo: &Repo) -> Result<()> {
    let metadata = repo.metadata("Cargo.toml")?;
    let violations = violations(&metadata, &repo.root().join("crates"))?;
    ensure!(
        violations.is_empty(),
        "layering:\n{}",
        violations.join("\n")
    );
    Ok(())
}

/// What in `metadata`, the output of `cargo metadata --no-deps`, breaks the layers.
fn violations(metadata: &Value, crates: &Path) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for package in metadata["packages"].as_array().context("no packages")? {
        let name = package["name"].as_str().context("package without a name")?;
        let manifest = package["manifest_path"]
            .as_str()
            .context("package without a manifest")?;
        if !Path::new(manifest).starts_with(crates) {
            if !TOOLS.contains(&name) {
                violations.push(format!("{name} is neither in crates/ nor one of {TOOLS:?}"));
            }
            continue;
        }
        let Some((_, below)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
            violations.push(format!(
                "{name} has no place among the layers of xtask/src/layering.rs"
            ));
            continue;
        };
        // Dev-dependencies too: a test that needs a higher layer belongs to that layer.
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let other = dependency["name"]
                .as_str()
                .context("dependency without a name")?;
            violations.extend(verdict(name, below, other));
        }
    }
    Ok(violations)
}

/// Why the crate `name`, which stands on `below`, may not depend on `other`; `None` if it may.
fn verdict(name: &str, below: &[&str], other: &str) -> Option<String> {
    let is_layer = LAYERS.iter().any(|(layer, _)| *layer == other);
    if is_layer && !below.contains(&other) {
        return Some(format!("{name} depends on {other}, which is not below it"));
    }
    if TOOLS.contains(&other) {
        return Some(format!("{name} depends on {other}, which is a tool"));
    }
    let (engine, owner) = ENGINES.iter().find(|(engine, _)| *engine == other)?;
    (*owner != name).then(|| format!("{name} depends on {engine}, which only {owner} may know"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The violations of a workspace with `package` in `folder` that depends on `dependency`.
    fn planted(package: &str, folder: &str, dependency: &str) -> Vec<String> {
        let metadata = json!({"packages": [{
            "name": package,
            "manifest_path": format!("checkout/{folder}/{package}/Cargo.toml"),
            "dependencies": [{"name": "thiserror"}, {"name": dependency, "kind": "dev"}],
        }]});
        violations(&metadata, Path::new("checkout/crates")).unwrap()
    }

    #[test]
    fn allows_what_points_down() {
        assert_eq!(planted("reality-db", "crates", "merkle-core"), [""; 0]);
        assert_eq!(planted("persistence", "crates", "vigilance"), [""; 0]);
        assert_eq!(planted("reality-db", "crates", "sled"), [""; 0]);
        assert_eq!(planted("xtask", ".", "diotec360"), [""; 0]);
    }

    #[test]
    fn refuses_what_points_up_or_sideways() {
        assert_eq!(
            planted("merkle-core", "crates", "reality-db"),
            ["merkle-core depends on reality-db, which is not below it"]
        );
        assert_eq!(planted("truth-vault", "crates", "vigilance").len(), 1);
        assert_eq!(planted("persistence", "crates", "gateway").len(), 1);
        assert_eq!(planted("merkle-core", "crates", "xtask").len(), 1);
    }

    #[test]
    fn refuses_an_engine_outside_its_crate() {
        assert_eq!(
            planted("persistence", "crates", "sled"),
            ["persistence depends on sled, which only reality-db may know"]
        );
        assert_eq!(planted("reality-db", "crates", "rusqlite").len(), 1);
    }

    #[test]
    fn refuses_a_package_without_a_place() {
        assert_eq!(planted("utils", "crates", "thiserror").len(), 1);
        assert_eq!(planted("scripts", ".", "thiserror").len(), 1);
    }

    #[test]
    fn every_layer_stands_only_on_layers_named_before_it() {
        for (position, (name, below)) in LAYERS.iter().enumerate() {
            for other in *below {
                let found = LAYERS[..position].iter().any(|(layer, _)| layer == other);
                assert!(
                    found,
                    "{name} stands on {other}, which comes later or never"
                );
            }
        }
    }
}
