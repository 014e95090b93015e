//! What the journal asks of a storage engine: an ordered map of bytes with atomic batches.

#[cfg(any(feature = "sled", feature = "rocksdb"))]
pub(crate) mod files;
#[cfg_attr(not(test), expect(dead_code, reason = "only tests lose power"))]
pub(crate) mod memory;
#[cfg(feature = "rocksdb")]
pub(crate) mod rocksdb;
#[cfg(feature = "sled")]
pub(crate) mod sled;
#[cfg(test)]
mod tests;
pub(crate) mod wal;

use std::io;

/// An ordered map of byte strings that writes batches all or nothing.
///
/// Implemented by each backend, and by the wrapper that injects faults. Keys and values are small:
/// at most [`VALUE_BYTES_MAX`] bytes a value.
pub(crate) trait Engine: Send + Sync {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// The first entry whose key is at least `from` and below `to`, or the last such entry.
    fn edge(&self, end: End, from: &[u8], to: &[u8]) -> Result<Option<Entry>, EngineError>;

    /// The entries whose keys are at least `from` and below `to`, in key order, at most `limit`.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, EngineError>;

    /// Applies `batch`, all or nothing. Not durable before [`sync`](Self::sync), but in order: a
    /// batch never survives a crash that an earlier one does not survive.
    fn write(&self, batch: EngineBatch) -> Result<(), EngineError>;

    /// Makes all that was written durable: it survives a loss of power.
    fn sync(&self) -> Result<(), EngineError>;

    /// Bytes on disk.
    fn disk_bytes(&self) -> Result<u64, EngineError>;

    /// Whether it takes so much more room on the disk than `live_bytes` of content need that
    /// [`reclaim`](Self::reclaim) should give some back. Never, where an engine does so by itself.
    fn wastes_disk(&self, _live_bytes: u64) -> Result<bool, EngineError> {
        Ok(false)
    }

    /// Gives room on the disk back, if it holds no more than about `live_bytes`. Other calls wait for it.
    ///
    /// It is no error if there is no room to do so.
    fn reclaim(&self, _live_bytes: u64) -> Result<(), EngineError> {
        Ok(())
    }
}

/// A key and its value.
pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// Which entry of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    First,
    Last,
}

/// Writes that are applied together; for one key, the last one counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct EngineBatch {
    /// Each key with its new value, or none where it goes.
    pub(crate) changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl EngineBatch {
    /// Bytes of its keys and values.
    #[cfg(feature = "sled")]
    pub(crate) fn bytes(&self) -> usize {
        let of_value = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        let of_change = |(key, value): &(Vec<u8>, _)| key.len() + of_value(value);
        self.changes.iter().map(of_change).sum()
    }
}

/// Most bytes of one value: sled moves larger ones into files that it does not sync.
pub(crate) const VALUE_BYTES_MAX: usize = 4096;

/// An engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The operating system refused: no space, no permission, a failing device.
    #[error("the storage engine could not read or write")]
    Io(#[from] io::Error),
    /// The engine found its own files damaged.
    #[error("the storage engine found its files damaged: {0}")]
    Damaged(String),
    /// The engine broke down; this handle does not use it any more.
    #[error("the storage engine broke down: {0}")]
    Broken(String),
}
