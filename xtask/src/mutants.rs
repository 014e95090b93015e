//! `cargo xtask mutants FILE...`: does a test notice when a line of FILE is broken?

use anyhow::{Result, ensure};

use crate::{cache, process, repo::Repo, tools};

/// Runs cargo-mutants over `files`; what it found stays in the cache, its summary on the screen.
pub(crate) fn run(repo: &Repo, files: &[String]) -> Result<()> {
    ensure!(
        !files.is_empty(),
        "which files? e.g. crates/merkle-core/src/proof.rs"
    );
    let mut mutants = tools::MUTANTS.command(repo)?;
    mutants.arg("--output").arg(cache::folder("mutants")?);
    // Two mutants at a time; each is built in a copy of the checkout, which has no vectors
    // beside it. Their tests are then skipped rather than failed.
    mutants
        .args(["--jobs=2", "--all-features"])
        .env_remove("CI");
    for file in files {
        mutants.args(["--file", file]);
    }
    process::run(&mut mutants)
}
