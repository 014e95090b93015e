//! What collections did and are about to do: a small file that every process looks at before it says
//! that a blob is there.
//!
//! The bytes are specified in `docs/formats/vault.md`.

use std::collections::{BTreeMap, BTreeSet};

use crate::Address;
use crate::checked::{self, take};

/// Its name in the vault's folder.
pub(crate) const NAME: &str = "gc";

const MAGIC: &[u8; 8] = b"d360gcs\x01";

/// Which segments are going, and which are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collection {
    /// Segments that go, and since when: in nanoseconds since 1970, as the caller said. Nobody relies on
    /// what is in them any more, so that each can be removed whenever its roots are safe elsewhere.
    pub(crate) condemned: BTreeMap<u32, u64>,
    /// Segments that were removed, as ranges from the first up to and without the last: an index that
    /// was written before may still name them.
    removed: Vec<(u32, u32)>,
    /// Large blobs whose records went with them, and whose files have to go.
    pub(crate) large: BTreeSet<Address>,
}

impl Collection {
    /// Whether a record in that segment is not to be relied on.
    pub(crate) fn takes(&self, segment: u32) -> bool {
        self.condemned.contains_key(&segment) || self.took(segment)
    }

    fn took(&self, segment: u32) -> bool {
        let behind = self.removed.partition_point(|(first, _)| *first <= segment);
        behind > 0 && segment < self.removed[behind - 1].1
    }

    /// Says that a segment is removed.
    pub(crate) fn take(&mut self, segment: u32) {
        self.condemned.remove(&segment);
        if self.took(segment) {
            return;
        }
        let at = self.removed.partition_point(|(first, _)| *first < segment);
        self.removed
            .insert(at, (segment, segment.saturating_add(1)));
        // Neighbours become one, so that the list is as long as there are holes in it.
        self.removed.dedup_by(|next, before| {
            let touch = before.1 == next.0;
            if touch {
                before.1 = next.1;
            }
            touch
        });
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let count = |len: usize| {
            u32::try_from(len)
                .expect("as many as segments")
                .to_le_bytes()
        };
        bytes.extend(count(self.condemned.len()));
        for (segment, since_ns) in &self.condemned {
            bytes.extend(segment.to_le_bytes());
            bytes.extend(since_ns.to_le_bytes());
        }
        bytes.extend(count(self.removed.len()));
        for (first, end) in &self.removed {
            bytes.extend(first.to_le_bytes());
            bytes.extend(end.to_le_bytes());
        }
        for address in &self.large {
            bytes.extend(address.as_bytes());
        }
        checked::close(bytes)
    }

    /// `None` for bytes that are not as they were written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = checked::open(bytes, MAGIC)?;
        let mut collection = Self::default();
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let segment = u32::from_le_bytes(take(&mut rest)?);
            let since_ns = u64::from_le_bytes(take(&mut rest)?);
            collection.condemned.insert(segment, since_ns);
        }
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let first = u32::from_le_bytes(take(&mut rest)?);
            let end = u32::from_le_bytes(take(&mut rest)?);
            collection.removed.push((first, end));
        }
        while !rest.is_empty() {
            collection
                .large
                .insert(Address::from_bytes(take(&mut rest)?));
        }
        Some(collection)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn knows_what_was_taken(segments in prop::collection::vec(0..60_u32, 0..60)) {
            let mut collection = Collection::default();
            let mut model = BTreeSet::new();
            for segment in segments {
                collection.condemned.insert(segment, 3);
                prop_assert!(collection.takes(segment));
                collection.take(segment);
                model.insert(segment);
                for other in 0..64 {
                    prop_assert_eq!(collection.takes(other), model.contains(&other));
                }
                let apart = collection.removed.windows(2).all(|pair| pair[0].1 < pair[1].0);
                prop_assert!(apart, "{:?}", collection.removed);
            }
            prop_assert_eq!(Collection::decode(&collection.encode()), Some(collection));
        }
    }

    #[test]
    fn is_read_back_and_no_changed_bit_is() {
        let mut collection = Collection {
            condemned: BTreeMap::from([(3, 10), (9, 20)]),
            large: BTreeSet::from([Address::of(b"large")]),
            ..Collection::default()
        };
        collection.take(1);
        let bytes = collection.encode();
        assert_eq!(Collection::decode(&bytes), Some(collection));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Collection::decode(&flipped), None, "bit {bit}");
        }
    }
}
