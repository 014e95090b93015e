//! `cargo xtask rocksdb`: what the feature `rocksdb` of reality-db brings, checked and tested.
//!
//! Apart from the rest: it compiles C++ for half an hour, and needs libclang for that.

use std::env;

use anyhow::{Context, Result};

use crate::{process, repo::Repo};

/// The feature that other steps leave out.
pub(crate) const FEATURE: &str = "rocksdb";

/// Why `ci` leaves it out, if it does.
pub(crate) fn left_out() -> Option<String> {
    let asked = env::var_os("XTASK_ROCKSDB").is_some();
    (!asked).then(|| "compiles C++ for half an hour: set XTASK_ROCKSDB for it".to_owned())
}

pub(crate) fn run(repo: &Repo) -> Result<()> {
    let with = ["--package=reality-db", "--features=rocksdb"];
    process::run(repo.cargo().arg("clippy").args(with).args([
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
    .context("if libclang is what is missing: install libclang-dev")?;
    process::run(repo.cargo().arg("test").args(with))
}
