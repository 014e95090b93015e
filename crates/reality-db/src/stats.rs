//! Numbers about a database, for people and for monitoring.

use crate::engine::Engine;
use crate::{ReadError, RealityDb, Version};

/// Numbers about a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The newest version.
    pub version: Version,
    /// Number of the oldest version that can be read.
    pub oldest: u64,
    /// Entries of the newest version.
    pub entries: u64,
    /// Bytes that the journal takes on disk, the engine's own overhead included.
    pub journal_disk_bytes: u64,
    /// Bytes that the checkpoints take on disk.
    pub checkpoint_disk_bytes: u64,
    /// Checkpoints that are kept.
    pub checkpoints: u64,
    /// Version of the newest checkpoint: opening applies the journal from there on.
    pub checkpoint: u64,
}

impl RealityDb {
    /// Numbers about the database. Reads the lengths of its files. Waits while a commit is being made.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`].
    pub fn stats(&self) -> Result<Stats, ReadError> {
        let storage = &self.shared.storage;
        let pointers = self.shared.pointers();
        let mut checkpoint_disk_bytes = 0;
        for name in storage.checkpoints.list()? {
            // A file may go while they are counted.
            let len = storage.checkpoints.open(&name).and_then(|file| file.len());
            checkpoint_disk_bytes += len.unwrap_or_default();
        }
        let head = self.snapshot()?;
        Ok(Stats {
            version: head.version(),
            oldest: self.oldest()?,
            entries: head.len()?,
            journal_disk_bytes: storage.engine.disk_bytes()?,
            checkpoint_disk_bytes,
            checkpoints: pointers.len() as u64,
            checkpoint: pointers.last().map_or(0, |pointer| pointer.version),
        })
    }
}
