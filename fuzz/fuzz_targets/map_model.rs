//! Batch after batch on a map: it is what the specification says, and so are its older versions.
#![no_main]

use std::collections::BTreeSet;
use std::ops::RangeBounds;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use merkle_core::{Blake3, Difference, Hasher, Lookup, Map, Query, Sha256, Value};
use merkle_fuzz::{Change, Content, Key, Model, Span, batch, change, check_view, map_root};

#[derive(Arbitrary, Debug)]
struct Input {
    blake3: bool,
    batches: Vec<Vec<(Key, Option<Content>)>>,
    spans: Vec<Span>,
    prefixes: Vec<(Key, u8)>,
    steps: u32,
}

const BATCHES_MAX: usize = 12;
const CHANGES_MAX: usize = 80;
const ASKED_MAX: usize = 4;

fuzz_target!(|input: Input| {
    if input.blake3 {
        check(Blake3, &input);
    } else {
        check(Sha256, &input);
    }
});

fn check<H: Hasher>(hasher: H, input: &Input) {
    let mut versions = vec![(Map::with_hasher(hasher.clone()), Model::new())];
    for (step, changes) in input.batches.iter().take(BATCHES_MAX).enumerate() {
        let changes: Vec<Change> = (changes.iter().take(CHANGES_MAX))
            .map(|(key, value)| (key.bytes(), value.as_ref().map(Content::bytes)))
            .collect();
        let (before, before_model) = versions.last().expect("the empty one").clone();
        let mut model = before_model.clone();
        change(&mut model, &changes);
        // Some updates happen where an older version looks on, some in place, some in two halves.
        let map = if input.steps >> (2 * step) & 1 == 0 {
            before.apply(&batch(&changes))
        } else {
            let (mut map, _) = versions.pop().expect("there are as many as before");
            drop(before);
            if input.steps >> (2 * step) & 2 == 0 {
                map.update(&batch(&changes));
            } else {
                map.update_in_halves(&batch(&changes), |left, right| {
                    right();
                    left();
                });
            }
            map
        };
        let keys: Vec<_> = changes.iter().map(|(key, _)| key.clone()).collect();
        check_content(&hasher, &map, &model, input, &keys);
        if let Some((before, before_model)) = versions.last() {
            check_difference(before, &map, before_model, &model);
        }
        check_transition(&hasher, &map, &model, &keys, &input.spans, &changes);
        versions.push((map, model));
    }
    for (map, model) in &versions {
        assert_eq!(map.root(), map_root(&hasher, model));
        assert!(
            map.iter().eq(pairs(model.iter())),
            "an older version changed"
        );
    }
}

/// All ways to read.
fn check_content<H: Hasher>(
    hasher: &H,
    map: &Map<H>,
    model: &Model,
    input: &Input,
    keys: &[Vec<u8>],
) {
    assert_eq!(map.root(), map_root(hasher, model));
    assert_eq!(map.len(), model.len() as u64);
    for key in model.keys().chain(keys) {
        assert_eq!(
            map.get(key),
            model.get(key).map(|value| Value::Bytes(value))
        );
    }
    assert!(map.iter().eq(pairs(model.iter())));
    assert!(map.iter().rev().eq(pairs(model.iter().rev())));
    for span in input.spans.iter().take(ASKED_MAX) {
        let range = span.of(keys);
        let expected: Vec<_> = pairs(model.iter())
            .filter(|(key, _)| RangeBounds::<[u8]>::contains(&range, *key))
            .collect();
        assert!(map.range(range).eq(expected.iter().copied()));
        // From both ends in any order, until they meet.
        let (mut found, mut expected) = (map.range(range), expected.into_iter());
        for step in 0..32 {
            if input.steps >> step & 1 == 0 {
                assert_eq!(found.next(), expected.next());
            } else {
                assert_eq!(found.next_back(), expected.next_back());
            }
        }
    }
    for (key, cut) in input.prefixes.iter().take(ASKED_MAX) {
        let mut prefix = key.bytes();
        prefix.truncate(prefix.len().saturating_sub(usize::from(cut % 4)));
        let expected = pairs(model.iter()).filter(|(key, _)| key.starts_with(&prefix));
        assert!(map.prefix(&prefix).eq(expected));
    }
}

fn check_difference<H: Hasher>(before: &Map<H>, after: &Map<H>, old: &Model, new: &Model) {
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let expected = keys
        .into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| Difference {
            key,
            before: old.get(key).map(|value| Value::Bytes(value)),
            after: new.get(key).map(|value| Value::Bytes(value)),
        });
    assert!(before.diff(after).eq(expected));
}

/// Proofs of what was written, and of what writing it once more, or undoing it, leads to.
fn check_transition<H: Hasher>(
    hasher: &H,
    map: &Map<H>,
    model: &Model,
    keys: &[Vec<u8>],
    spans: &[Span],
    changes: &[Change],
) {
    let spans = &spans[..spans.len().min(ASKED_MAX)];
    let proof = map.prove_query(&Query::new().keys(keys.iter().map(Vec::as_slice)));
    let view = proof.verify(hasher, &map.root()).expect("its own proof");
    for key in keys {
        let expected = model
            .get(key)
            .map_or(Lookup::Absent, |it| Lookup::Present(Value::Bytes(it)));
        assert_eq!(view.get(key), expected, "{key:02x?}");
    }
    for span in spans {
        let proof = map.prove_query(&Query::new().range(span.of(keys)));
        let view = proof.verify(hasher, &map.root()).expect("its own proof");
        assert!(
            view.range(span.of(keys))
                .expect("what was asked")
                .eq(map.range(span.of(keys)))
        );
    }
    // What was put goes, and what was deleted comes.
    let undone: Vec<Change> = (changes.iter())
        .map(|(key, value)| (key.clone(), value.is_none().then(|| key.clone())))
        .collect();
    let mut after = model.clone();
    change(&mut after, &undone);
    let proof = map.prove_update(&batch(&undone));
    let view = proof.verify(hasher, &map.root()).expect("its own proof");
    assert_eq!(view.apply(&batch(&undone)), Ok(map_root(hasher, &after)));
    check_view(
        hasher,
        &view,
        model,
        &keys[..keys.len().min(8)],
        spans,
        changes,
    );
}

fn pairs<'m>(
    entries: impl Iterator<Item = (&'m Vec<u8>, &'m Vec<u8>)>,
) -> impl Iterator<Item = (&'m [u8], Value<'m>)> {
    entries.map(|(key, value)| (&key[..], Value::Bytes(value)))
}
