//! Which checkpoints are kept, and when another is written.

mod making;

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use crate::checkpoint::{
    Catalogue, CheckpointError, CheckpointProgress, Control, Pointer, remove_unreferenced,
};
use crate::db::{Shared, lock};
use crate::engine::{End, Engine, EngineError};
use crate::error::Fault;
use crate::journal::Journal;
use crate::record::Record;
use crate::state;
use crate::{CommitError, Damage, ReadError, RealityDb, Retention, Version, named};

/// First byte of the engine's keys that hold pointers to checkpoints.
const KIND: u8 = b'c';

/// Most checkpoints that are kept at a time.
const POINTERS_MAX: usize = 1 << 16;

/// Checkpoints that are kept whatever else: the newest, and one in case it turns out bad.
const POINTERS_MIN: usize = 2;

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

    /// Removes checkpoints and records that nothing needs any more.
    fn prune(&self) -> Result<(), MaintenanceError> {
        let kept = {
            let mut writer = self.writer()?;
            let floor = self.noticed(self.floor())?;
            let pointers = self.pointers();
            let kept = kept(&pointers, floor);
            let gone: Vec<_> = (pointers.iter())
                .filter(|pointer| !kept.contains(pointer))
                .map(|pointer| (key(pointer.version), None))
                .collect();
            if !gone.is_empty() {
                writer.write_small(gone)?;
                lock(&self.pointers).clone_from(&kept);
            }
            // Later versions are made from the oldest checkpoint and the records behind it.
            if let Some(oldest) = kept.first().filter(|oldest| oldest.version <= floor) {
                self.oldest.store(oldest.version, Ordering::Release);
            }
            kept
        };
        // Out of everybody's reach already: nobody waits for the removal.
        let journal = Journal::new(self.storage.engine.clone());
        let removed = journal.remove_below(self.oldest.load(Ordering::Acquire));
        self.resumes(removed)?;
        match self.files_of_all(&kept) {
            Ok(mut needed) => {
                remove_unreferenced(&*self.storage.checkpoints, || {
                    let head = self.noticed(state::read(&self.head))?;
                    let spills = head.places().spills().iter();
                    needed.extend(spills.filter_map(|spill| spill.number()));
                    Ok::<_, ReadError>(needed)
                })?;
            }
            // Which files it refers to is not known.
            Err(error) => tracing::warn!(%error, "no checkpoint file is removed"),
        }
        Ok(())
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

    /// The numbers of the files in which the buckets of these checkpoints lie.
    fn files_of_all(&self, pointers: &[Pointer]) -> Result<BTreeSet<u64>, CheckpointError> {
        let mut files = lock(&self.files);
        files.retain(|own, _| pointers.iter().any(|pointer| pointer.file == *own));
        for pointer in pointers {
            if let Entry::Vacant(unknown) = files.entry(pointer.file) {
                let catalogue = Catalogue::open(&*self.storage.checkpoints, pointer)?;
                unknown.insert(files_of(&catalogue));
            }
        }
        Ok(files.values().flatten().copied().collect())
    }

    /// The oldest version that must stay readable.
    fn floor(&self) -> Result<u64, Fault> {
        let head = state::read(&self.head)?.link().version;
        let by_policy = match self.options.retention {
            Retention::All => 0,
            // Numbers ascend mostly by one: where they do not, more is kept than asked for.
            Retention::Last(versions) => head.saturating_sub(versions.saturating_sub(1)),
            Retention::Since(time_ns) => self.first_since(time_ns)?.unwrap_or(head),
        };
        let named = named::list(&*self.storage.engine)?;
        let by_name = named.iter().map(|named| named.version.number).min();
        Ok(by_name.map_or(by_policy, |by_name| by_name.min(by_policy)))
    }

    /// The oldest version whose time is at or after `time_ns`.
    fn first_since(&self, time_ns: u64) -> Result<Option<u64>, Fault> {
        let journal = Journal::new(self.storage.engine.clone());
        for record in journal.scan(self.oldest.load(Ordering::Acquire), u64::MAX) {
            let (version, bytes) = record?;
            let record = Record::decode(&bytes).map_err(|_| Damage::Record { version })?;
            if record.header.time_ns >= time_ns {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }
}

/// The numbers of the files in which the buckets of a checkpoint lie.
fn files_of(catalogue: &Catalogue) -> Vec<u64> {
    catalogue.files().iter().map(|file| file.number).collect()
}

/// Which of `pointers`, in order, to keep so that every version from `floor` on can be made.
///
/// The newest ones, the newest at or below the floor, and of those between so few that their files
/// take no more than half of the journal between them: versions are near one, and disk stays bounded.
fn kept(pointers: &[Pointer], floor: u64) -> Vec<Pointer> {
    let start = pointers.partition_point(|pointer| pointer.version <= floor);
    let start = start.checked_sub(1);
    let newest = pointers.len().saturating_sub(POINTERS_MIN);
    let mut kept: Vec<Pointer> = Vec::new();
    for (at, pointer) in pointers.iter().enumerate().skip(start.unwrap_or(0)) {
        // Without one at the floor versions are made from the beginning of the journal.
        let before = kept.last().map_or(0, |last| last.journal_bytes);
        let between = pointer.journal_bytes.saturating_sub(before);
        if Some(at) == start || at >= newest || between / 2 >= pointer.file_bytes() {
            kept.push(*pointer);
        }
    }
    kept
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
