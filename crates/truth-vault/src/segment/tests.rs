use super::{Coding, HEADER_BYTES, Header, Kind, name, number};
use crate::Address;

fn header() -> Header {
    Header {
        kind: Kind::Blob,
        coding: Coding::Zstd,
        stored_bytes: 3,
        plain_bytes: 5,
        time_ns: 7,
        address: Address::of(b"hello"),
    }
}

#[test]
fn a_header_is_what_it_was() {
    for kind in Kind::ALL {
        let header = Header { kind, ..header() };
        assert_eq!(Header::decode(&header.encode()), Some(header));
    }
}

#[test]
fn refuses_every_changed_bit_of_a_header() {
    let bytes = header().encode();
    for bit in 0..8 * HEADER_BYTES {
        let mut changed = bytes;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Header::decode(&changed), None, "bit {bit}");
    }
}

#[test]
fn takes_no_more_memory_than_a_blob_may() {
    let huge = Header {
        plain_bytes: 1 << 40,
        ..header()
    };
    assert_eq!(Header::decode(&huge.encode()), None);
    let huge = Header {
        stored_bytes: u64::MAX,
        ..header()
    };
    assert_eq!(Header::decode(&huge.encode()), None);
}

#[test]
fn names_are_numbers() {
    assert_eq!(number(&name(12)), Some(12));
    assert_eq!(number("12.seg"), None);
    assert_eq!(number("000000012a.seg"), None);
    assert_eq!(number("0000000012.tmp"), None);
}
