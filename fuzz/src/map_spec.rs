//! The ordered map as `docs/formats.md` describes it: slow on purpose.

use std::collections::BTreeMap;
use std::iter::once;

use merkle_core::{Hash, Hasher};

use crate::Change;

/// What a map holds.
pub type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Applies `changes` to a model.
pub fn change(model: &mut Model, changes: &[Change]) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

/// The root of the map with these entries.
pub fn map_root<H: Hasher>(hasher: &H, model: &Model) -> Hash {
    let entries: Vec<_> = model
        .iter()
        .map(|(key, value)| (&key[..], &value[..]))
        .collect();
    root(hasher, &entries)
}

/// Entries in key order, split at the first bit at which they differ.
fn root<H: Hasher>(hasher: &H, entries: &[(&[u8], &[u8])]) -> Hash {
    match entries {
        [] => hasher.empty(),
        [(key, value)] => hasher.leaf(key, &hasher.value(value)),
        // They are in order, so that the first and the last differ where any two do.
        [(first, _), .., (last, _)] => {
            let place = parting(first, last);
            let (left, right) =
                entries.split_at(entries.partition_point(|(key, _)| !bit(key, place)));
            hasher.inner(&root(hasher, left), &root(hasher, right))
        }
    }
}

/// First place at which two different keys differ.
fn parting(a: &[u8], b: &[u8]) -> usize {
    let shared = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let mut bits = bits(&a[shared..]).zip(bits(&b[shared..]));
    9 * shared + bits.position(|(a, b)| a != b).expect("the keys differ")
}

fn bit(key: &[u8], place: usize) -> bool {
    let rest = key.get(place / 9..).unwrap_or_default();
    bits(rest).nth(place % 9).unwrap_or_default()
}

/// A key as a prefix-free string of bits: a 1 before each byte, and a 0 at the end.
fn bits(key: &[u8]) -> impl Iterator<Item = bool> {
    let byte_bits = |byte: &u8| {
        let byte = *byte;
        once(true).chain((0..8).rev().map(move |place| byte >> place & 1 == 1))
    };
    key.iter().flat_map(byte_bits).chain(once(false))
}
