//! The folder outside the checkout for what is dear to make again.

use std::path::PathBuf;
use std::time::SystemTime;
use std::{env, fs};

use anyhow::{Context, Result};

use crate::repo::Repo;

/// The folder `name` in the cache; created if need be.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let root = if let Some(dir) = env::var_os("DIOTEC360_CACHE") {
        PathBuf::from(dir)
    } else if let Some(dir) = env::var_os("XDG_CACHE_HOME") {
        PathBuf::from(dir).join("diotec360-persistence")
    } else {
        let home = env::home_dir().context("no home folder: set DIOTEC360_CACHE")?;
        home.join(".cache/diotec360-persistence")
    };
    let folder = root.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// Has cargo build in the cache, so that a fresh clone finds its dependencies compiled.
///
/// Cargo names what it builds after a package's place *within* the workspace and tells new from
/// old by time stamps: in a target folder shared by two checkouts it would take one's build for
/// the other's. So when the last build was of another checkout, all sources here become new.
#[expect(
    clippy::disallowed_methods,
    reason = "a file's time stamp is the wall clock's"
)]
pub(crate) fn share_target_dir(repo: &mut Repo) -> Result<()> {
    if env::var_os("CARGO_TARGET_DIR").is_some() {
        return Ok(()); // the user's own arrangement
    }
    let target = folder("target")?;
    let stamp = target.join("checkout");
    let here = repo.root().to_string_lossy();
    if fs::read_to_string(&stamp).ok().as_deref() != Some(&here) {
        for file in repo.files()? {
            fs::File::open(repo.root().join(file))?.set_modified(SystemTime::now())?;
        }
        fs::write(&stamp, here.as_bytes())?;
    }
    repo.target_dir = Some(target);
    Ok(())
}
