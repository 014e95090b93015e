use std::{vec, vec::Vec};

use super::*;
use crate::hasher;

/// Every level that this processor has, not only the best.
fn levels() -> Vec<Level> {
    let best = Level::new();
    let mut levels = vec![best];
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        levels.extend(best.as_avx2().map(Simd::level));
        levels.extend(best.as_sse4_2().map(Simd::level));
        levels.extend(best.as_sse2().map(Simd::level));
    }
    levels
}

fn bytes(seed: usize, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    ::blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut out);
    out
}

fn hash(seed: usize) -> Hash {
    hasher::blake3::digest(&seed.to_le_bytes())
}

fn check_inner<H: Hasher, K: Kernel>(hasher: H, kernel: K) {
    for level in levels() {
        for count in 0..=33 {
            let nodes: Vec<[Hash; 2]> = (0..count).map(|i| [hash(i), hash(i + 100)]).collect();
            let mut out = vec![Hash::default(); count];
            let done = dispatch!(level, simd => inner_in_lanes(simd, kernel, &nodes, &mut out));
            assert!(count - done < 16, "only {done} of {count} at {level:?}");
            for (out, [left, right]) in out.iter().zip(&nodes).take(done) {
                assert_eq!(
                    *out,
                    hasher.inner(left, right),
                    "{count} nodes at {level:?}"
                );
            }
        }
    }
}

#[test]
fn inner_nodes_are_right_at_every_level() {
    check_inner(hasher::Sha256, Sha256);
    check_inner(hasher::Blake3, Blake3::HASH);
}

fn check_messages<K: Kernel>(kernel: K) {
    // All of a length; then lengths that leave lanes idle, in groups of different fill.
    let even = (0..=260)
        .chain([1015, 1016, 1024, 1025])
        .map(|len| vec![len; 16]);
    let mixed = (1..=40).map(|count| (0..count).map(|i| i * 7919 % 301).collect());
    for lens in even.chain(mixed) {
        let messages: Vec<Vec<u8>> = lens
            .iter()
            .enumerate()
            .map(|(i, len)| bytes(i, *len))
            .collect();
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        for level in levels() {
            let mut out = vec![Hash::default(); messages.len()];
            dispatch!(level, simd => messages_in_lanes(simd, kernel, &messages, &mut out));
            for (out, message) in out.iter().zip(&messages) {
                assert_eq!(
                    *out,
                    kernel.single(message),
                    "{} of {} bytes at {level:?}",
                    messages.len(),
                    message.len()
                );
            }
        }
    }
}

#[test]
fn messages_are_right_at_every_level() {
    check_messages(Sha256);
    check_messages(Blake3::HASH);
    check_messages(Blake3::LEAF);
}
