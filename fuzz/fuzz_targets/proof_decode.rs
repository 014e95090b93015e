//! Bytes that claim to be a proof: never a panic, one byte string for a proof, memory in
//! proportion to the bytes.
#![no_main]

use std::alloc::System;

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use merkle_core::{Batch, Blake3, Hash, Hasher, Proof, ProofError, Sha256};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Memory that a byte of a proof may take: a leaf of three bytes is held as some 70, and a vector
/// that grows is there twice.
const BYTES_A_BYTE: usize = 128;

fuzz_target!(|bytes: &[u8]| {
    let room = 1024 + BYTES_A_BYTE * bytes.len();
    // Beyond the limit allocations fail, which ends the process.
    ALLOCATOR
        .set_limit(ALLOCATOR.allocated() + room)
        .expect("more than there is");
    let decoded = Proof::decode(bytes);
    ALLOCATOR.set_limit(usize::MAX).expect("no limit");

    let Ok(proof) = decoded else { return };
    assert_eq!(proof.encode(), bytes, "two byte strings for {proof:?}");
    check(&proof, &Sha256);
    check(&proof, &Blake3);
});

fn check(proof: &Proof, hasher: &impl Hasher) {
    let root = match proof.verify(hasher, &Hash::default()) {
        Err(ProofError::RootMismatch { computed, .. }) => computed,
        _ => Hash::default(), // as the proof says, nothing but that hash
    };
    // Most roots got like this are of no map. The view must not mind.
    let view = proof.verify(hasher, &root).expect("that is its root");
    if let Ok(entries) = view.range(..) {
        assert!(entries.clone().is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(view.prefix(b"").is_ok_and(|same| same.eq(entries)));
    }
    for key in [&b"\0"[..], b"a", b"\xff"] {
        let _ = view.get(key);
        let mut batch = Batch::new();
        let _ = batch.put(key, key).map(|batch| view.apply(batch));
        let mut batch = Batch::new();
        let _ = batch.delete(key).map(|batch| view.apply(batch));
    }
}
