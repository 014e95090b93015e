//! What every row works on: seeded keys and values.

use merkle_core::{Batch, KeyError};

pub(super) use crate::random::Random;

/// Bytes of a value.
pub(super) const VALUE_BYTES: usize = 100;

/// Keys of 32 uniform bytes in order, and values of [`VALUE_BYTES`].
pub(super) struct Entries {
    keys: Vec<[u8; 32]>,
    values: Vec<u8>,
}

impl Entries {
    pub(super) fn new(size: usize) -> Self {
        let mut random = Random::new(1);
        let mut keys: Vec<_> = (0..size).map(|_| random.key()).collect();
        keys.sort_unstable();
        let mut values = vec![0; size * VALUE_BYTES];
        values
            .chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]));
        Self { keys, values }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn keys(&self) -> &[[u8; 32]] {
        &self.keys
    }

    /// The value of the entry at `place` after `changes` changes.
    pub(super) fn value(&self, place: usize, changes: usize) -> &[u8] {
        let at = (place + 7919 * changes) % self.len() * VALUE_BYTES;
        &self.values[at..at + VALUE_BYTES]
    }

    /// All entries in key order, with their first values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8; 32], &[u8])> {
        let values = self.values.chunks_exact(VALUE_BYTES);
        self.keys.iter().zip(values)
    }

    /// All entries as one sorted batch.
    pub(super) fn batch(&self) -> Batch<'_> {
        let mut batch = Batch::with_capacity(self.len());
        for (key, value) in self.iter() {
            put(&mut batch, key, value);
        }
        batch
    }
}

/// Adds a change to a batch.
pub(super) fn put<'a>(batch: &mut Batch<'a>, key: &'a [u8; 32], value: &'a [u8]) {
    let added: Result<_, KeyError> = batch.put(key, value);
    added.expect("keys of 32 bytes are neither empty nor too long");
}
