//! sled, open: the one file that calls it to open, write and close.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::files::sync_folder;
use super::super::{EngineBatch, EngineError};

/// How long to wait for sled to end what an earlier handle left it with.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// sled, open.
pub(super) struct Store {
    pub(super) db: sled::Db,
    // The same file that sled writes to: what its `flush` handed to the system is made durable
    // through any descriptor.
    log: File,
}

impl Store {
    /// Opens the store in the folder `path`, or makes one there, using at most about `cache_bytes`
    /// of memory for pages.
    pub(super) fn open(path: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
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
        Ok(Self { db, log })
    }

    /// Applies a batch, all or nothing.
    pub(super) fn write(&self, batch: EngineBatch) -> sled::Result<()> {
        let mut changes = batch.changes;
        if changes.len() <= 1 {
            // Whole or absent by itself; a batch costs one more write, and a wait for it.
            return match changes.pop() {
                Some((key, Some(value))) => self.db.insert(key, value).map(drop),
                Some((key, None)) => self.db.remove(key).map(drop),
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
        self.db.apply_batch(writes)
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&self) -> Result<(), EngineError> {
        guarded(|| {
            self.db.flush()?;
            Ok(self.log.sync_data()?)
        })
    }

    /// Closes it, and waits until sled has let go of the folder `path`; not for long if it broke down.
    pub(super) fn close(self, path: &Path, is_broken: bool) {
        let Self { db, log } = self;
        drop(log);
        let close = move || drop(catch_unwind(AssertUnwindSafe(|| drop(db))));
        if is_broken {
            close_within(RELEASE_PATIENCE, close);
        } else {
            close();
        }
        let _ = await_release(path); // closed is closed
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
pub(super) fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, EngineError> {
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
