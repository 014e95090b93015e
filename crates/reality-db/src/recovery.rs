//! Ways out of panic mode.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::checkpoint::{Catalogue, Pointer, VerifyProgress};
use crate::db::{Shared, lock};
use crate::engine::{Engine, EngineBatch, EngineError};
use crate::error::Fault;
use crate::head::{HeadError, Mark};
use crate::journal::Journal;
use crate::record::Record;
use crate::replay::{Roots, replay_watched};
use crate::state::{self, State};
use crate::writer::Writer;
use crate::{
    Damage, Health, IntegrityProgress, IntegrityReport, MaintenanceError, ReadError, RealityDb,
    Version, checkpoints, named,
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

/// Why no way out was taken. The database is as before, unless said otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// It is not open to this database, or not any more.
    #[error("this way out is not open")]
    NotOpen,
    /// The caller ended it.
    #[error("it was ended before anything was changed")]
    Ended,
    /// What it reads or writes. Where a write failed the way out may be taken in part: the database is in
    /// panic mode still, opening it again finds what there is, and it can be taken again. Nothing is lost
    /// but what it gives up.
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
    Looking {
        /// Checkpoints that were tried, and, last, the beginning of the journal.
        tried: u64,
        /// How many there are to be tried.
        total: u64,
        /// Buckets of entries that were checked.
        buckets: u64,
        /// Newest version that was made again from what is tried now.
        version: u64,
    },
    /// The way out is taken: everything is checked again.
    Checking(IntegrityProgress),
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
        let found = self.ways_out_unless(|_| ControlFlow::Continue(()))?;
        Ok(found.unwrap_or_default())
    }

    /// The same, none if `control` ended it, which is told how far it is: from several threads, one at a
    /// time.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`].
    pub fn ways_out_unless(
        &self,
        control: impl Fn(RecoveryProgress) -> ControlFlow<()> + Sync,
    ) -> Result<Option<Vec<WayOut>>, ReadError> {
        if self.health() == Health::Sound {
            return Ok(Some(Vec::new()));
        }
        let _span = tracing::debug_span!("ways_out").entered();
        let _alone = lock(&self.shared.checkpointing);
        let found = self.shared.find_ways_out(&Search::new(&control))?;
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
        self.take_way_out_unless(way, reason, |_| ControlFlow::Continue(()))
    }

    /// The same, unless `control` ends it, which is told how far it is: from several threads, one at a time.
    ///
    /// Ended before anything is changed it is not taken; while everything is checked again, it is, and the
    /// report is not complete. Between, while it is taken, `control` is not asked.
    ///
    /// # Errors
    ///
    /// [`RecoveryError`]; [`RecoveryError::Ended`] if it is not taken.
    pub fn take_way_out_unless(
        &self,
        way: &WayOut,
        reason: &str,
        control: impl Fn(RecoveryProgress) -> ControlFlow<()> + Sync,
    ) -> Result<IntegrityReport, RecoveryError> {
        let _span = tracing::debug_span!("take_way_out", ?way).entered();
        (self.shared).take_way_out(way, reason, &Search::new(&control))?;
        self.shared.checkpoint(&mut |_| ControlFlow::Continue(()))?;
        let checking = |progress| control(RecoveryProgress::Checking(progress));
        Ok(self.verify_integrity(crate::Depth::Roots, checking)?)
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
    /// The ways out; none if the search was ended.
    fn find_ways_out(&self, search: &Search<'_>) -> Result<Option<Found>, Fault> {
        let journal = Journal::new(self.storage.engine.clone());
        let acknowledged = match crate::head::read(&*self.storage.folder) {
            Ok(Some(reading)) => reading.mark.version,
            Ok(None) | Err(HeadError::Damaged) => 0,
            Err(HeadError::Io(error)) => return Err(error.into()),
        };
        let newest = state::read(&self.head)?.link().version.max(acknowledged);
        let mut ways: Vec<(WayOut, State)> = Vec::new();
        let mut sound = BTreeSet::new();
        let pointers = checkpoints::list(&*self.storage.engine)?;
        let total = pointers.len() as u64 + 1;
        for (tried, pointer) in (0..).zip(pointers.into_iter().rev().map(Some).chain([None])) {
            let shown = search.show(|looking| (looking.tried, looking.total) = (tried, total));
            if shown.is_break() {
                return Ok(None);
            }
            let state = self.sound_from(&journal, pointer.as_ref(), search, &mut sound)?;
            if search.is_ended() {
                return Ok(None);
            }
            let Some(state) = state else {
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
        let shown = search.show(|looking| looking.tried = total);
        Ok(shown.is_continue().then_some(Found { ways, sound }))
    }

    /// The newest version that can be made from a checkpoint all of whose entries are sound, or from
    /// nothing; none if that checkpoint is not sound, or if the search was ended. Adds the version of the
    /// checkpoint to `sound` if it is.
    fn sound_from(
        &self,
        journal: &Journal,
        pointer: Option<&Pointer>,
        search: &Search<'_>,
        sound: &mut BTreeSet<u64>,
    ) -> Result<Option<State>, Fault> {
        if let Some(pointer) = pointer {
            if !self.is_sound(pointer, search)? {
                return Ok(None);
            }
            sound.insert(pointer.version);
        }
        let start = || self.begin(journal, pointer);
        let watch = |version| search.show(|looking| looking.version = version);
        match replay_watched(journal, &start, u64::MAX, Roots::Last, &watch) {
            Err(Fault::Damage(_)) => Ok(None),
            replayed => Ok(replayed?.map(|replayed| replayed.state)),
        }
    }

    /// Whether all of a checkpoint is as it was written, as far as the search was not ended.
    fn is_sound(&self, pointer: &Pointer, search: &Search<'_>) -> Result<bool, Fault> {
        let before = search.looking().buckets;
        let watch = |checked: VerifyProgress| {
            let buckets = before + checked.buckets as u64;
            search.show(|looking| looking.buckets = looking.buckets.max(buckets))
        };
        let checked = Catalogue::open(&*self.storage.checkpoints, pointer)
            .and_then(|catalogue| catalogue.verify(self.format.profile, 2, &watch));
        match checked.map_err(Fault::from) {
            Err(Fault::Damage(_)) => Ok(false),
            checked => Ok(checked?.bad.is_empty()),
        }
    }

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
        let taken = self.take(&mut writer, way, state, &sound, (&damage, reason));
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
        way: &WayOut,
        mut state: State,
        sound: &BTreeSet<u64>,
        (damage, reason): (&Damage, &str),
    ) -> Result<(), Fault> {
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
        let names = names?;
        self.record_incident(damage, way, reason, &names)?;
        let engine = &self.storage.engine;
        let changes = names.into_iter().map(|(key, _)| (key, None)).collect();
        engine.write(EngineBatch { changes })?;
        journal.remove_above(last)?;
        journal.remove_below(oldest)?;
        let kept = self.remove_pointers(|pointer| {
            (oldest..=last).contains(&pointer.version) && sound.contains(&pointer.version)
        })?;
        // Going back keeps what there is: where the history was pruned, it begins where it did.
        let oldest = checkpoints::oldest(&journal, &*self.storage.engine)?;
        writer.mark_again(Mark::of(&state.link()))?;
        *lock(&self.pointers) = kept;
        self.oldest.store(oldest, Ordering::Release);
        self.set_version(&state);
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = state;
        *self.health.write().unwrap_or_else(PoisonError::into_inner) = Health::Sound;
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

/// What a search for ways out found.
struct Found {
    /// The ways out, each with the state that it leads to.
    ways: Vec<(WayOut, State)>,
    /// Versions of the checkpoints that are sound.
    sound: BTreeSet<u64>,
}

/// A search for ways out, that somebody may end.
struct Search<'c> {
    control: &'c (dyn Fn(RecoveryProgress) -> ControlFlow<()> + Sync),
    looking: Mutex<Looking>,
    ended: AtomicBool,
}

/// How far a search is.
#[derive(Clone, Copy, Default)]
struct Looking {
    tried: u64,
    total: u64,
    buckets: u64,
    version: u64,
}

impl<'c> Search<'c> {
    fn new(control: &'c (dyn Fn(RecoveryProgress) -> ControlFlow<()> + Sync)) -> Self {
        Self {
            control,
            looking: Mutex::default(),
            ended: AtomicBool::new(false),
        }
    }

    fn looking(&self) -> Looking {
        *lock(&self.looking)
    }

    /// Tells how far it is, one thread at a time, and whether to go on.
    fn show(&self, change: impl FnOnce(&mut Looking)) -> ControlFlow<()> {
        let mut looking = lock(&self.looking);
        if self.is_ended() {
            return ControlFlow::Break(());
        }
        change(&mut looking);
        let Looking {
            tried,
            total,
            buckets,
            version,
        } = *looking;
        let flow = (self.control)(RecoveryProgress::Looking {
            tried,
            total,
            buckets,
            version,
        });
        self.ended.store(flow.is_break(), Ordering::Relaxed);
        flow
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
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
