//! Finding the ways out of panic mode.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::{SearchProgress, WayOut};
use crate::checkpoint::{
    Catalogue, CheckpointError, Pointer, VerifyProgress, is_unreadable, read_again,
};
use crate::db::Shared;
use crate::engine::End;
use crate::error::Fault;
use crate::head::{self, HeadError};
use crate::journal::Journal;
use crate::progress::Progress;
use crate::record::record_hash;
use crate::replay::{Roots, replay_watched};
use crate::state::{self, State};
use crate::{Version, checkpoints};

/// What a search for ways out found.
pub(super) struct Found {
    /// The ways out, each with the state that it leads to.
    pub(super) ways: Vec<(WayOut, State)>,
    /// Versions of the checkpoints that are sound, and whose records are.
    pub(super) sound: BTreeSet<u64>,
}

/// A search for ways out, that somebody may end.
pub(super) type Search<'c> = Progress<'c, SearchProgress>;

impl Shared {
    /// The ways out; none if the search was ended.
    pub(super) fn find_ways_out(&self, search: &Search<'_>) -> Result<Option<Found>, Fault> {
        let journal = Journal::new(self.storage.engine.clone());
        let acknowledged = match head::read(&*self.storage.folder) {
            Ok(Some(reading)) => reading.mark.version,
            Ok(None) | Err(HeadError::Damaged) => 0,
            Err(HeadError::Io(error)) => return Err(error.into()),
        };
        // The mark may be one of two, and the older one: a version whose record cannot be read was there too.
        let last = journal.edge(End::Last)?.unwrap_or_default();
        let newest = (state::read(&self.head)?.link().version)
            .max(acknowledged)
            .max(last);
        let mut ways: Vec<(WayOut, State)> = Vec::new();
        let mut sound = BTreeSet::new();
        let pointers = checkpoints::list(&*self.storage.engine)?;
        let total = pointers.len() as u64 + 1;
        for (tried, pointer) in (0..).zip(pointers.into_iter().rev().map(Some).chain([None])) {
            let shown = search.show(|progress| {
                (progress.tried, progress.total, progress.version) = (tried, total, 0);
            });
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
        let shown = search.show(|progress| progress.tried = total);
        Ok(shown.is_continue().then_some(Found { ways, sound }))
    }

    /// The newest version that can be made from a checkpoint all of whose entries are sound, and the record of
    /// its version with them, or from nothing; none if one of them is not sound, or if the search was ended.
    /// Adds the version of the checkpoint to `sound` if both are.
    fn sound_from(
        &self,
        journal: &Journal,
        pointer: Option<&Pointer>,
        search: &Search<'_>,
        sound: &mut BTreeSet<u64>,
    ) -> Result<Option<State>, Fault> {
        if let Some(pointer) = pointer {
            // Its record is what the history begins with then: one that is not the record of this checkpoint
            // stays damaged, and the way would lead back into panic mode.
            if !has_record(journal, pointer)? || !self.is_sound(pointer, search)? {
                return Ok(None);
            }
            sound.insert(pointer.version);
        }
        let start = || self.begin(journal, pointer);
        let watch = |version| search.show(|progress| progress.version = version);
        match replay_watched(journal, &start, u64::MAX, Roots::Last, &watch) {
            Err(Fault::Damage(_)) => Ok(None),
            replayed => Ok(replayed?.map(|replayed| replayed.state)),
        }
    }

    /// Whether all of a checkpoint is as it was written, as far as the search was not ended.
    fn is_sound(&self, pointer: &Pointer, search: &Search<'_>) -> Result<bool, Fault> {
        let before = search.so_far().buckets;
        let watch = |checked: VerifyProgress| {
            let buckets = before + checked.buckets as u64;
            search.show(|progress| progress.buckets = progress.buckets.max(buckets))
        };
        let checked = read_again(|| Catalogue::open(&*self.storage.checkpoints, pointer))
            .and_then(|catalogue| catalogue.verify(self.format.profile, 2, &watch));
        match checked {
            Ok(checked) => Ok(checked.bad.is_empty()),
            Err(CheckpointError::Damaged { .. }) => Ok(false),
            Err(CheckpointError::Io { source, .. }) if is_unreadable(&source) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the record of a checkpoint's version is the one that the checkpoint was made of.
fn has_record(journal: &Journal, pointer: &Pointer) -> Result<bool, Fault> {
    match journal.read(pointer.version) {
        Err(Fault::Damage(_)) => Ok(false),
        record => Ok(record?.is_some_and(|record| record_hash(&record) == pointer.record)),
    }
}

/// What a way out costs: less is better.
fn cost(way: &WayOut) -> u8 {
    match way {
        WayOut::Rebuild => 0,
        WayOut::ForgetHistory { .. } => 1,
        WayOut::GoBack { .. } => 2,
    }
}
