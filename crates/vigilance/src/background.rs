//! Brings the write-ahead log into the database beside the thread that writes.
//!
//! Each pass copies what was written until it began. What comes in the meantime is left for the writer,
//! which finishes it between two groups: a short piece, after which the log starts again from its beginning.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use crate::connection;

/// The thread that does it.
#[derive(Debug)]
pub(crate) struct Background {
    ask: Option<SyncSender<()>>,
    is_done: Arc<AtomicBool>,
    at_work: Arc<Mutex<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts the thread, with a connection of its own.
    pub(crate) fn start(database: &Path) -> Result<Self, crate::error::StorageError> {
        let conn = connection::checkpointer(database)?;
        let (ask, asked) = mpsc::sync_channel(1);
        let is_done = Arc::new(AtomicBool::new(false));
        let at_work = Arc::new(Mutex::new(()));
        let thread = thread::Builder::new().name("vigilance-wal".to_owned());
        let thread = thread.spawn({
            let (is_done, at_work) = (Arc::clone(&is_done), Arc::clone(&at_work));
            move || {
                for () in asked {
                    let _at_work = at_work.lock().unwrap_or_else(PoisonError::into_inner);
                    // The second pass is short: what came during the first.
                    if pass(&conn).and_then(|_| pass(&conn)).is_ok() {
                        is_done.store(true, Ordering::Release);
                    }
                }
            }
        })?;
        Ok(Self {
            ask: Some(ask),
            is_done,
            at_work,
            thread: Some(thread),
        })
    }

    /// Keeps it from working, once it is not at work, for as long as what is given lives: SQLite lets only one
    /// connection at a time bring the log in, and tells the other to go away.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it begin, unless it is at it.
    pub(crate) fn ask(&self) {
        if let Some(ask) = &self.ask {
            let _ = ask.try_send(());
        }
    }

    /// Whether it has left the rest to the writer since this was last asked.
    pub(crate) fn take_done(&self) -> bool {
        self.is_done.swap(false, Ordering::Acquire)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Copies what is there. Gives whether that is all.
pub(crate) fn pass(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
    })
}
