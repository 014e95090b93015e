//! What a database has done, counted for monitoring.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{CommitError, RealityDb};

/// What a database has done since it was opened, through all of its handles. Each only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Versions that were committed.
    pub versions: u64,
    /// Times that versions were made durable: those of [`RealityDb::commit_all`] together.
    pub syncs: u64,
    /// Bytes of the records that were committed, metadata included.
    pub record_bytes: u64,
    /// Commits, or groups of them, that their conditions or the storage refused.
    pub failed_commits: u64,
    /// Checkpoints that were written.
    pub checkpoints: u64,
    /// Checkpoints that could not be written, or behind which nothing could be pruned: opening takes longer
    /// until one is, and the disk fills. Those that were cancelled are not among them.
    pub failed_checkpoints: u64,
    /// Times that something which changed could not be written to be let go, so that it stayed in memory
    /// beyond [`cache_bytes`](crate::Options::cache_bytes).
    pub failed_spills: u64,
}

/// The same, while they are being counted.
#[derive(Default)]
pub(crate) struct Counting {
    versions: AtomicU64,
    syncs: AtomicU64,
    record_bytes: AtomicU64,
    failed_commits: AtomicU64,
    checkpoints: AtomicU64,
    failed_checkpoints: AtomicU64,
    failed_spills: AtomicU64,
}

impl Counting {
    /// Counts versions that were made durable together, or the failure of that.
    pub(crate) fn commit(&self, records: &[(u64, Vec<u8>)], outcome: &Result<(), CommitError>) {
        if outcome.is_err() {
            add(&self.failed_commits, 1);
            return;
        }
        let bytes = records.iter().map(|(_, record)| record.len() as u64);
        add(&self.versions, records.len() as u64);
        add(&self.syncs, 1);
        add(&self.record_bytes, bytes.sum());
    }

    pub(crate) fn checkpoint(&self) {
        add(&self.checkpoints, 1);
    }

    pub(crate) fn failed_checkpoint(&self) {
        add(&self.failed_checkpoints, 1);
    }

    pub(crate) fn failed_spill(&self) {
        add(&self.failed_spills, 1);
    }
}

// Nothing is decided by them: they need no order among one another.
fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl RealityDb {
    /// What was done since the database was opened. Takes no lock and reads nothing: for a metrics
    /// library of the caller's that asks every second.
    ///
    /// ```
    /// use reality_db::{Backend, Options, RealityDb};
    ///
    /// let db = RealityDb::open("", &Options::new().backend(Backend::Memory))?;
    /// db.put(b"alice", b"900")?;
    /// assert_eq!(db.counters().versions, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn counters(&self) -> Counters {
        let counting = &self.shared.counting;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            versions: read(&counting.versions),
            syncs: read(&counting.syncs),
            record_bytes: read(&counting.record_bytes),
            failed_commits: read(&counting.failed_commits),
            checkpoints: read(&counting.checkpoints),
            failed_checkpoints: read(&counting.failed_checkpoints),
            failed_spills: read(&counting.failed_spills),
        }
    }
}
