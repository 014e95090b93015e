#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test; the files of these tests are small"
)]

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;

use super::*;
use crate::Address;

fn v1(blobs: &[Vec<u8>], roots: &[Address]) -> Vec<u8> {
    let mut writer = CarWriter::new(Vec::new(), roots).unwrap();
    for blob in blobs {
        writer.append(Address::of(blob), blob).unwrap();
    }
    writer.finish().unwrap()
}

fn v2(blobs: &[Vec<u8>], roots: &[Address]) -> Vec<u8> {
    let mut writer = IndexedCarWriter::new(Cursor::new(Vec::new()), roots).unwrap();
    for blob in blobs {
        let content = &blob[..];
        writer
            .append_reader(Address::of(blob), blob.len() as u64, content)
            .unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, CarError> {
    let mut reader = CarReader::new(bytes)?;
    let mut blobs = Vec::new();
    while let Some(block) = reader.next_block()? {
        blobs.push(block.read_to_vec(1 << 20)?);
    }
    Ok(blobs)
}

fn blobs() -> Vec<Vec<u8>> {
    vec![b"one".to_vec(), vec![], vec![7; 1000]]
}

#[test]
fn blobs_and_roots_come_back_from_either_version() {
    let roots: Vec<Address> = (0..30_u8)
        .map(|seed| Address::from_bytes([seed; 32]))
        .collect();
    for (file, version) in [
        (v1(&blobs(), &roots), CarVersion::V1),
        (v2(&blobs(), &roots), CarVersion::V2),
    ] {
        assert_eq!(read(&file).unwrap(), blobs());
        let reader = CarReader::new(&file[..]).unwrap();
        assert_eq!(reader.version(), version);
        let read: Vec<_> = reader.roots().iter().map(CarCid::address).collect();
        assert_eq!(read, roots.iter().copied().map(Some).collect::<Vec<_>>());
        assert!(reader.roots().iter().all(CarCid::is_raw));
    }
    assert_eq!(read(&v1(&[], &[])).unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(read(&v2(&[], &[])).unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_carv1_is_the_bytes_of_the_specification() {
    let address = Address::of(b"hi");
    let mut expected = b"\x38\xa2\x65roots\x81\xd8\x2a\x58\x25\x00".to_vec();
    expected.extend(address.to_cid_bytes());
    expected.extend(b"\x67version\x01\x26");
    expected.extend(address.to_cid_bytes());
    expected.extend(b"hi");
    expected[0] = (expected.iter().position(|it| *it == 0x26).unwrap() - 1) as u8;
    assert_eq!(v1(&[b"hi".to_vec()], &[address]), expected);
}

#[test]
fn the_index_leads_to_every_block() {
    let blobs = blobs();
    let file = v2(&blobs, &[]);
    let field = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap()) as usize;
    let (data, index) = (field(27), field(43));
    assert_eq!(data + field(35), index);
    assert_eq!(file[index..index + 6], [0x81, 0x08, 1, 0, 0, 0]);
    let entries = &file[index + 2 + 4 + 8 + 4 + 4 + 8..];
    assert_eq!(entries.len(), 40 * blobs.len());
    let mut last = None;
    for entry in entries.chunks_exact(40) {
        let (digest, offset) = entry.split_at(32);
        assert!(last < Some(digest));
        last = Some(digest);
        let offset = u64::from_le_bytes(offset.try_into().unwrap()) as usize;
        let block = &file[data + offset..index];
        let cid = block.windows(32).position(|it| it == digest).unwrap();
        assert!(cid <= 6, "the CID is at the start of the block");
    }
}

#[test]
fn only_the_blob_of_the_address_is_written() {
    let address = Address::of(b"one");
    let mut writer = CarWriter::new(Vec::new(), &[]).unwrap();
    let refused = writer.append(address, b"two").unwrap_err();
    assert!(matches!(refused, CarError::NotTheBlob { .. }));
    // Nothing was written yet, so it goes on.
    writer.append(address, b"one").unwrap();
    for (bytes, content) in [(3, "two"), (2, "one"), (4, "one"), (u64::MAX, "one")] {
        let mut writer = CarWriter::new(Vec::new(), &[]).unwrap();
        let refused = writer.append_reader(address, bytes, content.as_bytes());
        assert!(
            matches!(refused, Err(CarError::NotTheBlob { .. })),
            "{bytes}"
        );
        let again = writer.append(address, b"one");
        assert!(matches!(again, Err(CarError::Broken)));
        assert!(matches!(writer.finish(), Err(CarError::Broken)));
    }
}

/// A disk that is full after so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        let count = bytes.len().min(self.0);
        self.0 -= count;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_wherever_it_comes() {
    let length = v1(&blobs(), &[]).len();
    for room in 0..length {
        let written = (|| {
            let mut writer = CarWriter::new(Full(room), &[])?;
            for blob in blobs() {
                writer.append(Address::of(&blob), &blob)?;
            }
            writer.finish()
        })();
        let error = written.err().unwrap();
        assert!(matches!(error, CarError::Io(_)), "{room}: {error}");
    }
}

#[test]
fn a_cut_file_is_refused_unless_it_ends_between_blocks() {
    let file = v1(&blobs(), &[Address::of(b"root")]);
    let mut ends = vec![];
    for length in 0..file.len() {
        match read(&file[..length]) {
            Ok(read) => ends.push((length, read.len())),
            Err(CarError::Truncated { .. } | CarError::NoCar) => {}
            Err(other) => panic!("{length}: {other}"),
        }
    }
    // Nothing in a CARv1 says how many blocks there are.
    assert_eq!(
        ends.iter().map(|(_, count)| *count).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    // A CARv2 does.
    let file = v2(&blobs(), &[]);
    let data_end = u64::from_le_bytes(file[43..51].try_into().unwrap()) as usize;
    for length in 0..data_end {
        assert!(read(&file[..length]).is_err(), "{length}");
    }
    assert_eq!(read(&file[..data_end]).unwrap(), blobs());
}

#[test]
fn no_flipped_bit_gives_other_blobs() {
    for file in [v1(&blobs(), &[]), v2(&blobs(), &[])] {
        for bit in 0..file.len() * 8 {
            let mut changed = file.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = read(&changed) {
                // Each is still the blob of its own address; at most a block was cut off the end
                // with the length that a frame says.
                assert!(blobs().starts_with(&read), "bit {bit}");
            }
        }
    }
}

#[test]
fn blocks_of_other_kinds_are_named_and_skipped() {
    let mut file = v1(&[], &[]);
    let block = |file: &mut Vec<u8>, cid: &[u8], content: &[u8]| {
        file.push((cid.len() + content.len()) as u8);
        file.extend(cid);
        file.extend(content);
    };
    let digest = *Address::of(b"node").as_bytes();
    block(
        &mut file,
        &[&[1, 0x70, 0x12, 32], &digest[..]].concat(),
        b"node",
    ); // dag-pb
    block(&mut file, &[&[0x12, 32], &digest[..]].concat(), b"node"); // version 0
    block(
        &mut file,
        &[&[1, 0x55, 0x1e, 32], &[9; 32][..]].concat(),
        b"other",
    ); // blake3
    block(&mut file, &[1, 0x55, 0, 3, b'a', b'b', b'c'], b""); // identity
    block(&mut file, &Address::of(b"last").to_cid_bytes(), b"last");

    let mut reader = CarReader::new(&file[..]).unwrap();
    for version in [1, 0] {
        let block = reader.next_block().unwrap().unwrap();
        assert_eq!(block.cid().codec(), 0x70, "{version}");
        assert!(!block.cid().is_raw());
        assert_eq!(block.cid().address(), Some(Address::of(b"node")));
        assert_eq!(block.read_to_vec(4).unwrap(), b"node");
    }
    for code in [0x1e, 0] {
        let block = reader.next_block().unwrap().unwrap();
        assert_eq!(
            (block.cid().address(), block.cid().hash_code()),
            (None, code)
        );
        let refused = block.read_to_vec(100).unwrap_err();
        assert!(matches!(refused, CarError::OtherHash { code: it, .. } if it == code));
    }
    let block = reader.next_block().unwrap().unwrap();
    let refused = block.read_to_vec(3).unwrap_err();
    assert!(matches!(refused, CarError::BlockTooLong { bytes: 4 }));
    assert!(reader.next_block().unwrap().is_none());
}

#[test]
fn an_altered_block_is_refused_before_its_end_is_given_out() {
    let mut file = v1(&[vec![7; 1000], b"next".to_vec()], &[]);
    let last = file.len() - (1 + Address::CID_LEN + 4) - 1;
    file[last] = 8;
    let mut reader = CarReader::new(&file[..]).unwrap();
    let mut block = reader.next_block().unwrap().unwrap();
    let mut bytes = Vec::new();
    let refused = CarError::unwrapped(block.read_to_end(&mut bytes).unwrap_err());
    assert!(matches!(refused, CarError::BlockAltered { .. }));
    assert!(bytes.len() < 1000);
    // The next one is not affected.
    let block = reader.next_block().unwrap().unwrap();
    assert_eq!(block.read_to_vec(4).unwrap(), b"next");
}

#[test]
fn headers_of_other_kinds_are_refused() {
    let refused = |bytes: &[u8]| read(bytes).unwrap_err();
    assert!(matches!(refused(b""), CarError::NoCar));
    assert!(matches!(refused(b"\0"), CarError::NoCar));
    assert!(matches!(refused(&[0xff; 100]), CarError::NoCar));
    assert!(matches!(refused(b"\x80\x80\x80\x80\x10"), CarError::NoCar)); // 4 GiB
    assert!(matches!(
        refused(b"\x0a\xa1\x67version\x03"),
        CarError::UnknownVersion { version: 3 }
    ));
    assert!(matches!(
        refused(b"\x0a\xa1\x67version\x01"),
        CarError::BadHeader
    )); // no roots
    assert!(matches!(
        refused(b"\x0a\xa1\x67version\x02"),
        CarError::Truncated { .. }
    ));
    // Roots that are said and not there, in a number that cannot be.
    assert!(matches!(
        refused(b"\x10\xa1\x65roots\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"),
        CarError::BadHeader
    ));
    assert!(matches!(
        refused(b"\x12\xa2\x65roots\x80\x67version\x01"),
        CarError::Truncated { .. }
    ));
    let longer = b"\x12\xa2\x65roots\x80\x67version\x01\x00";
    assert!(matches!(refused(longer), CarError::BadHeader));
    let swapped = b"\x11\xa2\x67version\x01\x65roots\x80";
    assert_eq!(read(swapped).unwrap(), Vec::<Vec<u8>>::new());
    // A frame in a frame.
    let mut nested = v2(&[], &[]);
    let inner = v2(&[], &[]);
    nested.truncate(51);
    nested[35..43].copy_from_slice(&(inner.len() as u64).to_le_bytes());
    nested.extend(inner);
    assert!(matches!(refused(&nested), CarError::BadHeader));
    // A part that lies outside the file, or in the frame's header.
    for (at, value) in [(27, 50_u64), (27, u64::MAX), (35, u64::MAX), (43, 52)] {
        let mut changed = v2(&blobs(), &[]);
        changed[at..at + 8].copy_from_slice(&value.to_le_bytes());
        assert!(matches!(refused(&changed), CarError::BadHeader), "{at}");
    }
    let block = |bytes: &[u8]| read(&[&v1(&[], &[])[..], bytes].concat()).unwrap_err();
    assert!(matches!(block(b"\0"), CarError::BadBlock { .. }));
    assert!(matches!(block(b"\x80\0"), CarError::BadBlock { .. })); // not the shortest form
    assert!(matches!(
        block(b"\x03\x01\x55\x12\x20more"),
        CarError::BadBlock { .. }
    ));
    assert!(matches!(
        block(b"\x20\x02\x55\x12\x20"),
        CarError::BadBlock { .. }
    ));
}

proptest! {
    #[test]
    fn any_blobs_come_back(blobs: Vec<Vec<u8>>) {
        prop_assert_eq!(read(&v1(&blobs, &[])).unwrap(), blobs.clone());
        prop_assert_eq!(read(&v2(&blobs, &[])).unwrap(), blobs);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, frame: bool) {
        let start = if frame { &PRAGMA[..] } else { b"\x11\xa2\x65roots\x80\x67version\x01" };
        let _ = read(&[start, &bytes].concat());
    }
}
