//! `cargo xtask mutants FILE...`: does a test notice when a line of FILE is broken?

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::{cache, process, repo::Repo, tools};

/// Runs cargo-mutants over `files`; what it found stays in the cache, its summary on the screen.
pub(crate) fn run(repo: &Repo, files: &[String]) -> Result<()> {
    ensure!(
        !files.is_empty(),
        "which files? e.g. crates/merkle-core/src/hash.rs"
    );
    let copies = cache::folder("mutants/copies")?;
    let beside = repo
        .root()
        .parent()
        .context("the checkout has no parent folder")?;
    link_vectors(&beside.join("shared"), &copies.join("shared"))?;

    let mut mutants = tools::MUTANTS.command(repo)?;
    mutants
        .arg("--output")
        .arg(cache::folder("mutants")?)
        .arg("--jobs=2")
        .arg(repo.all_features(&["rivals"])?);
    mutants.env("TMPDIR", copies).env_remove("CARGO_TARGET_DIR");
    for file in files {
        mutants.args(["--file", file]);
    }
    process::run(&mut mutants)
}

/// Lets copies of the checkout find the test vectors where the checkout has them: beside it.
///
/// Without, tests that read them would be skipped, and what only they notice would survive.
fn link_vectors(vectors: &Path, link: &Path) -> Result<()> {
    if link.is_symlink() {
        fs::remove_file(link)?;
    }
    #[cfg(unix)]
    if vectors.is_dir() {
        std::os::unix::fs::symlink(vectors, link)
            .with_context(|| format!("cannot link {}", link.display()))?;
    }
    Ok(())
}
