extern crate std;

use alloc::{borrow::ToOwned, format, vec, vec::Vec};
use std::println;

use proptest::prelude::*;

use super::*;

/// `len` bytes that differ for each `seed`.
fn bytes(seed: usize, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    ::blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut out);
    out
}

fn hash(seed: usize) -> Hash {
    Hash::from_bytes(*::blake3::hash(&seed.to_le_bytes()).as_bytes())
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// What `many` writes must be what `single` gives. The hash behind the last must stay.
fn check<T>(items: &[T], many: impl Fn(&[T], &mut [Hash]), single: impl Fn(&T) -> Hash) {
    let mut out = vec![hash(0); items.len() + 1];
    many(items, &mut out[..items.len()]);
    for (i, item) in items.iter().enumerate() {
        assert_eq!(out[i], single(item), "item {i} of {}", items.len());
    }
    assert_eq!(out[items.len()], hash(0));
}

fn check_inner<H: Hasher>(hasher: &H, nodes: &[[Hash; 2]]) {
    check(
        nodes,
        |n, out| hasher.inner_many(n, out),
        |[l, r]| hasher.inner(l, r),
    );
}

fn check_values<H: Hasher>(hasher: &H, values: &[Vec<u8>]) {
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    check(
        &values,
        |v, out| hasher.value_many(v, out),
        |v| hasher.value(v),
    );
}

fn check_leaves<H: Hasher>(hasher: &H, keys: &[Vec<u8>]) {
    let leaves: Vec<(&[u8], Hash)> = keys
        .iter()
        .enumerate()
        .map(|(i, k)| (k.as_slice(), hash(i)))
        .collect();
    check(
        &leaves,
        |l, out| hasher.leaf_many(l, out),
        |(key, value)| hasher.leaf(key, value),
    );
}

/// Calls `check` for both profiles.
macro_rules! for_both {
    ($check:ident($($arg:expr),*)) => {
        $check(&Sha256, $($arg),*);
        $check(&Blake3, $($arg),*);
    };
}

#[test]
fn batches_of_every_count_equal_single_hashes() {
    for count in 0..=67 {
        let nodes: Vec<[Hash; 2]> = (0..count).map(|i| [hash(i), hash(i + 100)]).collect();
        for_both!(check_inner(&nodes));
        for len in [0, 32, 100] {
            let items: Vec<Vec<u8>> = (0..count).map(|i| bytes(i, len)).collect();
            for_both!(check_values(&items));
            for_both!(check_leaves(&items));
        }
    }
}

#[test]
fn batches_of_every_length_equal_single_hashes() {
    for len in (0..=300).chain([511, 512, 513, 1014, 1015, 1016, 1023, 1024, 1025, 5000]) {
        let items: Vec<Vec<u8>> = (0..16).map(|i| bytes(i, len)).collect();
        for_both!(check_values(&items));
        for_both!(check_leaves(&items));
    }
}

#[test]
fn batches_of_mixed_lengths_equal_single_hashes() {
    for longest in [70, 150, 200, 1024, 5000] {
        let items: Vec<Vec<u8>> = (0..100)
            .map(|i| bytes(i, i * 7919 % (longest + 1)))
            .collect();
        for_both!(check_values(&items));
        for_both!(check_leaves(&items));
    }
}

proptest! {
    #[test]
    fn any_batch_equals_single_hashes(
        items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..260), 0..80),
        nodes in prop::collection::vec(any::<[[u8; 32]; 2]>(), 0..80),
    ) {
        let nodes: Vec<[Hash; 2]> = nodes.into_iter().map(|node| node.map(Hash::from_bytes)).collect();
        for_both!(check_inner(&nodes));
        for_both!(check_values(&items));
        for_both!(check_leaves(&items));
    }
}

#[test]
fn a_longer_output_keeps_its_tail() {
    let nodes = [[hash(1), hash(2)]; 16];
    let mut out = [hash(0); 40];
    Sha256.inner_many(&nodes, &mut out);
    assert_eq!(out[15], Sha256.inner(&hash(1), &hash(2)));
    assert_eq!(out[16], hash(0));
    Blake3.leaf_many(&[(b"key".as_slice(), hash(1)); 16], &mut out);
    assert_eq!(out[15], Blake3.leaf(b"key", &hash(1)));
    assert_eq!(out[16], hash(0));
}

/// The formula of the profile, written with the hash function alone.
#[test]
fn sha256_leaf_and_inner_follow_the_formula() {
    use sha2::Digest;
    let low = |len: usize| len.to_le_bytes()[0];
    for len in (0..=200).chain([1024, 20_000]) {
        let key = bytes(1, len);
        let len_bytes = match len {
            0..0x80 => vec![low(len)],
            0x80..0x4000 => vec![low(len) | 0x80, low(len >> 7)],
            _ => vec![low(len) | 0x80, low(len >> 7) | 0x80, low(len >> 14)],
        };
        let message = [&[0][..], &len_bytes, &key, &[32], hash(2).as_ref()].concat();
        assert_eq!(
            Sha256.leaf(&key, &hash(2)).as_bytes()[..],
            sha2::Sha256::digest(&message)[..],
            "key of {len}"
        );
        assert_eq!(
            Sha256.value(&key).as_bytes()[..],
            sha2::Sha256::digest(&key)[..],
            "value of {len}"
        );
    }
    let message = [&[1][..], hash(1).as_ref(), hash(2).as_ref()].concat();
    assert_eq!(
        Sha256.inner(&hash(1), &hash(2)).as_bytes()[..],
        sha2::Sha256::digest(&message)[..]
    );
}

#[test]
fn blake3_leaf_and_inner_follow_the_formula() {
    let leaf_key = ::blake3::derive_key("DIOTEC360 merkle-core 2026 map leaf", b"");
    assert_eq!(blake3::LEAF_KEY, leaf_key);
    assert_eq!(
        *Blake3.empty().as_bytes(),
        ::blake3::derive_key("DIOTEC360 merkle-core 2026 map empty", b"")
    );
    for len in (0..=200).chain([1024, 20_000]) {
        let key = bytes(1, len);
        let message = [&key, hash(2).as_ref()].concat();
        assert_eq!(
            *Blake3.leaf(&key, &hash(2)).as_bytes(),
            *::blake3::keyed_hash(&leaf_key, &message).as_bytes()
        );
    }
    let message = [hash(1).as_ref(), hash(2).as_ref()].concat();
    assert_eq!(
        *Blake3.inner(&hash(1), &hash(2)).as_bytes(),
        *::blake3::hash(&message).as_bytes()
    );
}

/// Sixteen times in one batch, so that the lanes are tried too.
fn assert_value<H: Hasher>(hasher: &H, value: &[u8], expected: &[u8]) {
    let mut out = [hash(0); 16];
    hasher.value_many(&[value; 16], &mut out);
    assert_eq!(
        hasher.value(value).as_ref(),
        expected,
        "value of {} bytes",
        value.len()
    );
    for out in out {
        assert_eq!(
            out.as_ref(),
            expected,
            "value of {} bytes in a batch",
            value.len()
        );
    }
}

/// Known answers: FIPS 180-4 examples and RFC 6234, section 8.5.
#[test]
fn sha256_known_answers() {
    for (value, expected) in [
        (
            b"".to_vec(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            b"abc".to_vec(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".to_vec(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            b"01234567".repeat(80),
            "594847328451bdfa85056225462cc1d867d877fb388df0ce35f25ab5562bfbb5",
        ),
        (
            vec![b'a'; 1_000_000],
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ),
    ] {
        assert_value(&Sha256, &value, &hex(expected));
    }
    assert_eq!(
        Sha256.empty().as_ref(),
        hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    );
}

/// The official test vectors of BLAKE3: the digests of values.
#[test]
fn blake3_official_vectors() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/blake3/test_vectors.json"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "no fixture at {path}"
        );
        println!("skipped: no fixture at {path}");
        return;
    };
    // The file has one field a line; the two fields below are all that is wanted.
    let field = |line: &str, name: &str| {
        let value = line.trim().strip_prefix(&format!("\"{name}\": "))?;
        Some(value.trim_matches(['"', ',']).to_owned())
    };
    let mut len = None;
    let mut cases = 0;
    for line in text.lines() {
        len = field(line, "input_len")
            .map(|len| len.parse::<usize>().expect("a length"))
            .or(len);
        if let Some(expected) = field(line, "hash") {
            let value: Vec<u8> = (0..=250)
                .cycle()
                .take(len.expect("a length first"))
                .collect();
            assert_value(&Blake3, &value, &hex(&expected)[..Hash::LEN]);
            cases += 1;
        }
    }
    assert_eq!(cases, 35);
}

/// The vectors of `docs/formats/hash-profiles.md`, which another implementation made.
#[test]
fn documented_vectors() {
    let document = include_str!("../../../../docs/formats/hash-profiles.md");
    let pattern = |len: &str| -> Vec<u8> {
        (0..=250)
            .cycle()
            .take(len.parse().expect("a length"))
            .collect()
    };
    let hash = |profile: &str, kind: &str, first: &str, second: &str| match (profile, kind) {
        ("Sha256", "empty") => Sha256.empty(),
        ("Sha256", "value") => Sha256.value(&pattern(first)),
        ("Sha256", "leaf") => Sha256.leaf(&pattern(first), &Sha256.value(&pattern(second))),
        ("Sha256", "inner") => Sha256.inner(
            &Sha256.value(&pattern(first)),
            &Sha256.value(&pattern(second)),
        ),
        ("Blake3", "empty") => Blake3.empty(),
        ("Blake3", "value") => Blake3.value(&pattern(first)),
        ("Blake3", "leaf") => Blake3.leaf(&pattern(first), &Blake3.value(&pattern(second))),
        ("Blake3", "inner") => Blake3.inner(
            &Blake3.value(&pattern(first)),
            &Blake3.value(&pattern(second)),
        ),
        _ => panic!("unknown vector: {profile} {kind}"),
    };
    let mut cases = 0;
    for row in document
        .lines()
        .filter(|line| line.starts_with("| Sha256 |") || line.starts_with("| Blake3 |"))
    {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, profile, kind, first, second, expected, _] = cells[..] else {
            panic!("not a vector: {row}")
        };
        assert_eq!(
            format!("`{}`", hash(profile, kind, first, second)),
            expected,
            "{row}"
        );
        cases += 1;
    }
    assert_eq!(cases, 20);
}
