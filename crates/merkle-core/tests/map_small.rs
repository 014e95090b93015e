//! Every map over a few keys that are near each other, every question about it, and every proof
//! spoiled in every way: against the model.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/judge.rs"]
mod judge;
#[path = "common/model.rs"]
mod model;

use std::collections::BTreeSet;

use judge::{Outcome, Profiled, batch, entries_in, is_value, judge, map, ranges};
use merkle_core::{Blake3, Hash, Hasher, Lookup, Map, Proof, Query, Sha256, TransitionError};
use model::{Changes, Entries, Tree, changed, encode, prune, to_reveal};

/// Prefixes of each other, one bit apart, and both edges.
const KEYS: [&[u8]; 7] = [b"\0", b"\0\0", b"a", b"a\0", b"a\x01", b"c", b"\xff\xff"];

/// Keys that no map here has, beside and between those it has.
const STRANGERS: [&[u8]; 6] = [b"", b"\0\x01", b"`", b"a\0\0", b"b", b"\xff"];

fn value(key: &[u8]) -> Vec<u8> {
    // The first key has an empty value.
    key.repeat(key.len() - 1)
}

/// The maps over all subsets of `keys`.
fn maps(keys: &[&[u8]]) -> impl Iterator<Item = Entries> {
    (0..1_u32 << keys.len()).map(move |subset| {
        let chosen = keys
            .iter()
            .enumerate()
            .filter(move |(i, _)| subset >> i & 1 == 1);
        chosen.map(|(_, key)| (key.to_vec(), value(key))).collect()
    })
}

fn known() -> Vec<Vec<u8>> {
    let mut keys: Vec<_> = KEYS
        .iter()
        .chain(&STRANGERS)
        .map(|key| key.to_vec())
        .collect();
    keys.sort();
    keys
}

/// Every batch of one or two changes to `keys`.
fn batches(keys: &[&[u8]]) -> Vec<Changes> {
    let options = |key: &[u8]| [(key.to_vec(), None), (key.to_vec(), Some(b"new".to_vec()))];
    let all: Vec<_> = keys.iter().flat_map(|key| options(key)).collect();
    let pairs = all
        .iter()
        .flat_map(|a| all.iter().map(move |b| [a.clone(), b.clone()]));
    let distinct: BTreeSet<Changes> = pairs.map(Changes::from).collect();
    distinct.into_iter().collect()
}

/// The proof that the model makes of `ranges`, and the crate's after a trip through bytes.
fn prove<H: Profiled>(
    map: &Map<H>,
    entries: &Entries,
    ranges: &[judge::Range<'_>],
    digests: bool,
) -> Proof {
    use core::ops::{Bound, RangeBounds};
    let key = |bound: Bound<&[u8]>| match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key.to_vec()),
        Bound::Unbounded => None,
    };
    let (mut query, mut revealed) = (Query::new(), BTreeSet::new());
    for range in ranges {
        query = query.range(*range);
        if !range_is_empty(*range) {
            let (start, end) = (key(range.0), key(range.1));
            revealed.extend(to_reveal(entries, start.as_deref(), end.as_deref()));
        }
    }
    let shown = |key: &[u8]| {
        let asked = !digests && ranges.iter().any(|range| range.contains(&key));
        asked.then(|| entries[key].clone())
    };
    let tree = prune(H::MODEL, entries, &revealed, &shown, &mut |_| false);
    let query = if digests { query.digests() } else { query };
    let bytes = map.prove_query(&query).encode();
    assert_eq!(bytes, encode(tree.as_ref()), "{ranges:x?}");
    Proof::decode(&bytes).unwrap()
}

fn range_is_empty(range: judge::Range<'_>) -> bool {
    use core::ops::Bound::{Excluded, Included};
    match range {
        (Included(start), Included(end)) => start > end,
        (Included(start) | Excluded(start), Included(end) | Excluded(end)) => start >= end,
        _ => false,
    }
}

fn point(key: &[u8]) -> judge::Range<'_> {
    use core::ops::Bound::Included;
    (Included(key), Included(key))
}

fn answers_are_those_of_the_model<H: Profiled>() {
    let known = known();
    for entries in maps(&KEYS) {
        let map = map::<H>(&entries);
        let root = Hash::from_bytes(H::MODEL.root(&entries));
        assert_eq!(map.root(), root);
        for key in &known {
            for digests in [false, true] {
                let proof = prove(&map, &entries, &[point(key)], digests);
                let view = proof.verify(&H::default(), &root).unwrap();
                judge::assert_true(&view, &entries, &known);
                match (view.get(key), entries.get(key)) {
                    (Lookup::Present(found), Some(value)) => {
                        assert!(is_value::<H>(found, value));
                        assert_eq!(found.bytes().is_some(), !digests);
                    }
                    (Lookup::Absent, None) => {}
                    other => panic!("{key:x?}: {other:?}"),
                }
            }
            let proof = map.prove_query(&Query::new().prefix(key));
            let view = proof.verify(&H::default(), &root).unwrap();
            let found = view
                .prefix(key)
                .unwrap()
                .map(|(key, value)| (key, value.bytes().unwrap()));
            let expected = entries.iter().map(|(key, value)| (&key[..], &value[..]));
            assert!(found.eq(expected.filter(|(other, _)| other.starts_with(key))));
        }
        for range in ranges(&known) {
            let proof = prove(&map, &entries, &[range], false);
            let view = proof.verify(&H::default(), &root).unwrap();
            let found = view.range(range).unwrap();
            let found: Vec<_> = found
                .map(|(key, value)| (key, value.bytes().unwrap()))
                .collect();
            assert_eq!(found, entries_in(&entries, range), "{range:x?}");
        }
        for keys in known.windows(3) {
            let points: Vec<_> = keys.iter().map(|key| point(key)).collect();
            let proof = prove(&map, &entries, &points, false);
            let view = proof.verify(&H::default(), &root).unwrap();
            judge::assert_true(&view, &entries, &known);
            assert!(keys.iter().all(|key| view.get(key) != Lookup::NotCovered));
        }
    }
}

#[test]
fn answers_are_those_of_the_model_with_sha256() {
    answers_are_those_of_the_model::<Sha256>();
}

#[test]
fn answers_are_those_of_the_model_with_blake3() {
    answers_are_those_of_the_model::<Blake3>();
}

fn transitions_are_those_of_the_model<H: Profiled>() {
    let batches = batches(&KEYS);
    for entries in maps(&KEYS) {
        let map = map::<H>(&entries);
        for changes in &batches {
            let batch = batch(changes);
            let after = Hash::from_bytes(H::MODEL.root(&changed(&entries, changes)));
            assert_eq!(map.apply(&batch).root(), after);
            let proof = Proof::decode(&map.prove_update(&batch).encode()).unwrap();
            let view = proof.verify(&H::default(), &map.root()).unwrap();
            assert_eq!(view.apply(&batch), Ok(after), "{entries:x?} {changes:x?}");
        }
    }
}

#[test]
fn transitions_are_those_of_the_model_with_sha256() {
    transitions_are_those_of_the_model::<Sha256>();
}

#[test]
fn transitions_are_those_of_the_model_with_blake3() {
    transitions_are_those_of_the_model::<Blake3>();
}

/// Proofs of every kind about `map`.
fn proofs<H: Hasher>(map: &Map<H>, known: &[Vec<u8>], batches: &[Changes]) -> BTreeSet<Vec<u8>> {
    let mut proofs = BTreeSet::new();
    for key in known {
        proofs.insert(map.prove(key).encode());
        proofs.insert(map.prove_query(&Query::new().key(key).digests()).encode());
        proofs.insert(map.prove_query(&Query::new().prefix(key)).encode());
    }
    for range in ranges(&known[3..8]) {
        proofs.insert(map.prove_query(&Query::new().range(range)).encode());
    }
    proofs.extend(
        batches
            .iter()
            .map(|changes| map.prove_update(&batch(changes)).encode()),
    );
    proofs
}

fn damaged_bytes_are_refused<H: Profiled>() {
    let known = known();
    let batches = batches(&KEYS[1..5]);
    for entries in maps(&KEYS[..6]).step_by(5) {
        let map = map::<H>(&entries);
        let root = map.root();
        for bytes in proofs(&map, &known, &batches) {
            let judge = |bytes: &[u8]| judge::<H>(bytes, root.as_bytes(), &entries, &known);
            assert_eq!(judge(&bytes), Outcome::True);
            let refused = |bytes: &[u8]| assert_ne!(judge(bytes), Outcome::True, "{bytes:x?}");
            for at in 0..bytes.len() {
                refused(&bytes[..at]);
                let mut spoiled = bytes.clone();
                for bit in 0..8 {
                    spoiled[at] ^= 1 << bit;
                    refused(&spoiled);
                    spoiled[at] ^= 1 << bit;
                }
                spoiled.remove(at);
                refused(&spoiled);
                spoiled = bytes.clone();
                spoiled.insert(at, bytes[at]);
                refused(&spoiled);
            }
            for more in [0, 1, 0x80, 0xff] {
                refused(&[&bytes[..], &[more]].concat());
            }
            refused(&[&bytes[..], &[0; 32]].concat());
            refused(&bytes.repeat(2));
        }
    }
}

#[test]
fn damaged_bytes_are_refused_with_sha256() {
    damaged_bytes_are_refused::<Sha256>();
}

#[test]
fn damaged_bytes_are_refused_with_blake3() {
    damaged_bytes_are_refused::<Blake3>();
}

/// All trees that come of `tree` by one change to its nodes.
fn mutants(tree: &Tree, profile: model::Profile) -> Vec<Tree> {
    let nodes: Vec<Tree> = tree.nodes().into_iter().cloned().collect();
    let mut mutants = vec![];
    let mut replace = |at: usize, with: Tree| {
        let mut mutant = tree.clone();
        *mutant.node_mut(at) = with;
        mutants.push(mutant);
    };
    for (at, node) in nodes.iter().enumerate() {
        // Anything in the place of anything: hashes and leaves doubled, moved, hidden; parts of
        // the tree left out or hung below themselves.
        for other in &nodes {
            replace(at, other.clone());
            replace(at, Tree::Inner(Box::new([node.clone(), other.clone()])));
            replace(at, Tree::Inner(Box::new([other.clone(), node.clone()])));
        }
        replace(at, Tree::Pruned(node.root(profile)));
        replace(at, Tree::Pruned(profile.empty()));
        match node {
            Tree::Inner(children) => {
                let [left, right] = (**children).clone();
                replace(at, Tree::Inner(Box::new([right, left])));
            }
            Tree::Value { key, value } => {
                let (key, digest) = (key.clone(), profile.value(value));
                replace(
                    at,
                    Tree::Digest {
                        key: key.clone(),
                        digest,
                    },
                );
                replace(
                    at,
                    Tree::Value {
                        key,
                        value: digest.to_vec(),
                    },
                );
            }
            Tree::Digest { key, digest } => {
                let value = digest.to_vec();
                replace(
                    at,
                    Tree::Value {
                        key: key.clone(),
                        value,
                    },
                );
            }
            Tree::Pruned(hash) => {
                for key in KEYS {
                    let (key, digest, value) = (key.to_vec(), *hash, value(key));
                    replace(
                        at,
                        Tree::Digest {
                            key: key.clone(),
                            digest,
                        },
                    );
                    replace(at, Tree::Value { key, value });
                }
            }
        }
    }
    // Two nodes, neither above the other, change places.
    for a in 0..nodes.len() {
        for b in a + nodes[a].nodes().len()..nodes.len() {
            let mut mutant = tree.clone();
            *mutant.node_mut(b) = nodes[a].clone();
            *mutant.node_mut(a) = nodes[b].clone();
            mutants.push(mutant);
        }
    }
    mutants
}

/// All maps over the first six keys, with each choice of leaves revealed; without and with the
/// nodes in between that nobody needs.
fn pruned_trees(profile: model::Profile, keys: &[&[u8]]) -> Vec<(Entries, Tree)> {
    let mut all = vec![];
    for entries in maps(keys) {
        for revealed in maps(&entries.keys().map(Vec::as_slice).collect::<Vec<_>>()) {
            let revealed: BTreeSet<_> = revealed.into_keys().collect();
            for open in [false, true] {
                let shown = |key: &[u8]| (key.len() > 1).then(|| value(key));
                let tree = prune(profile, &entries, &revealed, &shown, &mut |_| open);
                all.extend(tree.map(|tree| (entries.clone(), tree)));
            }
        }
    }
    all
}

fn rebuilt_trees_are_refused_or_true<H: Profiled>() {
    let known = known();
    let mut verified = 0;
    for (entries, tree) in pruned_trees(H::MODEL, &KEYS[1..6]) {
        let root = tree.root(H::MODEL);
        for mutant in mutants(&tree, H::MODEL) {
            let outcome = judge::<H>(&encode(Some(&mutant)), &root, &entries, &known);
            assert_eq!(outcome == Outcome::True, mutant.root(H::MODEL) == root);
            verified += usize::from(outcome == Outcome::True);
        }
    }
    assert!(verified > 1000, "the mutants were to hide things, too");
}

#[test]
fn rebuilt_trees_are_refused_or_true_with_sha256() {
    rebuilt_trees_are_refused_or_true::<Sha256>();
}

#[test]
fn rebuilt_trees_are_refused_or_true_with_blake3() {
    rebuilt_trees_are_refused_or_true::<Blake3>();
}

#[test]
fn a_key_hidden_inside_a_range_is_noticed() {
    let profile = Sha256::MODEL;
    let known = known();
    for entries in maps(&KEYS) {
        let root = Hash::from_bytes(profile.root(&entries));
        for hidden in entries.keys() {
            let revealed = entries
                .keys()
                .filter(|key| *key != hidden)
                .cloned()
                .collect();
            let shown = |key: &[u8]| Some(value(key));
            let tree = prune(profile, &entries, &revealed, &shown, &mut |_| false);
            let proof = Proof::decode(&encode(tree.as_ref())).unwrap();
            let view = proof.verify(&Sha256, &root).unwrap();
            assert_eq!(view.get(hidden), Lookup::NotCovered);
            for range in ranges(&known) {
                if entries_in(&entries, range)
                    .iter()
                    .any(|(key, _)| key == hidden)
                {
                    assert!(view.range(range).is_err(), "{hidden:x?} in {range:x?}");
                }
            }
            for prefix in known.iter().filter(|prefix| hidden.starts_with(prefix)) {
                assert!(
                    view.prefix(prefix).is_err(),
                    "{hidden:x?} below {prefix:x?}"
                );
            }
        }
    }
}

#[test]
fn no_choice_of_leaves_proves_a_wrong_transition() {
    let batches = batches(&KEYS[..6]);
    let (mut proved, mut refused) = (0, 0);
    for (entries, tree) in pruned_trees(Sha256::MODEL, &KEYS[..6]) {
        let proof = Proof::decode(&encode(Some(&tree))).unwrap();
        let root = Hash::from_bytes(tree.root(Sha256::MODEL));
        let view = proof.verify(&Sha256, &root).unwrap();
        for changes in &batches {
            match view.apply(&batch(changes)) {
                Ok(after) => {
                    let expected = Sha256::MODEL.root(&changed(&entries, changes));
                    assert_eq!(after.as_bytes(), &expected, "{tree:x?} {changes:x?}");
                    proved += 1;
                }
                Err(TransitionError::NotCovered { .. }) => refused += 1,
                Err(error) => panic!("{error}: {tree:x?} {changes:x?}"),
            }
        }
    }
    assert!(proved > 1000 && refused > 1000, "{proved} {refused}");
}
