//! What takes an update back.

use alloc::vec::Vec;
use core::ops::Range;

use super::batch::{Batch, Change, Value};
use crate::Hash;

/// The values that an update replaced or removed, and the keys that it added: what takes it back.
///
/// Gathered while the update is made, where it passes by anyway, so it costs little more than the
/// bytes of those values.
#[derive(Clone, Debug, Default)]
pub struct Undo {
    /// Keys, old values, references.
    text: Vec<u8>,
    changes: Vec<(Range<usize>, Old)>,
}

/// What a key had.
#[derive(Clone, Debug)]
enum Old {
    Nothing,
    Bytes(Range<usize>),
    /// A digest, and where its owner keeps the value.
    Digest(Hash, Range<usize>),
}

impl Undo {
    /// The batch that brings back what was there before; it borrows from this.
    #[must_use]
    pub fn batch(&self) -> Batch<'_> {
        let mut batch = Batch::with_capacity(self.changes.len());
        for (key, old) in &self.changes {
            let value = match old {
                Old::Nothing => None,
                Old::Bytes(bytes) => Some(Value::Bytes(&self.text[bytes.clone()])),
                Old::Digest(hash, reference) => Some(Value::Digest {
                    hash: *hash,
                    reference: &self.text[reference.clone()],
                }),
            };
            batch.push(&self.text[key.clone()], value);
        }
        batch
    }

    /// Notes what `key` had before it is changed.
    pub(super) fn note(&mut self, key: &[u8], old: Change<'_>) {
        let key = self.keep(key);
        let old = match old {
            None => Old::Nothing,
            Some(Value::Bytes(bytes)) => Old::Bytes(self.keep(bytes)),
            Some(Value::Digest { hash, reference }) => Old::Digest(hash, self.keep(reference)),
        };
        self.changes.push((key, old));
    }

    /// Adds what another part of the same update has noted.
    pub(super) fn append(&mut self, other: Self) {
        if self.changes.is_empty() {
            *self = other;
            return;
        }
        let start = self.text.len();
        let moved = |range: Range<usize>| range.start + start..range.end + start;
        self.text.extend_from_slice(&other.text);
        self.changes
            .extend(other.changes.into_iter().map(|(key, old)| {
                let old = match old {
                    Old::Nothing => Old::Nothing,
                    Old::Bytes(bytes) => Old::Bytes(moved(bytes)),
                    Old::Digest(hash, reference) => Old::Digest(hash, moved(reference)),
                };
                (moved(key), old)
            }));
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        start..self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::{Map, PartialMap, Sha256};

    #[test]
    fn takes_back_what_an_update_did() {
        let keys: Vec<_> = (0..1_200)
            .map(|key| format!("{:04}", key * 7 % 1_200))
            .collect();
        let long = [7; 500];
        let mut map = PartialMap::from(Map::<Sha256>::new());
        for round in 0..60 {
            let before = map.clone();
            let mut batch = Batch::new();
            let size = [0, 1, 3, 40, 1_200][round % 5];
            for (at, key) in keys.iter().cycle().skip(round * 131).take(size).enumerate() {
                let key = key.as_bytes();
                match (at * 31 + round) % 7 {
                    0 | 1 => batch.delete(key),
                    2 => batch.put(key, &long[round..]),
                    3 => batch.put_digest(key, map.root(), &long[..round % 60]),
                    _ => batch.put(key, &long[..at % 9]),
                }
                .expect("short keys");
            }
            let mut undo = Undo::default();
            match round % 2 {
                0 => map.update_undoably(&batch, &mut undo),
                _ => map.update_in_halves_undoably(&batch, &mut undo, |left, right| {
                    right();
                    left();
                }),
            }
            .expect("all of it is in memory");
            let mut back = map.clone();
            back.update(&undo.batch()).expect("all of it is in memory");
            assert_eq!(back.root(), before.root(), "round {round}");
            let [back, before] = [&back, &before].map(|map| map.range(..).expect("in memory"));
            assert!(back.eq(before), "round {round}");
        }
    }
}
