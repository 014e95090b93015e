//! Writing the store anew: sled uses the room of what was removed again, but never gives it back.
//!
//! What it holds is copied to a new store beside it, which is closed, opened again and compared; then the
//! folders change names. Whatever happens meanwhile, one of them is whole: [`finish`] finds out which.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::super::files::sync_folder;
use super::super::{EngineBatch, EngineError, Entry};
use super::store::{Store, guarded};
use super::{Refusal, SledEngine, closed, owned};

/// Bytes that are copied at a time: with a sync behind each, as the engine does.
const PIECE_BYTES: usize = 128 << 10;

/// Bytes that may be there beside those that were expected: names, pointers, keys.
const OTHERS_BYTES: u64 = 4 << 20;

impl SledEngine {
    /// Writes what the store holds to a new one, which takes its place. Reads and writes wait for it.
    ///
    /// # Errors
    ///
    /// Failures of the store that is there, or of opening it again, after which nothing more is written. As
    /// long as it works, it is no error if there cannot be another.
    pub(super) fn rewrite(&self, live_bytes: u64) -> Result<(), EngineError> {
        if self.path.is_symlink() {
            return Ok(()); // only its name would be changed
        }
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        self.check_writes()?;
        let (new, old) = (new_path(&self.path), old_path(&self.path));
        let whole = store.as_ref().ok_or_else(closed)?;
        // Closing it does not tell of a failure to write what was not synced.
        whole.sync().inspect_err(|error| self.refuse(error))?;
        let found = content(whole, live_bytes.saturating_mul(2) + OTHERS_BYTES);
        let found = found.inspect_err(|error| {
            let _ = self.refusal.set(Refusal::All(error.to_string()));
        })?;
        let Some(entries) = found else {
            tracing::warn!("the journal holds more than expected, and keeps its room");
            return Ok(());
        };
        let copied = remove(&old).and_then(|()| remove(&new));
        let copied = copied.map_err(EngineError::from);
        if let Err(error) = copied.and_then(|()| copy(&entries, &new, self.cache_bytes)) {
            tracing::warn!(%error, "the journal keeps room that it does not need");
            let _ = remove(&new); // the next opening does
            return Ok(());
        }
        if let Some(store) = store.take() {
            store.close(&self.path, false);
        }
        if let Err(error) = change_names(&self.path, &new, &old) {
            tracing::warn!(%error, "the journal keeps room that it does not need");
        }
        finish(&self.path)?;
        *store = Some(Store::open(&self.path, self.cache_bytes)?);
        Ok(())
    }
}

/// All that a store holds; none if that is more than `limit` bytes.
fn content(store: &Store, limit: u64) -> Result<Option<Vec<Entry>>, EngineError> {
    guarded(|| {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for entry in store.db.iter() {
            let entry = owned(entry?);
            bytes += (entry.0.len() + entry.1.len()) as u64;
            if bytes > limit {
                return Ok(None);
            }
            entries.push(entry);
        }
        Ok(Some(entries))
    })
}

/// Writes a new store in the folder `to`, and makes sure that it can be read there.
fn copy(entries: &[Entry], to: &Path, cache_bytes: u64) -> Result<(), EngineError> {
    let copy = Store::open(to, cache_bytes)?;
    let written = write_all(entries, &copy);
    copy.close(to, written.is_err());
    written?;
    // Opening it again reads it from its files, and has sled sum up its log.
    let copy = Store::open(to, cache_bytes)?;
    let found = content(&copy, u64::MAX);
    copy.close(to, found.is_err());
    if found?.as_deref() == Some(entries) {
        return Ok(());
    }
    let why = "what sled was copied to is not the same".to_owned();
    Err(EngineError::Damaged(why))
}

fn write_all(entries: &[Entry], to: &Store) -> Result<(), EngineError> {
    let mut entries = entries.iter().peekable();
    while entries.peek().is_some() {
        let (mut piece, mut bytes) = (EngineBatch::default(), 0);
        while bytes < PIECE_BYTES
            && let Some((key, value)) = entries.next()
        {
            bytes += key.len() + value.len();
            piece.changes.push((key.clone(), Some(value.clone())));
        }
        guarded(|| to.write(piece))?;
        to.sync()?;
    }
    Ok(())
}

/// Puts `new` in the place of `path`, whose content is called `old` then. Each step is durable before the next.
fn change_names(path: &Path, new: &Path, old: &Path) -> io::Result<()> {
    rename(path, old)?;
    rename(new, path)
}

/// Ends what was begun, by this process or an earlier one: a store that lost its name gets it back, and what
/// is left over goes. If that cannot go it stays, which does no harm.
///
/// # Errors
///
/// Those of the system, as long as there is no store of this name.
pub(super) fn finish(path: &Path) -> io::Result<()> {
    let (new, old) = (new_path(path), old_path(path));
    let was_renamed = old.try_exists()?;
    if was_renamed && !path.try_exists()? {
        rename(&old, path)?;
    }
    let removed = remove(&new).and_then(|()| {
        if was_renamed {
            sync_names(path)?; // the new one's name may not be durable yet
        }
        remove(&old)
    });
    if let Err(error) = removed {
        tracing::warn!(%error, "what is left of an earlier journal stays");
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_names(to)
}

/// Makes the names in the folder durable in which `path` lies.
fn sync_names(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Removes a folder, and a file that has its name.
fn remove(folder: &Path) -> io::Result<()> {
    let removed = match folder.is_dir() {
        true => fs::remove_dir_all(folder),
        false => fs::remove_file(folder),
    };
    match removed {
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
