//! Bytes that claim to be buckets and a catalogue, with hashes that fit them: never a panic, never a
//! read outside the file, and a tree only if the subtrees make up the root.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use merkle_core::{Hash, Map, Sha256};
use merkle_fuzz::{Change, Content, Key, Mutation, batch, mutate};
use reality_db::fuzzing;

/// A checkpoint of a few entries, each a subtree of its own, and what is done to its bytes.
#[derive(Arbitrary, Debug)]
struct Input {
    entries: Vec<(Key, Content)>,
    /// Another number of entries than there are, or other bytes in use.
    count: Option<u8>,
    live_bytes: Option<u16>,
    buckets: Vec<Mutation>,
    catalogue: Vec<Mutation>,
    /// No catalogue of ours, but these bytes.
    other: Option<Vec<u8>>,
}

fuzz_target!(|input: Input| {
    let changes: Vec<Change> = (input.entries.iter().take(40))
        .map(|(key, value)| (key.bytes(), Some(value.bytes())))
        .collect();
    let mut map = Map::with_hasher(Sha256);
    map.update(&batch(&changes));

    let mut buckets = Vec::new();
    let mut rows = Vec::new();
    let mut count = 0_u64;
    for (key, value) in map.iter() {
        let value = value.bytes().expect("the map has values");
        let mut alone = Map::with_hasher(Sha256);
        alone.update(&batch(&[(key.to_vec(), Some(value.to_vec()))]));
        let start = buckets.len();
        counted(&mut buckets, key);
        counted(&mut buckets, value);
        // A single leaf: its branch, its hash, its key.
        let name = [&[0xff; 2][..], alone.root().as_bytes(), key].concat();
        counted(&mut rows, &name);
        uvarint(&mut rows, 0);
        uvarint(&mut rows, 16 + start as u64);
        uvarint(&mut rows, (buckets.len() - start) as u64);
        uvarint(&mut rows, 1);
        count += 1;
    }
    let live_bytes = buckets.len() as u64;
    let mut catalogue = Vec::new();
    uvarint(&mut catalogue, 1);
    uvarint(&mut catalogue, 1);
    uvarint(&mut catalogue, 16 + live_bytes);
    uvarint(&mut catalogue, count);
    catalogue.extend(&rows);

    let sound = fuzzing::catalogue(&buckets, &catalogue, map.root(), count, live_bytes);
    assert!(sound, "a checkpoint is refused");

    let whole = catalogue.clone();
    mutate(&mut buckets, &input.buckets);
    mutate(&mut catalogue, &input.catalogue);
    let catalogue = input.other.unwrap_or(catalogue);
    let count = input.count.map_or(count, u64::from);
    let live_bytes = input.live_bytes.map_or(live_bytes, u64::from);
    let taken = fuzzing::catalogue(&buckets, &catalogue, map.root(), count, live_bytes);
    // Places of buckets may differ, what the subtrees are may not.
    if taken && catalogue.len() != whole.len() {
        assert!(!map.is_empty(), "a catalogue of nothing has one form");
    }
    let _ = fuzzing::catalogue(&buckets, &catalogue, Hash::default(), count, live_bytes);

    if let Some(entries) = fuzzing::bucket(&buckets, count) {
        let mut again = Vec::new();
        for (key, value) in &entries {
            counted(&mut again, key);
            counted(&mut again, value);
        }
        assert_eq!(again, buckets, "two byte strings for a bucket");
        assert!(entries.is_sorted_by(|(a, _), (b, _)| a < b));
    }
});

fn counted(bytes: &mut Vec<u8>, field: &[u8]) {
    uvarint(bytes, field.len() as u64);
    bytes.extend(field);
}

fn uvarint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
