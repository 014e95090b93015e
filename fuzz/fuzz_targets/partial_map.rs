//! A map some of whose subtrees are outside memory: it answers as the whole map does or says what
//! it misses, and takes only what it misses.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use merkle_core::{
    Batch, Blake3, Hasher, Map, Missing, PartialMap, Query, Sha256, Subtree, SupplyError,
};
use merkle_fuzz::{Change, Content, Key, Model, Mutation, Span, batch, change, mutate};

#[derive(Arbitrary, Debug)]
struct Input {
    blake3: bool,
    /// Keys of four bytes at these places, so that there are many subtrees.
    crowd: Vec<u16>,
    steps: Vec<Step>,
    /// Of the name of a subtree that somebody stored badly.
    mutations: Vec<Mutation>,
}

#[derive(Arbitrary, Debug)]
struct Step {
    evicted: u64,
    through_bytes: bool,
    changes: Vec<(Key, Option<Content>)>,
    span: Span,
}

const STEPS_MAX: usize = 6;
const CHANGES_MAX: usize = 24;

fuzz_target!(|input: Input| {
    if input.blake3 {
        check(Blake3, &input);
    } else {
        check(Sha256, &input);
    }
});

fn check<H: Hasher>(hasher: H, input: &Input) {
    let mut model: Model = (input.crowd.iter())
        .map(|place| (u32::from(*place).to_be_bytes().to_vec(), vec![1]))
        .collect();
    let entries: Vec<Change> = (model.clone().into_iter())
        .map(|(key, value)| (key, Some(value)))
        .collect();
    let mut whole = Map::with_hasher(hasher.clone()).apply(&batch(&entries));
    let mut partial = PartialMap::from(whole.clone());
    for step in input.steps.iter().take(STEPS_MAX) {
        for (at, subtree) in partial.subtrees().iter().enumerate() {
            let entries = partial.entries(subtree);
            if let Some(entries) = entries.clone() {
                let keys = model.keys().filter(|key| subtree.contains(key));
                assert!(entries.map(|(key, _)| key).eq(keys));
            }
            if step.evicted >> (at % 64) & 1 == 1 {
                let was_there = entries.is_some();
                assert_eq!(partial.evict(subtree), was_there);
                assert!(partial.entries(subtree).is_none() && !partial.evict(subtree));
            }
        }
        goes_over_all(&hasher, &partial, step);
        if step.through_bytes {
            let subtrees: Vec<_> = partial.subtrees().iter().map(through_bytes).collect();
            partial = PartialMap::assemble(hasher.clone(), whole.root(), &subtrees)
                .expect("its own subtrees");
        }
        check_step(&mut partial, &mut whole, &mut model, step);
    }
    check_bad_name(hasher, &whole, &model, input);
    let all = supplied(&mut partial, &model, |map| map.range(..).map(drop));
    assert_eq!(all, Ok(()));
    assert!(
        partial
            .range(..)
            .is_ok_and(|entries| entries.eq(whole.iter()))
    );
}

/// Every way to go over the subtrees comes by the same ones.
fn goes_over_all<H: Hasher>(hasher: &H, map: &PartialMap<H>, step: &Step) {
    let subtrees = map.subtrees();
    let mut parts = map.clone().into_subtrees();
    for subtree in &subtrees {
        let part = parts.next().expect("as many as there are");
        assert_eq!(part.to_subtree(), *subtree);
        let entries = part.entries().map(|entries| entries.map(|(key, _)| key));
        match (entries, map.entries(subtree)) {
            (Some(found), Some(expected)) => assert!(found.eq(expected.map(|(key, _)| key))),
            (found, expected) => assert!(found.is_none() && expected.is_none()),
        }
    }
    assert!(parts.next().is_none());
    for (key, _) in step.changes.iter().take(CHANGES_MAX) {
        let key = key.bytes();
        let mut last = key.clone();
        for part in map.subtrees_after(Some(&key)) {
            assert!(part.prefix() > &last[..]);
            last = part.prefix().to_vec();
        }
    }
    assert_eq!(PartialMap::root_of(hasher, subtrees), Ok(map.root()));
}

fn check_step<H: Hasher>(
    partial: &mut PartialMap<H>,
    whole: &mut Map<H>,
    model: &mut Model,
    step: &Step,
) {
    let changes: Vec<Change> = (step.changes.iter().take(CHANGES_MAX))
        .map(|(key, value)| (key.bytes(), value.as_ref().map(Content::bytes)))
        .collect();
    let keys: Vec<_> = changes.iter().map(|(key, _)| key.clone()).collect();
    for key in &keys {
        match partial.get(key) {
            Ok(value) => assert_eq!(value, whole.get(key)),
            Err(missing) => assert!(missing.subtrees[0].contains(key)),
        }
    }
    let range = step.span.of(&keys);
    if let Ok(entries) = partial.range(range) {
        assert!(entries.eq(whole.range(range)));
    }
    let query = Query::new()
        .range(range)
        .keys(keys.iter().map(Vec::as_slice));
    let proof = supplied(&mut partial.clone(), model, |map| map.prove_query(&query));
    assert_eq!(proof, Ok(whole.prove_query(&query)));
    let batch = batch(&changes);
    let proof = supplied(&mut partial.clone(), model, |map| map.prove_update(&batch));
    assert_eq!(proof, Ok(whole.prove_update(&batch)));
    let before = partial.clone();
    let tally = supplied(partial, model, |map| map.update(&batch)).expect("its own entries");
    assert_eq!(before.root(), whole.root());
    let len = whole.len();
    whole.update(&batch);
    assert_eq!(len + tally.added - tally.removed, whole.len());
    change(model, &changes);
    assert_eq!(partial.root(), whole.root());
}

/// Asks again and again, and each time supplies what is missing: first wrongly, then rightly.
fn supplied<H: Hasher, T>(
    map: &mut PartialMap<H>,
    model: &Model,
    ask: impl Fn(&mut PartialMap<H>) -> Result<T, Missing>,
) -> Result<T, SupplyError> {
    loop {
        let missing = match ask(map) {
            Ok(answer) => return Ok(answer),
            Err(missing) => missing,
        };
        assert!(!missing.subtrees.is_empty());
        for subtree in &missing.subtrees {
            let mut entries = Batch::new();
            for (key, value) in model.iter().filter(|(key, _)| subtree.contains(key)) {
                let mut other = entries.clone();
                other.put(key, b"something else").expect("a good key");
                assert!(map.supply(subtree, &other).is_err());
                entries.put(key, value).expect("a good key");
            }
            map.supply(subtree, &entries)?;
            assert_eq!(map.supply(subtree, &entries), Err(SupplyError::NotMissing));
        }
    }
}

/// A badly stored name makes wrong answers, as documented, but nothing panics or goes on forever.
fn check_bad_name<H: Hasher>(hasher: H, whole: &Map<H>, model: &Model, input: &Input) {
    let mut subtrees = PartialMap::from(whole.clone()).subtrees();
    let Some(last) = subtrees.last_mut() else {
        return;
    };
    let mut bytes = last.encode();
    mutate(&mut bytes, &input.mutations);
    let Ok(changed) = Subtree::decode(&bytes) else {
        return;
    };
    assert_eq!(changed.encode(), bytes);
    *last = changed;
    let root = PartialMap::root_of(&hasher, subtrees.iter().cloned());
    let assembled = PartialMap::assemble(hasher, whole.root(), &subtrees);
    assert_eq!(root == Ok(whole.root()), assembled.is_ok());
    let Ok(mut map) = assembled else {
        return;
    };
    let _ = supplied(&mut map, model, |map| map.range(..).map(drop));
    let mut undone = Batch::new();
    for key in model.keys() {
        let _ = map.get(key);
        undone.delete(key).expect("a good key");
    }
    let _ = supplied(&mut map, model, |map| map.prove_update(&undone));
    let _ = supplied(&mut map, model, |map| map.update(&undone));
}

fn through_bytes(subtree: &Subtree) -> Subtree {
    let read = Subtree::decode(&subtree.encode()).expect("its own bytes");
    assert_eq!(&read, subtree);
    read
}
