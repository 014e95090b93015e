//! What is exported to ICS-23, judged by the `ics23` crate with its built-in Tendermint spec.
#![cfg(feature = "ics23")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/judge.rs"]
mod judge;
#[path = "common/keys.rs"]
mod keys;
#[path = "common/model.rs"]
mod model;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ics23::{
    CommitmentProof, ExistenceProof, HostFunctionsManager, InnerOp, NonExistenceProof,
    commitment_proof, tendermint_spec, verify_membership, verify_non_membership,
};
use merkle_core::{Batch, Hash, Ics23Error, Map, Proof, Query, Sha256};
use model::Entries;
use proptest::prelude::*;
use prost::Message;

fn export(map: &Map, key: &[u8]) -> Result<Vec<u8>, Ics23Error> {
    let proof = map.prove_query(&Query::new().key(key).with_neighbours());
    proof.verify(&Sha256, &map.root()).unwrap().to_ics23(key)
}

/// Whether the `ics23` crate takes `proof` for what `entries` says of `key`.
fn accepts(proof: &CommitmentProof, root: &Hash, key: &[u8], value: Option<&[u8]>) -> bool {
    let (spec, root) = (tendermint_spec(), root.as_bytes().to_vec());
    let judged = || match value {
        Some(value) => verify_membership::<HostFunctionsManager>(proof, &spec, &root, key, value),
        None => verify_non_membership::<HostFunctionsManager>(proof, &spec, &root, key),
    };
    // It panics where two neighbours have one and the same path.
    catch_unwind(AssertUnwindSafe(judged)).unwrap_or(false)
}

fn assert_exported(map: &Map, entries: &Entries, key: &[u8]) {
    let value = entries.get(key).map(Vec::as_slice);
    let bytes = export(map, key).unwrap();
    let proof = CommitmentProof::decode(&bytes[..]).unwrap();
    assert_eq!(proof.encode_to_vec(), bytes, "as another encoder writes it");
    assert!(accepts(&proof, &map.root(), key, value), "{key:x?}");
}

/// ICS-23 knows no empty values.
fn filled(mut entries: Entries) -> Entries {
    for value in entries.values_mut().filter(|value| value.is_empty()) {
        value.push(0);
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_export_is_accepted(
        entries in keys::entries(1..60).prop_map(filled),
        strangers in proptest::collection::vec(keys::key(), 1..20),
    ) {
        let map = judge::map::<Sha256>(&entries);
        for key in entries.keys().chain(&strangers) {
            match export(&map, key) {
                Err(Ics23Error::TooDeep { depth, .. }) => prop_assert!(depth > 128),
                _ => assert_exported(&map, &entries, key),
            }
        }
    }
}

#[test]
fn both_edges_and_the_empty_key_are_exported() {
    let keys: [&[u8]; 5] = [b"\0", b"\0\0", b"m", b"m\0", b"\xff"];
    for len in 1..=keys.len() {
        let entries = keys[..len]
            .iter()
            .map(|key| (key.to_vec(), b"value".to_vec()));
        let entries: Entries = entries.collect();
        let map = judge::map::<Sha256>(&entries);
        for key in [
            &b""[..],
            b"\0\0\0",
            b"l",
            b"m\0\0",
            b"m\x01",
            b"\xff\xff",
            &[7; 2000],
        ] {
            assert_exported(&map, &entries, key);
        }
        keys.iter()
            .for_each(|key| assert_exported(&map, &entries, key));
    }
}

/// Ways to spoil a path.
fn spoiled_paths(path: &[InnerOp]) -> Vec<Vec<InnerOp>> {
    let mut all = vec![];
    let mut change = |change: &dyn Fn(&mut Vec<InnerOp>)| {
        let mut path = path.to_vec();
        change(&mut path);
        all.push(path);
    };
    for at in 0..path.len() {
        change(&|path| drop(path.remove(at)));
        change(&|path| path.insert(at, path[at].clone()));
        change(&|path| path[at].prefix[0] = 0);
        change(&|path| path[at].prefix[0] = 2);
        change(&|path| path[at].prefix.push(0));
        change(&|path| path[at].suffix.extend([0; 32]));
        change(&|path| path[at].hash = 0);
        change(&|path| {
            // The sibling changes sides.
            let step = &mut path[at];
            if step.suffix.is_empty() {
                step.suffix = step.prefix.split_off(1);
            } else {
                step.prefix.append(&mut step.suffix);
            }
        });
        for byte in 0..path[at].prefix.len() {
            change(&|path| path[at].prefix[byte] ^= 0x10);
        }
        for byte in 0..path[at].suffix.len() {
            change(&|path| path[at].suffix[byte] ^= 1);
        }
        if at > 0 {
            change(&|path| path.swap(at - 1, at));
        }
    }
    change(&|path| path.clear());
    change(&|path| path.reverse());
    all.retain(|spoiled| spoiled != path);
    all
}

fn spoiled_existence(good: &ExistenceProof) -> Vec<ExistenceProof> {
    let mut all = vec![];
    let mut change = |change: &dyn Fn(&mut ExistenceProof)| {
        let mut proof = good.clone();
        change(&mut proof);
        all.push(proof);
    };
    for byte in 0..good.key.len() {
        change(&|proof| proof.key[byte] ^= 1);
    }
    for byte in 0..good.value.len() {
        change(&|proof| proof.value[byte] ^= 0x80);
    }
    change(&|proof| proof.key.push(0));
    change(&|proof| proof.value.push(0));
    change(&|proof| proof.key.truncate(proof.key.len() - 1));
    change(&|proof| proof.value.truncate(proof.value.len() - 1));
    change(&|proof| core::mem::swap(&mut proof.key, &mut proof.value));
    change(&|proof| proof.leaf = None);
    change(&|proof| proof.leaf.as_mut().unwrap().prefix.push(0));
    change(&|proof| proof.leaf.as_mut().unwrap().prefix.clear());
    change(&|proof| proof.leaf.as_mut().unwrap().prefix[0] = 1);
    change(&|proof| proof.leaf.as_mut().unwrap().prehash_key = 1);
    change(&|proof| proof.leaf.as_mut().unwrap().prehash_value = 0);
    change(&|proof| proof.leaf.as_mut().unwrap().length = 0);
    change(&|proof| proof.leaf.as_mut().unwrap().hash = 2);
    for path in spoiled_paths(&good.path) {
        change(&|proof| proof.path.clone_from(&path));
    }
    all
}

fn existence(proof: ExistenceProof) -> CommitmentProof {
    let proof = Some(commitment_proof::Proof::Exist(proof));
    CommitmentProof { proof }
}

fn absence(proof: NonExistenceProof) -> CommitmentProof {
    let proof = Some(commitment_proof::Proof::Nonexist(proof));
    CommitmentProof { proof }
}

/// The export for `key`, which is in the map, and what it says.
fn exported_leaf(map: &Map, key: &[u8]) -> ExistenceProof {
    match CommitmentProof::decode(&export(map, key).unwrap()[..])
        .unwrap()
        .proof
    {
        Some(commitment_proof::Proof::Exist(proof)) => proof,
        other => panic!("{other:?}"),
    }
}

#[test]
fn changed_exports_are_refused() {
    let keys: [&[u8]; 7] = [b"a", b"ab", b"abc", b"b", b"c", b"c\0", b"\xff"];
    let entries = keys.map(|key| (key.to_vec(), [b"value of ", key].concat()));
    let entries = Entries::from(entries);
    let map = judge::map::<Sha256>(&entries);
    let root = map.root();
    let other_root = Hash::from_bytes(*root.as_bytes().map(|byte| byte ^ 1).first_chunk().unwrap());

    for (key, value) in &entries {
        let good = exported_leaf(&map, key);
        let refused = |proof: &CommitmentProof| {
            assert!(!accepts(proof, &root, key, Some(value)), "{proof:?}");
        };
        spoiled_existence(&good)
            .into_iter()
            .for_each(|proof| refused(&existence(proof)));
        keys.iter().filter(|other| *other != key).for_each(|other| {
            refused(&existence(exported_leaf(&map, other)));
        });
        let good = existence(good);
        assert!(accepts(&good, &root, key, Some(value)));
        assert!(!accepts(&good, &other_root, key, Some(value)));
        assert!(!accepts(&good, &root, key, None));
        assert!(!accepts(&good, &root, key, Some(b"another value")));
    }

    let gaps: [&[u8]; 6] = [b"\0", b"aa", b"abb", b"bb", b"c\x01", b"\xff\0"];
    for key in gaps {
        let bytes = export(&map, key).unwrap();
        let proof = CommitmentProof::decode(&bytes[..]).unwrap();
        let Some(commitment_proof::Proof::Nonexist(good)) = proof.proof else {
            panic!("not an absence");
        };
        let refused = |left: Option<ExistenceProof>, right: Option<ExistenceProof>| {
            let proof = absence(NonExistenceProof {
                key: key.to_vec(),
                left,
                right,
            });
            assert!(!accepts(&proof, &root, key, None), "{proof:?}");
        };
        for left in good.left.iter().flat_map(spoiled_existence) {
            refused(Some(left), good.right.clone());
        }
        for right in good.right.iter().flat_map(spoiled_existence) {
            refused(good.left.clone(), Some(right));
        }
        refused(None, None);
        refused(good.right.clone(), good.left.clone());
        if good.left.is_some() && good.right.is_some() {
            refused(None, good.right.clone());
            refused(good.left.clone(), None);
        }
        // Entries that are in the map, but not next to the key.
        for other in keys.map(|other| exported_leaf(&map, other)) {
            if Some(&other) != good.left.as_ref() {
                refused(Some(other.clone()), good.right.clone());
            }
            if Some(&other) != good.right.as_ref() {
                refused(good.left.clone(), Some(other));
            }
        }
        let good = absence(good);
        assert!(accepts(&good, &root, key, None));
        assert!(!accepts(&good, &other_root, key, None));
        for present in keys {
            assert!(!accepts(&good, &root, present, None), "{present:x?}");
        }
    }
}

/// Not ours to mend, since the spec fixes how a leaf is hashed: `View::to_ics23` warns of it.
#[test]
fn the_end_of_a_key_passes_for_a_key_if_a_length_stands_before_it() {
    let (long, short, next) = (b"m\x01c", b"c", b"y");
    let entries = [&long[..], next].map(|key| (key.to_vec(), b"value".to_vec()));
    let map = judge::map::<Sha256>(&Entries::from(entries));
    let mut leaf = exported_leaf(&map, long);
    assert!(leaf.leaf.as_ref().is_some_and(|op| op.prefix == [0]));

    // The verifier takes any prefix that begins as the spec has it.
    leaf.leaf.as_mut().unwrap().prefix = b"\0\x03m".to_vec();
    leaf.key = short.to_vec();
    let present = existence(leaf.clone());
    assert!(accepts(&present, &map.root(), short, Some(b"value")));
    let absent = absence(NonExistenceProof {
        key: long.to_vec(),
        left: Some(leaf),
        right: Some(exported_leaf(&map, next)),
    });
    assert!(accepts(&absent, &map.root(), long, None));
}

#[test]
fn damaged_bytes_are_refused() {
    let keys: [&[u8]; 5] = [b"a", b"ab", b"b", b"c", b"\xff"];
    let entries = Entries::from(keys.map(|key| (key.to_vec(), b"value".to_vec())));
    let map = judge::map::<Sha256>(&entries);
    for key in [&b"\0"[..], b"a", b"aa", b"b", b"bb", b"\xff", b"\xff\xff"] {
        let value = entries.get(key).map(Vec::as_slice);
        let bytes = export(&map, key).unwrap();
        let mut good = CommitmentProof::decode(&bytes[..]).unwrap();
        // No verifier looks at the key that a non-existence proof names: it asks its own.
        let forget_key = |proof: &mut CommitmentProof| {
            if let Some(commitment_proof::Proof::Nonexist(proof)) = &mut proof.proof {
                proof.key.clear();
            }
        };
        forget_key(&mut good);
        for bit in 0..8 * bytes.len() {
            let mut spoiled = bytes.clone();
            spoiled[bit / 8] ^= 1 << (bit % 8);
            if let Ok(mut proof) = CommitmentProof::decode(&spoiled[..]) {
                forget_key(&mut proof);
                let same = proof == good;
                assert_eq!(accepts(&proof, &map.root(), key, value), same, "bit {bit}");
            }
        }
    }
}

#[test]
fn what_cannot_be_expressed_is_said() {
    assert_eq!(export(&Map::new(), b"key"), Err(Ics23Error::EmptyMap));

    let mut batch = Batch::new();
    batch.put(b"a", b"").unwrap().put(b"b", b"value").unwrap();
    batch
        .put(b"c", b"value")
        .unwrap()
        .put(b"d", b"value")
        .unwrap();
    let mut map = Map::<Sha256>::new();
    map.update(&batch);
    assert_eq!(export(&map, b"a"), Err(Ics23Error::EmptyValue { leaf: 0 }));
    assert_eq!(export(&map, b"aa"), Err(Ics23Error::EmptyValue { leaf: 0 }));
    assert!(export(&map, b"bb").is_ok());

    let asked =
        |proof: &Proof, key: &[u8]| proof.verify(&Sha256, &map.root()).unwrap().to_ics23(key);
    let plain = map.prove(b"bb");
    assert_eq!(
        asked(&plain, b"bb"),
        Err(Ics23Error::ValueNotShown { leaf: 0 })
    );
    assert_eq!(asked(&plain, b"d"), Err(Ics23Error::NotCovered));
    assert_eq!(
        asked(&map.prove_query(&Query::new()), b"a"),
        Err(Ics23Error::NotCovered)
    );
    let digests = map.prove_query(&Query::new().key(b"d").digests().with_neighbours());
    assert_eq!(
        asked(&digests, b"d"),
        Err(Ics23Error::ValueNotShown { leaf: 0 })
    );

    // Each of these keys is a prefix of the next one, and hangs one inner node deeper.
    let keys: Vec<Vec<u8>> = (1..=131).map(|len| vec![0; len]).collect();
    let mut batch = Batch::new();
    for key in &keys {
        batch.put(key, b"value").unwrap();
    }
    map.update(&batch);
    let depth = |len: usize| export(&map, &keys[len - 1]).err();
    let entries = keys.iter().map(|key| (key.clone(), b"value".to_vec()));
    let mut entries: Entries = entries.collect();
    entries.extend([b"b", b"c", b"d"].map(|key| (key.to_vec(), b"value".to_vec())));
    entries.insert(b"a".to_vec(), vec![]);
    let deep = |len: usize| match depth(len) {
        Some(Ics23Error::TooDeep { depth, .. }) => depth,
        other => panic!("{other:?}"),
    };
    let first_too_deep = (1..=131).find(|&len| depth(len).is_some()).unwrap();
    assert_eq!(deep(first_too_deep), 129);
    assert_exported(&map, &entries, &keys[first_too_deep - 2]);
}
