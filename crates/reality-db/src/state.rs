//! The content of one version, in memory as far as it is needed.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use merkle_core::{Batch, Fetched, Missing, PartialMap, Subtree, Tally, Undo, Value};

use crate::Profile;
use crate::checkpoint::{Catalogue, Location};
use crate::engine::EngineError;
use crate::error::Fault;
use crate::journal::Link;

/// The content of one version.
///
/// Cloning is cheap: clones share what neither changes.
#[derive(Clone)]
pub(crate) struct State {
    map: PartialMap<Profile>,
    profile: Profile,
    /// Where the subtrees are that are not in memory. INVARIANT: it has every such subtree.
    catalogue: Option<Arc<Catalogue>>,
    link: Link,
    memory: Memory,
}

/// How much of the catalogue's content is in memory, and how much may be.
#[derive(Default)]
struct Memory {
    /// The catalogue's buckets that are not in memory.
    outside: Weight,
    /// Most bytes that the tree is to take.
    limit_bytes: u64,
    /// What was brought into memory or written, the oldest first: what is let go next, unless it was
    /// changed since.
    stored: VecDeque<Subtree>,
    /// The row of the catalogue where a search begins for what `stored` does not know.
    hand: usize,
    /// What was brought in since a checkpoint is being written, if one is. Nothing else is let go meanwhile: the
    /// new catalogue may not know it by the old one's names. These were outside when it began, so it does.
    since_held: Option<VecDeque<Subtree>>,
}

/// Of a clone's memory the clone itself lets go only what it brings in.
impl Clone for Memory {
    fn clone(&self) -> Self {
        Self {
            outside: self.outside,
            limit_bytes: self.limit_bytes,
            ..Self::default()
        }
    }
}

/// How much there is of something.
#[derive(Clone, Copy, Default)]
struct Weight {
    /// Bytes of the entries as buckets hold them.
    bytes: u64,
    entries: u64,
}

impl State {
    /// The state of a version without anything on disk.
    pub(crate) fn new(
        map: PartialMap<Profile>,
        profile: Profile,
        link: Link,
        limit_bytes: u64,
    ) -> Self {
        Self {
            map,
            profile,
            catalogue: None,
            link,
            memory: Memory {
                limit_bytes,
                ..Memory::default()
            },
        }
    }

    /// The state of a checkpoint, nothing of it in memory.
    pub(crate) fn of_checkpoint(
        catalogue: Catalogue,
        profile: Profile,
        limit_bytes: u64,
    ) -> Result<Self, Fault> {
        let pointer = catalogue.pointer();
        let link = Link {
            version: pointer.version,
            root: pointer.root,
            record_hash: pointer.record,
            entries: pointer.entries,
        };
        let mut state = Self::new(catalogue.assemble(profile)?, profile, link, limit_bytes);
        state.memory.outside = Weight {
            bytes: pointer.live_bytes,
            entries: pointer.entries,
        };
        state.catalogue = Some(Arc::new(catalogue));
        Ok(state)
    }

    pub(crate) fn map(&self) -> &PartialMap<Profile> {
        &self.map
    }

    pub(crate) fn link(&self) -> Link {
        self.link
    }

    /// Bytes that the tree takes, about. Those of keys and values that came since the checkpoint are left
    /// out; their nodes are not.
    pub(crate) fn bytes(&self) -> u64 {
        let outside = self.memory.outside;
        let stored = self.catalogue.as_ref();
        let bytes = stored.map_or(0, |catalogue| catalogue.pointer().live_bytes);
        let entries = self.link.entries.saturating_sub(outside.entries);
        entries * ENTRY_BYTES + bytes.saturating_sub(outside.bytes)
    }

    /// Whether the tree takes more than three quarters of what it may: what can be let go is.
    fn is_over(&self) -> bool {
        self.bytes() > self.memory.limit_bytes / 4 * 3
    }

    /// Whether so much was changed since the last checkpoint that another is needed to let some go.
    pub(crate) fn needs_checkpoint(&self) -> bool {
        self.bytes() > (self.memory.limit_bytes / 8 * 7).max(LIMIT_BYTES_MIN)
    }

    /// Whether the tree takes all that it may.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes() > self.memory.limit_bytes.max(LIMIT_BYTES_MIN)
    }

    pub(crate) fn catalogue(&self) -> Option<&Arc<Catalogue>> {
        self.catalogue.as_ref()
    }

    /// Says where this version stands, once its record is written.
    pub(crate) fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// Takes `newer`, which was written of this state or an earlier one with the same catalogue.
    pub(crate) fn take_catalogue(
        &mut self,
        before: Option<&Arc<Catalogue>>,
        newer: &Arc<Catalogue>,
        written: Vec<Subtree>,
    ) {
        let same = match (&self.catalogue, before) {
            (Some(ours), Some(before)) => Arc::ptr_eq(ours, before),
            (ours, before) => ours.is_none() && before.is_none(),
        };
        // Another one, if the head was replaced meanwhile: what it needs may not be in the newer.
        if same {
            self.catalogue = Some(newer.clone());
            self.memory.hand = 0;
            let stored = &mut self.memory.stored;
            stored.extend(written);
            // What was changed and written again stands in it more than once, and the oldest are of the past.
            let surplus = stored.len().saturating_sub(newer.len());
            stored.drain(..surplus);
        }
    }

    /// Lets go of what was brought in or written longest ago, until no more is in memory than may be or
    /// nothing is left that is on disk as it is; at most `steps` subtrees. Whether there may be more to let go.
    pub(crate) fn shrink(&mut self, steps: usize) -> bool {
        for _ in 0..steps {
            if !self.is_over() {
                return false;
            }
            let memory = &mut self.memory;
            let oldest = memory.since_held.as_mut().unwrap_or(&mut memory.stored);
            let Some(subtree) = oldest.pop_front() else {
                return false;
            };
            self.evict(&subtree);
        }
        true
    }

    /// The same by going over the catalogue, for what `stored` does not know. Whether there may be more to let
    /// go.
    pub(crate) fn shrink_by_catalogue(&mut self, steps: usize) -> bool {
        let Some(catalogue) = self.catalogue.clone() else {
            return false;
        };
        if self.memory.since_held.is_some() {
            return false;
        }
        for _ in 0..steps.min(catalogue.len()) {
            if !self.is_over() {
                return false;
            }
            if let Some((subtree, location)) = catalogue.get(self.memory.hand)
                && self.map.evict(&subtree)
            {
                self.memory.outside.add(&location);
            }
            self.memory.hand = (self.memory.hand + 1) % catalogue.len();
        }
        true
    }

    /// How many subtrees wait for being let go.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.memory.stored.len()
    }

    /// Holds on to all that is in memory, or no longer.
    pub(crate) fn hold(&mut self, held: bool) {
        self.memory
            .stored
            .extend(self.memory.since_held.take().unwrap_or_default());
        self.memory.since_held = held.then(VecDeque::new);
    }

    /// Lets go of a subtree that was loaded a moment ago.
    pub(crate) fn evict(&mut self, subtree: &Subtree) {
        if let Some(location) = self
            .catalogue
            .as_ref()
            .and_then(|known| known.find(subtree))
            && self.map.evict(subtree)
        {
            self.memory.outside.add(&location);
        }
    }

    /// Asks until nothing is missing, loading what is.
    pub(crate) fn ask<T>(
        &mut self,
        ask: impl Fn(&PartialMap<Profile>) -> Result<T, Missing>,
    ) -> Result<T, Fault> {
        loop {
            let missing = match ask(&self.map) {
                Ok(answer) => {
                    // Not before: an answer may need more at a time than the limit allows.
                    self.shrink(SHRINK_STEPS);
                    return Ok(answer);
                }
                Err(missing) => missing,
            };
            self.supply(&missing)?;
        }
    }

    /// Asks until nothing is missing, adding to `loaded` what was loaded for it, which stays in memory.
    pub(crate) fn ask_noting<T>(
        &mut self,
        loaded: &mut Vec<Subtree>,
        ask: impl Fn(&PartialMap<Profile>) -> Result<T, Missing>,
    ) -> Result<T, Fault> {
        loop {
            let missing = match ask(&self.map) {
                Ok(answer) => return Ok(answer),
                Err(missing) => missing,
            };
            self.supply(&missing)?;
            loaded.extend(missing.subtrees);
        }
    }

    /// The first entries in `range`, at most `limit`, and the subtrees that were loaded for it.
    pub(crate) fn read_range(
        &mut self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        limit: usize,
    ) -> Result<(Vec<OwnedEntry>, Vec<Subtree>), Fault> {
        let mut loaded = Vec::new();
        let entries = self.ask_noting(&mut loaded, |map| {
            let owned = |(key, value): (&[u8], Value<'_>)| {
                (key.to_vec(), value.bytes().unwrap_or_default().to_vec())
            };
            Ok(map.range(range)?.take(limit).map(owned).collect())
        })?;
        Ok((entries, loaded))
    }

    /// Applies `batch`, which is sorted, in two threads if it is large. The link stays.
    pub(crate) fn update(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        self.change(|map| match batch.len() < CHANGES_WORTH_A_THREAD {
            true => map.update(batch),
            false => map.update_in_halves(batch, in_two_threads),
        })
    }

    /// The same, and says what takes it back.
    pub(crate) fn update_undoably(&mut self, batch: &Batch<'_>) -> Result<Undo, Fault> {
        let mut undo = Undo::default();
        self.change(|map| match batch.len() < CHANGES_WORTH_A_THREAD {
            true => map.update_undoably(batch, &mut undo),
            false => map.update_in_halves_undoably(batch, &mut undo, in_two_threads),
        })?;
        Ok(undo)
    }

    /// Changes the map, once all that the change needs is in memory.
    fn change(
        &mut self,
        mut change: impl FnMut(&mut PartialMap<Profile>) -> Result<Tally, Missing>,
    ) -> Result<(), Fault> {
        let tally = loop {
            match change(&mut self.map) {
                Ok(tally) => break tally,
                Err(missing) => self.supply(&missing)?,
            }
        };
        self.link.entries = self.link.entries + tally.added - tally.removed;
        self.link.root = self.map.root();
        Ok(())
    }

    /// Brings in what is missing: read and checked in two threads if it is much.
    fn supply(&mut self, missing: &Missing) -> Result<(), Fault> {
        let catalogue = self.catalogue.clone().ok_or_else(nowhere)?;
        let (catalogue, profile) = (&*catalogue, self.profile);
        let subtrees = &missing.subtrees[..];
        let parts = if subtrees.len() < SUBTREES_WORTH_A_THREAD {
            [fetch(catalogue, profile, subtrees), Ok(Vec::new())]
        } else {
            let (left, right) = subtrees.split_at(subtrees.len() / 2);
            std::thread::scope(|threads| {
                let left = threads.spawn(|| fetch(catalogue, profile, left));
                let right = fetch(catalogue, profile, right);
                [left.join().unwrap_or_else(|_| Err(panicked())), right]
            })
        };
        for part in parts {
            for (fetched, subtree, weight) in part? {
                if self.map.put(fetched).is_err() {
                    return Err(catalogue.bucket_damage(subtree).into());
                }
                let outside = &mut self.memory.outside;
                outside.bytes = outside.bytes.saturating_sub(weight.bytes);
                outside.entries = outside.entries.saturating_sub(weight.entries);
                let memory = &mut self.memory;
                let stored = memory.since_held.as_mut().unwrap_or(&mut memory.stored);
                stored.push_back(subtree.clone());
            }
        }
        Ok(())
    }
}

/// Reads subtrees from where they lie, and checks each against its hash.
fn fetch<'s>(
    catalogue: &Catalogue,
    profile: Profile,
    subtrees: &'s [Subtree],
) -> Result<Vec<(Fetched, &'s Subtree, Weight)>, Fault> {
    let buckets = catalogue.load_all(subtrees)?;
    let fetched = subtrees.iter().zip(&buckets).map(|(subtree, bucket)| {
        let entries = bucket.batch().ok();
        let checked = entries.and_then(|entries| Fetched::check(&profile, subtree, &entries).ok());
        let checked = checked.ok_or_else(|| Fault::from(catalogue.bucket_damage(subtree)))?;
        let weight = Weight {
            bytes: bucket.bytes().len() as u64,
            entries: bucket.entries(),
        };
        Ok((checked, subtree, weight))
    });
    fetched.collect()
}

fn panicked() -> Fault {
    EngineError::Broken("a thread that read the tree panicked".to_owned()).into()
}

impl Weight {
    fn add(&mut self, location: &Location) {
        self.bytes += location.len as u64;
        self.entries += location.entries;
    }
}

/// Nothing can be missing where nothing was ever let go.
fn nowhere() -> Fault {
    EngineError::Broken("a subtree is missing that was never written".to_owned()).into()
}

/// Runs both halves of an update at the same time.
fn in_two_threads(left: &mut (dyn FnMut() + Send), right: &mut (dyn FnMut() + Send)) {
    std::thread::scope(|threads| {
        threads.spawn(left);
        right();
    });
}

/// The value of `key`, which is a key of the tree.
pub(crate) fn get(state: &RwLock<State>, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let value = |value: Option<Value<'_>>| value.and_then(Value::bytes).map(<[u8]>::to_vec);
    if let Ok(found) = read(state)?.map.get(key) {
        return Ok(value(found));
    }
    let mut state = write(state)?;
    loop {
        let missing = match state.map.get(key) {
            Ok(found) => {
                let found = value(found);
                state.shrink(SHRINK_STEPS);
                return Ok(found);
            }
            Err(missing) => missing,
        };
        state.supply(&missing)?;
    }
}

/// The values of `keys`, which are keys of the tree.
pub(crate) fn get_many(
    state: &RwLock<State>,
    keys: &[Cow<'_, [u8]>],
) -> Result<Vec<Option<Vec<u8>>>, Fault> {
    let owned = |value: Option<Value<'_>>| value.and_then(Value::bytes).map(<[u8]>::to_vec);
    ask(state, |map| {
        let values = map.get_many(keys.iter().map(|key| &**key))?;
        Ok(values.into_iter().map(owned).collect())
    })
}

/// A key and its value.
pub(crate) type OwnedEntry = (Vec<u8>, Vec<u8>);

/// Asks under the lock that many may hold; loads what is missing under the other.
pub(crate) fn ask<T>(
    state: &RwLock<State>,
    ask: impl Fn(&PartialMap<Profile>) -> Result<T, Missing>,
) -> Result<T, Fault> {
    if let Ok(answer) = ask(&read(state)?.map) {
        return Ok(answer);
    }
    write(state)?.ask(ask)
}

/// The state for reading.
pub(crate) fn read(state: &RwLock<State>) -> Result<RwLockReadGuard<'_, State>, Fault> {
    state.read().map_err(poisoned)
}

/// The state for changing.
pub(crate) fn write(state: &RwLock<State>) -> Result<RwLockWriteGuard<'_, State>, Fault> {
    state.write().map_err(poisoned)
}

/// A thread panicked while it changed the state, which may be anything now.
fn poisoned<G>(_: PoisonError<G>) -> Fault {
    EngineError::Broken("an earlier operation on this handle panicked".to_owned()).into()
}

/// Subtrees that are let go at most after an operation that loaded some: well under a millisecond.
pub(crate) const SHRINK_STEPS: usize = 256;

/// A smaller limit keeps less in memory, and asks for no more checkpoints than this one: each goes over all
/// of the catalogue.
const LIMIT_BYTES_MIN: u64 = 16 << 20;

/// Memory that the tree takes for an entry beside its key and value: measured with a million and
/// with ten million entries of 132 bytes, the allocator's part included.
const ENTRY_BYTES: u64 = 360;

/// Subtrees to be read and checked from which on two threads are faster than one.
const SUBTREES_WORTH_A_THREAD: usize = 64;

/// Changes from which on two threads are faster than one, their start included.
const CHANGES_WORTH_A_THREAD: usize = 512;
