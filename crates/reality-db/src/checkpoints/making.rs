//! Making a checkpoint beside commits that go on.
//!
//! A version that is held makes every page be copied that commits change, so it is held for as short as can
//! be: what does not depend on the version comes before.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLockReadGuard};
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
use crate::state::State;
use crate::{ReadError, Version, state};

/// How long subtrees are looked at under one lock at least; longer where commits keep it for longer, or it
/// would take a commit for each few of them.
const LOOK_MIN: Duration = Duration::from_millis(1);

/// Which part of the time that it waited for the lock it keeps it then.
const LOOK_SHARE: u32 = 8;

/// Subtrees that are looked at between two looks at the clock.
const LOOKED_AT_TOGETHER: usize = 256;

/// Buckets that are moved together: about a megabyte.
const MOVED_TOGETHER: usize = 256;

/// Most buckets that are found before they are moved.
const MOVED_MAX: usize = 4096;

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

/// The newest version, to be looked at for a while.
struct Look<'s> {
    head: RwLockReadGuard<'s, State>,
    until: Instant,
}

impl Look<'_> {
    /// Whether the next few subtrees may be looked at too.
    fn has_time(&self) -> bool {
        Instant::now() < self.until
    }
}

impl Shared {
    /// Writes a checkpoint of the newest version.
    pub(super) fn write_checkpoint(
        &self,
        control: &mut Control<'_>,
    ) -> Result<Version, MaintenanceError> {
        // All that can be done before is, so that no version is held for it.
        let places = self.noticed(state::write(&self.head))?.turn();
        let usage = self.usage(&places)?;
        let left = &usage.left;
        let volume = &*self.storage.checkpoints;
        places.close_spills(volume, left, || {
            pause(control, CheckpointProgress::default())
        })?;
        self.move_buckets(left, control)?;
        let places = self.noticed(state::write(&self.head))?.turn();
        places.close_spills(volume, left, || {
            pause(control, CheckpointProgress::default())
        })?;
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

    /// Moves the buckets that lie in the files `left` and are not in memory, to where what changed is let go.
    fn move_buckets(
        &self,
        left: &BTreeSet<u64>,
        control: &mut Control<'_>,
    ) -> Result<(), MaintenanceError> {
        let mut last = None;
        let mut is_done = left.is_empty();
        while !is_done {
            let found = self.stored_in(left, &mut last)?;
            is_done = last.is_none();
            if let Some(Moving { stored, to }) = found {
                for stored in stored.chunks(MOVED_TOGETHER) {
                    let volume = &*self.storage.checkpoints;
                    to.copy(volume, &self.numbers, self.format.profile, stored)?;
                    pause(control, CheckpointProgress::default())?;
                }
            }
            pause(control, CheckpointProgress::default())?;
            if !is_done {
                thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    /// Of the next subtrees behind `last`, those that lie in one of `files` alone, if there are any. `last`
    /// becomes none at the end.
    fn stored_in(
        &self,
        files: &BTreeSet<u64>,
        last: &mut Option<Vec<u8>>,
    ) -> Result<Option<Moving>, ReadError> {
        let look = self.look()?;
        let places = look.head.places();
        let mut subtrees = look.head.map().subtrees_after(last.as_deref());
        let mut stored = Vec::new();
        let mut next;
        loop {
            next = None;
            for subtree in subtrees.by_ref().take(LOOKED_AT_TOGETHER) {
                next = Some(subtree);
                let place = (!subtree.is_in_memory()).then(|| places.find_ref(&subtree));
                if let Some(place) = place.flatten()
                    && files.contains(&place.file())
                {
                    stored.push((subtree.to_subtree(), place));
                }
            }
            if next.is_none() || stored.len() >= MOVED_MAX || !look.has_time() {
                break;
            }
        }
        *last = next.map(|subtree| subtree.prefix().to_vec());
        let to = places.current().filter(|_| !stored.is_empty()).cloned();
        Ok(to.map(|to| Moving { stored, to }))
    }

    /// The newest version, for a time that is little beside that of the commits around.
    fn look(&self) -> Result<Look<'_>, ReadError> {
        let asked = Instant::now();
        let head = self.noticed(state::read(&self.head))?;
        let time = (asked.elapsed() / LOOK_SHARE).max(LOOK_MIN);
        Ok(Look {
            head,
            until: Instant::now() + time,
        })
    }

    /// Counts how much is used of the files in which buckets lie, a little at a time.
    fn usage(&self, places: &Places) -> Result<Usage, ReadError> {
        let mut counting = Counting::new(places);
        let mut last: Option<Vec<u8>> = None;
        loop {
            {
                let look = self.look()?;
                let mut subtrees = look.head.map().subtrees_after(last.as_deref());
                let mut next;
                loop {
                    next = None;
                    for subtree in subtrees.by_ref().take(LOOKED_AT_TOGETHER) {
                        counting.count(&subtree);
                        next = Some(subtree);
                    }
                    if next.is_none() || !look.has_time() {
                        break;
                    }
                }
                match next {
                    Some(subtree) => last = Some(subtree.prefix().to_vec()),
                    None => return Ok(counting.usage()),
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
        let mut pointers = lock(&self.pointers);
        pointers.retain(|known| known.version != pointer.version); // the engine has one for each version
        pointers.push(pointer);
        drop(pointers);
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
