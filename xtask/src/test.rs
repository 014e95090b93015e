//! `cargo xtask test`: every test there is, with nothing installed but Rust.

use anyhow::Result;

use crate::{process, repo::Repo};

/// Runs all tests with all features, then those of each library that has features with none.
///
/// Features only add, so these two ends are what differs; `clippy` compiles the default between.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    // One package at a time: together, cargo would give each the features the others ask for.
    for name in repo.libraries_with_features()? {
        process::run(
            repo.cargo()
                .args(["test", "--package", &name, "--no-default-features"]),
        )?;
    }
    process::run(
        repo.cargo()
            .args(["test", "--workspace", "--exclude=rivals"])
            .arg(repo.all_features(&["rivals"])?),
    )
}
