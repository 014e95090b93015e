//! Holds what the crate says of a map against the model's entries.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use core::ops::Bound;

use merkle_core::{
    Batch, Blake3, Hash, Hasher, Lookup, Map, Proof, ProofDecodeError, ProofError, Sha256, Value,
    View,
};

use crate::model::{Changes, Digest32, Entries, Profile};

/// A profile of the crate, and which of the model's it is.
pub(crate) trait Profiled: Hasher + Default {
    const MODEL: Profile;
}

impl Profiled for Sha256 {
    const MODEL: Profile = Profile::Sha256;
}

impl Profiled for Blake3 {
    const MODEL: Profile = Profile::Blake3;
}

pub(crate) type Range<'k> = (Bound<&'k [u8]>, Bound<&'k [u8]>);

/// What became of bytes that claim to be a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Malformed(ProofDecodeError),
    Mismatch,
    /// It verifies, and all that it says is true.
    True,
}

pub(crate) fn batch(changes: &Changes) -> Batch<'_> {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key, value).unwrap(),
            None => batch.delete(key).unwrap(),
        };
    }
    batch
}

pub(crate) fn map<H: Profiled>(entries: &Entries) -> Map<H> {
    let puts = entries
        .iter()
        .map(|(key, value)| (key.clone(), Some(value.clone())));
    let changes = puts.collect();
    let mut map = Map::new();
    map.update(&batch(&changes));
    map
}

/// All ranges between `keys`, with all kinds of ends.
pub(crate) fn ranges(keys: &[Vec<u8>]) -> Vec<Range<'_>> {
    let ends = |key| [Bound::Included(key), Bound::Excluded(key)];
    let ends: Vec<_> = keys.iter().flat_map(|key| ends(&key[..])).collect();
    let ends: Vec<_> = [Bound::Unbounded].into_iter().chain(ends).collect();
    let pairs = ends
        .iter()
        .flat_map(|start| ends.iter().map(|end| (*start, *end)));
    pairs.collect()
}

/// The entries in `range`, however its ends stand to each other.
pub(crate) fn entries_in<'e>(entries: &'e Entries, range: Range<'_>) -> Vec<(&'e [u8], &'e [u8])> {
    use core::ops::RangeBounds;
    let all = entries.iter().map(|(key, value)| (&key[..], &value[..]));
    all.filter(|(key, _)| RangeBounds::<[u8]>::contains(&range, *key))
        .collect()
}

pub(crate) fn is_value<H: Profiled>(found: Value<'_>, value: &[u8]) -> bool {
    match found {
        Value::Bytes(bytes) => bytes == value,
        Value::Digest { hash, .. } => *hash.as_bytes() == H::MODEL.value(value),
        _ => false,
    }
}

/// Panics if `view` says anything of `keys`, or of ranges between them, that is not so.
pub(crate) fn assert_true<H: Profiled>(view: &View<'_, H>, entries: &Entries, keys: &[Vec<u8>]) {
    for key in keys {
        match view.get(key) {
            Lookup::Present(found) => assert!(is_value::<H>(found, &entries[key]), "{key:x?}"),
            Lookup::Absent => assert!(!entries.contains_key(key), "{key:x?} is there"),
            _ => {}
        }
    }
    for range in ranges(keys) {
        if let Ok(revealed) = view.range(range) {
            let expected = entries_in(entries, range);
            assert_eq!(revealed.clone().count(), expected.len(), "{range:x?}");
            for ((key, found), (expected, value)) in revealed.zip(expected) {
                assert_eq!(key, expected, "{range:x?}");
                assert!(is_value::<H>(found, value), "{key:x?}");
            }
        }
    }
}

/// Decodes and verifies `bytes`; panics if they say something untrue of the map with `root`.
pub(crate) fn judge<H: Profiled>(
    bytes: &[u8],
    root: &Digest32,
    entries: &Entries,
    keys: &[Vec<u8>],
) -> Outcome {
    let proof = match Proof::decode(bytes) {
        Ok(proof) => proof,
        Err(error) => return Outcome::Malformed(error),
    };
    assert_eq!(proof.encode(), bytes, "one encoding for a proof");
    match proof.verify(&H::default(), &Hash::from_bytes(*root)) {
        Ok(view) => {
            assert_true(&view, entries, keys);
            Outcome::True
        }
        Err(ProofError::RootMismatch { .. }) => Outcome::Mismatch,
        Err(error) => panic!("{error}"),
    }
}
