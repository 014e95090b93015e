//! `cargo xtask test`: every test there is, what they run is installed on a machine of CI.

use std::path::Path;

use anyhow::Result;

use crate::{debian, process, repo::Repo};

/// Programs that tests run, each with the package that brings it: the browser that the dashboard is
/// tested in, what records a process for a loss of power, what makes a small disk.
const PROGRAMS: [(&str, &str); 4] = [
    ("/usr/bin/chromium", "chromium"),
    ("/usr/bin/strace", "strace"),
    ("/usr/bin/unshare", "util-linux"),
    ("/usr/bin/mount", "mount"),
];

/// Runs all tests with all features, then those of each library that has features with none.
///
/// Features only add, so these two ends are what differs; `clippy` compiles the default between.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let missing = PROGRAMS
        .into_iter()
        .filter(|(program, _)| !Path::new(program).exists());
    let (programs, packages): (Vec<_>, Vec<_>) = missing.unzip();
    if !packages.is_empty()
        && let Err(why) = debian::install(&packages)
    {
        // The tests that need them skip themselves, and fail where nothing may be skipped.
        eprintln!("no {} to test with: {why}", programs.join(", "));
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
