//! Bytes that claim to be a CAR file: every block that is given out is the one of its address.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use truth_vault::{Address, CarReader, IndexedCarWriter};

/// As much memory as an input may take.
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, 512 << 20);

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = CarReader::new(bytes) else {
        return;
    };
    let mut again = IndexedCarWriter::new(Cursor::new(Vec::new()), &[]).expect("a header fits");
    let mut blobs = Vec::new();
    let mut skip = false;
    while let Ok(Some(block)) = reader.next_block() {
        let stated = block.cid().address();
        skip = !skip;
        if skip && stated.is_none() {
            continue; // what is not read is skipped
        }
        let said = block.length();
        let Ok(content) = block.read_to_vec(1 << 20) else {
            continue;
        };
        let address = Address::of(&content);
        assert_eq!(stated, Some(address));
        assert_eq!(said, content.len() as u64);
        again.append(address, &content).expect("there is room");
        blobs.push(content);
    }
    let written = again.finish().expect("there is room").into_inner();
    let mut reader = CarReader::new(&written[..]).expect("our own");
    for blob in blobs {
        let block = reader.next_block().expect("our own").expect("one more");
        assert_eq!(block.read_to_vec(1 << 20).expect("our own"), blob);
    }
    assert!(reader.next_block().expect("our own").is_none());
});
