//! Proofs of a map, changed by somebody hostile: what still verifies says only what is so.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use merkle_core::{Blake3, Hasher, Map, Proof, Query, Sha256};
use merkle_fuzz::{
    Change, Content, Edit, Key, Model, Mutation, PrunedTree, Span, batch, check_view, mutate,
};

#[derive(Arbitrary, Debug)]
struct Input {
    blake3: bool,
    entries: Vec<(Key, Content)>,
    asked: Asked,
    digests: bool,
    edits: Vec<Edit>,
    mutations: Vec<Mutation>,
    probes: Vec<Key>,
    spans: Vec<Span>,
    changes: Vec<(Target, Option<Content>)>,
}

/// What the proof is made for.
#[derive(Arbitrary, Debug)]
enum Asked {
    Everything,
    Keys(Vec<Key>),
    Spans(Vec<Span>),
    Prefix(Key),
    Update(Vec<(Target, Option<Content>)>),
}

/// Where to write: one of the keys at hand, counted modulo their number, or anywhere.
#[derive(Arbitrary, Debug)]
enum Target {
    Known(u8),
    Any(Key),
}

const ENTRIES_MAX: usize = 64;
const PROBES_MAX: usize = 16;

fuzz_target!(|input: Input| {
    if input.blake3 {
        check(Blake3, &input);
    } else {
        check(Sha256, &input);
    }
});

fn check<H: Hasher>(hasher: H, input: &Input) {
    let model: Model = (input.entries.iter().take(ENTRIES_MAX))
        .map(|(key, value)| (key.bytes(), value.bytes()))
        .collect();
    let entries: Vec<Change> = model
        .clone()
        .into_iter()
        .map(|(key, value)| (key, Some(value)))
        .collect();
    let map = Map::with_hasher(hasher.clone()).apply(&batch(&entries));
    let mut keys: Vec<_> = input
        .probes
        .iter()
        .take(PROBES_MAX)
        .map(Key::bytes)
        .collect();
    keys.extend(model.keys().take(PROBES_MAX).cloned());
    let changes = changes(&input.changes, &keys);

    let mut tree = PrunedTree::parse(&prove(&map, input, &keys).encode());
    for edit in &input.edits {
        tree.edit(&hasher, edit);
    }
    let mut bytes = tree.encode();
    mutate(&mut bytes, &input.mutations);
    let genuine = input.mutations.is_empty() && input.edits.iter().all(Edit::keeps_root);

    let proof = match Proof::decode(&bytes) {
        Ok(proof) => proof,
        Err(error) => return assert!(!genuine, "{error}"),
    };
    assert_eq!(proof.encode(), bytes);
    match proof.verify(&hasher, &map.root()) {
        Ok(view) => check_view(&hasher, &view, &model, &keys, &input.spans, &changes),
        Err(error) => assert!(!genuine, "{error}"),
    }
}

fn prove<H: Hasher>(map: &Map<H>, input: &Input, keys: &[Vec<u8>]) -> Proof {
    let query = if input.digests {
        Query::new().digests()
    } else {
        Query::new()
    };
    match &input.asked {
        Asked::Everything => map.prove_query(&query.range(..)),
        Asked::Keys(asked) => {
            let asked: Vec<_> = asked.iter().take(PROBES_MAX).map(Key::bytes).collect();
            map.prove_query(&query.keys(asked.iter().map(Vec::as_slice)))
        }
        Asked::Spans(spans) => {
            let spans = spans.iter().take(PROBES_MAX);
            map.prove_query(&spans.fold(query, |query, span| query.range(span.of(keys))))
        }
        Asked::Prefix(prefix) => map.prove_query(&query.prefix(&prefix.bytes())),
        Asked::Update(asked) => map.prove_update(&batch(&changes(asked, keys))),
    }
}

fn changes(changes: &[(Target, Option<Content>)], keys: &[Vec<u8>]) -> Vec<Change> {
    let changes = changes.iter().take(PROBES_MAX);
    let key = |target: &Target| match target {
        Target::Known(place) if !keys.is_empty() => keys[usize::from(*place) % keys.len()].clone(),
        Target::Known(place) => vec![*place],
        Target::Any(key) => key.bytes(),
    };
    changes
        .map(|(target, value)| (key(target), value.as_ref().map(Content::bytes)))
        .collect()
}
