//! What a database has done, counted for monitoring.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::db::lock;
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
    /// Checks of everything that went to their end, whatever they found: those in the background, and those of
    /// [`RealityDb::verify_integrity`].
    pub checks: u64,
    /// Buckets of entries that were read from disk and checked because a read or a commit needed one of them.
    /// Reads that found all in memory are not counted here or elsewhere: they take so little that counting them
    /// in one place would be felt where many threads read.
    pub buckets_loaded: u64,
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
    checks: AtomicU64,
    buckets_loaded: AtomicU64,
    /// When the last check ended.
    checked: Mutex<Option<Instant>>,
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

    pub(crate) fn check(&self) {
        add(&self.checks, 1);
        *lock(&self.checked) = Some(Instant::now());
    }

    pub(crate) fn buckets_loaded(&self, buckets: usize) {
        add(&self.buckets_loaded, buckets as u64);
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
            checks: read(&counting.checks),
            buckets_loaded: read(&counting.buckets_loaded),
        }
    }

    /// How long ago the last check of everything ended that went to its end, in the background or by
    /// [`verify_integrity`](Self::verify_integrity); none if there was none since the database was opened.
    /// Waits for nothing.
    ///
    /// ```
    /// # use std::ops::ControlFlow;
    /// # use reality_db::{Backend, Depth, Options, RealityDb};
    /// # let db = RealityDb::open("", &Options::new().backend(Backend::Memory))?;
    /// assert_eq!(db.last_checked(), None);
    /// db.verify_integrity(Depth::Stored, |_| ControlFlow::Continue(()))?;
    /// assert!(db.last_checked().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn last_checked(&self) -> Option<Duration> {
        let ended = *lock(&self.shared.counting.checked);
        ended.map(|ended| ended.elapsed())
    }
}
