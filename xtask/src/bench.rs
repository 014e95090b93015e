//! `cargo xtask bench`: ours and its peers on the same work, in one run.

use anyhow::{Result, ensure};

use crate::{process, repo::Repo};

/// Builds and runs the package `rivals`, which has the rows, their goals and the peers.
pub(crate) fn run(repo: &Repo, areas: &[String], flags: &[String]) -> Result<()> {
    ensure!(areas.len() <= 1, "one AREA at most");
    let mut cargo = repo.cargo();
    cargo
        .args(["run", "--release", "--package=rivals", "--"])
        .args(areas)
        .args(flags);
    process::run(&mut cargo)
}
