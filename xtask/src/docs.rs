//! `cargo xtask docs`: rustdoc without a warning, and no link that leads nowhere.

use anyhow::{Result, ensure};

use crate::{links, process, repo::Repo};

pub(crate) fn run(repo: &Repo) -> Result<()> {
    let mut cargo = repo.cargo();
    cargo.args(["doc", "--workspace", "--exclude=rivals", "--no-deps"]);
    cargo.arg(repo.all_features(&["rivals"])?);
    process::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))?;

    let broken = links::broken(repo)?;
    ensure!(
        broken.is_empty(),
        "links that lead nowhere:\n{}",
        broken.join("\n")
    );
    Ok(())
}
