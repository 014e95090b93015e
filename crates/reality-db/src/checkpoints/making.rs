//! Making a checkpoint beside commits that go on.
//!
//! A version that is held makes every page be copied that commits change, so it is held for as short as can
//! be: what does not depend on the version comes before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use merkle_core::Subtree;

use super::pruning::files_of;
use super::{MaintenanceError, key};
use crate::checkpoint::{
    Catalogue, CheckpointProgress, Control, Counting, NewCheckpoint, Passing, Place, Places, Spill,
    Usage, pause,
};
use crate::db::{Shared, lock};
use crate::error::Fault;
use crate::{ReadError, Version, state};

/// Subtrees that are looked at under one lock, for about a millisecond.
const LOOKED_AT_TOGETHER: usize = 2048;

/// Buckets that are moved together: about a megabyte.
const MOVED_TOGETHER: usize = 256;

/// How long the lock is left alone then: whoever waits for it would not get it otherwise.
const PAUSE: Duration = Duration::from_millis(1);

/// Longest that a commit waits for memory.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// How long it waits before it looks again.
const LOOK: Duration = Duration::from_millis(20);

/// Buckets that are to be moved, and where to.
struct Moving {
    stored: Vec<(Subtree, Place)>,
    to: Arc<Spill>,
}

impl Shared {
    /// Writes a checkpoint of the newest version.
    pub(super) fn write_checkpoint(
        &self,
        control: &mut Control<'_>,
    ) -> Result<Version, MaintenanceError> {
        // All that can be done before is, so that no version is held for it.
        self.close_spills(control)?;
        let usage = self.usage()?;
        if self.move_buckets(&usage, control)? {
            self.close_spills(control)?;
        }
        let passing = Arc::new(Passing::default());
        let (state, journal_bytes) = {
            let writer = self.writer()?;
            let mut head = self.noticed(state::write(&self.head))?;
            let state = head.begin_checkpoint(passing.clone());
            (state, writer.journal_bytes())
        };
        let link = state.link();
        let (map, places) = state.into_parts();
        let written = self.numbers.take(&*self.storage.checkpoints);
        let written = written
            .map_err(ReadError::from)
            .map_err(MaintenanceError::from);
        let written = written.and_then(|number| {
            let new = NewCheckpoint {
                number,
                version: link.version,
                record: link.record_hash,
                entries: link.entries,
                journal_bytes,
                profile: self.format.profile,
                map,
                places: &places,
                usage: &usage,
                passing: &passing,
            };
            Ok(new.write(&*self.storage.checkpoints, control)?)
        });
        passing.end();
        let published = written.and_then(|catalogue| self.publish(&places, &Arc::new(catalogue)));
        self.noticed(state::write(&self.head))?.end_checkpoint();
        published?;
        self.counting.checkpoint();
        tracing::debug!(version = link.version, "checkpoint written");
        Ok(Version::of(&link))
    }

    /// Makes durable what was let go until now.
    fn close_spills(&self, control: &mut Control<'_>) -> Result<(), MaintenanceError> {
        let spills = self.noticed(state::write(&self.head))?.turn();
        for spill in spills {
            spill.close(&*self.storage.checkpoints, || {
                pause(control, CheckpointProgress::default())
            })?;
        }
        Ok(())
    }

    /// Moves the buckets that lie in files of which little is used and are not in memory, to where what
    /// changed is let go. Whether there were any.
    fn move_buckets(
        &self,
        usage: &Usage,
        control: &mut Control<'_>,
    ) -> Result<bool, MaintenanceError> {
        let left = {
            let head = self.noticed(state::read(&self.head))?;
            usage.left_files(head.places())
        };
        let mut moved = false;
        let mut last = None;
        let mut is_done = left.is_empty();
        while !is_done {
            let found = self.stored_in(&left, &mut last)?;
            is_done = last.is_none();
            if let Some(Moving { stored, to }) = found {
                moved = true;
                let volume = &*self.storage.checkpoints;
                to.copy(volume, &self.numbers, self.format.profile, &stored)?;
            }
            pause(control, CheckpointProgress::default())?;
            if !is_done {
                thread::sleep(PAUSE);
            }
        }
        Ok(moved)
    }

    /// Of the next subtrees behind `last`, those that lie in one of `files` alone, if there are any. `last`
    /// becomes none at the end.
    fn stored_in(
        &self,
        files: &BTreeSet<u64>,
        last: &mut Option<Vec<u8>>,
    ) -> Result<Option<Moving>, ReadError> {
        let head = self.noticed(state::read(&self.head))?;
        let places = head.places();
        let mut subtrees = head.map().subtrees_after(last.as_deref());
        let mut stored = Vec::new();
        let mut next = None;
        for _ in 0..LOOKED_AT_TOGETHER {
            next = subtrees.next();
            let Some(subtree) = next else { break };
            let place = (!subtree.is_in_memory()).then(|| places.find_ref(&subtree));
            if let Some(place) = place.flatten()
                && files.contains(&place.file())
            {
                stored.push((subtree.to_subtree(), place));
            }
            if stored.len() == MOVED_TOGETHER {
                break;
            }
        }
        *last = next.map(|subtree| subtree.prefix().to_vec());
        let to = places.current().filter(|_| !stored.is_empty()).cloned();
        Ok(to.map(|to| Moving { stored, to }))
    }

    /// Counts how much is used of the files of checkpoints, a little at a time.
    fn usage(&self) -> Result<Usage, ReadError> {
        let places = self.noticed(state::read(&self.head).map(|head| head.places().clone()))?;
        let mut counting = Counting::new(&places);
        let mut last: Option<Vec<u8>> = None;
        loop {
            {
                let head = self.noticed(state::read(&self.head))?;
                let before = counting.counted();
                let mut prefix = None;
                let subtrees = head.map().subtrees_after(last.as_deref());
                for subtree in subtrees.take(LOOKED_AT_TOGETHER) {
                    counting.count(&subtree);
                    prefix = Some(subtree.prefix());
                }
                last = prefix.map(<[u8]>::to_vec);
                if counting.counted() < before + LOOKED_AT_TOGETHER {
                    return Ok(counting.usage());
                }
            }
            thread::sleep(PAUSE);
        }
    }

    /// Makes a checkpoint count: from now on opening begins with it.
    fn publish(&self, before: &Places, catalogue: &Arc<Catalogue>) -> Result<(), MaintenanceError> {
        let pointer = *catalogue.pointer();
        let mut writer = self.writer()?;
        writer.write_small(vec![(key(pointer.version), Some(pointer.encode()))])?;
        let mut head = self.noticed(state::write(&self.head))?;
        head.take_catalogue(catalogue, before);
        lock(&self.pointers).push(pointer);
        lock(&self.files).insert(pointer.file, files_of(catalogue));
        Ok(())
    }

    /// Waits while the tree takes all the memory that it may because a checkpoint holds some of it; not for
    /// ever, since the checkpoint may wait for the caller.
    pub(crate) fn wait_for_room(&self) -> Result<(), Fault> {
        let began = Instant::now();
        while state::read(&self.head)?.waits_for().is_some() && began.elapsed() < WAIT_MAX {
            let waits_for = {
                let mut head = state::write(&self.head)?;
                head.shrink(state::SHRINK_STEPS);
                head.waits_for()
            };
            if let Some((passing, share)) = waits_for {
                passing.wait_beyond(share, LOOK);
            }
        }
        Ok(())
    }
}
