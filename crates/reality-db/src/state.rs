//! The content of one version, in memory as far as it is needed.

use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use merkle_core::{Batch, Missing, PartialMap, Subtree, Value};

use crate::checkpoint::Catalogue;
use crate::engine::EngineError;
use crate::error::Fault;
use crate::journal::Link;
use crate::{Damage, Profile};

/// The content of one version.
///
/// Cloning is cheap: clones share what neither changes.
#[derive(Clone)]
pub(crate) struct State {
    map: PartialMap<Profile>,
    /// Where the subtrees are that are not in memory. INVARIANT: it has every such subtree.
    catalogue: Arc<Catalogue>,
    link: Link,
}

impl State {
    /// The state of a version whose subtrees are all in `catalogue`.
    pub(crate) fn new(map: PartialMap<Profile>, catalogue: Arc<Catalogue>, link: Link) -> Self {
        Self {
            map,
            catalogue,
            link,
        }
    }

    pub(crate) fn map(&self) -> &PartialMap<Profile> {
        &self.map
    }

    pub(crate) fn link(&self) -> Link {
        self.link
    }

    pub(crate) fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Says where this version stands, once its record is written.
    pub(crate) fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// Takes a newer catalogue, which has every subtree that is not in memory.
    pub(crate) fn set_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        self.catalogue = catalogue;
    }

    /// Lets go of a subtree that the catalogue has.
    pub(crate) fn evict(&mut self, subtree: &Subtree) -> bool {
        self.map.evict(subtree)
    }

    /// Asks until nothing is missing, loading what is.
    pub(crate) fn ask<T>(
        &mut self,
        ask: impl Fn(&PartialMap<Profile>) -> Result<T, Missing>,
    ) -> Result<T, Fault> {
        loop {
            let missing = match ask(&self.map) {
                Ok(answer) => return Ok(answer),
                Err(missing) => missing,
            };
            self.supply(&missing)?;
        }
    }

    /// The first entries in `range`, at most `limit`, and the subtrees that were loaded for it.
    pub(crate) fn read_range(
        &mut self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        limit: usize,
    ) -> Result<(Vec<OwnedEntry>, Vec<Subtree>), Fault> {
        let mut loaded = Vec::new();
        loop {
            let missing = match self.map.range(range) {
                Ok(entries) => {
                    let owned = |(key, value): (&[u8], Value<'_>)| {
                        (key.to_vec(), value.bytes().unwrap_or_default().to_vec())
                    };
                    return Ok((entries.take(limit).map(owned).collect(), loaded));
                }
                Err(missing) => missing,
            };
            self.supply(&missing)?;
            loaded.extend(missing.subtrees);
        }
    }

    /// Applies `batch`, which is sorted, in two threads if it is large. The link stays.
    pub(crate) fn update(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let tally = loop {
            let outcome = if batch.len() < CHANGES_WORTH_A_THREAD {
                self.map.update(batch)
            } else {
                self.map.update_in_halves(batch, |left, right| {
                    std::thread::scope(|threads| {
                        threads.spawn(left);
                        right();
                    });
                })
            };
            match outcome {
                Ok(tally) => break tally,
                Err(missing) => self.supply(&missing)?,
            }
        };
        self.link.entries = self.link.entries + tally.added - tally.removed;
        self.link.root = self.map.root();
        Ok(())
    }

    /// The batch that takes back what `batch` is about to do.
    pub(crate) fn inverse<'b>(&mut self, batch: &Batch<'b>) -> Result<Inverse<'b>, Fault> {
        let mut inverse = Inverse::default();
        for (key, _) in batch.changes() {
            let value = loop {
                match self.map.get(key) {
                    Ok(value) => break value,
                    Err(missing) => self.supply(&missing)?,
                }
            };
            let start = inverse.bytes.len();
            let bytes = value.and_then(Value::bytes);
            inverse.bytes.extend(bytes.unwrap_or_default());
            inverse
                .values
                .push((key, bytes.map(|_| start..inverse.bytes.len())));
        }
        Ok(inverse)
    }

    fn supply(&mut self, missing: &Missing) -> Result<(), Fault> {
        for subtree in &missing.subtrees {
            let bucket = self.catalogue.load(subtree)?;
            if self.map.supply(subtree, &bucket.batch()).is_err() {
                return Err(bucket.damage(subtree).into());
            }
        }
        Ok(())
    }
}

/// What takes a batch back.
#[derive(Default)]
pub(crate) struct Inverse<'b> {
    bytes: Vec<u8>,
    values: Vec<(&'b [u8], Option<std::ops::Range<usize>>)>,
}

impl Inverse<'_> {
    pub(crate) fn batch(&self) -> Batch<'_> {
        let mut batch = Batch::with_capacity(self.values.len());
        for (key, value) in &self.values {
            let change = match value {
                Some(value) => batch.put(key, &self.bytes[value.clone()]),
                None => batch.delete(key),
            };
            change.expect("the keys were in a batch before");
        }
        batch
    }
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
            Ok(found) => return Ok(value(found)),
            Err(missing) => missing,
        };
        state.supply(&missing)?;
    }
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

/// Changes from which on two threads are faster than one, their start included.
const CHANGES_WORTH_A_THREAD: usize = 512;
