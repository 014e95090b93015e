//! How much of the tree is in memory, and letting go of some.
//!
//! What a checkpoint has, or what was let go before and did not change since, is let go as it is. The rest
//! is written first, to the [spill](crate::checkpoint): so the limit holds however much is changed between
//! two checkpoints. A checkpoint that is being written holds the tree as it was and lets go of it bit by
//! bit. Until then nothing is gained by letting go of what it holds as well: commits wait for it then, for
//! a while.

use std::sync::Arc;

use merkle_core::{Subtree, Tally};

use super::State;
use crate::checkpoint::{
    Catalogue, CheckpointError, Numbers, Passed, Passing, Place, Places, Spilled, encode_bucket,
};
use crate::counters::Counting;
use crate::volume::Volume;

/// How much of the tree is in memory, and how much may be.
#[derive(Default)]
pub(super) struct Memory {
    /// All entries, as buckets hold them.
    all_bytes: u64,
    /// The buckets that are not in memory.
    outside: Weight,
    /// Most bytes that the tree is to take.
    limit_bytes: u64,
    /// The subtree that was let go last: the search for the next goes on behind it.
    hand: Option<Vec<u8>>,
    /// Where what changed is written before it is let go; without it, it stays.
    spilling: Option<Spilling>,
    /// What a checkpoint holds that is being written.
    held: Option<Held>,
}

/// Where what changed can be written before it is let go.
#[derive(Clone)]
pub(crate) struct Spilling {
    pub(crate) volume: Arc<dyn Volume>,
    pub(crate) numbers: Arc<Numbers>,
    /// Told of what could not be written.
    pub(crate) counting: Arc<Counting>,
}

/// What a checkpoint holds of the tree beside the tree itself.
struct Held {
    passing: Arc<Passing>,
    /// Bytes that it held when it had passed `share`, and that only it did.
    bytes: u64,
    share: u64,
}

/// How much there is of something.
#[derive(Clone, Copy, Default)]
pub(super) struct Weight {
    /// Bytes of the entries as buckets hold them.
    pub(super) bytes: u64,
    pub(super) entries: u64,
}

/// What becomes of a subtree that is let go.
enum Fate {
    /// It lies there already.
    Stored(Place),
    /// It is written.
    Spilled(Spilled),
}

/// A clone has the same in memory, writes nothing, and no checkpoint holds it.
impl Clone for Memory {
    fn clone(&self) -> Self {
        Self {
            all_bytes: self.all_bytes,
            outside: self.outside,
            limit_bytes: self.limit_bytes,
            ..Self::default()
        }
    }
}

impl Memory {
    /// With all of the tree in memory.
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            ..Self::default()
        }
    }

    /// With nothing of a tree of this weight in memory.
    pub(super) fn outside(all: Weight, limit_bytes: u64) -> Self {
        Self {
            all_bytes: all.bytes,
            outside: all,
            ..Self::new(limit_bytes)
        }
    }

    /// Counts what was brought in.
    pub(super) fn bring_in(&mut self, weight: Weight) {
        self.outside.bytes = self.outside.bytes.saturating_sub(weight.bytes);
        self.outside.entries = self.outside.entries.saturating_sub(weight.entries);
    }

    /// Counts what an update copied, and the bytes of entries that came and went.
    pub(super) fn updated(&mut self, tally: Tally, came: u64, went: u64) {
        self.all_bytes = (self.all_bytes + came).saturating_sub(went);
        if let Some(held) = &mut self.held {
            held.add(tally.copied_bytes);
        }
    }

    /// Counts what was let go.
    fn let_go(&mut self, weight: Weight) {
        self.outside.bytes += weight.bytes;
        self.outside.entries += weight.entries;
    }

    /// Bytes that a checkpoint holds and nobody else.
    fn held_bytes(&self) -> u64 {
        self.held.as_ref().map_or(0, Held::now)
    }
}

impl Held {
    /// What it still holds: it lets go of one part of the tree like the other.
    fn now(&self) -> u64 {
        let left = |share: u64| u128::from(Passed::WHOLE.saturating_sub(share).max(1));
        let now = u128::from(self.bytes) * left(self.passing.share()) / left(self.share);
        u64::try_from(now).unwrap_or(u64::MAX)
    }

    fn add(&mut self, bytes: u64) {
        self.bytes = self.now() + bytes;
        self.share = self.passing.share();
    }
}

impl State {
    /// Bytes that the tree takes, about, and those that a checkpoint holds of it beside.
    pub(crate) fn bytes(&self) -> u64 {
        let Memory {
            all_bytes, outside, ..
        } = self.memory;
        let entries = self.link.entries.saturating_sub(outside.entries);
        entries * ENTRY_BYTES + all_bytes.saturating_sub(outside.bytes) + self.memory.held_bytes()
    }

    /// Whether the tree takes so much that some of it is to be let go. A sixteenth of the limit is left for
    /// what has to be copied while a checkpoint is written.
    fn is_over(&self) -> bool {
        let limit = self.memory.limit_bytes;
        let spare = match self.memory.held {
            Some(_) => 0,
            None => limit / 16,
        };
        self.bytes() > limit - spare
    }

    /// Whether so much was written that a checkpoint should have it: what is written twice is not needed
    /// any more, and only a checkpoint finds out.
    pub(crate) fn needs_checkpoint(&self) -> bool {
        let spilled = self.places.spilled_bytes();
        self.memory.held.is_none() && spilled > self.memory.all_bytes.max(SPILL_BYTES_MIN)
    }

    /// From now on what changed is written there if it has to be let go, for the next checkpoint to take over.
    pub(crate) fn spill_to(&mut self, spilling: Spilling) {
        self.counting = spilling.counting.clone();
        self.memory.spilling = Some(spilling);
        self.places.turn_to(false);
    }

    /// The same for a version that is not the newest, or not yet: nothing of it is left behind.
    pub(crate) fn spill_aside(&mut self, spilling: Spilling) {
        self.counting = spilling.counting.clone();
        self.memory.spilling = Some(spilling);
        self.places.turn_to(true);
    }

    /// Becomes `other`, which was made of a clone of this: what is only this one's stays.
    pub(crate) fn replace(&mut self, other: Self) {
        let spilling = self.memory.spilling.take();
        let held = self.memory.held.take();
        *self = other;
        (self.memory.spilling, self.memory.held) = (spilling, held);
    }

    /// Begins to write elsewhere what is let go, and answers with the places until now.
    pub(crate) fn turn(&mut self) -> Places {
        let places = self.places.clone();
        self.places.turn();
        places
    }

    /// The state as a checkpoint is to have it. Until [`end_checkpoint`](Self::end_checkpoint), what it
    /// holds counts.
    pub(crate) fn begin_checkpoint(&mut self, passing: Arc<Passing>) -> Self {
        let state = self.clone();
        self.places.turn();
        self.memory.held = Some(Held {
            passing,
            bytes: 0,
            share: 0,
        });
        state
    }

    /// Nothing is held any more.
    pub(crate) fn end_checkpoint(&mut self) {
        self.memory.held = None;
    }

    /// Takes the checkpoint `newer`, which was begun with the places `before`.
    pub(crate) fn take_catalogue(&mut self, newer: &Arc<Catalogue>, before: &Places) {
        self.places.supersede(newer, before);
    }

    /// Whether a checkpoint is being written of it.
    #[cfg(test)]
    pub(crate) fn is_held(&self) -> bool {
        self.memory.held.is_some()
    }

    /// What to wait for, and how far it is, if the tree takes all the memory it may and a checkpoint holds
    /// some.
    pub(crate) fn waits_for(&self) -> Option<(Arc<Passing>, u64)> {
        let held = self.memory.held.as_ref()?;
        let limit = self.memory.limit_bytes.max(LIMIT_BYTES_MIN);
        let passed = held.passing.passed();
        let waits = self.bytes() > limit && !passed.ended;
        waits.then(|| (held.passing.clone(), passed.share))
    }

    /// Lets go of subtrees until no more is in memory than may be, at most `steps` of them. Whether there
    /// may be more to let go.
    pub(crate) fn shrink(&mut self, steps: usize) -> bool {
        let mut left = steps;
        while self.is_over() {
            if left == 0 {
                return true;
            }
            match self.let_go_of_some(left.min(STEPS_TOGETHER)) {
                0 => return false,
                gone => left = left.saturating_sub(gone),
            }
        }
        false
    }

    /// The same while many changes are made of which nobody wants a checkpoint. What lies in the spills of which
    /// nothing is of use any more is given back.
    pub(super) fn let_go_what_changed(&mut self, steps: usize) {
        let Some(spilling) = self.memory.spilling.clone() else {
            return; // what changed stays, and the rest is shared with whoever this is a clone of
        };
        self.shrink(steps);
        let enough = SPILLED_PER_LIVE * self.memory.all_bytes.max(SPILL_BYTES_MIN);
        if self.places.spilled_bytes() > enough
            && let Err(error) = self.gather(&spilling)
        {
            spilling.counting.failed_spill();
            tracing::warn!(%error, "what changes stays in memory from now on");
            self.memory.spilling = None; // each try leaves a file that cannot be written
        }
    }

    /// Copies what is of use of the spills to one.
    fn gather(&mut self, spilling: &Spilling) -> Result<(), CheckpointError> {
        self.places.turn();
        let Some(to) = self.places.current().cloned() else {
            return Ok(());
        };
        let mut stored = Vec::with_capacity(STEPS_TOGETHER);
        let copy = |stored: &mut Vec<(Subtree, Place)>| {
            let volume = &*spilling.volume;
            let copied = to.copy(volume, &spilling.numbers, self.profile, stored);
            stored.clear();
            copied
        };
        for subtree in self.map.subtrees_after(None) {
            if !subtree.is_in_memory()
                && let Some(place) = self.places.find_spilled(&subtree.hash())
            {
                stored.push((subtree.to_subtree(), place));
            }
            if stored.len() == STEPS_TOGETHER {
                copy(&mut stored)?;
            }
        }
        copy(&mut stored)?;
        self.places.forget_others();
        Ok(())
    }

    /// Lets go of the next few subtrees. How many that were.
    fn let_go_of_some(&mut self, count: usize) -> usize {
        let mut buffer = Vec::new();
        let began_within = self.memory.hand.is_some();
        let mut victims = self.victims(count, &mut buffer);
        if victims.is_empty() && began_within {
            victims = self.victims(count, &mut buffer); // from the beginning
        }
        if !buffer.is_empty() && !self.spill(&buffer, &victims) {
            victims.retain(|(_, fate)| matches!(fate, Fate::Stored(_)));
        }
        self.turn_if_long();
        let mut gone = 0;
        for (subtree, fate) in &victims {
            gone += usize::from(self.let_go(subtree, fate));
        }
        gone
    }

    /// The next subtrees to let go, and what becomes of them; those that are to be written are added to
    /// `buffer`.
    fn victims(&mut self, count: usize, buffer: &mut Vec<u8>) -> Vec<(Subtree, Fate)> {
        let passed = (self.memory.held.as_ref()).map(|held| held.passing.passed());
        let current = self.places.current();
        let can_spill =
            self.memory.spilling.is_some() && current.is_some_and(|spill| spill.is_writable());
        let mut victims = Vec::with_capacity(count);
        let mut hand = None;
        let behind = self.map.subtrees_after(self.memory.hand.as_deref());
        for subtree in behind.in_memory() {
            // What a checkpoint still holds is not free if it is let go.
            let is_held = passed.as_ref().is_some_and(|passed| {
                let up_to = passed.prefix.as_deref();
                !passed.ended && up_to.is_none_or(|prefix| subtree.prefix() > prefix)
            });
            if is_held {
                break;
            }
            let Some(entries) = subtree.entries() else {
                continue;
            };
            if victims.len() == count {
                hand = victims
                    .last()
                    .map(|(subtree, _): &(Subtree, _)| subtree.prefix().to_vec());
                break;
            }
            let fate = match self.places.find_ref(&subtree) {
                Some(place) => Fate::Stored(place),
                None if can_spill => {
                    let start = buffer.len();
                    let Ok(entries) = encode_bucket(buffer, entries) else {
                        buffer.truncate(start);
                        continue;
                    };
                    Fate::Spilled(Spilled {
                        hash: subtree.hash(),
                        len: buffer.len() - start,
                        entries,
                    })
                }
                None => continue,
            };
            victims.push((subtree.to_subtree(), fate));
        }
        self.memory.hand = hand;
        victims
    }

    /// Writes what is to be let go. Whether that could be done.
    fn spill(&self, buffer: &[u8], victims: &[(Subtree, Fate)]) -> bool {
        let (Some(spilling), Some(spill)) = (&self.memory.spilling, self.places.current()) else {
            return false;
        };
        let buckets = victims.iter().filter_map(|(_, fate)| match fate {
            Fate::Spilled(spilled) => Some(*spilled),
            Fate::Stored(_) => None,
        });
        let buckets: Vec<Spilled> = buckets.collect();
        let written = spill.write(&*spilling.volume, &spilling.numbers, buffer, &buckets);
        if let Err(error) = &written {
            spilling.counting.failed_spill();
            tracing::warn!(%error, "what changed stays in memory until the next checkpoint");
        }
        written.is_ok()
    }

    /// Goes on in another file where this one is long: what was let go later is of use longer, and the
    /// next checkpoint takes over files or leaves them.
    fn turn_if_long(&mut self) {
        // Where no checkpoint comes they become longer and longer: each is an open file.
        let all_bytes = self.memory.all_bytes.max(self.places.spilled_bytes());
        let long = (all_bytes / SPILLS_PER_LIVE).max(SPILL_FILE_BYTES_MIN);
        if self
            .places
            .current()
            .is_some_and(|spill| spill.bytes() > long)
        {
            self.places.turn();
        }
    }

    /// Lets go of a subtree that lies on disk. Whether it could.
    fn let_go(&mut self, subtree: &Subtree, fate: &Fate) -> bool {
        let weight = match fate {
            Fate::Stored(place) => {
                // The checkpoint that is being written may not have it under this name.
                let current = self.memory.held.is_some().then(|| self.places.current());
                if let Some(spill) = current.flatten()
                    && !spill.remember(&subtree.hash(), place)
                {
                    return false;
                }
                Weight {
                    bytes: place.location.len as u64,
                    entries: place.location.entries,
                }
            }
            Fate::Spilled(spilled) => Weight {
                bytes: spilled.len as u64,
                entries: spilled.entries,
            },
        };
        let was_there = self.map.evict(subtree);
        if was_there {
            self.memory.let_go(weight);
        }
        was_there
    }

    /// Lets go of a subtree that was loaded a moment ago.
    pub(crate) fn evict(&mut self, subtree: &Subtree) {
        if let Some(place) = self.places.find(subtree) {
            self.let_go(subtree, &Fate::Stored(place));
        }
    }
}

/// Where the limit is smaller, nobody waits for memory before this much is taken.
const LIMIT_BYTES_MIN: u64 = 16 << 20;

/// Subtrees that are let go together: some hundred kilobytes that are written at once.
const STEPS_TOGETHER: usize = 64;

/// Memory that the tree takes for an entry beside its key and value: measured with a million and
/// with ten million entries of 132 bytes, the allocator's part included.
const ENTRY_BYTES: u64 = 176;

/// Bytes that are written before a checkpoint is asked for, at least.
const SPILL_BYTES_MIN: u64 = 64 << 20;

/// How many times all entries may have been written before what is of use is gathered, where no checkpoint does that.
const SPILLED_PER_LIVE: u64 = 3;

/// How many files of what was let go have as many bytes as all entries, and how long one gets at least.
const SPILLS_PER_LIVE: u64 = 8;
const SPILL_FILE_BYTES_MIN: u64 = 8 << 20;
