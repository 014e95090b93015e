//! Bytes that claim to be a journal record or a pointer to a checkpoint: never a panic, one form of
//! what is accepted, memory in proportion to the bytes.
#![no_main]

use std::alloc::System;

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use reality_db::fuzzing;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Memory that a byte of a record may take: a change of seven bytes is held as some 60, in a vector
/// that grows, and is encoded again.
const BYTES_A_BYTE: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let room = 4096 + BYTES_A_BYTE * bytes.len();
    // Beyond the limit allocations fail, which ends the process.
    ALLOCATOR
        .set_limit(ALLOCATOR.allocated() + room)
        .expect("more than there is");
    let record = fuzzing::record(bytes);
    ALLOCATOR.set_limit(usize::MAX).expect("no limit");
    if let Some(record) = record {
        assert_eq!(record, bytes, "two byte strings for a record");
    }
    if let Some(pointer) = fuzzing::pointer(bytes) {
        assert_eq!(pointer, bytes, "two byte strings for a pointer");
    }
});
