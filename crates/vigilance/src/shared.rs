//! What the handles and the writing thread share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rusqlite::Connection;

use crate::connection;
use crate::edge::Edge;
use crate::error::ReadError;
use crate::health::{Damage, Health};
use crate::queue::Queue;
use crate::tiles::{Nodes, TileCache};
use crate::writer::Job;

/// What the handles and the writing thread share.
pub(crate) struct Shared {
    database: PathBuf,
    folder: PathBuf,
    queue: Queue<Job>,
    state: RwLock<State>,
    /// The published size, for those who wait for it to grow.
    grown: (Mutex<u64>, Condvar),
    readers: Mutex<Vec<Connection>>,
    tiles: TileCache,
    cache_bytes: u64,
}

#[derive(Debug)]
struct State {
    edge: Arc<Edge>,
    durable: u64,
    health: Health,
}

impl Shared {
    pub(crate) fn new(
        folder: &Path,
        edge: Edge,
        health: Health,
        queue_records: usize,
        cache_bytes: u64,
    ) -> Self {
        let size = edge.size();
        Self {
            database: folder.join(connection::DATABASE),
            folder: folder.to_owned(),
            queue: Queue::new(queue_records),
            state: RwLock::new(State {
                edge: Arc::new(edge),
                durable: size,
                health,
            }),
            grown: (Mutex::new(size), Condvar::new()),
            readers: Mutex::new(Vec::new()),
            tiles: TileCache::default(),
            cache_bytes,
        }
    }

    pub(crate) const fn queue(&self) -> &Queue<Job> {
        &self.queue
    }

    pub(crate) fn database(&self) -> &Path {
        &self.database
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn wal_path(&self) -> PathBuf {
        let mut name = self.database.clone().into_os_string();
        name.push("-wal");
        name.into()
    }

    /// The edge of what was written.
    pub(crate) fn edge(&self) -> Arc<Edge> {
        Arc::clone(&self.read_state().edge)
    }

    pub(crate) fn durable(&self) -> u64 {
        self.read_state().durable
    }

    pub(crate) fn set_durable(&self, size: u64) {
        self.write_state().durable = size;
    }

    pub(crate) fn health(&self) -> Health {
        self.read_state().health.clone()
    }

    /// The damage that keeps everything from being written, if there is some.
    pub(crate) fn panic(&self) -> Option<Damage> {
        match &self.read_state().health {
            Health::Panic(damage) => Some(Damage::clone(damage)),
            Health::Sound | Health::Stopped => None,
        }
    }

    /// Goes into panic mode, unless it is in it. Gives whether it was not.
    pub(crate) fn set_panic(&self, damage: &Damage) -> bool {
        let mut state = self.write_state();
        if matches!(state.health, Health::Panic(_)) {
            return false;
        }
        state.health = Health::Panic(Box::new(damage.clone()));
        true
    }

    pub(crate) fn set_sound(&self) {
        self.write_state().health = Health::Sound;
    }

    /// Nothing is written any more.
    pub(crate) fn stop(&self) {
        let mut state = self.write_state();
        if state.health == Health::Sound {
            state.health = Health::Stopped;
        }
    }

    /// Lets everybody see what was written.
    pub(crate) fn publish(&self, edge: Arc<Edge>) {
        let size = edge.size();
        self.write_state().edge = edge;
        *lock(&self.grown.0) = size;
        self.grown.1.notify_all();
    }

    /// Waits until there are more than `size` records, or the time is over. Gives how many there are.
    pub(crate) fn wait_beyond(&self, size: u64, timeout: Duration) -> u64 {
        let grown = lock(&self.grown.0);
        let waited = (self.grown.1).wait_timeout_while(grown, timeout, |now| *now <= size);
        let (grown, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *grown
    }

    /// Lends a connection that reads.
    pub(crate) fn read<T, E: From<rusqlite::Error>>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = lock(&self.readers).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => connection::reader(&self.database, self.cache_bytes / 4)?,
        };
        let result = read(&conn);
        let mut readers = lock(&self.readers);
        if readers.len() < READERS_IDLE {
            readers.push(conn);
        }
        result
    }

    /// Lends a way to read nodes of the tree, of the log as it is now.
    pub(crate) fn nodes<T>(
        &self,
        read: impl FnOnce(&Nodes<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let edge = self.edge();
        self.read(|conn| {
            // One transaction for all that is read: a page of records is some hundred statements, and each would
            // lock the file by itself.
            let conn = &conn.unchecked_transaction()?;
            read(&Nodes {
                conn,
                folder: &self.folder,
                cache: &self.tiles,
                edge: &edge,
            })
        })
    }

    /// Closes the connections that nobody reads with.
    pub(crate) fn close_readers(&self) {
        lock(&self.readers).clear();
    }

    fn read_state(&self) -> std::sync::RwLockReadGuard<'_, State> {
        // What is changed with it held is changed in one step.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here panics half way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections that are kept for the next reader.
const READERS_IDLE: usize = 8;
