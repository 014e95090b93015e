use std::ops::Bound;

use proptest::prelude::*;

use super::*;
use crate::{
    Blake3, Sha256,
    testing::{Changes, Model, apply_to_model, batch, map_of},
};

/// The specification, written as it is read: entries in key order, split at the first bit at which
/// they differ. Slow on purpose.
fn model_root<H: Hasher>(hasher: &H, entries: &Model) -> Hash {
    fn bit(key: &[u8], place: usize) -> bool {
        match (key.get(place / 9), place % 9) {
            (None, _) => false,
            (Some(_), 0) => true,
            (Some(byte), offset) => byte >> (8 - offset) & 1 == 1,
        }
    }
    fn root<H: Hasher>(hasher: &H, entries: &[(&Vec<u8>, &Vec<u8>)], place: usize) -> Hash {
        match entries {
            [] => hasher.empty(),
            [(key, value)] => hasher.leaf(key, &hasher.value(value)),
            _ => {
                let first_with_one = |place| entries.partition_point(|(key, _)| !bit(key, place));
                let place = (place..)
                    .find(|&place| !matches!(first_with_one(place), n if n == 0 || n == entries.len()))
                    .unwrap();
                let (left, right) = entries.split_at(first_with_one(place));
                hasher.inner(
                    &root(hasher, left, place + 1),
                    &root(hasher, right, place + 1),
                )
            }
        }
    }
    root(hasher, &entries.iter().collect::<Vec<_>>(), 0)
}

/// Keys that are hard on tries: prefixes of each other, one bit apart, long, or random.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => proptest::collection::vec(any::<u8>(), 1..4),
        3 => proptest::collection::vec(0u8..2, 1..12),
        1 => (1usize..40).prop_map(|len| vec![0; len]),
        1 => (1usize..40).prop_map(|len| vec![0xff; len]),
        1 => (0usize..72).prop_map(|bit| {
            let mut key = vec![0x55; 9];
            key[bit / 8] ^= 1 << (bit % 8);
            key
        }),
        1 => (any::<bool>(), 0usize..64).prop_map(|(ones, at)| {
            let mut key = vec![if ones { 0xff } else { 0 }; KEY_BYTES_MAX];
            key[KEY_BYTES_MAX - 1 - at] ^= 1;
            key
        }),
        2 => proptest::collection::vec(any::<u8>(), 32..33),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => (250usize..600, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn changes(len: usize) -> impl Strategy<Value = Changes> {
    proptest::collection::vec((key(), proptest::option::weighted(0.7, value())), 0..len)
}

fn check<H: Hasher>(hasher: &H, map: &Map<H>, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(map.root(), model_root(hasher, model));
    prop_assert_eq!(map.len(), model.len() as u64);
    for (key, value) in model {
        prop_assert_eq!(map.get(key), Some(Value::Bytes(value)));
    }
    prop_assert!(map.iter().eq(pairs(model.iter())));
    prop_assert!(map.iter().rev().eq(pairs(model.iter().rev())));
    Ok(())
}

fn pairs<'m>(
    entries: impl Iterator<Item = (&'m Vec<u8>, &'m Vec<u8>)>,
) -> impl Iterator<Item = (&'m [u8], Value<'m>)> {
    entries.map(|(key, value)| (&key[..], Value::Bytes(value)))
}

fn model() -> impl Strategy<Value = Model> {
    proptest::collection::btree_map(key(), value(), 0..120)
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
        Just(Bound::Unbounded),
    ]
}

fn agrees<H: Hasher>(hasher: H, batches: &[Changes]) -> Result<(), TestCaseError> {
    let mut model = Model::new();
    let mut map = Map::with_hasher(hasher.clone());
    for changes in batches {
        let before = map.clone();
        let before_model = model.clone();
        map.update(&batch(changes));
        apply_to_model(&mut model, changes);
        check(&hasher, &map, &model)?;
        check(&hasher, &before, &before_model)?;
        for (key, _) in changes {
            prop_assert_eq!(
                map.get(key),
                model.get(key).map(|value| Value::Bytes(value))
            );
        }
        let keys = || changes.iter().map(|(key, _)| &key[..]);
        let values: Vec<_> = keys().map(|key| map.get(key)).collect();
        prop_assert_eq!(map.get_many(keys()), values);
    }
    Ok(())
}

proptest! {
    #[test]
    fn agrees_with_the_model_sha256(batches in proptest::collection::vec(changes(60), 1..12)) {
        agrees(Sha256, &batches)?;
    }

    #[test]
    fn ranges_agree_with_the_model(
        model in model(),
        start in bound(),
        end in bound(),
        steps in proptest::collection::vec(any::<bool>(), 0..30),
    ) {
        let map = map_of(Sha256, &model);
        let (start, end) = (start.as_ref().map(Vec::as_slice), end.as_ref().map(Vec::as_slice));
        let expected: Vec<_> = pairs(model.iter())
            .filter(|(key, _)| RangeBounds::<[u8]>::contains(&(start, end), *key))
            .collect();
        prop_assert!(map.range((start, end)).eq(expected.iter().copied()));
        // From both ends in any order, until they meet.
        let (mut entries, mut expected) = (map.range((start, end)), expected.into_iter());
        for back in steps {
            if back {
                prop_assert_eq!(entries.next_back(), expected.next_back());
            } else {
                prop_assert_eq!(entries.next(), expected.next());
            }
        }
    }

    #[test]
    fn prefixes_agree_with_the_model(model in model(), mut prefix in key(), cut in 0usize..3) {
        prefix.truncate(prefix.len().saturating_sub(cut));
        let map = map_of(Sha256, &model);
        let expected = pairs(model.iter()).filter(|(key, _)| key.starts_with(&prefix));
        prop_assert!(map.prefix(&prefix).eq(expected));
    }

    #[test]
    fn differences_are_exact(model in model(), changes in changes(40)) {
        let before = map_of(Sha256, &model);
        let after = before.apply(&batch(&changes));
        let mut after_model = model.clone();
        apply_to_model(&mut after_model, &changes);
        let keys: std::collections::BTreeSet<_> = model.keys().chain(after_model.keys()).collect();
        let expected: Vec<_> = keys
            .into_iter()
            .map(|key| Difference {
                key,
                before: model.get(key).map(|value| Value::Bytes(value)),
                after: after_model.get(key).map(|value| Value::Bytes(value)),
            })
            .filter(|difference| difference.before != difference.after)
            .collect();
        prop_assert_eq!(before.diff(&after).collect::<Vec<_>>(), expected.clone());
        // The same against a map of the same content with another past.
        let rebuilt = map_of(Sha256, &after_model);
        prop_assert_eq!(before.diff(&rebuilt).collect::<Vec<_>>(), expected);
        prop_assert_eq!(after.diff(&rebuilt).next(), None);
    }

    /// A batch of many changes goes through the tree in parts.
    #[test]
    fn agrees_with_the_model_in_large_batches(
        batches in proptest::collection::vec(changes(2_000), 1..3),
    ) {
        agrees(Sha256, &batches)?;
    }

    #[test]
    fn agrees_with_the_model_blake3(batches in proptest::collection::vec(changes(300), 1..4)) {
        agrees(Blake3, &batches)?;
    }
}

/// The first part of the batch leaves the tree empty, or the last one does.
#[test]
fn a_large_batch_may_replace_all_that_was_there() {
    let keys =
        |first: u8| (0..1_000_u16).map(move |key| [&[first][..], &key.to_be_bytes()].concat());
    let entries = |first| keys(first).map(|key| (key, vec![first])).collect::<Model>();
    for (old, new) in [(1, 2), (2, 1)] {
        let mut map = map_of(Sha256, &entries(old));
        let gone = keys(old).map(|key| (key, None));
        let come = keys(new).map(|key| (key, Some(vec![new])));
        map.update(&batch(&gone.chain(come).collect::<Changes>()));
        assert_eq!(map.root(), map_of(Sha256, &entries(new)).root());
        assert_eq!(map.len(), 1_000);
        map.update(&batch(
            &keys(new).map(|key| (key, None)).collect::<Changes>(),
        ));
        assert!(map.is_empty());
        assert_eq!(map.root(), Sha256.empty());
    }
}

/// The deepest tree that keys can make: each parts from all others at a bit of its own.
#[test]
fn the_deepest_tree_needs_no_stack() {
    let keys: Vec<Vec<u8>> = (0..8 * KEY_BYTES_MAX)
        .map(|bit| {
            let mut key = vec![0; KEY_BYTES_MAX];
            key[bit / 8] = 0x80 >> (bit % 8);
            key
        })
        .collect();
    let work = move || {
        let mut map = Map::with_hasher(Blake3);
        // One by one and all at once; the latter in any order, since a batch is sorted.
        for keys in [&keys[..64], &keys[64..]] {
            let mut batch = Batch::new();
            for key in keys {
                batch.put(key, b"value").unwrap();
            }
            map.update(&batch);
        }
        let deepest = &keys[keys.len() - 1];
        assert_eq!(map.get(deepest), Some(Value::Bytes(b"value")));
        let before = map.clone();
        let mut batch = Batch::new();
        batch
            .put(deepest, b"other")
            .unwrap()
            .delete(&keys[keys.len() / 2])
            .unwrap();
        let proof = map.prove_update(&batch);
        map.update(&batch);
        let proof = Proof::decode(&proof.encode()).unwrap();
        let view = proof.verify(&Blake3, &before.root()).unwrap();
        assert_eq!(view.apply(&batch), Ok(map.root()));
        assert_eq!(before.diff(&map).count(), 2);
        assert_eq!(map.iter().count(), keys.len() - 1);
        assert!(format!("{map:?}").len() < 100_000);
    };
    let small_stack = std::thread::Builder::new().stack_size(128 << 10);
    small_stack.spawn(work).unwrap().join().unwrap();
}

/// Found by the fuzz target `partial_map`: the page that is left was opened for a change that does
/// nothing, and it moves to the top.
#[test]
fn keeps_the_hash_of_a_page_that_moves_to_the_top_unchanged() {
    let keys = |first: u8| (0..20_u8).map(move |second| vec![first, second]);
    let model: Model = keys(0xa0)
        .chain(keys(0xb0))
        .map(|key| (key, vec![1]))
        .collect();
    let left: Model = keys(0xa0).map(|key| (key, vec![1])).collect();
    let absent = (vec![0xa0, 99], None);
    let changes: Changes = keys(0xb0).map(|key| (key, None)).chain([absent]).collect();
    let mut map = map_of(Sha256, &model);
    map.update(&batch(&changes));
    assert_eq!(map.root(), map_of(Sha256, &left).root());
}
