//! Our own published vectors of the log's encodings, in `tests/vectors/log`.
//!
//! The cases are written down here and kept as one JSON file each, named by what was done to a
//! good one. A plain run compares; `REGENERATE_VECTORS=1` writes the files anew. The digests at
//! the end cover thousands of encodings a format. Both change on purpose only: what they fix is
//! what other programs read.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test, and the sizes here are small"
)]

#[path = "common/vectors.rs"]
mod vectors;

use merkle_core::{
    Checkpoint, CompactRange, ConsistencyProof, Hash, InclusionProof, LeafIndex, Log, Tile,
    TreeHead, TreeSize,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vectors::{hex, verdict};

const INDEX: u64 = 13;
const OLD: u64 = 13;
const SIZE: u64 = 21;

fn log(size: u64) -> Log {
    (0..size).map(|i| format!("entry {i}")).collect()
}

fn head(size: u64) -> TreeHead {
    log(size).head()
}

/// Compares the cases of one format with the files, or writes them.
fn publish<N: AsRef<str>>(format: &str, cases: Vec<(N, Value)>) {
    vectors::publish(&format!("log/{format}"), cases);
}

/// Ways to spoil an encoding of two one-byte integers and hashes, with what must come of it.
fn spoiled(good: &[u8]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let change = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.to_vec();
        change(&mut bytes);
        bytes
    };
    let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    let endless = [0x80; 11];
    vec![
        ("empty", vec![], "Truncated"),
        ("kind-alone", good[..1].to_vec(), "Truncated"),
        ("no-integers", good[..2].to_vec(), "Truncated"),
        ("no-second-integer", good[..3].to_vec(), "Truncated"),
        ("kind-unknown", change(&|it| it[0] = b'X'), "WrongKind"),
        ("version-0", change(&|it| it[1] = 0), "UnknownVersion"),
        ("version-2", change(&|it| it[1] = 2), "UnknownVersion"),
        (
            "first-integer-not-shortest",
            change(&|it| {
                it[2] |= 0x80;
                it.insert(3, 0);
            }),
            "BadInteger",
        ),
        (
            "second-integer-not-shortest",
            change(&|it| {
                it[3] |= 0x80;
                it.insert(4, 0);
            }),
            "BadInteger",
        ),
        (
            "second-integer-beyond-64-bits",
            change(&|it| drop(it.splice(3..4, beyond))),
            "BadInteger",
        ),
        (
            "second-integer-endless",
            change(&|it| drop(it.splice(3..4, endless))),
            "BadInteger",
        ),
        (
            "second-integer-largest",
            change(&|it| drop(it.splice(3..4, max))),
            "Truncated",
        ),
        (
            "first-integer-largest",
            change(&|it| drop(it.splice(2..3, max))),
            "Inconsistent",
        ),
        (
            "last-byte-dropped",
            good[..good.len() - 1].to_vec(),
            "Truncated",
        ),
        (
            "last-hash-dropped",
            good[..good.len() - 32].to_vec(),
            "Truncated",
        ),
        ("byte-appended", change(&|it| it.push(0)), "TrailingBytes"),
        (
            "hash-appended",
            change(&|it| it.extend([0; 32])),
            "TrailingBytes",
        ),
        (
            "first-hash-doubled",
            change(&|it| {
                let hash = it[4..36].to_vec();
                drop(it.splice(4..4, hash));
            }),
            "TrailingBytes",
        ),
    ]
}

/// Ways to spoil only the hashes, so that the encoding is good and what it says is not.
fn wrong_hashes(good: &[u8]) -> Vec<(String, Vec<u8>)> {
    let hashes = (good.len() - 4) / 32;
    let mut all = vec![];
    for at in 0..hashes {
        let mut bytes = good.to_vec();
        bytes[4 + 32 * at + at] ^= 1 << at;
        all.push((format!("hash-{at}-flipped"), bytes));
    }
    for at in 1..hashes {
        let mut bytes = good.to_vec();
        let (left, right) = bytes.split_at_mut(4 + 32 * at);
        left[4 + 32 * (at - 1)..].swap_with_slice(&mut right[..32]);
        all.push((format!("hashes-{}-and-{at}-swapped", at - 1), bytes));
    }
    let mut bytes = good.to_vec();
    bytes.copy_within(4..good.len() - 32, 36);
    all.push(("first-hash-doubled-last-dropped".into(), bytes));
    all
}

fn judge_inclusion(bytes: &[u8], leaf: &Hash, head: &TreeHead) -> String {
    match InclusionProof::decode(bytes) {
        Ok(proof) => {
            assert_eq!(proof.encode(), bytes, "one encoding for a proof");
            verdict(proof.verify(leaf, head))
        }
        Err(error) => verdict(Err::<(), _>(error)),
    }
}

#[test]
fn inclusion_proofs_are_judged_as_published() {
    let (log, head) = (log(SIZE), head(SIZE));
    let leaf = |index| *log.leaf(LeafIndex::new(index)).unwrap();
    let prove = |index, size| {
        let (index, size) = (LeafIndex::new(index), TreeSize::new(size));
        log.prove_inclusion(index, size).unwrap().encode()
    };
    let good = prove(INDEX, SIZE);
    let with = |at: usize, byte: u64| {
        let mut bytes = good.clone();
        bytes[at] = u8::try_from(byte).unwrap();
        bytes
    };
    let mut cases = vec![];
    let mut case = |name: &str, bytes: &[u8], leaf: Hash, head: TreeHead, expected: &str| {
        assert_eq!(judge_inclusion(bytes, &leaf, &head), expected, "{name}");
        let case = json!({
            "encoding": hex(bytes), "leaf": leaf.to_string(), "size": head.size.get(),
            "root": head.root.to_string(), "verdict": expected,
        });
        cases.push((name.to_owned(), case));
    };
    case("good", &good, leaf(INDEX), head, "accepted");
    case("good-first", &prove(0, SIZE), leaf(0), head, "accepted");
    case(
        "good-last",
        &prove(SIZE - 1, SIZE),
        leaf(SIZE - 1),
        head,
        "accepted",
    );
    let single = self::head(1);
    case("good-single", &prove(0, 1), leaf(0), single, "accepted");
    for (name, bytes, expected) in spoiled(&good) {
        case(name, &bytes, leaf(INDEX), head, expected);
    }
    for (name, bytes) in wrong_hashes(&good) {
        case(&name, &bytes, leaf(INDEX), head, "RootMismatch");
    }
    case(
        "kind-of-consistency",
        &with(0, u64::from(b'C')),
        leaf(INDEX),
        head,
        "WrongKind",
    );
    case(
        "index-plus-1",
        &with(2, INDEX + 1),
        leaf(INDEX),
        head,
        "RootMismatch",
    );
    case(
        "index-minus-1",
        &with(2, INDEX - 1),
        leaf(INDEX),
        head,
        "RootMismatch",
    );
    case(
        "index-is-size",
        &with(2, SIZE),
        leaf(INDEX),
        head,
        "Inconsistent",
    );
    case(
        "index-above-size",
        &with(2, SIZE + 1),
        leaf(INDEX),
        head,
        "Inconsistent",
    );
    case("size-0", &with(3, 0), leaf(INDEX), head, "Inconsistent");
    case(
        "size-plus-1",
        &with(3, SIZE + 1),
        leaf(INDEX),
        head,
        "SizeMismatch",
    );
    case(
        "size-minus-1",
        &with(3, SIZE - 1),
        leaf(INDEX),
        head,
        "SizeMismatch",
    );
    case(
        "size-of-older-tree",
        &prove(INDEX, SIZE - 1),
        leaf(INDEX),
        head,
        "SizeMismatch",
    );
    case(
        "leaf-of-neighbour",
        &good,
        leaf(INDEX + 1),
        head,
        "RootMismatch",
    );
    case("leaf-is-root", &good, head.root, head, "RootMismatch");
    let older = TreeHead::new(head.size, self::head(SIZE - 1).root);
    case(
        "root-of-older-tree",
        &good,
        leaf(INDEX),
        older,
        "RootMismatch",
    );
    publish(
        "inclusion",
        cases
            .iter()
            .map(|(name, case)| (&name[..], case.clone()))
            .collect(),
    );
}

fn judge_consistency(bytes: &[u8], old: &TreeHead, new: &TreeHead) -> String {
    match ConsistencyProof::decode(bytes) {
        Ok(proof) => {
            assert_eq!(proof.encode(), bytes, "one encoding for a proof");
            verdict(proof.verify(old, new))
        }
        Err(error) => verdict(Err::<(), _>(error)),
    }
}

#[test]
fn consistency_proofs_are_judged_as_published() {
    let (log, old, new) = (log(SIZE), head(OLD), head(SIZE));
    let prove = |old: TreeHead| log.prove_consistency(old.size, new.size).unwrap().encode();
    let good = prove(old);
    let with = |at: usize, byte: u64| {
        let mut bytes = good.clone();
        bytes[at] = u8::try_from(byte).unwrap();
        bytes
    };
    let mut cases = vec![];
    let mut case = |name: &str, bytes: &[u8], old: TreeHead, new: TreeHead, expected: &str| {
        assert_eq!(judge_consistency(bytes, &old, &new), expected, "{name}");
        let case = json!({
            "encoding": hex(bytes), "verdict": expected,
            "old_size": old.size.get(), "old_root": old.root.to_string(),
            "new_size": new.size.get(), "new_root": new.root.to_string(),
        });
        cases.push((name.to_owned(), case));
    };
    case("good", &good, old, new, "accepted");
    case(
        "good-from-power-of-two",
        &prove(head(16)),
        head(16),
        new,
        "accepted",
    );
    case("good-from-empty", &prove(head(0)), head(0), new, "accepted");
    case("good-of-equal-sizes", &prove(new), new, new, "accepted");
    for (name, bytes, expected) in spoiled(&good) {
        case(name, &bytes, old, new, expected);
    }
    for (name, bytes) in wrong_hashes(&good) {
        // What was appended later does not enter the old root.
        let later = [
            "hash-1-flipped",
            "hash-2-flipped",
            "hash-5-flipped",
            "hashes-1-and-2-swapped",
        ];
        let appended = later.contains(&&name[..]);
        let expected = if appended {
            "RootMismatch"
        } else {
            "OldRootMismatch"
        };
        case(&name, &bytes, old, new, expected);
    }
    case(
        "kind-of-inclusion",
        &with(0, u64::from(b'I')),
        old,
        new,
        "WrongKind",
    );
    case(
        "old-above-new",
        &with(2, SIZE + 1),
        old,
        new,
        "Inconsistent",
    );
    case("old-plus-2", &with(2, OLD + 2), old, new, "SizeMismatch");
    case("new-plus-1", &with(3, SIZE + 1), old, new, "SizeMismatch");
    let wrong = TreeHead::new(old.size, head(OLD - 1).root);
    case(
        "old-root-of-other-size",
        &good,
        wrong,
        new,
        "OldRootMismatch",
    );
    let wrong = TreeHead::new(new.size, head(SIZE - 1).root);
    case("new-root-of-other-size", &good, old, wrong, "RootMismatch");
    case("heads-swapped", &good, new, old, "SizeMismatch");
    let wrong = TreeHead::new(TreeSize::EMPTY, old.root);
    case(
        "empty-with-root",
        &prove(head(0)),
        wrong,
        new,
        "OldRootMismatch",
    );
    let wrong = TreeHead::new(new.size, old.root);
    case(
        "equal-sizes-other-roots",
        &prove(new),
        wrong,
        new,
        "RootMismatch",
    );
    publish(
        "consistency",
        cases
            .iter()
            .map(|(name, case)| (&name[..], case.clone()))
            .collect(),
    );
}

#[test]
fn ranges_are_judged_as_published() {
    let log = log(SIZE);
    let range = |begin: u64, end: u64| {
        let mut range = CompactRange::starting_at(begin);
        for index in begin..end {
            range
                .append(log.leaf(LeafIndex::new(index)).unwrap())
                .unwrap();
        }
        range.encode()
    };
    let mut cases = vec![];
    let mut case = |name: &'static str, bytes: &[u8], expected: &str| {
        let decoded = CompactRange::decode(bytes);
        let head = decoded.as_ref().ok().and_then(CompactRange::head);
        let root = head.map(|head| head.root.to_string());
        assert_eq!(verdict(decoded), expected, "{name}");
        let case = json!({ "encoding": hex(bytes), "root": root, "verdict": expected });
        cases.push((name, case));
    };
    let good = range(0, SIZE);
    case("good", &good, "accepted");
    case("good-empty", &range(0, 0), "accepted");
    case("good-not-from-0", &range(5, SIZE), "accepted");
    for (name, bytes, expected) in spoiled(&good) {
        // What follows from the largest integers is another number of hashes here.
        case(name, &bytes, expected);
    }
    let mut bytes = good.clone();
    bytes[2] = u8::try_from(SIZE + 1).unwrap();
    case("begin-above-end", &bytes, "Inconsistent");
    publish("range", cases);
}

#[test]
fn thousands_of_encodings_are_the_same_as_ever() {
    let log = log(90);
    let mut digests = ["inclusion", "consistency", "range", "tile", "checkpoint"]
        .map(|format| (format, Sha256::new(), 0));
    let mut add = |format: usize, bytes: &[u8]| {
        let (_, digest, count) = &mut digests[format];
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
        *count += 1;
    };
    for new in 0..=90 {
        let size = TreeSize::new(new);
        for old in 0..=new {
            let older = TreeSize::new(old);
            if let Ok(proof) = log.prove_inclusion(LeafIndex::new(old), size) {
                add(0, &proof.encode());
            }
            add(1, &log.prove_consistency(older, size).unwrap().encode());
            let mut range = CompactRange::starting_at(old);
            for index in old..new {
                range
                    .append(log.leaf(LeafIndex::new(index)).unwrap())
                    .unwrap();
            }
            add(2, &range.encode());
        }
        for origin in 0..40 {
            let head = TreeHead::new(size, log.root_at(size).unwrap());
            let checkpoint = Checkpoint::new(&format!("example.com/{origin}"), head).unwrap();
            let checkpoint = (0..origin % 4).fold(checkpoint, |checkpoint, line| {
                checkpoint
                    .with_extension(&format!("extension {line}"))
                    .unwrap()
            });
            add(4, checkpoint.to_string().as_bytes());
        }
    }
    for shift in 0..64 {
        for size in [(1_u64 << shift) - 1, 1 << shift, (1 << shift) + 1] {
            for level in 0..=Tile::LEVEL_MAX {
                for back in 0..4 {
                    let last = size >> (8 * u32::from(level) + 8).min(63);
                    let index = last.saturating_sub(back);
                    if let Some(tile) = Tile::at(level, index, TreeSize::new(size)) {
                        add(3, tile.to_string().as_bytes());
                    }
                }
            }
        }
    }
    let found: Vec<String> = digests
        .into_iter()
        .map(|(format, digest, count)| format!("{format} {count} {}", hex(&digest.finalize())))
        .collect();
    assert_eq!(found, DIGESTS);
}

const DIGESTS: [&str; 5] = [
    "inclusion 4095 507c42003d3fcac671629cbb1ed20f59fe80511b6cf3bab36f1cf059b7ae1db6",
    "consistency 4186 185d1944bdd5d539b4d649d5fa798a8e62db4b57e380a11173c70bab28b6b07b",
    "range 4186 62fb08bdaba8536e667d6a36cbbbc4b07afe31d010d1bfd69689f4a467b40a50",
    "tile 3030 14fedb9c40ee6c09911b7694f195c3e02f79279feccb77ea76dc5e1656fddf36",
    "checkpoint 3640 88b024f505e7d25703b923567ec2b08a4400ed1937fd5627a2e4a4d561669fe2",
];
