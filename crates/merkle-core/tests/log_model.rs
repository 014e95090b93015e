//! The log against the model that RFC 9162 writes down, for every small size and many larger.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test, and the sizes here are small"
)]

use merkle_core::{
    CompactRange, ConsistencyPlan, ConsistencyProof, EMPTY_LOG_ROOT, Hash, InclusionPlan,
    InclusionProof, LeafIndex, Log, LogError, LogProofError, NodeId, RootPlan, TreeHead, TreeSize,
    log_leaf_hash,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// Sizes up to this one are tried exhaustively.
const EXHAUSTIVE: u64 = 64;

/// Proofs of sizes up to this one are spoiled in every way.
const SPOILED: u64 = 35;

// --- the model -------------------------------------------------------------------------------

fn model_inner(left: Hash, right: Hash) -> Hash {
    let hasher = Sha256::new_with_prefix([1])
        .chain_update(left)
        .chain_update(right);
    Hash::from_bytes(hasher.finalize().into())
}

/// RFC 9162, section 2.1.1, as written there. Slow on purpose.
fn model_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::from_bytes(Sha256::digest([]).into()),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
            model_inner(model_root(left), model_root(right))
        }
    }
}

/// RFC 9162, section 2.1.3.1: `PATH(m, D_n)`.
fn model_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return vec![];
    }
    let k = 1 << (leaves.len() - 1).ilog2();
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if index < k {
        (model_path(index, left), model_root(right))
    } else {
        (model_path(index - k, right), model_root(left))
    };
    path.push(sibling);
    path
}

/// RFC 9162, section 2.1.4.1: `SUBPROOF(m, D_n, b)`.
fn model_subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole {
            vec![]
        } else {
            vec![model_root(leaves)]
        };
    }
    let k = 1 << (leaves.len() - 1).ilog2();
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = if old <= k {
        (model_subproof(old, left, whole), model_root(right))
    } else {
        (model_subproof(old - k, right, false), model_root(left))
    };
    proof.push(sibling);
    proof
}

// --- helpers ---------------------------------------------------------------------------------

fn leaves(count: u64) -> Vec<Hash> {
    (0..count)
        .map(|i| log_leaf_hash(format!("entry {i}").as_bytes()))
        .collect()
}

fn log_of(leaves: &[Hash]) -> Log {
    let mut log = Log::new();
    for leaf in leaves {
        log.append_leaf(leaf);
    }
    log
}

fn head(leaves: &[Hash]) -> TreeHead {
    TreeHead::new(TreeSize::new(leaves.len() as u64), model_root(leaves))
}

fn flipped(hash: &Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8 % 32] ^= 1 << (bit % 8);
    Hash::from_bytes(bytes)
}

/// Each way to spoil a list of hashes: every one flipped, dropped, doubled, swapped with every
/// other, and the whole cut short and extended.
fn spoiled(hashes: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = vec![];
    let mut push = |change: &dyn Fn(&mut Vec<Hash>)| {
        let mut changed = hashes.to_vec();
        change(&mut changed);
        if changed != hashes {
            all.push(changed);
        }
    };
    for at in 0..hashes.len() {
        push(&|it| it[at] = flipped(&it[at], at * 37));
        push(&|it| {
            it.remove(at);
        });
        push(&|it| it.insert(at, it[at]));
        push(&|it| it.truncate(at));
        for other in 0..at {
            push(&|it| it.swap(at, other));
        }
    }
    for extra in [Hash::default(), EMPTY_LOG_ROOT] {
        push(&|it| it.push(extra));
        push(&|it| it.insert(0, extra));
    }
    all
}

// --- exhaustive ------------------------------------------------------------------------------

#[test]
fn every_small_root_is_the_model_s() {
    let leaves = leaves(EXHAUSTIVE);
    let log = log_of(&leaves);
    let mut growing = Log::new();
    for size in 0..=leaves.len() {
        let expected = model_root(&leaves[..size]);
        assert_eq!(
            log.root_at(TreeSize::new(size as u64)),
            Ok(expected),
            "size {size}"
        );
        assert_eq!(growing.head().root, expected, "size {size}");
        if let Some(leaf) = leaves.get(size) {
            assert_eq!(growing.append_leaf(leaf).get(), size as u64);
        }
    }
    let beyond = log.root_at(TreeSize::new(EXHAUSTIVE + 1));
    let (size, available) = (EXHAUSTIVE + 1, EXHAUSTIVE);
    assert_eq!(beyond, Err(LogError::SizeOutOfRange { size, available }));
}

#[test]
fn every_small_inclusion_proof_is_the_model_s_and_verifies() {
    let leaves = leaves(EXHAUSTIVE);
    let log = log_of(&leaves);
    for size in 1..=leaves.len() {
        let head = head(&leaves[..size]);
        for index in 0..size {
            let at = LeafIndex::new(index as u64);
            let proof = log.prove_inclusion(at, head.size).unwrap();
            assert_eq!(
                proof.hashes(),
                model_path(index, &leaves[..size]),
                "{index} of {size}"
            );
            let proven = proof.verify(&leaves[index], &head).unwrap();
            assert_eq!(
                (proven.index(), proven.hash(), proven.head()),
                (at, leaves[index], head)
            );
        }
    }
}

#[test]
fn every_small_consistency_proof_is_the_model_s_and_verifies() {
    let leaves = leaves(EXHAUSTIVE);
    let log = log_of(&leaves);
    for new in 0..=leaves.len() {
        for old in 0..=new {
            let heads = [old, new].map(|size| head(&leaves[..size]));
            let proof = log.prove_consistency(heads[0].size, heads[1].size).unwrap();
            if old > 0 {
                let expected = model_subproof(old, &leaves[..new], true);
                assert_eq!(proof.hashes(), expected, "{old} to {new}");
            } else {
                assert!(proof.hashes().is_empty());
            }
            let proven = proof.verify(&heads[0], &heads[1]).unwrap();
            assert_eq!([proven.old_head(), proven.new_head()], heads);
        }
    }
}

#[test]
fn every_spoiled_inclusion_proof_is_refused() {
    let leaves = leaves(SPOILED);
    let log = log_of(&leaves);
    for size in 1..=leaves.len() {
        let head = head(&leaves[..size]);
        for (index, leaf) in leaves[..size].iter().enumerate() {
            let at = LeafIndex::new(index as u64);
            let proof = log.prove_inclusion(at, head.size).unwrap();
            for hashes in spoiled(proof.hashes()) {
                let refused = InclusionProof::from_parts(at, head.size, hashes)
                    .and_then(|proof| proof.verify(leaf, &head));
                assert!(refused.is_err(), "{index} of {size}");
            }
            for other in (0..size).filter(|other| *other != index) {
                assert!(
                    proof.verify(&leaves[other], &head).is_err(),
                    "leaf {other} at {index}"
                );
                let moved = LeafIndex::new(other as u64);
                let moved = InclusionProof::from_parts(moved, head.size, proof.hashes().to_vec());
                let refused = moved.and_then(|moved| moved.verify(leaf, &head));
                assert!(refused.is_err(), "leaf {index} of {size} as {other}");
            }
            let wrong = TreeHead::new(head.size, flipped(&head.root, index));
            assert!(matches!(
                proof.verify(leaf, &wrong),
                Err(LogProofError::RootMismatch { computed, .. }) if computed == head.root
            ));
            let grown = TreeHead::new(TreeSize::new(size as u64 + 1), head.root);
            assert!(matches!(
                proof.verify(leaf, &grown),
                Err(LogProofError::SizeMismatch { .. })
            ));
        }
    }
}

#[test]
fn every_spoiled_consistency_proof_is_refused() {
    let leaves = leaves(SPOILED);
    let log = log_of(&leaves);
    let heads: Vec<_> = (0..=leaves.len())
        .map(|size| head(&leaves[..size]))
        .collect();
    let prove = |old: usize, new: usize| {
        log.prove_consistency(heads[old].size, heads[new].size)
            .unwrap()
    };
    for new in 0..=leaves.len() {
        for old in 0..=new {
            let (old_head, new_head) = (&heads[old], &heads[new]);
            let proof = prove(old, new);
            for hashes in spoiled(proof.hashes()) {
                let refused = ConsistencyProof::from_parts(old_head.size, new_head.size, hashes)
                    .and_then(|proof| proof.verify(old_head, new_head));
                assert!(refused.is_err(), "{old} to {new}");
            }
            let wrong = TreeHead::new(old_head.size, flipped(&old_head.root, new));
            assert!(matches!(
                proof.verify(&wrong, new_head),
                Err(LogProofError::OldRootMismatch { .. } | LogProofError::RootMismatch { .. })
            ));
            let wrong = TreeHead::new(new_head.size, flipped(&new_head.root, old));
            // From nothing, anything follows.
            assert_eq!(proof.verify(old_head, &wrong).is_ok(), old == 0 && new > 0);
            if old < new {
                assert!(proof.verify(new_head, old_head).is_err());
            }
            for size in (0..=new).filter(|size| *size != old) {
                let (other, hashes) = (heads[size].size, proof.hashes().to_vec());
                // Declared honestly, the other size's own root cannot follow from these hashes...
                let moved = ConsistencyProof::from_parts(other, new_head.size, hashes);
                let moved = moved.and_then(|it| it.verify(&heads[size], new_head));
                // ...unless none are needed: from size 0, and between equal sizes.
                let trivial = [0, new].contains(&size) && [0, new].contains(&old);
                let same = prove(size, new).hashes() == proof.hashes();
                assert_eq!(
                    moved.is_ok(),
                    trivial || same,
                    "{old} to {new} as from {size}"
                );
            }
        }
    }
}

fn model_subproof_or_empty(old: usize, leaves: &[Hash]) -> Vec<Hash> {
    if old == 0 {
        vec![]
    } else {
        model_subproof(old, leaves, true)
    }
}

#[test]
fn every_small_range_resumes_and_merges() {
    let leaves = leaves(EXHAUSTIVE);
    let range = |begin: usize, end: usize| {
        let mut range = CompactRange::starting_at(begin as u64);
        range.append_all(&leaves[begin..end]).unwrap();
        range
    };
    for end in 0..=leaves.len() {
        let whole = range(0, end);
        assert_eq!(whole.head(), Some(head(&leaves[..end])));
        for middle in 0..=end {
            let right = range(middle, end);
            assert_eq!(right.head().is_some(), middle == 0);
            for (node, hash) in right.node_ids().zip(right.hashes()) {
                let span = node.first_leaf() as usize..node.complete_at() as usize;
                assert_eq!(*hash, model_root(&leaves[span]));
            }
            assert_eq!(CompactRange::decode(&right.encode()), Ok(right.clone()));
            let mut merged = range(0, middle);
            merged.merge(&right).unwrap();
            assert_eq!(merged, whole, "{middle} of {end}");
        }
    }
    let refused = range(0, 3).merge(&range(4, 5));
    assert_eq!(refused, Err(LogError::NotAdjacent { end: 3, begin: 4 }));
}

#[test]
fn a_store_that_keeps_what_it_is_shown_answers_every_plan() {
    let leaves = leaves(EXHAUSTIVE);
    let log = log_of(&leaves);
    // Built in two halves of every proportion, as two cores would.
    for middle in [0, 1, 5, 31, 32, 33, 63, 64] {
        let mut store = std::collections::BTreeMap::new();
        let mut keep = |node: NodeId, hash: &Hash| assert!(store.insert(node, *hash).is_none());
        let mut right = CompactRange::starting_at(middle as u64);
        for leaf in &leaves[middle..] {
            right.append_with(leaf, &mut keep).unwrap();
        }
        let mut left = CompactRange::new();
        for leaf in &leaves[..middle] {
            left.append_with(leaf, &mut keep).unwrap();
        }
        left.merge_with(&right, &mut keep).unwrap();
        assert_eq!(left.head(), Some(log.head()));
        assert!(
            store
                .iter()
                .all(|(node, hash)| log.node(*node) == Some(hash))
        );
        assert_eq!(store.len(), 127, "each perfect subtree once");

        let fetch = |nodes: Vec<NodeId>| nodes.iter().map(|id| store[id]).collect::<Vec<_>>();
        for new in 1..=EXHAUSTIVE {
            let size = TreeSize::new(new);
            let plan = RootPlan::new(size);
            let hashes = fetch(plan.node_ids().collect());
            assert_eq!(plan.finish(&hashes), log.root_at(size));
            for old in 0..new {
                let plan = InclusionPlan::new(LeafIndex::new(old), size).unwrap();
                let hashes = fetch(plan.node_ids().collect());
                assert_eq!(
                    plan.finish(&hashes),
                    log.prove_inclusion(LeafIndex::new(old), size)
                );
                let plan = ConsistencyPlan::new(TreeSize::new(old), size).unwrap();
                let mut hashes = fetch(plan.node_ids().collect());
                let expected = log.prove_consistency(TreeSize::new(old), size);
                assert_eq!(plan.finish(&hashes), expected);
                hashes.push(Hash::default());
                assert!(matches!(
                    plan.finish(&hashes),
                    Err(LogError::WrongNodeCount { .. })
                ));
            }
        }
    }
}

// --- the far end -----------------------------------------------------------------------------

#[test]
fn the_largest_sizes_neither_panic_nor_overflow() {
    let edge = [
        0,
        1,
        2,
        3,
        (1 << 32) - 1,
        1 << 32,
        (1 << 63) - 1,
        1 << 63,
        (1 << 63) + 1,
    ];
    let edge = edge
        .into_iter()
        .chain([u64::MAX - 2, u64::MAX - 1, u64::MAX]);
    for (a, b) in edge.clone().flat_map(|a| edge.clone().map(move |b| (a, b))) {
        let hash = |_| Ok::<_, ()>(Hash::default());
        if let Ok(plan) = InclusionPlan::new(LeafIndex::new(a), TreeSize::new(b)) {
            let proof = plan.resolve(hash).unwrap();
            assert!(proof.hashes().len() <= InclusionProof::HASHES_MAX);
            assert_eq!(InclusionProof::decode(&proof.encode()), Ok(proof.clone()));
            let head = TreeHead::new(TreeSize::new(b), proof.root_for(&Hash::default()));
            assert!(proof.verify(&Hash::default(), &head).is_ok());
            assert!(plan.node_ids().count() <= 127);
            assert!(plan.node_ids().all(|id| id.complete_at() <= b));
        }
        if let Ok(plan) = ConsistencyPlan::new(TreeSize::new(a), TreeSize::new(b)) {
            let proof = plan.resolve(hash).unwrap();
            assert!(proof.hashes().len() <= ConsistencyProof::HASHES_MAX);
            assert_eq!(ConsistencyProof::decode(&proof.encode()), Ok(proof.clone()));
            assert!(plan.node_ids().count() <= 127);
        }
        if let Ok(count) = CompactRange::hash_count(a, b) {
            let hashes = vec![Hash::default(); count];
            let mut range = CompactRange::from_parts(a, b, hashes).unwrap();
            assert_eq!(CompactRange::decode(&range.encode()), Ok(range.clone()));
            let room = b < u64::MAX;
            assert_eq!(range.append(&Hash::default()).is_ok(), room);
            assert_eq!(range.end(), b + u64::from(room));
            assert_eq!(range.node_ids().len(), range.hashes().len());
        }
    }
    let longest = InclusionProof::hash_count(LeafIndex::new(0), TreeSize::new(u64::MAX));
    assert_eq!(longest, Ok(InclusionProof::HASHES_MAX));
    let longest = ConsistencyProof::hash_count(TreeSize::new(3), TreeSize::new(u64::MAX));
    assert_eq!(longest, Ok(ConsistencyProof::HASHES_MAX));
}

// --- larger logs, at random ------------------------------------------------------------------

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn larger_logs_agree_with_the_model(size in 65_usize..3000, picks in prop::collection::vec(any::<(u32, u32)>(), 8)) {
        let leaves = leaves(size as u64);
        let log = log_of(&leaves);
        for (a, b) in picks {
            let new = 1 + a as usize % size;
            let old = b as usize % new;
            let heads = [old, new].map(|size| head(&leaves[..size]));
            prop_assert_eq!(log.root_at(heads[1].size), Ok(heads[1].root));

            let proof = log.prove_inclusion(LeafIndex::new(old as u64), heads[1].size).unwrap();
            let expected = model_path(old, &leaves[..new]);
            prop_assert_eq!(proof.hashes(), &expected[..]);
            prop_assert!(proof.verify(&leaves[old], &heads[1]).is_ok());

            let proof = log.prove_consistency(heads[0].size, heads[1].size).unwrap();
            let expected = model_subproof_or_empty(old, &leaves[..new]);
            prop_assert_eq!(proof.hashes(), &expected[..]);
            prop_assert!(proof.verify(&heads[0], &heads[1]).is_ok());
        }
    }

    #[test]
    fn a_changed_encoding_never_verifies(size in 1_usize..300, pick in any::<(u32, u32)>(), at in any::<u32>(), xor in 1_u8..) {
        let leaves = leaves(size as u64);
        let log = log_of(&leaves);
        let (index, old) = (pick.0 as usize % size, 1 + pick.1 as usize % size);
        let new_head = head(&leaves);

        let proof = log.prove_inclusion(LeafIndex::new(index as u64), new_head.size).unwrap();
        let mut bytes = proof.encode();
        let place = at as usize % bytes.len();
        bytes[place] ^= xor;
        if let Ok(proof) = InclusionProof::decode(&bytes) {
            prop_assert_eq!(proof.encode(), bytes);
            prop_assert!(proof.verify(&leaves[index], &new_head).is_err());
        }

        let old_head = head(&leaves[..old]);
        let proof = log.prove_consistency(old_head.size, new_head.size).unwrap();
        let mut bytes = proof.encode();
        let place = at as usize % bytes.len();
        bytes[place] ^= xor;
        if let Ok(proof) = ConsistencyProof::decode(&bytes) {
            prop_assert_eq!(proof.encode(), bytes);
            prop_assert!(proof.verify(&old_head, &new_head).is_err());
        }
    }
}
