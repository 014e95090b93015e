//! Writing checkpoints, and what the engine knows of them.

mod floor;
mod making;
mod pruning;

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use crate::checkpoint::{CheckpointError, CheckpointProgress, Control, Pointer};
use crate::db::{Shared, lock};
use crate::engine::{End, Engine, EngineError};
use crate::error::Fault;
use crate::journal::Journal;
use crate::state;
use crate::{CommitError, ReadError, RealityDb, Retention, Version};
pub(crate) use floor::RetentionFloor;
pub(crate) use pruning::Files;

/// First byte of the engine's keys that hold pointers to checkpoints.
const KIND: u8 = b'c';

/// Most checkpoints that are kept at a time.
const POINTERS_MAX: usize = 1 << 16;

/// Most bytes of journal that are written anew to give room on the disk back: commits beside it may wait
/// for that once the log is full.
const RECLAIM_BYTES_MAX: u64 = 8 << 20;

impl RealityDb {
    /// Writes the tree of the newest version to disk now, and prunes what the retention lets go.
    ///
    /// `control` is called about every 256 KiB with how far it is, and may end it. Commits and reads
    /// go on meanwhile. Nothing is written if the newest checkpoint is of this version.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`]; the database is as before.
    pub fn checkpoint(
        &self,
        mut control: impl FnMut(CheckpointProgress) -> ControlFlow<()>,
    ) -> Result<Version, MaintenanceError> {
        self.shared.checkpoint(&mut control)
    }

    /// Says anew which versions can be read, until the database is opened again: what falls out of it goes
    /// with the next checkpoint. What is pruned already does not come back. May wait for a pruning that is
    /// counting versions.
    ///
    /// For a bound that moves: the database reads no clock, so whoever keeps the last thirty days says each
    /// day where they begin.
    ///
    /// ```
    /// # use std::ops::ControlFlow;
    /// # use reality_db::{Backend, Batch, CommitOptions, Options, RealityDb, Retention};
    /// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
    /// const DAY_NS: u64 = 24 * 3600 * 1_000_000_000;
    /// for day in 1..=50 {
    ///     let value = [day];
    ///     let mut batch = Batch::new();
    ///     batch.put(b"day", &value)?;
    ///     db.commit_with(&batch, &CommitOptions::new().time_ns(u64::from(day) * DAY_NS))?;
    ///     db.set_retention(Retention::Since(u64::from(day.saturating_sub(30)) * DAY_NS));
    ///     db.checkpoint(|_| ControlFlow::Continue(()))?;
    /// }
    /// assert_eq!(db.at(db.oldest()?)?.get(b"day")?, Some(vec![50 - 30]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_retention(&self, retention: Retention) {
        *lock(&self.shared.retention) = retention;
    }
}

/// Why a checkpoint was not written, or nothing pruned. The database is as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaintenanceError {
    /// The checkpoint's file.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// What a checkpoint reads.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record that points to the checkpoint.
    #[error(transparent)]
    Write(#[from] CommitError),
}

impl Shared {
    pub(crate) fn checkpoint(
        &self,
        control: &mut Control<'_>,
    ) -> Result<Version, MaintenanceError> {
        let _span = tracing::debug_span!("checkpoint").entered();
        let outcome = self.write_and_prune(control);
        let was_cancelled = matches!(
            outcome,
            Err(MaintenanceError::Checkpoint(CheckpointError::Cancelled))
        );
        if outcome.is_err() && !was_cancelled {
            self.counting.failed_checkpoint();
        }
        outcome
    }

    fn write_and_prune(&self, control: &mut Control<'_>) -> Result<Version, MaintenanceError> {
        let _alone = lock(&self.checkpointing);
        drop(self.writer()?); // after a failure, which checkpoints there are is known only once it resumed
        let head = self.noticed(state::read(&self.head).map(|head| head.link()))?;
        let newest = self.pointers().last().map(|pointer| pointer.version);
        let version = match newest == Some(head.version) {
            true => Version::of(&head),
            false => self.write_checkpoint(control)?,
        };
        while self
            .noticed(state::write(&self.head))?
            .shrink(state::SHRINK_STEPS)
        {}
        self.prune()?;
        self.reclaim()?;
        Ok(version)
    }

    /// Gives room on the disk back that what was removed from the journal leaves there.
    fn reclaim(&self) -> Result<(), MaintenanceError> {
        let oldest = self.oldest.load(Ordering::Acquire);
        if oldest == 0 {
            return Ok(()); // nothing was removed yet
        }
        let begins = (self.pointers().iter())
            .find(|pointer| pointer.version == oldest)
            .map_or(0, |pointer| pointer.journal_bytes);
        let journal_bytes = lock(&self.writer).journal_bytes();
        let engine = &self.storage.engine;
        let oldest_bytes = Journal::new(engine.clone()).record_bytes(oldest);
        let oldest_bytes = oldest_bytes.map_err(ReadError::from)?;
        // Where the sum is not what it should be, nothing is known of how much there is.
        let behind = journal_bytes.checked_sub(begins);
        let live_bytes = behind.map(|behind| behind + oldest_bytes);
        let Some(live_bytes) = live_bytes.filter(|live| *live <= RECLAIM_BYTES_MAX) else {
            return Ok(());
        };
        if engine.wastes_disk(live_bytes).map_err(ReadError::from)? {
            self.resumes(engine.reclaim(live_bytes))?;
        }
        Ok(())
    }

    /// After a failure, the next one who writes finds out first where the journal stands.
    fn resumes(&self, outcome: Result<(), EngineError>) -> Result<(), ReadError> {
        outcome.map_err(|error| {
            lock(&self.writer).interrupt();
            ReadError::from(error)
        })
    }
}

/// The pointers of the checkpoints that are kept, in order of their versions.
///
/// One that cannot be read is passed over: a checkpoint only saves time.
pub(crate) fn list(engine: &dyn Engine) -> Result<Vec<Pointer>, Fault> {
    let mut pointers = Vec::new();
    for (key, value) in engine.scan(&[KIND], &[KIND + 1], POINTERS_MAX)? {
        match Pointer::decode(&value) {
            Ok(pointer) if key == self::key(pointer.version) => pointers.push(pointer),
            _ => tracing::warn!(?key, "passed over a damaged pointer to a checkpoint"),
        }
    }
    Ok(pointers)
}

/// The oldest version that can be made: that of the oldest checkpoint once the journal does not begin
/// at the beginning any more.
///
/// Records below it are what a removal left that did not come to its end.
pub(crate) fn oldest(journal: &Journal, engine: &dyn Engine) -> Result<u64, Fault> {
    let first = journal.edge(End::First)?.unwrap_or_default();
    if first == 0 {
        return Ok(0);
    }
    // By its key: whether it can be read is another question.
    let pointer = engine.edge(End::First, &[KIND], &[KIND + 1])?;
    let version =
        pointer.and_then(|(key, _)| Some(u64::from_be_bytes(key.get(1..)?.try_into().ok()?)));
    Ok(version.map_or(first, |version| version.max(first)))
}

/// The engine's key of the pointer to the checkpoint of `version`.
pub(crate) fn key(version: u64) -> Vec<u8> {
    [&[KIND][..], &version.to_be_bytes()].concat()
}
