//! Proofs, ranges and heads through serde.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test, and the sizes here are small"
)]
#![cfg(feature = "serde")]

use merkle_core::{
    CompactRange, ConsistencyProof, InclusionProof, LeafIndex, Log, TreeHead, TreeSize,
};
use serde_json::{from_str, json, to_string, to_value};

#[test]
fn what_is_written_is_read_and_verifies() {
    let log: Log = ["one", "two", "three", "four", "five"].iter().collect();
    for size in 1..=5 {
        let size = TreeSize::new(size);
        for old in 0..size.get() {
            let proof = log.prove_inclusion(LeafIndex::new(old), size).unwrap();
            assert_eq!(
                from_str::<InclusionProof>(&to_string(&proof).unwrap()).unwrap(),
                proof
            );
            let proof = log.prove_consistency(TreeSize::new(old), size).unwrap();
            assert_eq!(
                from_str::<ConsistencyProof>(&to_string(&proof).unwrap()).unwrap(),
                proof
            );
        }
    }
    let range = log.range();
    assert_eq!(
        &from_str::<CompactRange>(&to_string(range).unwrap()).unwrap(),
        range
    );
    let head = log.head();
    assert_eq!(
        from_str::<TreeHead>(&to_string(&head).unwrap()).unwrap(),
        head
    );
    let expected = json!({ "size": 5, "root": head.root.to_string() });
    assert_eq!(to_value(head).unwrap(), expected);
}

#[test]
fn the_form_is_as_documented() {
    let log: Log = ["one", "two"].iter().collect();
    let proof = log.prove_inclusion(LeafIndex::new(0), log.size()).unwrap();
    let sibling = log.leaf(LeafIndex::new(1)).unwrap().to_string();
    let expected = json!({ "index": 0, "size": 2, "hashes": [sibling] });
    assert_eq!(to_value(proof).unwrap(), expected);
}

#[test]
fn what_does_not_fit_is_refused() {
    let hash = "ab".repeat(32);
    let refused = |index: u64, size: u64, hashes: Vec<&str>| {
        let value = json!({ "index": index, "size": size, "hashes": hashes });
        from_str::<InclusionProof>(&value.to_string())
            .unwrap_err()
            .to_string()
    };
    assert!(
        from_str::<InclusionProof>(&json!({ "index": 0, "size": 2, "hashes": [hash] }).to_string())
            .is_ok()
    );
    assert!(refused(2, 2, vec![]).contains("leaf index 2 is not below tree size 2"));
    assert!(refused(0, 2, vec![]).contains("1 hashes belong here, not 0"));
    assert!(refused(0, 2, vec![&hash[2..]]).contains("64 lower-case hexadecimal digits"));
    assert!(refused(0, 2, vec![&hash.to_uppercase()]).contains("64 lower-case"));
    assert!(refused(0, 2, vec![&format!("{hash}0")]).contains("64 lower-case"));
    assert!(refused(0, 2, vec![&hash.replace('a', "g")]).contains("64 lower-case"));
    assert!(refused(0, 2, vec![&hash; 127]).contains("invalid length 127"));
    let more = json!({ "index": 0, "size": 2, "hashes": [hash], "more": 1 }).to_string();
    assert!(from_str::<InclusionProof>(&more).is_err());
    let reversed = json!({ "old_size": 2, "new_size": 1, "hashes": [] }).to_string();
    assert!(from_str::<ConsistencyProof>(&reversed).is_err());
    let reversed = json!({ "begin": 2, "end": 1, "hashes": [] }).to_string();
    assert!(from_str::<CompactRange>(&reversed).is_err());
}
