//! `cargo xtask bench`: ours and its peers on the same work, in one run.

use anyhow::{Result, bail, ensure};

use crate::{process, repo::Repo, rocksdb};

/// Builds and runs the program that has the rows, their goals and the peers: `rivals`, or `peers`
/// where an area has heavy ones.
pub(crate) fn run(repo: &Repo, areas: &[String], flags: &[String]) -> Result<()> {
    ensure!(areas.len() <= 1, "one AREA at most");
    let alone = flags.iter().any(|flag| flag == "--alone");
    let has_heavy = areas.iter().all(|area| area.starts_with("state"));
    let mut cargo = repo.cargo();
    cargo.args(["run", "--release"]);
    if has_heavy && !alone {
        match rocksdb::library() {
            Ok(library) => rocksdb::link(&mut cargo, repo, "peers", &library),
            Err(why) => bail!("peers of `state` need RocksDB ({why}); or ask for ours --alone"),
        }
        cargo.args(["--locked", "--manifest-path=benches/peers/Cargo.toml"]);
    } else {
        cargo.arg("--package=rivals");
    }
    process::run(cargo.arg("--").args(areas).args(flags))
}
