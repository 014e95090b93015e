//! The content of one version, in memory as far as it is needed.

mod memory;

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use merkle_core::{Batch, Fetched, Missing, PartialMap, Subtree, Tally, Undo, Value};

use crate::Profile;
use crate::checkpoint::{CHECKED_TOGETHER, Catalogue, Places, check_all};
use crate::counters::Counting;
use crate::engine::EngineError;
use crate::error::Fault;
use crate::helper::Helper;
use crate::journal::Link;
pub(crate) use memory::Spilling;
use memory::{Memory, Weight};

/// The content of one version.
///
/// Cloning is cheap: clones share what neither changes.
#[derive(Clone)]
pub(crate) struct State {
    map: PartialMap<Profile>,
    profile: Profile,
    /// Where the subtrees are that are not in memory. INVARIANT: it has every such subtree.
    places: Places,
    link: Link,
    memory: Memory,
    helper: Arc<Helper>,
    counting: Arc<Counting>,
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
            places: Places::default(),
            link,
            memory: Memory::new(limit_bytes),
            helper: Arc::default(),
            counting: Arc::default(),
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
        let all = Weight {
            bytes: pointer.live_bytes,
            entries: pointer.entries,
        };
        Ok(Self {
            map: catalogue.assemble(profile)?,
            profile,
            places: Places::of(Arc::new(catalogue)),
            link,
            memory: Memory::outside(all, limit_bytes),
            helper: Arc::default(),
            counting: Arc::default(),
        })
    }

    pub(crate) fn map(&self) -> &PartialMap<Profile> {
        &self.map
    }

    pub(crate) fn link(&self) -> Link {
        self.link
    }

    pub(crate) fn catalogue(&self) -> Option<&Arc<Catalogue>> {
        self.places.catalogue()
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// The tree, and where that of it lies that is not in memory.
    pub(crate) fn into_parts(self) -> (PartialMap<Profile>, Places) {
        (self.map, self.places)
    }

    /// Says where this version stands, once its record is written.
    pub(crate) fn set_link(&mut self, link: Link) {
        self.link = link;
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

    /// Applies `batch`, which is sorted, and keeps nothing that takes it back: after an error some of it may
    /// be in. The link stays.
    ///
    /// However large it is, only what a part of it needs must be in memory at a time.
    pub(crate) fn update(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        for part in parts(batch) {
            self.update_undoably(&part)?;
            self.let_go_what_changed(SHRINK_STEPS + part.len());
        }
        Ok(())
    }

    /// Applies `batch`, in two threads if it is large, and says what takes it back. The link stays.
    pub(crate) fn update_undoably(&mut self, batch: &Batch<'_>) -> Result<Undo, Fault> {
        let mut undo = Undo::default();
        let tally = self.change(|map, helper| match batch.len() < CHANGES_WORTH_A_THREAD {
            true => map.update_undoably(batch, &mut undo),
            false => map.update_in_halves_undoably(batch, &mut undo, |left, right| {
                helper.both(left, right);
            }),
        })?;
        self.memory
            .updated(tally, bytes_of(batch), bytes_of(&undo.batch()));
        Ok(undo)
    }

    /// Changes the map, once all that the change needs is in memory.
    fn change(
        &mut self,
        mut change: impl FnMut(&mut PartialMap<Profile>, &Helper) -> Result<Tally, Missing>,
    ) -> Result<Tally, Fault> {
        let tally = loop {
            match change(&mut self.map, &self.helper) {
                Ok(tally) => break tally,
                Err(missing) => self.supply(&missing)?,
            }
        };
        self.link.entries = self.link.entries + tally.added - tally.removed;
        self.link.root = self.map.root();
        Ok(tally)
    }

    /// Brings in what is missing: read and checked in two threads if it is much.
    fn supply(&mut self, missing: &Missing) -> Result<(), Fault> {
        let (places, profile) = (&self.places, self.profile);
        let subtrees = &missing.subtrees[..];
        let parts = if subtrees.len() < SUBTREES_WORTH_A_THREAD {
            [fetch(places, profile, subtrees), Ok(Vec::new())]
        } else {
            let (left, right) = subtrees.split_at(subtrees.len() / 2);
            let mut fetched = [Ok(Vec::new()), Ok(Vec::new())];
            let [of_left, of_right] = &mut fetched;
            self.helper.both(
                || *of_left = fetch(places, profile, left),
                || *of_right = fetch(places, profile, right),
            );
            fetched
        };
        for part in parts {
            for (fetched, subtree, weight) in part? {
                if self.map.put(fetched).is_err() {
                    return Err(self.places.damage(subtree).into());
                }
                self.memory.bring_in(weight);
            }
        }
        self.counting.buckets_loaded(subtrees.len());
        Ok(())
    }
}

/// Reads subtrees from where they lie, and checks each against its hash.
fn fetch<'s>(
    places: &Places,
    profile: Profile,
    subtrees: &'s [Subtree],
) -> Result<Vec<(Fetched, &'s Subtree, Weight)>, Fault> {
    let mut all = Vec::with_capacity(subtrees.len());
    for subtrees in subtrees.chunks(CHECKED_TOGETHER) {
        let buckets = places.load_all(subtrees)?;
        let checked = check_all(profile, subtrees.iter().zip(&buckets));
        for ((subtree, bucket), checked) in subtrees.iter().zip(&buckets).zip(checked) {
            let checked = checked.map_err(|_| Fault::from(places.damage(subtree)))?;
            let weight = Weight {
                bytes: bucket.bytes().len() as u64,
                entries: bucket.entries(),
            };
            all.push((checked, subtree, weight));
        }
    }
    Ok(all)
}

/// Parts of a batch that is sorted, each of one stretch of keys in either half of it: so both threads have work
/// in a few subtrees, which are read, checked and changed before they leave the cache.
fn parts<'b>(batch: &Batch<'b>) -> impl Iterator<Item = Batch<'b>> {
    let changes: Vec<_> = batch.changes().collect();
    let middle = changes.len().div_ceil(2);
    (0..middle).step_by(CHANGES_TOGETHER).map(move |start| {
        let stretch = |from: usize, to: usize| {
            let end = to.min(from + start + CHANGES_TOGETHER);
            changes[(from + start).min(end)..end].iter()
        };
        let mut part = Batch::with_capacity(changes.len().min(2 * CHANGES_TOGETHER));
        for change in stretch(0, middle).chain(stretch(middle, changes.len())) {
            add(&mut part, *change);
        }
        part
    })
}

/// Adds a change of another batch.
pub(crate) fn add<'b>(batch: &mut Batch<'b>, (key, value): (&'b [u8], Option<Value<'b>>)) {
    let added = match value.and_then(Value::bytes) {
        Some(value) => batch.put(key, value),
        None => batch.delete(key),
    };
    added.expect("the key was in a batch before");
}

/// Bytes that the entries of a batch take in buckets, about; nothing for what it removes.
fn bytes_of(batch: &Batch<'_>) -> u64 {
    let bytes = |(key, value): (&[u8], Option<Value<'_>>)| {
        let value = value.and_then(Value::bytes)?;
        Some((key.len() + value.len()) as u64 + LENGTH_BYTES)
    };
    batch.changes().filter_map(bytes).sum()
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

/// What a bucket has of an entry beside its key and value: their lengths.
const LENGTH_BYTES: u64 = 2;

/// Subtrees to be read and checked from which on two threads are faster than one.
const SUBTREES_WORTH_A_THREAD: usize = 64;

/// Changes of each thread that are brought in together where all of them need not be.
const CHANGES_TOGETHER: usize = 2048;

/// Changes from which on two threads are faster than one, their start included.
const CHANGES_WORTH_A_THREAD: usize = 512;
