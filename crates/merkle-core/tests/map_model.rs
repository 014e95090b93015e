//! Larger maps over keys that are hard on a trie, against the model.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/judge.rs"]
mod judge;
#[path = "common/keys.rs"]
mod keys;
#[path = "common/model.rs"]
mod model;

use core::ops::Bound;
use std::collections::BTreeSet;

use judge::{Outcome, Profiled, assert_true, batch, entries_in, judge, map};
use merkle_core::{Blake3, Hash, Lookup, Map, Proof, Query, Sha256, TransitionError};
use model::{Changes, Entries, changed, encode, prune};
use proptest::prelude::*;
use proptest::sample::{Index, Selector};

/// Keys of a map and some that it may not have, a few of them next to its own.
fn some_keys(entries: &Entries, strangers: &[Vec<u8>], picks: &[Index]) -> Vec<Vec<u8>> {
    let mut keys = strangers.to_vec();
    let own: Vec<_> = entries.keys().collect();
    for pick in picks.iter().filter(|_| !own.is_empty()) {
        let key = *pick.get(&own);
        keys.extend([
            key.clone(),
            [&key[..], &[0]].concat(),
            key[..key.len() - 1].to_vec(),
        ]);
    }
    keys
}

fn picks() -> impl Strategy<Value = Vec<Index>> {
    proptest::collection::vec(any::<Index>(), 1..4)
}

fn strangers() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(keys::key(), 1..4)
}

fn answers<H: Profiled>(entries: &Entries, keys: &[Vec<u8>]) {
    let map = map::<H>(entries);
    let root = Hash::from_bytes(H::MODEL.root(entries));
    assert_eq!(map.root(), root);
    let verify = |query: &Query<'_>, check: &dyn Fn(&merkle_core::View<'_, H>)| {
        let proof = Proof::decode(&map.prove_query(query).encode()).unwrap();
        let view = proof.verify(&H::default(), &root).unwrap();
        assert_true(&view, entries, keys);
        check(&view);
    };
    let all = keys.iter().map(Vec::as_slice);
    verify(&Query::new().keys(all), &|view| {
        assert!(keys.iter().all(|key| view.get(key) != Lookup::NotCovered));
    });
    for key in keys {
        verify(&Query::new().key(key), &|view| {
            let found = match view.get(key) {
                Lookup::Present(value) => value.bytes(),
                Lookup::Absent => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, entries.get(key).map(Vec::as_slice));
        });
        verify(&Query::new().prefix(key), &|view| {
            let found = view.prefix(key).unwrap().map(|(key, _)| key);
            let expected = entries.keys().filter(|other| other.starts_with(key));
            assert!(found.eq(expected.map(Vec::as_slice)));
        });
        for other in keys {
            let range = (Bound::Excluded(&key[..]), Bound::Included(&other[..]));
            verify(&Query::new().range(range).digests(), &|view| {
                let found: Vec<_> = view.range(range).unwrap().map(|(key, _)| key).collect();
                let expected = entries_in(entries, range);
                let expected: Vec<_> = expected.into_iter().map(|(key, _)| key).collect();
                assert_eq!(found, expected);
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn proofs_say_what_the_model_says(
        entries in keys::entries(0..80), strangers in strangers(), picks in picks(),
    ) {
        let keys = some_keys(&entries, &strangers, &picks);
        answers::<Sha256>(&entries, &keys);
        answers::<Blake3>(&entries, &keys);
    }

    #[test]
    fn the_root_does_not_depend_on_the_past(
        steps in proptest::collection::vec(keys::changes(0..40), 1..8),
        order in any::<Selector>(),
    ) {
        let mut model = Entries::new();
        let mut grown = Map::<Sha256>::new();
        let mut values = vec![grown.clone()];
        for changes in &steps {
            model = changed(&model, changes);
            grown.update(&batch(changes));
            values.push(values.last().unwrap().apply(&batch(changes)));
            let root = Hash::from_bytes(model::Profile::Sha256.root(&model));
            prop_assert_eq!(grown.root(), root);
            prop_assert_eq!(grown.len(), model.len() as u64);
        }
        prop_assert_eq!(values.last().unwrap().root(), grown.root());
        prop_assert_eq!(map::<Sha256>(&model).root(), grown.root());
        // One by one, in another order.
        let mut one_by_one = Map::<Sha256>::new();
        let mut rest: Vec<_> = model.iter().collect();
        while !rest.is_empty() {
            let (at, _) = order.select(rest.iter().enumerate());
            let (key, value) = rest.swap_remove(at);
            one_by_one.update(&batch(&Changes::from([(key.clone(), Some(value.clone()))])));
        }
        prop_assert_eq!(one_by_one.root(), grown.root());
        // And back to nothing.
        let gone = model.keys().map(|key| (key.clone(), None)).collect();
        grown.update(&batch(&gone));
        prop_assert_eq!(grown.root(), Map::<Sha256>::new().root());
        prop_assert!(grown.is_empty());
    }

    #[test]
    fn transitions_lead_where_the_model_goes(
        entries in keys::entries(0..80), changes in keys::changes(0..20), picks in picks(),
    ) {
        let mut changes = changes;
        let own: Vec<_> = entries.keys().collect();
        let picked = picks.iter().filter(|_| !own.is_empty());
        changes.extend(picked.map(|pick| ((*pick.get(&own)).clone(), None)));
        let map = map::<Blake3>(&entries);
        let proof = Proof::decode(&map.prove_update(&batch(&changes)).encode()).unwrap();
        let view = proof.verify(&Blake3, &map.root()).unwrap();
        let after = Hash::from_bytes(model::Profile::Blake3.root(&changed(&entries, &changes)));
        prop_assert_eq!(view.apply(&batch(&changes)), Ok(after));
    }

    #[test]
    fn a_prover_who_leaves_things_out_proves_no_wrong_transition(
        entries in keys::entries(1..30),
        changes in keys::changes(0..4),
        picks in picks(),
        revealed in proptest::collection::vec(0..100_u8, 30),
        share in 0..100_u8,
        open in proptest::collection::vec(any::<bool>(), 30),
    ) {
        let profile = model::Profile::Sha256;
        let mut changes = changes;
        let own: Vec<_> = entries.keys().cloned().collect();
        changes.extend(picks.iter().map(|pick| (pick.get(&own).clone(), None)));
        let chosen = own.iter().zip(revealed).filter(|(_, at)| *at < share);
        let chosen: BTreeSet<_> = chosen.map(|(key, _)| key.clone()).collect();
        let mut open = open.into_iter().cycle();
        let tree = prune(profile, &entries, &chosen, &|_| None, &mut |_| open.next().unwrap());
        let proof = Proof::decode(&encode(tree.as_ref())).unwrap();
        let view = proof.verify(&Sha256, &Hash::from_bytes(profile.root(&entries))).unwrap();
        match view.apply(&batch(&changes)) {
            Ok(after) => prop_assert_eq!(after.as_bytes(), &profile.root(&changed(&entries, &changes))),
            Err(TransitionError::NotCovered { change }) => prop_assert!(change < changes.len()),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn damaged_proofs_are_refused(
        entries in keys::entries(1..60), strangers in strangers(), picks in picks(),
        places in proptest::collection::vec((any::<Index>(), any::<u8>()), 40),
    ) {
        let keys = some_keys(&entries, &strangers, &picks);
        let map = map::<Blake3>(&entries);
        let good = map.prove_query(&Query::new().keys(keys.iter().map(Vec::as_slice))).encode();
        let judge = |bytes: &[u8]| judge::<Blake3>(bytes, map.root().as_bytes(), &entries, &keys);
        prop_assert_eq!(judge(&good), Outcome::True);
        for (place, byte) in places {
            let at = place.index(good.len());
            let (mut flipped, mut dropped, mut added) = (good.clone(), good.clone(), good.clone());
            flipped[at] ^= byte | 1;
            dropped.remove(at);
            added.insert(at, byte);
            for spoiled in [flipped, dropped, added, good[..at].to_vec()] {
                prop_assert_ne!(judge(&spoiled), Outcome::True);
            }
        }
    }
}
