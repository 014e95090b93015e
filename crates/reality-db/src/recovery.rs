//! Ways out of panic mode.

use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::checkpoint::{Catalogue, Pointer};
use crate::db::{Shared, lock};
use crate::engine::{Engine, EngineBatch, EngineError};
use crate::error::Fault;
use crate::head::{HeadError, Mark};
use crate::journal::Journal;
use crate::record::Record;
use crate::replay::{Roots, replay};
use crate::state::{self, State};
use crate::{
    Damage, Health, IntegrityReport, MaintenanceError, ReadError, RealityDb, Version, checkpoints,
    named,
};

/// First byte of the engine's keys that hold incidents.
const KIND: u8 = b'i';

/// Most incidents that are told.
const INCIDENTS_MAX: usize = 10_000;

/// Most bytes of an incident's text.
const INCIDENT_BYTES_MAX: usize = 3500;

/// A way out of panic mode: what can be proved without what is damaged, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WayOut {
    /// The journal leads to the newest version, to the exact root: checkpoints that are damaged are
    /// made again from it. Nothing is lost, unless the damage is [`Damage::Mark`]: without the mark of the
    /// last acknowledged version nobody can tell here whether the journal lost its end. Hold the version
    /// against what is known elsewhere before.
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

/// Why no way out was taken. The database is as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// It is not open to this database, or not any more.
    #[error("this way out is not open")]
    NotOpen,
    /// What it reads or writes.
    #[error(transparent)]
    Storage(#[from] ReadError),
    /// The checkpoint that it ends with. The database is out of panic mode, and sound.
    #[error(transparent)]
    Checkpoint(#[from] MaintenanceError),
}

impl RealityDb {
    /// The ways out of panic mode that are open, the one that costs least first. None if the database
    /// is sound, or if nothing at all can be proved: then only an export or a copy helps.
    ///
    /// Reads and checks all that each of them needs, as
    /// [`verify_integrity`](Self::verify_integrity) does.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`].
    pub fn ways_out(&self) -> Result<Vec<WayOut>, ReadError> {
        if self.health() == Health::Sound {
            return Ok(Vec::new());
        }
        let _alone = lock(&self.shared.checkpointing);
        let found = self.shared.find_ways_out();
        Ok(found?.into_iter().map(|(way, _)| way).collect())
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
        self.shared.take_way_out(way, reason)?;
        let go_on = |_| ControlFlow::Continue(());
        self.shared.checkpoint(&mut { go_on })?;
        Ok(self.verify_integrity(crate::Depth::Roots, |_| ControlFlow::Continue(()))?)
    }

    /// What happened when ways out were taken, oldest first: the damage, the way, the reason, and which
    /// names of snapshots were dropped.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`].
    pub fn incidents(&self) -> Result<Vec<String>, ReadError> {
        let engine = &self.shared.storage.engine;
        let entries = engine.scan(&[KIND], &[KIND + 1], INCIDENTS_MAX)?;
        let text = |(_, text): &(_, Vec<u8>)| String::from_utf8_lossy(text).into_owned();
        Ok(entries.iter().map(text).collect())
    }
}

impl Shared {
    /// The ways out, each with the state that it leads to.
    fn find_ways_out(&self) -> Result<Vec<(WayOut, State)>, Fault> {
        let journal = Journal::new(self.storage.engine.clone());
        let acknowledged = match crate::head::read(&*self.storage.folder) {
            Ok(Some(reading)) => reading.mark.version,
            Ok(None) | Err(HeadError::Damaged) => 0,
            Err(HeadError::Io(error)) => return Err(error.into()),
        };
        let newest = state::read(&self.head)?.link().version.max(acknowledged);
        let mut ways: Vec<(WayOut, State)> = Vec::new();
        for pointer in checkpoints::list(&*self.storage.engine)?
            .into_iter()
            .rev()
            .map(Some)
            .chain([None])
        {
            let Some(state) = self.sound_from(&journal, pointer.as_ref())? else {
                continue;
            };
            if state.link().version < self.imported.load(Ordering::Acquire) {
                continue; // the beginning of what was imported, which never was a version
            }
            let oldest = pointer.map_or(0, |pointer| pointer.version);
            let reaches_newest = state.link().version >= newest;
            let keeps_history = oldest <= self.oldest.load(Ordering::Acquire);
            let way = match (reaches_newest, keeps_history) {
                (true, true) => WayOut::Rebuild,
                (true, false) => WayOut::ForgetHistory { before: oldest },
                (false, _) => WayOut::GoBack {
                    to: Version::of(&state.link()),
                },
            };
            if !ways.iter().any(|(known, _)| cost(known) == cost(&way)) {
                ways.push((way, state));
            }
        }
        ways.sort_by_key(|(way, _)| cost(way));
        Ok(ways)
    }

    /// The newest version that can be made from a checkpoint all of whose entries are sound, or from
    /// nothing; none if that checkpoint is not sound.
    fn sound_from(
        &self,
        journal: &Journal,
        pointer: Option<&Pointer>,
    ) -> Result<Option<State>, Fault> {
        if let Some(pointer) = pointer
            && !self.is_sound(pointer)?
        {
            return Ok(None);
        }
        let start = || self.begin(journal, pointer);
        match replay(journal, &start, u64::MAX, Roots::Last) {
            Err(Fault::Damage(_)) => Ok(None),
            replayed => Ok(Some(replayed?.state)),
        }
    }

    /// Whether all of a checkpoint is as it was written.
    fn is_sound(&self, pointer: &Pointer) -> Result<bool, Fault> {
        let go_on = |_| ControlFlow::Continue(());
        let checked = Catalogue::open(&*self.storage.checkpoints, pointer)
            .and_then(|catalogue| catalogue.verify(self.format.profile, 2, &go_on));
        match checked.map_err(Fault::from) {
            Err(Fault::Damage(_)) => Ok(false),
            checked => Ok(checked?.bad.is_empty()),
        }
    }

    fn take_way_out(&self, way: &WayOut, reason: &str) -> Result<(), RecoveryError> {
        let _alone = lock(&self.checkpointing);
        let mut writer = (self.writer.lock())
            .map_err(|_| EngineError::Broken("an earlier commit panicked".to_owned()))
            .map_err(ReadError::from)?;
        let Health::Panic(damage) = self.health() else {
            return Err(RecoveryError::NotOpen);
        };
        let ways = self.find_ways_out().map_err(ReadError::from)?;
        let (_, mut state) = (ways.into_iter())
            .find(|(open, _)| open == way)
            .ok_or(RecoveryError::NotOpen)?;
        state.spill_to(self.spilling());
        let journal = Journal::new(self.storage.engine.clone());
        let last = state.link().version;
        let oldest = match way {
            WayOut::Rebuild => self.oldest.load(Ordering::Acquire),
            WayOut::ForgetHistory { before } => *before,
            WayOut::GoBack { .. } => 0,
        };
        let names = named::unkept(&*self.storage.engine, |version| {
            Ok((oldest..=last).contains(&version.number) && is_version(&journal, version)?)
        });
        let names = names.map_err(ReadError::from)?;
        self.record_incident(&damage, way, reason, &names)
            .map_err(ReadError::from)?;
        let changes = names.into_iter().map(|(key, _)| (key, None)).collect();
        (self.storage.engine)
            .write(EngineBatch { changes })
            .and_then(|()| journal.remove_above(last))
            .and_then(|()| journal.remove_below(oldest))
            .map_err(ReadError::from)?;
        let kept = self.sound_pointers(oldest, last).map_err(ReadError::from)?;
        lock(&self.pointers).clone_from(&kept);
        self.oldest.store(oldest, Ordering::Release);
        let mark = Mark::of(&state.link());
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = state;
        writer.mark_again(mark).map_err(ReadError::from)?;
        *self.health.write().unwrap_or_else(PoisonError::into_inner) = Health::Sound;
        tracing::warn!(?way, reason, "a way out of panic mode was taken");
        Ok(())
    }

    /// Removes the pointers outside of `oldest..=last`, and those whose checkpoints are not sound.
    fn sound_pointers(&self, oldest: u64, last: u64) -> Result<Vec<Pointer>, Fault> {
        let mut kept = Vec::new();
        let mut gone = Vec::new();
        for pointer in checkpoints::list(&*self.storage.engine)? {
            let is_within = (oldest..=last).contains(&pointer.version);
            if is_within && self.is_sound(&pointer)? {
                kept.push(pointer);
            } else {
                gone.push((checkpoints::key(pointer.version), None));
            }
        }
        if !gone.is_empty() {
            self.storage.engine.write(EngineBatch { changes: gone })?;
            self.storage.engine.sync()?;
        }
        Ok(kept)
    }

    fn record_incident(
        &self,
        damage: &Damage,
        way: &WayOut,
        reason: &str,
        names: &[(Vec<u8>, String)],
    ) -> Result<(), Fault> {
        let engine = &self.storage.engine;
        let number = engine.scan(&[KIND], &[KIND + 1], INCIDENTS_MAX)?.len() as u64;
        let mut text = format!("damage: {damage}; way out: {way:?}; reason: {reason}");
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(|(_, name)| &**name).collect();
            text += &format!("; {} names of snapshots dropped: {names:?}", names.len());
        }
        text.truncate(text.floor_char_boundary(INCIDENT_BYTES_MAX));
        let key = [&[KIND][..], &number.to_be_bytes()].concat();
        engine.write(EngineBatch {
            changes: vec![(key, Some(text.into_bytes()))],
        })?;
        engine.sync()?;
        Ok(())
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

/// What a way out costs: less is better.
fn cost(way: &WayOut) -> u8 {
    match way {
        WayOut::Rebuild => 0,
        WayOut::ForgetHistory { .. } => 1,
        WayOut::GoBack { .. } => 2,
    }
}
