//! What every store is given: seeded keys of 32 bytes, values of 100.

use crate::random::Random;

/// A key.
pub type Key = [u8; 32];

/// What a key has.
pub type Value = [u8; VALUE_BYTES];

/// A key and its new value.
pub type Change = (Key, Value);

/// Bytes of a value.
const VALUE_BYTES: usize = 100;

/// Bytes that the caller writes with a change.
pub(super) const CHANGE_BYTES: usize = 32 + VALUE_BYTES;

/// Changes of a commit while a store is filled.
const LOAD_BATCH: usize = 10_000;

/// Keys and changes. It holds none of them: each is made from its place when it is asked for, so
/// that the memory of a process is the store's.
pub(super) struct Workload {
    size: usize,
}

impl Workload {
    pub(super) fn new(size: usize) -> Self {
        Self { size }
    }

    /// Number of keys.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The key at `place`. Keys are uniform; places do not follow their order.
    pub(super) fn key(&self, place: usize) -> Key {
        Random::new(place as u64 + 1_000).key()
    }

    /// `count` keys that are there.
    pub(super) fn keys(&self, seed: u64, count: usize) -> Vec<Key> {
        let mut places = Random::new(seed);
        let key = |_| self.key(places.below(self.size));
        (0..count).map(key).collect()
    }

    /// The batches that fill a store.
    pub(super) fn load(&self) -> impl Iterator<Item = Vec<Change>> {
        let mut values = Random::new(1);
        (0..self.size).step_by(LOAD_BATCH).map(move |start| {
            let places = start..self.size.min(start + LOAD_BATCH);
            places
                .map(|at| (self.key(at), value(&mut values)))
                .collect()
        })
    }

    /// `count` batches of new values for `len` random keys each.
    pub(super) fn updates(
        &self,
        seed: u64,
        count: usize,
        len: usize,
    ) -> impl Iterator<Item = Vec<Change>> {
        let mut random = Random::new(seed);
        let mut change = move || (self.key(random.below(self.size)), value(&mut random));
        (0..count).map(move |_| (0..len).map(|_| change()).collect())
    }
}

fn value(random: &mut Random) -> Value {
    let mut value = [0; VALUE_BYTES];
    for chunk in value.chunks_mut(8) {
        chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
    }
    value
}
