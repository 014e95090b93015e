//! What the benches of map and proofs work on: seeded keys and values.

use merkle_core::{Batch, Hasher, Map};

/// Bytes of a value.
const VALUE_BYTES: usize = 100;

/// Keys of 32 uniform bytes in order, and values of [`VALUE_BYTES`].
pub(crate) struct Entries {
    keys: Vec<[u8; 32]>,
    values: Vec<u8>,
}

impl Entries {
    /// As many entries as `size`.
    pub(crate) fn new(size: usize) -> Self {
        let mut state = 1 << 32;
        let mut key = || {
            let mut key = [0; 32];
            for chunk in key.as_chunks_mut::<8>().0 {
                *chunk = random(&mut state).to_le_bytes();
            }
            key
        };
        let mut keys: Vec<_> = (0..size).map(|_| key()).collect();
        let values = keys.iter().flat_map(|key| key.repeat(4)).collect();
        keys.sort_unstable();
        Self { keys, values }
    }

    /// The key at `place`.
    pub(crate) fn key(&self, place: usize) -> &[u8] {
        &self.keys[place]
    }

    /// New values for the entries at `places`; each of `changes` stands for others.
    pub(crate) fn batch(&self, places: impl Iterator<Item = usize>, changes: usize) -> Batch<'_> {
        let mut batch = Batch::new();
        for place in places {
            let at = (place + 7919 * changes) % self.keys.len() * 128;
            let value = &self.values[at..at + VALUE_BYTES];
            let added = batch.put(&self.keys[place], value).map(|_| ());
            added.expect("keys of 32 bytes are neither empty nor too long");
        }
        batch
    }
}

/// A map with the entries of a batch.
pub(crate) fn map<H: Hasher + Default>(batch: &Batch<'_>) -> Map<H> {
    let mut map = Map::new();
    map.update(batch);
    map
}

/// `count` random places below `size`, others for each `seed`.
pub(crate) fn places(seed: usize, count: usize, size: usize) -> impl Iterator<Item = usize> {
    let mut state = (seed as u64) << 32 | 0x5eed;
    (0..count).map(move |_| {
        let place = random(&mut state) % size as u64;
        usize::try_from(place).expect("below a usize")
    })
}

/// SplitMix64: seeded, so that every run does the same work.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
