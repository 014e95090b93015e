//! `cargo xtask judges`: truth-vault and vigilance against other implementations of their formats, and the
//! HTTP API against the document about it.
//!
//! They are programs in JavaScript and Python, at pinned versions, in the cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{cache, process, repo::Repo};

/// Readers and writers of CAR files and their index.
const NPM_PACKAGES: [&str; 3] = ["@ipld/car@5.4.7", "cardex@3.0.2", "ipfs-car@3.1.0"];

/// A reader and writer of signed envelopes, with what it signs with; the schema of OCSF, with what
/// validates by it; what asks an API whatever its document allows and forbids.
const PYTHON_PACKAGES: [&str; 5] = [
    "securesystemslib==1.6.0",
    "cryptography==50.0.2",
    "ocsf-json-schema==1.2.0",
    "jsonschema==4.26.0",
    "schemathesis==4.32.5",
];

/// The folder of the judges, with all of them installed.
///
/// # Errors
///
/// Why they cannot be had.
pub(crate) fn folder() -> Result<PathBuf, String> {
    for program in ["node", "npm", "python3"] {
        let mut version = Command::new(program);
        version.arg("--version").stdout(Stdio::null());
        if !version.status().is_ok_and(|status| status.success()) {
            return Err(format!("there is no `{program}`"));
        }
    }
    install().map_err(|error| format!("cannot be installed: {error:#}"))
}

fn install() -> Result<PathBuf> {
    let folder = cache::folder("judges")?;
    let wanted = [&NPM_PACKAGES[..], &PYTHON_PACKAGES].concat().join(" ");
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).ok().as_deref() == Some(&wanted) {
        return Ok(folder);
    }
    let (npm, python) = (folder.join("npm"), folder.join("python"));
    fs::create_dir_all(&npm)?;
    let mut install = Command::new("npm");
    install.args([
        "install",
        "--ignore-scripts",
        "--no-save",
        "--no-audit",
        "--no-fund",
    ]);
    process::run(install.args(NPM_PACKAGES).current_dir(&npm))?;
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&python))?;
    let mut install = Command::new(python.join("bin/python"));
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    process::run(install.args(PYTHON_PACKAGES))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(folder)
}

/// Runs the tests that ask them.
pub(crate) fn run(repo: &Repo, folder: &Path) -> Result<()> {
    let mut cargo = repo.cargo();
    cargo.args(["test", "--package=truth-vault", "--test=judges"]);
    process::run(cargo.env("TRUTH_VAULT_JUDGES", folder))?;
    let mut cargo = repo.cargo();
    cargo.args(["test", "--package=vigilance", "--test=export"]);
    process::run(cargo.env("VIGILANCE_JUDGES", folder))?;
    let mut cargo = repo.cargo();
    cargo.args(["test", "--package=gateway", "--test=judges"]);
    process::run(cargo.env("GATEWAY_JUDGES", folder))
}
