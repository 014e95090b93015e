//! The same keys at every run.

use merkle_core::Batch;

/// Entries of the maps that are measured.
pub(crate) const ENTRIES: usize = 100_000;

/// A key of 32 bytes.
pub(crate) type Key = [u8; 32];

/// Sorted keys, evenly spread.
pub(crate) fn keys() -> Vec<Key> {
    let mut state = 1;
    let mut keys: Vec<Key> = (0..ENTRIES)
        .map(|_| {
            let mut key = [0; 32];
            for word in key.chunks_mut(8) {
                word.copy_from_slice(&random(&mut state).to_be_bytes());
            }
            key
        })
        .collect();
    keys.sort_unstable();
    keys
}

/// `count` of `keys`, others in each `round`.
pub(crate) fn picks(keys: &[Key], round: u64, count: usize) -> Vec<Key> {
    let mut state = round;
    let mut pick = || random(&mut state) % keys.len() as u64;
    (0..count)
        .map(|_| keys[usize::try_from(pick()).expect("below a length")])
        .collect()
}

/// A batch that sets `keys` to one value.
pub(crate) fn batch_of<'k>(keys: &'k [Key], value: &'k [u8]) -> Batch<'k> {
    let mut batch = Batch::with_capacity(keys.len());
    for key in keys {
        batch.put(key, value).expect("keys have 32 bytes");
    }
    batch
}

/// SplitMix64 (Steele, Lea and Flood 2014): spreads any seed, 0 included.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
