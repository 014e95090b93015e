//! sled 0.34.7, used as a journal: one tree, one batch a commit, a real sync.
//!
//! What is known of it, and why it is used this way, is in `docs/decisions/0020`: `flush` alone is not
//! durable, large values become files that nobody syncs, and on damaged files it may panic.

#[cfg(test)]
mod tests;

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::files::{folder_bytes, sync_folder};
use super::{End, Engine, EngineBatch, EngineError, Entry};

/// Memory that sled may use to keep pages it has read or written, unless the caller says.
pub(crate) const CACHE_BYTES: u64 = 16 << 20;

/// Bytes of changes that sled may have without a real sync.
///
/// sled frees a segment of its file, 512 KiB, once the one that has its pages anew is written, and
/// takes that for durable. It overwrites it a segment later at the earliest: a real sync within each
/// segment, and the pages are on disk before their old copies go. sled writes up to twice what it is given.
const UNSYNCED_BYTES_MAX: usize = 128 << 10;

/// How long to wait for sled to end what an earlier handle left it with.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// A journal in sled.
pub(crate) struct SledEngine {
    path: PathBuf,
    // INVARIANT: present until the engine is dropped.
    db: Option<sled::Db>,
    // The same file that sled writes to: what its `flush` handed to the system is made durable
    // through any descriptor.
    log: File,
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
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes)
            // Commits flush; a thread that does so now and then only takes the disk from them.
            .flush_every_ms(None);
        await_release(path)?;
        remove_unfinished(path)?;
        let db = guarded(|| config.open()).map_err(|error| match error {
            // At this point only its files can have made it panic.
            EngineError::Broken(why) => EngineError::Damaged(why),
            error => error,
        })?;
        let log = File::open(path.join("db"))?;
        // sled syncs neither its settings nor the folder entries of what it has made.
        File::open(path.join("conf"))?.sync_all()?;
        log.sync_all()?;
        sync_folder(path)?;
        if let Some(parent) = path.parent() {
            sync_folder(parent)?;
        }
        Ok(Self {
            path: path.to_owned(),
            db: Some(db),
            log,
            unsynced: AtomicUsize::new(0),
            refusal: OnceLock::new(),
        })
    }

    fn read<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, EngineError> {
        if let Some(Refusal::All(why)) = self.refusal.get() {
            return Err(EngineError::Broken(why.clone()));
        }
        let db = self.db.as_ref().expect("present until dropped");
        let result = guarded(|| call(db));
        if let Err(EngineError::Broken(why)) = &result {
            let _ = self.refusal.set(Refusal::All(why.clone()));
        }
        result
    }

    fn change<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, EngineError> {
        if let Some(Refusal::Writes(why) | Refusal::All(why)) = self.refusal.get() {
            return Err(EngineError::Broken(why.clone()));
        }
        self.read(call).inspect_err(|error| self.refuse(error))
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
        self.change(|db| {
            let mut changes = batch.changes;
            if changes.len() <= 1 {
                // Whole or absent by itself; a batch costs one more write, and a wait for it.
                return match changes.pop() {
                    Some((key, Some(value))) => db.insert(key, value).map(drop),
                    Some((key, None)) => db.remove(key).map(drop),
                    None => Ok(()),
                };
            }
            let mut writes = sled::Batch::default();
            for (key, value) in changes {
                match value {
                    Some(value) => writes.insert(key, value),
                    None => writes.remove(key),
                }
            }
            db.apply_batch(writes)
        })?;
        if self.unsynced.fetch_add(bytes, Ordering::Relaxed) + bytes >= UNSYNCED_BYTES_MAX {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.unsynced.store(0, Ordering::Relaxed);
        self.change(|db| {
            db.flush()?;
            Ok(self.log.sync_data()?)
        })
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        Ok(folder_bytes(&self.path)?)
    }
}

impl Drop for SledEngine {
    /// Closes sled. It may panic at that, and after a panic it may wait for a thread that is gone:
    /// neither is passed on.
    fn drop(&mut self) {
        let Some(db) = self.db.take() else { return };
        let close = move || drop(catch_unwind(AssertUnwindSafe(|| drop(db))));
        if self.refusal.get().is_none() {
            close();
        } else {
            close_within(RELEASE_PATIENCE, close);
        }
        let _ = await_release(&self.path); // closed is closed
    }
}

/// Runs `close` on a thread of its own, and waits for it no longer than `patience`.
fn close_within(patience: Duration, close: impl FnOnce() + Send + 'static) {
    let (done, closed) = mpsc::channel();
    let closing = thread::Builder::new()
        .name("sled-close".to_owned())
        .spawn(move || {
            close();
            let _ = done.send(());
        });
    if closing.is_ok() {
        let _ = closed.recv_timeout(patience);
    }
}

/// Waits until no other opening of the store in `path` holds its log.
///
/// sled lets go of it a little after its handle is dropped, when its threads are done with it. An
/// opening that stays is refused by sled itself.
fn await_release(path: &Path) -> io::Result<()> {
    let log = match File::open(path.join("db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        log => log?,
    };
    let start = Instant::now();
    while start.elapsed() < RELEASE_PATIENCE {
        match log.try_lock() {
            Ok(()) => return log.unlock(),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Removes what sled left of a summary of its log that it did not finish.
///
/// It takes such a file for a finished one, finds it damaged and does not open any more: after a
/// kill, a loss of power or a full disk at the wrong moment. Without it, it reads its log instead.
fn remove_unfinished(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Calls sled, and turns a panic of its into an error.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, EngineError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(ours(error)),
        Err(panic) => Err(EngineError::Broken(said(panic.as_ref()))),
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("sled panicked: {}", said.unwrap_or("no message"))
}

fn owned((key, value): (sled::IVec, sled::IVec)) -> Entry {
    (key.to_vec(), value.to_vec())
}

/// What went wrong, in our words: no type of sled's leaves this file.
fn ours(error: sled::Error) -> EngineError {
    match error {
        sled::Error::Io(error) => EngineError::Io(error),
        sled::Error::Corruption { at: Some(at), .. } => {
            EngineError::Damaged(format!("sled, at {at}"))
        }
        sled::Error::Corruption { at: None, .. } => EngineError::Damaged("sled".to_owned()),
        // Its settings are not those it was made with; we always ask for the same.
        sled::Error::Unsupported(why) => EngineError::Damaged(format!("sled: {why}")),
        sled::Error::CollectionNotFound(_) => EngineError::Broken("sled lost its tree".to_owned()),
        sled::Error::ReportableBug(why) => EngineError::Broken(format!("sled: {why}")),
    }
}
