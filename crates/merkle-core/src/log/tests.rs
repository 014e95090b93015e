#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use alloc::vec;

use super::*;

fn log(size: u64) -> Log {
    (0..size).map(u64::to_be_bytes).collect()
}

#[test]
fn reserving_room_changes_nothing() {
    for leaves in [0, 1, 2, 3, 63, 64, 65] {
        let mut reserved = Log::with_capacity(leaves);
        reserved.extend((0..70_u64).map(u64::to_be_bytes));
        assert_eq!(reserved.head(), log(70).head());
        assert_eq!(reserved.range(), log(70).range());
    }
}

#[test]
fn has_the_nodes_that_are_complete_and_no_others() {
    let log = log(13);
    for level in 0..6 {
        for index in 0..14 {
            let id = NodeId::new(level, index).unwrap();
            assert_eq!(log.node(id).is_some(), id.complete_at() <= 13, "{id:?}");
        }
    }
    assert_eq!(
        log.leaf(LeafIndex::new(12)),
        Some(&log_leaf_hash(&12_u64.to_be_bytes()))
    );
    assert_eq!(log.leaf(LeafIndex::new(13)), None);
    assert_eq!(log.leaf(LeafIndex::new(u64::MAX)), None);
}

#[test]
fn says_what_it_was_asked_in_vain() {
    let (log, size) = (log(5), TreeSize::new);
    let beyond = LogError::SizeOutOfRange {
        size: 6,
        available: 5,
    };
    assert_eq!(log.root_at(size(6)), Err(beyond));
    assert_eq!(log.prove_inclusion(LeafIndex::new(0), size(6)), Err(beyond));
    assert_eq!(log.prove_consistency(size(0), size(6)), Err(beyond));
    let outside = LogError::IndexOutOfRange { index: 4, size: 4 };
    assert_eq!(
        log.prove_inclusion(LeafIndex::new(4), size(4)),
        Err(outside)
    );
    let reversed = LogError::SizesReversed { old: 5, new: 4 };
    assert_eq!(log.prove_consistency(size(5), size(4)), Err(reversed));
}

#[test]
fn proof_parts_must_fit_each_other() {
    let (index, size) = (LeafIndex::new(2), TreeSize::new(5));
    let parts = |count| InclusionProof::from_parts(index, size, vec![Hash::default(); count]);
    assert!(parts(3).is_ok());
    for found in [0, 1, 2, 4, 64, 1000] {
        assert_eq!(
            parts(found),
            Err(LogProofError::WrongHashCount { expected: 3, found })
        );
    }
    let outside = InclusionProof::from_parts(LeafIndex::new(5), size, vec![]);
    assert_eq!(
        outside,
        Err(LogProofError::IndexOutOfRange { index: 5, size: 5 })
    );
    let reversed = ConsistencyProof::from_parts(size, TreeSize::new(4), vec![]);
    assert_eq!(
        reversed,
        Err(LogProofError::SizesReversed { old: 5, new: 4 })
    );
    let reversed = CompactRange::from_parts(5, 4, vec![]);
    assert_eq!(
        reversed,
        Err(LogProofError::RangeReversed { begin: 5, end: 4 })
    );
}

#[test]
fn what_is_proven_says_which_entry_of_which_log() {
    let log = log(5);
    for index in (0..5).map(LeafIndex::new) {
        let entry = index.get().to_be_bytes();
        let proof = log.prove_inclusion(index, log.size()).unwrap();
        let proven = proof.verify_entry(&entry, &log.head()).unwrap();
        assert_eq!((proven.entry(), proven.index()), (&entry[..], index));
        assert_eq!(
            proven.leaf(),
            proof.verify(&log_leaf_hash(&entry), &log.head()).unwrap()
        );
        assert_eq!(proven.leaf().head(), log.head());
    }
}

#[test]
fn a_full_range_takes_no_leaf_and_stays_as_it_is() {
    let count = CompactRange::hash_count(3, u64::MAX).unwrap();
    let full = CompactRange::from_parts(3, u64::MAX, vec![Hash::default(); count]).unwrap();
    let mut range = full.clone();
    assert_eq!(range.append_entry(b"one more"), Err(LogError::Full));
    assert_eq!(range.append_all([&Hash::default()]), Err(LogError::Full));
    assert_eq!(range, full);
}

#[test]
fn decoding_says_what_is_amiss_and_where() {
    let good = log(13).range().encode();
    let refused = |bytes: &[u8]| CompactRange::decode(bytes).unwrap_err();
    let cut = &good[..good.len() - 5];
    assert_eq!(refused(cut), LogDecodeError::Truncated { missing: 5 });
    let padded = [&good[..], &[0; 3]].concat();
    assert_eq!(refused(&padded), LogDecodeError::TrailingBytes { count: 3 });
    assert_eq!(
        refused(&[b'R', 1, 0, 0x80, 0]),
        LogDecodeError::BadInteger { offset: 3 }
    );
    assert_eq!(
        refused(&[b'R', 7]),
        LogDecodeError::UnknownVersion { version: 7 }
    );
    let kind = LogDecodeError::WrongKind {
        expected: b'R',
        found: b'I',
    };
    assert_eq!(refused(b"I"), kind);
    let reversed = LogProofError::RangeReversed { begin: 2, end: 1 };
    assert_eq!(
        refused(&[b'R', 1, 2, 1]),
        LogDecodeError::Inconsistent(reversed)
    );
}

#[test]
fn decoding_short_bytes_never_panics() {
    for kind in *b"ICRX\0" {
        for version in [1, 0, 0xff] {
            for filler in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                for length in 0..120 {
                    let mut bytes = vec![kind, version];
                    bytes.resize(2 + length, filler);
                    let _ = InclusionProof::decode(&bytes);
                    let _ = ConsistencyProof::decode(&bytes);
                    let _ = CompactRange::decode(&bytes);
                }
            }
        }
    }
}
