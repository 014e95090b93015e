use proptest::prelude::*;

use super::*;
use crate::{
    Blake3, KEY_BYTES_MAX, Sha256,
    testing::{Changes, Model, batch, map_of},
    uvarint,
};

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => proptest::collection::vec(0u8..4, 1..5),
        1 => proptest::collection::vec(any::<u8>(), 1..3),
        1 => (1usize..12).prop_map(|len| vec![0; len]),
        1 => (1usize..12).prop_map(|len| vec![0xff; len]),
    ]
}

fn model(len: usize) -> impl Strategy<Value = Model> {
    proptest::collection::btree_map(key(), proptest::collection::vec(any::<u8>(), 0..6), 0..len)
}

fn changes(len: usize) -> impl Strategy<Value = Changes> {
    let value = proptest::option::weighted(0.6, proptest::collection::vec(any::<u8>(), 0..6));
    proptest::collection::vec((key(), value), 0..len)
}

fn through_bytes(proof: &Proof) -> Proof {
    let bytes = proof.encode();
    let decoded = Proof::decode(&bytes).unwrap();
    assert_eq!(&decoded, proof);
    decoded
}

proptest! {
    #[test]
    fn every_key_is_proved_or_proved_absent(model in model(60), keys in proptest::collection::vec(key(), 1..20)) {
        let map = map_of(Sha256, &model);
        for key in &keys {
            let proof = through_bytes(&map.prove(key));
            let view = proof.verify(&Sha256, &map.root()).unwrap();
            let expected = model.get(key).map_or(Lookup::Absent, |value| Lookup::Present(Value::Bytes(value)));
            prop_assert_eq!(view.get(key), expected);
            // Whatever else the proof says, it is true.
            for other in &keys {
                match view.get(other) {
                    Lookup::Present(value) => prop_assert_eq!(value.hash(&Sha256), Sha256.value(&model[other])),
                    Lookup::Absent => prop_assert!(!model.contains_key(other)),
                    Lookup::NotCovered => {}
                }
            }
        }
        let query = Query::new().keys(keys.iter().map(Vec::as_slice)).digests();
        let proof = through_bytes(&map.prove_query(&query));
        let view = proof.verify(&Sha256, &map.root()).unwrap();
        for key in &keys {
            match (view.get(key), model.get(key)) {
                (Lookup::Present(Value::Digest { hash, .. }), Some(value)) => prop_assert_eq!(hash, Sha256.value(value)),
                (found, value) => prop_assert_eq!((found, value), (Lookup::Absent, None)),
            }
        }
    }

    #[test]
    fn ranges_are_complete(model in model(60), keys in proptest::collection::vec(key(), 4), prefix in key()) {
        use core::ops::{Bound, RangeBounds};
        let map = map_of(Blake3, &model);
        let ranges = [
            (Bound::Included(&keys[0][..]), Bound::Excluded(&keys[1][..])),
            (Bound::Excluded(&keys[2][..]), Bound::Included(&keys[3][..])),
            (Bound::Unbounded, Bound::Included(&keys[3][..])),
            (Bound::Included(&keys[0][..]), Bound::Unbounded),
        ];
        for range in ranges {
            let proof = through_bytes(&map.prove_query(&Query::new().range(range).prefix(&prefix)));
            let view = proof.verify(&Blake3, &map.root()).unwrap();
            prop_assert_eq!(view.root(), map.root());
            let expected: Vec<_> = model.iter()
                .filter(|(key, _)| RangeBounds::<[u8]>::contains(&range, &key[..]))
                .map(|(key, value)| (&key[..], Value::Bytes(value)))
                .collect();
            prop_assert_eq!(view.range(range).unwrap().collect::<Vec<_>>(), &expected[..]);
            let backwards = view.range(range).unwrap().rev();
            prop_assert!(backwards.eq(expected.into_iter().rev()));
            let expected: Vec<_> = model.iter()
                .filter(|(key, _)| key.starts_with(&prefix))
                .map(|(key, value)| (&key[..], Value::Bytes(value)))
                .collect();
            prop_assert_eq!(view.prefix(&prefix).unwrap().collect::<Vec<_>>(), expected);
            // Whatever other range it covers, it covers truly.
            for other in ranges {
                if let Ok(entries) = view.range(other) {
                    let found: Vec<_> = entries.map(|(key, _)| key).collect();
                    let expected: Vec<_> = model.keys().map(Vec::as_slice).filter(|key| RangeBounds::<[u8]>::contains(&other, *key)).collect();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    fn transitions_are_proved(model in model(80), changes in changes(12)) {
        let map = map_of(Sha256, &model);
        let batch = batch(&changes);
        let after = map.apply(&batch);
        let proof = through_bytes(&map.prove_update(&batch));
        let view = proof.verify(&Sha256, &map.root()).unwrap();
        prop_assert_eq!(view.apply(&batch), Ok(after.root()));
    }

    #[test]
    fn transitions_are_true_or_not_covered(
        model in model(40),
        asked in changes(6),
        changes in changes(4),
    ) {
        let map = map_of(Sha256, &model);
        let proof = map.prove_update(&batch(&asked));
        let view = proof.verify(&Sha256, &map.root()).unwrap();
        match view.apply(&batch(&changes)) {
            Ok(root) => prop_assert_eq!(root, map.apply(&batch(&changes)).root()),
            Err(error) => prop_assert!(matches!(error, TransitionError::NotCovered { .. }), "{}", error),
        }
    }
}

#[test]
fn refuses_keys_of_a_length_that_maps_do_not_hold() {
    for len in [0, 1, KEY_BYTES_MAX, KEY_BYTES_MAX + 1] {
        for (kind, rest) in [(1, &[7; 32][..]), (2, &[0])] {
            let mut bytes = vec![b'M', 1, 1, kind];
            uvarint::push(&mut bytes, len as u64);
            bytes.extend(vec![0; len]);
            bytes.extend(rest);
            let refused = ProofDecodeError::KeyLength { len };
            let expected = match len {
                1..=KEY_BYTES_MAX => Ok(len),
                _ => Err(refused),
            };
            let decoded = Proof::decode(&bytes).map(|proof| proof.key(&proof.leaves[0]).len());
            assert_eq!(decoded, expected, "kind {kind}");
        }
    }
}

#[test]
fn a_root_over_keys_out_of_order_is_found_out_by_its_transitions() {
    // Bits part the first two keys before the last two: no map has this tree.
    let mut proof = Proof::default();
    proof.nodes.extend([Node::Inner, Node::Inner]);
    for key in [&b"a"[..], b"x", b"y"] {
        proof.push_leaf(key, Value::Bytes(b"value"));
    }
    let root = proof.root(&Sha256);
    let view = proof.verify(&Sha256, &root).unwrap();
    let changes = vec![(b"a".to_vec(), None)];
    assert_eq!(
        view.apply(&batch(&changes)),
        Err(TransitionError::Disorder { leaf: 0 })
    );
}

#[cfg(feature = "serde")]
#[test]
fn passes_through_serde_and_refuses_what_is_no_proof() {
    let model = Model::from([(vec![1], vec![2]), (vec![3], vec![4])]);
    let proof = map_of(Sha256, &model).prove(&[3]);
    let json = serde_json::to_string(&proof).unwrap();
    assert_eq!(serde_json::from_str::<Proof>(&json).unwrap(), proof);
    for refused in [
        "\"\"",
        "\"AAAA\"",
        "\"TQE\"",
        "7",
        "[77]",
        &json[..json.len() - 2],
    ] {
        assert!(serde_json::from_str::<Proof>(refused).is_err(), "{refused}");
    }
}
