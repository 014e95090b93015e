//! Bytes that claim to be an audit record: never a panic, one byte string for a record, memory in
//! proportion to the bytes.
#![no_main]

use std::alloc::System;

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use vigilance::Record;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Memory that a byte of a record may take: an entry of a map is a few bytes, and a node of a tree.
const BYTES_A_BYTE: usize = 128;

fuzz_target!(|bytes: &[u8]| {
    let room = 4096 + BYTES_A_BYTE * bytes.len();
    // Beyond the limit allocations fail, which ends the process.
    ALLOCATOR
        .set_limit(ALLOCATOR.allocated() + room)
        .expect("more than there is");
    let decoded = Record::decode(bytes);
    ALLOCATOR.set_limit(usize::MAX).expect("no limit");
    let Ok(record) = decoded else { return };
    let encoded = record.encode().expect("what was read can be written");
    assert_eq!(encoded.canonical, bytes, "two byte strings for {record:?}");
    assert!(encoded.erasable.is_empty(), "texts that were not given");
});
