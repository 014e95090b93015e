//! `cargo xtask rocksdb`: what the feature `rocksdb` of reality-db brings, checked and tested.
//!
//! Apart from the rest. The crate brings RocksDB as C++, half an hour of compilation on two cores,
//! so this links the library that the system has instead: its C interface is the same.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

use crate::{debian, process, repo::Repo};

/// The feature that other steps leave out.
pub(crate) const FEATURE: &str = "rocksdb";

/// The engine's library, and libclang to read its header with.
const DEBIAN_PACKAGES: [&str; 2] = ["librocksdb-dev", "libclang-dev"];

/// Older libraries lack this function. The binding calls it for one option that we do not set.
const ABSENT_FUNCTION: &str = "rocksdb_write_buffer_manager_destroy";

/// How often a process is killed on RocksDB: a minute on two busy cores.
const KILLS: u32 = 150;

/// Where the system's library is; on a machine of CI it is installed if it can be.
///
/// # Errors
///
/// Why there is none.
pub(crate) fn library() -> Result<PathBuf, String> {
    if let Some(folder) = env::var_os("ROCKSDB_LIB_DIR") {
        return Ok(folder.into());
    }
    if let Some(folder) = installed() {
        return Ok(folder);
    }
    let wanted = DEBIAN_PACKAGES.join(" ");
    debian::install(&DEBIAN_PACKAGES).map_err(|why| format!("{why}, or set ROCKSDB_LIB_DIR"))?;
    installed().ok_or_else(|| format!("{wanted} brought no librocksdb.so"))
}

/// The folder under `/usr/lib` that has the library.
fn installed() -> Option<PathBuf> {
    let has_library = |folder: &Path| folder.join("librocksdb.so").is_file();
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    folders
        .map(|folder| folder.path())
        .find(|folder| has_library(folder))
}

/// Has `cargo` link the system's library, and build in the folder `name` among what is built: flags
/// of the linker make everything new, so not where all else is.
pub(crate) fn link(cargo: &mut Command, repo: &Repo, name: &str, library: &Path) {
    cargo.env("CARGO_TARGET_DIR", repo.target().join(name));
    cargo.env("ROCKSDB_LIB_DIR", library);
    cargo.env(
        "RUSTFLAGS",
        format!("-Clink-arg=-Wl,--defsym={ABSENT_FUNCTION}=0"),
    );
}

/// Lints and tests with the feature, all on RocksDB that run on real files.
pub(crate) fn run(repo: &Repo, library: &Path) -> Result<()> {
    let with = ["--package=reality-db", "--features=rocksdb"];
    let cargo = |command: &str| {
        let mut cargo = repo.cargo();
        cargo.arg(command).args(with);
        link(&mut cargo, repo, FEATURE, library);
        cargo.env("REALITY_DB_BACKEND", FEATURE);
        cargo
    };
    process::run(cargo("clippy").args(["--all-targets", "--", "-D", "warnings"]))
        .context("if libclang is what is missing: install libclang-dev")?;
    // Not `full_disk`: Debian's library has its assertions in, and one of them ends the process when
    // a file is closed whose last write failed.
    let tests = ["crash", "open", "power_loss", "tamper"].map(|test| format!("--test={test}"));
    let mut cargo = cargo("test");
    cargo.env("REALITY_DB_KILLS", KILLS.to_string());
    process::run(cargo.arg("--lib").args(tests))
}
