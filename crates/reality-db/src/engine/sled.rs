//! sled 0.34.7, used as a journal: one tree, one batch a commit, a real sync.
//!
//! What is known of it, and why it is used this way, is in `docs/decisions/0020`: `flush` alone is not
//! durable, large values become files that nobody syncs, and on damaged files it may panic.

mod rewrite;
mod store;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use super::files::folder_bytes;
use super::{End, Engine, EngineBatch, EngineError, Entry};
use store::{Store, guarded};

/// Memory that sled may use to keep pages it has read or written, unless the caller says.
pub(crate) const CACHE_BYTES: u64 = 16 << 20;

/// Bytes of changes that sled may have without a real sync.
///
/// sled frees a segment of its file, 512 KiB, once the one that has its pages anew is written, and
/// takes that for durable. It overwrites it a segment later at the earliest: a real sync within each
/// segment, and the pages are on disk before their old copies go. sled writes up to twice what it is given.
const UNSYNCED_BYTES_MAX: usize = 128 << 10;

/// A journal in sled.
pub(crate) struct SledEngine {
    path: PathBuf,
    cache_bytes: u64,
    /// None for good if it was written anew and does not open.
    store: RwLock<Option<Store>>,
    /// Bytes of changes since the last sync.
    unsynced: AtomicUsize,
    refusal: OnceLock<Refusal>,
}

/// Why the engine does no more.
enum Refusal {
    /// A write or a sync failed: nobody knows what of it is on disk. What is stored can be read.
    Writes(String),
    /// sled panicked: nothing it says can be trusted.
    All(String),
}

impl SledEngine {
    /// Opens the store in the folder `path`, or makes one there, using at most about `cache_bytes`
    /// of memory for pages.
    pub(crate) fn open(path: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        rewrite::finish(path)?;
        let store = Store::open(path, cache_bytes)?;
        Ok(Self {
            path: path.to_owned(),
            cache_bytes,
            store: RwLock::new(Some(store)),
            unsynced: AtomicUsize::new(0),
            refusal: OnceLock::new(),
        })
    }

    fn read<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, EngineError> {
        self.with(|store| guarded(|| call(&store.db)))
    }

    fn with<T>(
        &self,
        call: impl FnOnce(&Store) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        if let Some(Refusal::All(why)) = self.refusal.get() {
            return Err(EngineError::Broken(why.clone()));
        }
        // A panic of sled's does not come this far.
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        let result = call(store.as_ref().ok_or_else(closed)?);
        if let Err(EngineError::Broken(why)) = &result {
            let _ = self.refusal.set(Refusal::All(why.clone()));
        }
        result
    }

    fn change<T>(
        &self,
        call: impl FnOnce(&Store) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.check_writes()?;
        self.with(call).inspect_err(|error| self.refuse(error))
    }

    fn check_writes(&self) -> Result<(), EngineError> {
        match self.refusal.get() {
            Some(Refusal::Writes(why) | Refusal::All(why)) => Err(EngineError::Broken(why.clone())),
            None => Ok(()),
        }
    }

    /// After an error of a write or a sync: no more of them.
    fn refuse(&self, error: &EngineError) {
        let why = format!("an earlier write failed: {error}");
        let _ = self.refusal.set(Refusal::Writes(why));
    }
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.read(|db| Ok(db.get(key)?.map(|value| value.to_vec())))
    }

    fn edge(&self, end: End, from: &[u8], to: &[u8]) -> Result<Option<Entry>, EngineError> {
        if from >= to {
            return Ok(None);
        }
        self.read(|db| {
            let mut range = db.range(from..to);
            let edge = match end {
                End::First => range.next(),
                End::Last => range.next_back(),
            };
            edge.map(|entry| entry.map(owned)).transpose()
        })
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, EngineError> {
        if from >= to {
            return Ok(Vec::new());
        }
        self.read(|db| {
            let entries = db.range(from..to).take(limit).map(|entry| {
                let entry = entry?;
                // sled evicts pages only after some thousands of accesses, and a range counts as
                // one for all entries of a page: without this, 300 MB read are 280 MB held.
                db.contains_key(&entry.0)?;
                Ok(owned(entry))
            });
            entries.collect()
        })
    }

    fn write(&self, batch: EngineBatch) -> Result<(), EngineError> {
        let bytes = batch.bytes();
        self.change(|store| guarded(|| store.write(batch)))?;
        if self.unsynced.fetch_add(bytes, Ordering::Relaxed) + bytes >= UNSYNCED_BYTES_MAX {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.unsynced.store(0, Ordering::Relaxed);
        self.change(Store::sync)
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        // Not while the folder changes its name.
        let _store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        Ok(folder_bytes(&self.path)?)
    }

    fn wastes_disk(&self, live_bytes: u64) -> Result<bool, EngineError> {
        let enough = live_bytes.saturating_mul(DISK_PER_LIVE) + DISK_BYTES_MIN;
        Ok(self.disk_bytes()? > enough)
    }

    fn reclaim(&self, live_bytes: u64) -> Result<(), EngineError> {
        self.rewrite(live_bytes)
    }
}

impl Drop for SledEngine {
    /// Closes sled. It may panic at that, and after a panic it may wait for a thread that is gone:
    /// neither is passed on.
    fn drop(&mut self) {
        let store = self.store.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = store.take() {
            store.close(&self.path, self.refusal.get().is_some());
        }
    }
}

fn closed() -> EngineError {
    EngineError::Broken("sled could not be opened again".to_owned())
}

fn owned((key, value): (sled::IVec, sled::IVec)) -> Entry {
    (key.to_vec(), value.to_vec())
}

/// How many times its content the store may take on disk before it is written anew, and how much it may
/// take however little it holds. What is removed leaves room that sled uses again and never gives back.
const DISK_PER_LIVE: u64 = 4;
const DISK_BYTES_MIN: u64 = 4 << 20;
