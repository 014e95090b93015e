//! `cargo xtask bench`: ours and its peers on the same work, in one run.

use anyhow::{Result, bail, ensure};

use crate::{process, repo::Repo, rocksdb};

/// Builds and runs the program that has the rows, their goals and the peers: `rivals`, or `peers`
/// where an area has heavy ones.
pub(crate) fn run(repo: &Repo, areas: &[String], flags: &[String]) -> Result<()> {
    ensure!(areas.len() <= 1, "one AREA at most");
    let alone = flags.iter().any(|flag| flag == "--alone");
    let area = areas
        .first()
        .map_or("", |area| area.split(':').next().unwrap_or_default());
    let mut cargo = repo.cargo();
    cargo.args(["run", "--release"]);
    if alone || !["", "state", "vault"].contains(&area) {
        cargo.arg("--package=rivals");
        return process::run(cargo.arg("--").args(areas).args(flags));
    }
    if area != "vault" {
        match rocksdb::library() {
            Ok(library) => rocksdb::link(&mut cargo, repo, "peers", &library),
            Err(why) => bail!("peers of `state` need RocksDB ({why}); or ask for ours --alone"),
        }
    }
    cargo.args(["--locked", "--manifest-path=benches/peers/Cargo.toml"]);
    if !area.is_empty() {
        // Nobody waits for the peers of another area.
        cargo.args(["--no-default-features", "--features", area]);
    }
    process::run(cargo.arg("--").args(areas).args(flags))
}
