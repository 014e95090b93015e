//! The batch entry points of a hash profile give what its single-node methods give.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use merkle_core::{Blake3, Hash, Hasher, Sha256};

#[derive(Arbitrary, Debug)]
struct Input {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    nodes: Vec<[[u8; 32]; 2]>,
}

fuzz_target!(|input: Input| {
    check(&Sha256, &input);
    check(&Blake3, &input);
});

fn check(hasher: &impl Hasher, input: &Input) {
    let values: Vec<&[u8]> = input.entries.iter().map(|(_, value)| &value[..]).collect();
    let mut digests = vec![Hash::default(); values.len()];
    hasher.value_many(&values, &mut digests);
    for (value, digest) in values.iter().zip(&digests) {
        assert_eq!(hasher.value(value), *digest, "value {value:02x?}");
    }

    let keys = input.entries.iter().map(|(key, _)| &key[..]);
    let leaves: Vec<(&[u8], Hash)> = keys.zip(digests).collect();
    let mut hashes = vec![Hash::default(); leaves.len()];
    hasher.leaf_many(&leaves, &mut hashes);
    for ((key, digest), hash) in leaves.iter().zip(&hashes) {
        assert_eq!(hasher.leaf(key, digest), *hash, "leaf {key:02x?}");
    }

    let nodes: Vec<[Hash; 2]> = input
        .nodes
        .iter()
        .map(|pair| pair.map(Hash::from_bytes))
        .collect();
    let mut hashes = vec![Hash::default(); nodes.len()];
    hasher.inner_many(&nodes, &mut hashes);
    for ([left, right], hash) in nodes.iter().zip(&hashes) {
        assert_eq!(
            hasher.inner(left, right),
            *hash,
            "inner node {left} {right}"
        );
    }
}
