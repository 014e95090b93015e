//! Ways out of panic mode.

mod incident;
mod search;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::checkpoint::Pointer;
use crate::db::{Shared, lock};
use crate::engine::{End, Engine, EngineBatch, EngineError};
use crate::error::Fault;
use crate::head::Mark;
use crate::journal::Journal;
use crate::record::Record;
use crate::state::State;
use crate::writer::Writer;
use crate::{
    Health, IntegrityProgress, IntegrityReport, MaintenanceError, ReadError, RealityDb, Version,
    checkpoints, named,
};

use incident::Incident;
use search::{Found, Search};

/// A way out of panic mode: what can be proved without what is damaged, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WayOut {
    /// The journal leads to the newest version, to the exact root: checkpoints that are damaged are
    /// made again from it. Nothing is lost but names of snapshots that cannot be read, unless the damage is
    /// [`Damage::Mark`](crate::Damage::Mark): without the mark of the last acknowledged version nobody can
    /// tell here whether the journal lost its end. Hold the version against what is known elsewhere before.
    Rebuild,
    /// The newest version is sound, but how it came about is not: versions before `before` are given
    /// up.
    ForgetHistory {
        /// The oldest version that is left.
        before: u64,
    },
    /// Nothing beyond this version can be proved: what was committed after it is given up.
    GoBack {
        /// The version that is left as the newest.
        to: Version,
    },
}

/// Why a way out was not taken, or not to its end. The database is as before, unless said otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// It is not open to this database, or not any more.
    #[error("this way out is not open")]
    NotOpen,
    /// The caller ended it.
    #[error("it was ended before anything was changed")]
    Ended,
    /// What it reads or writes. [`health`](RealityDb::health) says what came of it. In panic mode still, the
    /// way out may be taken in part: nothing is lost but what it gives up, and it can be taken again, by this
    /// handle too. Sound, it is taken, and only the check at the end failed.
    #[error(transparent)]
    Storage(#[from] ReadError),
    /// The checkpoint that it ends with. The database is out of panic mode, and sound.
    #[error(transparent)]
    Checkpoint(#[from] MaintenanceError),
}

/// How far finding or taking a way out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecoveryProgress {
    /// What is sound is looked for. Nothing is changed yet.
    Looking(SearchProgress),
    /// The way out is taken: everything is checked again.
    Checking(IntegrityProgress),
}

/// How far the search for what is sound is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchProgress {
    /// Checkpoints that were tried, and, last, the beginning of the journal.
    pub tried: u64,
    /// How many there are to be tried.
    pub total: u64,
    /// Buckets of entries that were checked.
    pub buckets: u64,
    /// Newest version that was made again from what is tried now.
    pub version: u64,
}

impl RealityDb {
    /// The ways out of panic mode that are open, the one that costs least first. None if the database
    /// is sound, or if there is nothing sound to begin with: no checkpoint whose entries are all sound, and with
    /// them the record of its version. Then only a copy helps, or an export of what can still be read.
    ///
    /// Reads and checks all that each of them needs, as
    /// [`verify_integrity`](Self::verify_integrity) does.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`].
    pub fn ways_out(&self) -> Result<Vec<WayOut>, ReadError> {
        let found = self.ways_out_with(|_| ControlFlow::Continue(()))?;
        Ok(found.unwrap_or_default())
    }

    /// [`ways_out`](Self::ways_out), with a `control` that is told how far it is, from several threads, one at
    /// a time, and may end it: none then. No checkpoint is written meanwhile: `control` must not ask for one, nor
    /// for a check or a way out.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`].
    ///
    /// ```
    /// # use std::ops::ControlFlow;
    /// # use reality_db::{Backend, Options, RealityDb};
    /// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
    /// let ways = db.ways_out_with(|progress| {
    ///     println!("{progress:?}");
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(ways, Some(vec![])); // it is sound
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ways_out_with(
        &self,
        control: impl Fn(RecoveryProgress) -> ControlFlow<()> + Sync,
    ) -> Result<Option<Vec<WayOut>>, ReadError> {
        if self.health() == Health::Sound {
            return Ok(Some(Vec::new()));
        }
        let _span = tracing::debug_span!("ways_out").entered();
        let _alone = lock(&self.shared.checkpointing);
        let looking = |progress| control(RecoveryProgress::Looking(progress));
        let found = self.shared.find_ways_out(&Search::new(&looking))?;
        Ok(found.map(|found| found.ways.into_iter().map(|(way, _)| way).collect()))
    }

    /// Takes a way out, records that and `reason`, and checks everything again.
    ///
    /// Names of snapshots that cannot be read, and those of versions that are given up, are taken away: the
    /// [incident](Self::incidents) says which.
    ///
    /// # Errors
    ///
    /// [`RecoveryError`].
    pub fn take_way_out(
        &self,
        way: &WayOut,
        reason: &str,
    ) -> Result<IntegrityReport, RecoveryError> {
        self.take_way_out_with(way, reason, |_| ControlFlow::Continue(()))
    }

    /// [`take_way_out`](Self::take_way_out), with a `control` that is told how far it is, from several threads,
    /// one at a time, and may end it.
    ///
    /// Ended before anything is changed it is not taken; while everything is checked again, it is, and the
    /// report is not complete. Between, while it is taken, `control` is not asked. Commits and checkpoints wait
    /// for it: `control` must not use this database.
    ///
    /// # Errors
    ///
    /// [`RecoveryError`]; [`RecoveryError::Ended`] if it is not taken.
    pub fn take_way_out_with(
        &self,
        way: &WayOut,
        reason: &str,
        control: impl Fn(RecoveryProgress) -> ControlFlow<()> + Sync,
    ) -> Result<IntegrityReport, RecoveryError> {
        let _span = tracing::debug_span!("take_way_out", ?way).entered();
        let looking = |progress| control(RecoveryProgress::Looking(progress));
        (self.shared).take_way_out(way, reason, &Search::new(&looking))?;
        self.shared.checkpoint(&mut |_| ControlFlow::Continue(()))?;
        let checking = |progress| control(RecoveryProgress::Checking(progress));
        Ok(self.verify_integrity(crate::Depth::Roots, checking)?)
    }
}

impl Shared {
    fn take_way_out(
        &self,
        way: &WayOut,
        reason: &str,
        search: &Search<'_>,
    ) -> Result<(), RecoveryError> {
        let _alone = lock(&self.checkpointing);
        let mut writer = (self.writer.lock())
            .map_err(|_| EngineError::Broken("an earlier commit panicked".to_owned()))
            .map_err(ReadError::from)?;
        let Health::Panic(damage) = self.health() else {
            return Err(RecoveryError::NotOpen);
        };
        if writer.is_interrupted() {
            self.storage.engine.reopen().map_err(ReadError::from)?;
        }
        let found = self.find_ways_out(search).map_err(ReadError::from)?;
        let Found { ways, sound } = found.ok_or(RecoveryError::Ended)?;
        let (_, state) = (ways.into_iter())
            .find(|(open, _)| open == way)
            .ok_or(RecoveryError::NotOpen)?;
        let incident = Incident {
            damage: &damage,
            way,
            reason,
        };
        let taken = self.take(&mut writer, incident, state, &sound);
        if taken.is_err() {
            // Until it is taken nobody writes; who takes it opens the engine again first.
            writer.interrupt();
        }
        taken.map_err(ReadError::from)?;
        tracing::warn!(?way, reason, "a way out of panic mode was taken");
        Ok(())
    }

    /// Takes a way out, which leads to `state`. What it gives up goes first, and the mark of what was
    /// acknowledged last: until then the way out is open to whoever opens the database.
    fn take(
        &self,
        writer: &mut Writer,
        incident: Incident<'_>,
        mut state: State,
        sound: &BTreeSet<u64>,
    ) -> Result<(), Fault> {
        state.spill_to(self.spilling());
        let journal = Journal::new(self.storage.engine.clone());
        let last = state.link().version;
        let oldest = match incident.way {
            WayOut::Rebuild => self.oldest.load(Ordering::Acquire),
            WayOut::ForgetHistory { before } => *before,
            // Where the history was pruned, it begins with the first checkpoint that is left.
            WayOut::GoBack { .. } => match journal.edge(End::First)? {
                Some(first) if first > 0 => sound.first().copied().unwrap_or(first),
                _ => 0,
            },
        };
        let names = named::unkept(&*self.storage.engine, |version| {
            Ok((oldest..=last).contains(&version.number) && is_version(&journal, version)?)
        })?;
        self.record_incident(incident, &names)?;
        let engine = &self.storage.engine;
        let changes = names.into_iter().map(|(key, _)| (key, None)).collect();
        engine.write(EngineBatch { changes })?;
        journal.remove_above(last)?;
        journal.remove_below(oldest)?;
        let kept = self.remove_pointers(|pointer| {
            (oldest..=last).contains(&pointer.version) && sound.contains(&pointer.version)
        })?;
        let oldest = checkpoints::oldest(&journal, &*self.storage.engine)?;
        writer.mark_again(Mark::of(&state.link()))?;
        *lock(&self.pointers) = kept;
        self.oldest.store(oldest, Ordering::Release);
        {
            let mut head = self.head.write().unwrap_or_else(PoisonError::into_inner);
            *head = state;
            self.set_version(&head);
        }
        let mut health = self.health.write().unwrap_or_else(PoisonError::into_inner);
        self.ways_taken.fetch_add(1, Ordering::Release);
        *health = Health::Sound;
        Ok(())
    }

    /// Removes the pointers to checkpoints that `is_kept` does not want; the others.
    fn remove_pointers(&self, is_kept: impl Fn(&Pointer) -> bool) -> Result<Vec<Pointer>, Fault> {
        let pointers = checkpoints::list(&*self.storage.engine)?;
        let (kept, gone): (Vec<_>, Vec<_>) = pointers.into_iter().partition(is_kept);
        if !gone.is_empty() {
            let gone = gone
                .iter()
                .map(|gone| (checkpoints::key(gone.version), None));
            let changes = gone.collect();
            self.storage.engine.write(EngineBatch { changes })?;
            self.storage.engine.sync()?;
        }
        Ok(kept)
    }
}

/// Whether a version is one that was committed, going by its record.
fn is_version(journal: &Journal, version: &Version) -> Result<bool, Fault> {
    let record = match journal.read(version.number) {
        Err(Fault::Damage(_)) => return Ok(false),
        record => record?.unwrap_or_default(),
    };
    Ok(Record::decode(&record).is_ok_and(|record| record.header.root == version.root))
}
