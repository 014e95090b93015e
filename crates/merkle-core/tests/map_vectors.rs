//! Our own published vectors of the map and its proofs, in `tests/vectors/map`.
//!
//! The cases are written down here and kept as one JSON file each, named by what was done to a
//! good one. A plain run compares; `REGENERATE_VECTORS=1` writes the files anew. The digests at
//! the end cover thousands of encodings a profile. Both change on purpose only: what they fix is
//! what other programs read. `docs/formats/verify_map.py` is one.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/judge.rs"]
mod judge;
#[path = "common/model.rs"]
mod model;
#[path = "common/vectors.rs"]
mod vectors;

use core::ops::Bound;
use std::{path::Path, process::Command};

use judge::{Profiled, batch, map};
use merkle_core::{Blake3, Hash, Lookup, Proof, Query, Revealed, Sha256, View};
use model::{Changes, Digest32, Entries, Profile, Tree, changed, encode};
use serde_json::{Value, json};
use sha2::Digest;
use vectors::{hex, publish, verdict};

/// What a case asks a verified proof.
#[derive(Clone)]
enum Question {
    Get(Vec<u8>),
    Range(Bound<Vec<u8>>, Bound<Vec<u8>>),
    Prefix(Vec<u8>),
    Apply(Changes),
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Prefixes of each other, one bit apart, an empty value, and both edges.
fn fruits() -> Entries {
    let long = "and a value that is longer than any hash is";
    let entries = [
        ("a", "1"),
        ("ab", ""),
        ("abc", "3"),
        ("b", long),
        ("ca", "5"),
        ("cb", "6"),
    ];
    let entries = entries.map(|(key, value)| (bytes(key), bytes(value)));
    entries
        .into_iter()
        .chain([(vec![0xff], bytes("7"))])
        .collect()
}

fn entry(key: &[u8], value: merkle_core::Value<'_>) -> Value {
    match value {
        merkle_core::Value::Bytes(value) => json!({ "key": hex(key), "value": hex(value) }),
        merkle_core::Value::Digest { hash, .. } => {
            json!({ "key": hex(key), "digest": hash.to_string() })
        }
        _ => panic!("a new kind of value"),
    }
}

fn list<E>(revealed: Result<Revealed<'_>, E>) -> Value {
    revealed.map_or(json!("not covered"), |revealed| {
        revealed.map(|(key, value)| entry(key, value)).collect()
    })
}

/// The question with its answer, which is held against the model.
fn ask<H: Profiled>(view: &View<'_, H>, question: &Question, entries: &Entries) -> Value {
    match question {
        Question::Get(key) => {
            let answer = match view.get(key) {
                Lookup::Present(value) => entry(key, value),
                Lookup::Absent => json!("absent"),
                _ => json!("not covered"),
            };
            json!({ "get": hex(key), "answer": answer })
        }
        Question::Range(start, end) => {
            let answer = list(view.range((
                start.as_ref().map(Vec::as_slice),
                end.as_ref().map(Vec::as_slice),
            )));
            let bound = |bound: &Bound<Vec<u8>>| match bound {
                Bound::Included(key) => json!({ "included": hex(key) }),
                Bound::Excluded(key) => json!({ "excluded": hex(key) }),
                Bound::Unbounded => Value::Null,
            };
            json!({ "start": bound(start), "end": bound(end), "answer": answer })
        }
        Question::Prefix(prefix) => {
            json!({ "prefix": hex(prefix), "answer": list(view.prefix(prefix)) })
        }
        Question::Apply(changes) => {
            let after = view.apply(&batch(changes)).ok();
            if let Some(after) = after {
                assert_eq!(after.as_bytes(), &H::MODEL.root(&changed(entries, changes)));
            }
            let answer = after.map_or("not covered".to_owned(), |after| after.to_string());
            let change = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| json!({ "key": hex(key), "value": value.as_deref().map(hex) });
            let changes: Value = changes.iter().map(change).collect();
            json!({ "apply": changes, "answer": answer })
        }
    }
}

/// A case: the bytes, the root they are held against, and what comes of it.
fn case<H: Profiled>(
    bytes: &[u8],
    root: &Digest32,
    entries: &Entries,
    questions: &[Question],
    expected: &str,
) -> Value {
    let root = Hash::from_bytes(*root);
    let decoded = Proof::decode(bytes);
    let mut answers = vec![];
    let found = match &decoded {
        Err(error) => verdict(Err::<(), _>(error)),
        Ok(proof) => {
            assert_eq!(proof.encode(), bytes, "one encoding for a proof");
            let view = proof.verify(&H::default(), &root);
            if let Ok(view) = &view {
                let keys: Vec<_> = entries.keys().cloned().collect();
                judge::assert_true(view, entries, &keys);
                answers.extend(
                    questions
                        .iter()
                        .map(|question| ask(view, question, entries)),
                );
            }
            verdict(view)
        }
    };
    assert_eq!(found, expected, "{}", hex(bytes));
    json!({
        "profile": format!("{:?}", H::MODEL), "encoding": hex(bytes), "root": root.to_string(),
        "verdict": found, "questions": answers,
    })
}

/// Bytes that no decoder may take; the proof has one-byte numbers and no multiple of four nodes.
fn malformed(good: &[u8]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let change = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.to_vec();
        change(&mut bytes);
        bytes
    };
    let shape = 3 + usize::from(good[2]).div_ceil(4);
    vec![
        ("empty", vec![], "Truncated"),
        ("kind-alone", good[..1].to_vec(), "Truncated"),
        ("kind-of-the-log", change(&|it| it[0] = b'I'), "NotAProof"),
        ("no-count", good[..2].to_vec(), "Truncated"),
        ("version-0", change(&|it| it[1] = 0), "UnknownVersion"),
        ("version-2", change(&|it| it[1] = 2), "UnknownVersion"),
        ("count-alone", good[..3].to_vec(), "Truncated"),
        ("count-plus-1", change(&|it| it[2] += 1), "Shape"),
        ("count-minus-1", change(&|it| it[2] -= 1), "Shape"),
        ("count-0", change(&|it| it[2] = 0), "TrailingBytes"),
        (
            "count-not-shortest",
            change(&|it| drop(it.splice(2..3, [good[2] | 0x80, 0]))),
            "Number",
        ),
        (
            "count-beyond-64-bits",
            change(&|it| drop(it.splice(2..3, [&[0xff; 9][..], &[2]].concat()))),
            "Number",
        ),
        (
            "count-largest",
            change(&|it| drop(it.splice(2..3, [0xff, 0xff, 0xff, 0xff, 0x0f]))),
            "Truncated",
        ),
        (
            "count-endless",
            change(&|it| drop(it.splice(2..3, [0x80; 11]))),
            "Number",
        ),
        ("nodes-alone", good[..shape].to_vec(), "Truncated"),
        (
            "bits-after-the-last-node",
            change(&|it| it[shape - 1] |= 0x80),
            "Shape",
        ),
        (
            "root-is-no-inner-node",
            change(&|it| it[3] &= 0xfc),
            "Shape",
        ),
        (
            "all-nodes-inner",
            change(&|it| it[3..shape].fill(0xff)),
            "Shape",
        ),
        (
            "last-byte-dropped",
            good[..good.len() - 1].to_vec(),
            "Truncated",
        ),
        ("byte-appended", change(&|it| it.push(0)), "TrailingBytes"),
        (
            "hash-appended",
            change(&|it| it.extend([0; 32])),
            "TrailingBytes",
        ),
        ("twice", good.repeat(2), "TrailingBytes"),
    ]
}

/// Proofs that decode and are spoiled, or say less.
fn rebuilt(tree: &Tree, profile: Profile) -> Vec<(String, Tree, &'static str)> {
    let nodes: Vec<Tree> = tree.nodes().into_iter().cloned().collect();
    let mut cases = vec![];
    let mut case = |name: String, changes: Vec<(usize, Tree)>, expected| {
        let mut tree = tree.clone();
        for (at, node) in changes {
            *tree.node_mut(at) = node;
        }
        cases.push((name, tree, expected));
    };
    let hash = |hash: &Digest32, at: usize| {
        let mut hash = *hash;
        hash[at % 32] ^= 1 << (at % 8);
        hash
    };
    let mut last_leaf = None;
    for (at, node) in nodes.iter().enumerate() {
        let name = |what| format!("node-{at}-{what}");
        match node {
            Tree::Pruned(old) => {
                let other = nodes
                    .iter()
                    .rposition(|node| matches!(node, Tree::Pruned(_)));
                case(
                    name("hash-flipped"),
                    vec![(at, Tree::Pruned(hash(old, at)))],
                    "RootMismatch",
                );
                if let Some(other) = other.filter(|other| *other > at) {
                    let swapped = vec![(at, nodes[other].clone()), (other, node.clone())];
                    case(name("swapped-with-last-hash"), swapped, "RootMismatch");
                    let copied = vec![(other, node.clone())];
                    case(name("copied-over-last-hash"), copied, "RootMismatch");
                }
            }
            Tree::Digest { key, digest } => {
                let (key, digest) = (key.clone(), hash(digest, at));
                let flipped = Tree::Digest { key, digest };
                case(name("digest-flipped"), vec![(at, flipped)], "RootMismatch");
            }
            Tree::Value { key, value } => {
                let digest = profile.value(value);
                let changed = Tree::Value {
                    key: key.clone(),
                    value: [&value[..], b"0"].concat(),
                };
                case(name("value-changed"), vec![(at, changed)], "RootMismatch");
                let shown = Tree::Value {
                    key: key.clone(),
                    value: digest.to_vec(),
                };
                case(
                    name("value-is-its-digest"),
                    vec![(at, shown)],
                    "RootMismatch",
                );
                let unshown = Tree::Digest {
                    key: key.clone(),
                    digest,
                };
                case(name("value-not-shown"), vec![(at, unshown)], "accepted");
            }
            Tree::Inner(children) => {
                let [left, right] = (**children).clone();
                case(name("left-out"), vec![(at, left.clone())], "RootMismatch");
                let crossed = Tree::Inner(Box::new([right, left]));
                let leaves = |tree: &Tree| tree.nodes().iter().any(|node| is_leaf(node));
                let both = children.iter().all(leaves);
                let expected = if both { "KeyOrder" } else { "RootMismatch" };
                case(name("children-swapped"), vec![(at, crossed)], expected);
            }
        }
        if is_leaf(node) {
            let mut renamed = node.clone();
            if let Tree::Digest { key, .. } | Tree::Value { key, .. } = &mut renamed {
                key.push(0);
            }
            case(name("key-longer"), vec![(at, renamed)], "RootMismatch");
            if let Some(last) = last_leaf {
                let swapped = vec![(last, node.clone()), (at, nodes[last].clone())];
                case(name("swapped-with-leaf-before"), swapped, "KeyOrder");
                let doubled = vec![(at, nodes[last].clone())];
                case(name("is-leaf-before"), doubled, "KeyOrder");
            }
            last_leaf = Some(at);
        }
        if !matches!(node, Tree::Pruned(_)) {
            let hidden = vec![(at, Tree::Pruned(node.root(profile)))];
            case(name("hidden"), hidden, "accepted");
        }
    }
    cases
}

fn is_leaf(node: &Tree) -> bool {
    matches!(node, Tree::Digest { .. } | Tree::Value { .. })
}

/// Publishes a good proof about the fruits, and what spoils it.
fn publish_proof<H: Profiled>(kind: &str, encoding: &[u8], questions: &[Question]) {
    let (profile, entries) = (H::MODEL, fruits());
    let root = profile.root(&entries);
    let case = |bytes: &[u8], root: &Digest32, expected: &str| {
        case::<H>(bytes, root, &entries, questions, expected)
    };
    let mut cases = vec![("good".to_owned(), case(encoding, &root, "accepted"))];
    let mut other = fruits();
    other.insert(bytes("b"), bytes("another value"));
    cases.push((
        "root-of-another-map".to_owned(),
        case(encoding, &profile.root(&other), "RootMismatch"),
    ));
    cases.push((
        "root-of-no-map".to_owned(),
        case(encoding, &profile.empty(), "RootMismatch"),
    ));
    cases.push((
        "no-nodes".to_owned(),
        case(b"M\x01\0", &root, "RootMismatch"),
    ));
    if kind == "inclusion" {
        for (name, bytes, expected) in malformed(encoding) {
            cases.push((name.to_owned(), case(&bytes, &root, expected)));
        }
    }
    for (name, tree, expected) in rebuilt(&read(encoding), profile) {
        cases.push((name, case(&encode(Some(&tree)), &root, expected)));
    }
    publish(&format!("map/{}/{kind}", folder(profile)), cases);
}

/// The tree of a good encoding of fewer than 128 nodes, keys and values of fewer than 128 bytes.
fn read(encoding: &[u8]) -> Tree {
    fn next(shape: &mut impl Iterator<Item = u8>, rest: &mut &[u8]) -> Tree {
        let mut take = |len: Option<usize>| {
            let len = len.unwrap_or_else(|| usize::from(rest.split_off_first().copied().unwrap()));
            rest.split_off(..len).unwrap().to_vec()
        };
        match shape.next().unwrap() {
            0 => Tree::Pruned(take(Some(32)).try_into().unwrap()),
            1 => Tree::Digest {
                key: take(None),
                digest: take(Some(32)).try_into().unwrap(),
            },
            2 => Tree::Value {
                key: take(None),
                value: take(None),
            },
            _ => Tree::Inner(Box::new([next(shape, rest), next(shape, rest)])),
        }
    }
    let (packed, mut rest) = encoding[3..].split_at(usize::from(encoding[2]).div_ceil(4));
    let mut shape = packed
        .iter()
        .flat_map(|byte| [0, 2, 4, 6].map(|at| byte >> at & 3));
    next(&mut shape, &mut rest)
}

fn folder(profile: Profile) -> String {
    format!("{profile:?}").to_lowercase()
}

fn published<H: Profiled>() {
    let (entries, map) = (fruits(), map::<H>(&fruits()));
    let profile = H::MODEL;
    let get = |key: &str| Question::Get(bytes(key));
    let others = [get(""), get("a"), get("aa"), get("ab"), get("b"), get("zz")];

    publish_proof::<H>(
        "inclusion",
        &map.prove(b"ca").encode(),
        &[&[get("ca")], &others[..]].concat(),
    );
    publish_proof::<H>("exclusion", &map.prove(b"aa").encode(), &others);
    publish_proof::<H>(
        "exclusion-at-the-end",
        &map.prove(&[0xff, 0]).encode(),
        &[Question::Get(vec![0xff, 0]), get("cb")],
    );
    let query = Query::new().keys([&b"a"[..], b"bb", b"cb"]);
    publish_proof::<H>(
        "keys",
        &map.prove_query(&query).encode(),
        &[&[get("a"), get("bb"), get("cb")], &others[..]].concat(),
    );
    publish_proof::<H>(
        "digests",
        &map.prove_query(&Query::new().key(b"b").digests()).encode(),
        &others,
    );
    let ends = (Bound::Excluded(&b"a"[..]), Bound::Included(&b"ca"[..]));
    let range = |start, end| Question::Range(start, end);
    let ranges = [
        range(Bound::Excluded(bytes("a")), Bound::Included(bytes("ca"))),
        range(Bound::Included(bytes("a")), Bound::Excluded(bytes("ca"))),
        range(Bound::Included(bytes("ab")), Bound::Included(bytes("b"))),
        range(Bound::Unbounded, Bound::Excluded(bytes("b"))),
        range(Bound::Included(bytes("b")), Bound::Unbounded),
        range(Bound::Included(bytes("b")), Bound::Excluded(bytes("b"))),
    ];
    publish_proof::<H>(
        "range",
        &map.prove_query(&Query::new().range(ends)).encode(),
        &ranges,
    );
    let whole = map.prove_query(&Query::new().range(..)).encode();
    publish_proof::<H>(
        "whole",
        &whole,
        &[
            range(Bound::Unbounded, Bound::Unbounded),
            Question::Prefix(vec![]),
        ],
    );
    let prefixes = ["ab", "a", "abc", "c"].map(|prefix| Question::Prefix(bytes(prefix)));
    let prefixes = [&prefixes[..], &[Question::Prefix(vec![0xff])]].concat();
    publish_proof::<H>(
        "prefix",
        &map.prove_query(&Query::new().prefix(b"ab")).encode(),
        &prefixes,
    );

    let put = |key: &str| (bytes(key), Some(bytes("new")));
    let delete = |key: &str| (bytes(key), None);
    let changes = Changes::from([put("aa"), delete("ab"), put("ca"), delete("nothing")]);
    let small = [
        put("a"),
        put("aa"),
        delete("ab"),
        delete("abc"),
        put("c"),
        delete("nothing"),
    ];
    let small = small.map(|change| Question::Apply(Changes::from([change])));
    let asked = [&[Question::Apply(changes.clone())], &small[..]].concat();
    publish_proof::<H>(
        "transition",
        &map.prove_update(&batch(&changes)).encode(),
        &asked,
    );

    // Maps by their roots.
    let mut maps = vec![("empty", Entries::new()), ("fruits", entries)];
    maps.push(("one", Entries::from([(vec![0], vec![])])));
    let nested = |byte: u8| (1..=40).map(|len| (vec![byte; len], vec![byte])).collect();
    maps.push(("nested-zeros", nested(0)));
    maps.push(("nested-ones", nested(0xff)));
    let longest = (0..8).map(|bit| ([&[7; 1023][..], &[1 << bit]].concat(), vec![]));
    maps.push(("longest-keys-one-bit-apart", longest.collect()));
    maps.push((
        "every-byte",
        (0..=255).map(|byte| (vec![byte], vec![byte])).collect(),
    ));
    let cases = maps.into_iter().map(|(name, entries)| {
        let root = Hash::from_bytes(profile.root(&entries));
        assert_eq!(judge::map::<H>(&entries).root(), root);
        let listed: Value = entries.iter().map(|(key, value)| json!([hex(key), hex(value)])).collect();
        (name, json!({ "profile": format!("{profile:?}"), "entries": listed, "root": root.to_string() }))
    });
    publish(&format!("map/{}/root", folder(profile)), cases.collect());
}

#[test]
fn proofs_are_judged_as_published_with_sha256() {
    published::<Sha256>();
}

#[test]
fn proofs_are_judged_as_published_with_blake3() {
    published::<Blake3>();
}

/// Proofs of every kind over maps that grow, and how many there are.
fn digest<H: Profiled>() -> String {
    let mut digest = sha2::Sha256::new();
    let mut count = 0;
    let mut add = |proof: Proof| {
        let bytes = proof.encode();
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(&bytes);
        count += 1;
    };
    let keys: Vec<Vec<u8>> = (0..60_u8)
        .map(|i| match i % 4 {
            0 => vec![i],
            1 => vec![0; usize::from(i)],
            2 => sha2::Sha256::digest([i]).to_vec(),
            _ => vec![i - 3, i, 0xff],
        })
        .collect();
    let mut entries = Entries::new();
    for key in &keys {
        let map = map::<H>(&entries);
        for other in &keys {
            add(map.prove(other));
            add(map.prove_query(&Query::new().key(other).key(key).digests()));
            add(map.prove_query(&Query::new().prefix(&other[..1]).with_neighbours()));
            let range = (Bound::Excluded(&other[..]), Bound::Included(&key[..]));
            add(map.prove_query(&Query::new().range(range)));
            let changes = Changes::from([(key.clone(), Some(vec![])), (other.clone(), None)]);
            add(map.prove_update(&batch(&changes)));
        }
        entries.insert(key.clone(), key.repeat(3));
    }
    format!("{:?} {count} {}", H::MODEL, hex(&digest.finalize()))
}

#[test]
fn thousands_of_encodings_are_the_same_as_ever() {
    assert_eq!([digest::<Sha256>(), digest::<Blake3>()], DIGESTS);
}

const DIGESTS: [&str; 2] = [
    "Sha256 18000 2a452c14d17fbde2aaa6d7bf9485de90efbd88bc3facf14cefdc84f56eab7f08",
    "Blake3 18000 5b251c05a48f4f1806d2b84c80ad2166185a82d7df56723746aad3d88b9e1be9",
];

#[test]
fn a_verifier_in_another_language_agrees() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/map");
    let script = root.join("docs/formats/verify_map.py");
    match Command::new("python3").arg(script).arg(vectors).output() {
        Ok(output) => {
            print!("{}", String::from_utf8_lossy(&output.stdout));
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Err(error) => {
            assert_ne!(
                std::env::var("CI").as_deref(),
                Ok("true"),
                "python3: {error}"
            );
            println!("skipped: python3: {error}");
        }
    }
}
