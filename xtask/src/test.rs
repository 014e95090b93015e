//! `cargo xtask test`: every test there is, with nothing installed but Rust.

use std::path::Path;

use anyhow::Result;

use crate::{debian, process, repo::Repo};

/// The browser that the dashboard is tested in.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Runs all tests with all features, then those of each library that has features with none.
///
/// Features only add, so these two ends are what differs; `clippy` compiles the default between.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    if !Path::new(CHROMIUM).exists()
        && let Err(why) = debian::install(&["chromium"])
    {
        // The tests of the dashboard skip themselves, and fail where nothing may be skipped.
        eprintln!("no Chromium to test the dashboard with: {why}");
    }
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
