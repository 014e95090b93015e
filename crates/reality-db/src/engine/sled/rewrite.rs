//! Writing the store anew: sled uses the room of what was removed again, but never gives it back.
//!
//! What it holds is copied to a new store beside it, which is closed, opened again and compared; then the
//! folders change names. Whatever happens meanwhile, one of them is whole: [`finish`] finds out which.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::super::files::sync_folder;
use super::super::{EngineBatch, EngineError};
use super::store::{Store, guarded};
use super::{SledEngine, closed};

/// Bytes that are copied at a time: with a sync behind each, as the engine does.
const PIECE_BYTES: usize = 128 << 10;

impl SledEngine {
    /// Writes what the store holds to a new one, which takes its place. Reads and writes wait for it.
    ///
    /// # Errors
    ///
    /// If neither opens afterwards: every later call fails then. As long as the copy is not whole the old
    /// store stays in use, and that is no error.
    pub(super) fn rewrite(&self) -> Result<(), EngineError> {
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let (new, old) = (new_path(&self.path), old_path(&self.path));
        let Some(whole) = store.as_ref() else {
            return Err(closed());
        };
        let copied = remove(&new).map_err(EngineError::from);
        let copied = copied.and_then(|()| copy(whole, &new, self.cache_bytes));
        if let Err(error) = copied {
            tracing::warn!(%error, "the journal keeps room that it does not need");
            let _ = remove(&new); // the next opening does
            return Ok(());
        }
        if let Some(store) = store.take() {
            store.close(&self.path, false);
        }
        let changed = change_names(&self.path, &new, &old);
        finish(&self.path)?;
        *store = Some(Store::open(&self.path, self.cache_bytes)?);
        Ok(changed?)
    }
}

/// Copies all that `from` holds to a new store in the folder `to`, and makes sure that it can be read there.
fn copy(from: &Store, to: &Path, cache_bytes: u64) -> Result<(), EngineError> {
    let copy = Store::open(to, cache_bytes)?;
    let copied = write_all(from, &copy);
    copy.close(to, copied.is_err());
    copied?;
    // Opening it again reads it from its files, and has sled sum up its log.
    let copy = Store::open(to, cache_bytes)?;
    let is_same = guarded(|| {
        let (mut left, mut right) = (from.db.iter(), copy.db.iter());
        loop {
            match (left.next().transpose()?, right.next().transpose()?) {
                (None, None) => return Ok(true),
                (left, right) if left != right => return Ok(false),
                _ => {}
            }
        }
    });
    copy.close(to, is_same.is_err());
    match is_same? {
        true => Ok(()),
        false => Err(EngineError::Damaged(
            "what sled was copied to is not the same".to_owned(),
        )),
    }
}

fn write_all(from: &Store, to: &Store) -> Result<(), EngineError> {
    let mut entries = from.db.iter();
    loop {
        let mut piece = EngineBatch::default();
        while piece.bytes() < PIECE_BYTES {
            match guarded(|| entries.next().transpose())? {
                Some((key, value)) => piece.changes.push((key.to_vec(), Some(value.to_vec()))),
                None => break,
            }
        }
        if piece.changes.is_empty() {
            return Ok(());
        }
        guarded(|| to.write(piece))?;
        to.sync()?;
    }
}

/// Puts `new` in the place of `path`, whose content is called `old` then. Each step is durable before the next.
fn change_names(path: &Path, new: &Path, old: &Path) -> io::Result<()> {
    rename(path, old)?;
    rename(new, path)
}

/// Ends what an earlier process began: a store that lost its name gets it back, and what is left over goes.
///
/// # Errors
///
/// Those of the system.
pub(super) fn finish(path: &Path) -> io::Result<()> {
    let (new, old) = (new_path(path), old_path(path));
    if !path.try_exists()? && old.try_exists()? {
        rename(&old, path)?;
    }
    remove(&new)?;
    remove(&old)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    match to.parent() {
        Some(parent) => sync_folder(parent),
        None => Ok(()),
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn new_path(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn old_path(path: &Path) -> PathBuf {
    path.with_extension("old")
}
