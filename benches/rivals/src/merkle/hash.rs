//! What hashing a level of inner nodes costs: the floor under every other row.

use std::hint::black_box;

use merkle_core::{Blake3, Hash, Hasher, Sha256};
use sha2::Digest;

use crate::measure::per_second;
use crate::report::Report;
use crate::row::{Goal, Row};

/// One level, hashed as the map does it, beside the bare hash function over the same bytes.
pub(crate) fn inner_nodes(report: &mut Report) {
    let size = report.size(1_000_000, 100_000);
    let nodes = level(size);
    let mut hashes = vec![Hash::default(); size];
    let mut other = vec![Hash::default(); size];
    let mut digests = vec![[0; 32]; size];

    let [sha256, blake3, floor] = per_second(
        size,
        [
            &mut || Sha256.inner_many(black_box(&nodes), black_box(&mut hashes)),
            &mut || Blake3.inner_many(black_box(&nodes), black_box(&mut other)),
            &mut || {
                for ([left, right], digest) in black_box(&nodes).iter().zip(&mut digests) {
                    let mut bytes = [0x01; 65];
                    bytes[1..33].copy_from_slice(left.as_bytes());
                    bytes[33..].copy_from_slice(right.as_bytes());
                    *digest = sha2::Sha256::digest(bytes).into();
                }
                black_box(&mut digests);
            },
        ],
    );
    let row = Row::new(
        "merkle",
        format!("hash::inner_sha256/size={size}"),
        "hashes/s",
        sha256,
    );
    report.row(&row.peer("sha2", floor));
    // Merkle trees choose BLAKE3 for speed: it must not be the slower profile.
    let row = Row::new(
        "merkle",
        format!("hash::inner_blake3/size={size}"),
        "hashes/s",
        blake3,
    );
    report.row(&row.peer("sha2", floor).goal(Goal::AtLeast(sha256)));
}

/// `size` nodes with different children.
fn level(size: usize) -> Vec<[Hash; 2]> {
    let child = |number: usize| {
        let mut bytes = [0x5a; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        Hash::from_bytes(bytes)
    };
    (0..size)
        .map(|number| [child(2 * number), child(2 * number + 1)])
        .collect()
}
