//! Files that are not what they should be.

use super::*;
use crate::{ChunkFault, ExportFileError};
use merkle_core::{Hash, Map, Query};

/// Bytes before the first chunk, and behind the last.
const HEADER: usize = 91;
const TRAILER: usize = 41;

fn refused(file: &[u8]) -> ExportFileError {
    let error = verify_export(file, None, go_on).expect_err("the file was taken");
    let imported = RealityDb::import("unused", &memory(), file, go_on);
    match imported.err() {
        Some(ImportError::File(other)) => assert_eq!(error.to_string(), other.to_string()),
        other => panic!("verified: {error}; imported: {other:?}"),
    }
    error
}

/// Where each chunk begins and ends.
fn chunks(file: &[u8]) -> Vec<(usize, usize)> {
    let mut chunks = Vec::new();
    let mut at = HEADER;
    while file[at] == b'C' {
        let len = u32::from_be_bytes(file[at + 1..at + 5].try_into().unwrap()) as usize;
        chunks.push((at, at + 5 + len));
        at += 5 + len;
    }
    chunks
}

/// Makes the sum at the end right.
fn with_sum(chunks: u64, mut body: Vec<u8>) -> Vec<u8> {
    body.push(b'T');
    body.extend(chunks.to_be_bytes());
    let sum = crate::transfer::file::sum().update(&body).finalize();
    body.extend(sum.as_bytes());
    body
}

fn header(profile: u8, keys: u8, number: u64, root: Hash, entries: u64) -> Vec<u8> {
    let mut header = [&b"rdbexprt"[..], &[1, profile, keys]].concat();
    header.extend(number.to_be_bytes());
    header.extend(root.as_bytes());
    header.extend(entries.to_be_bytes());
    let check = blake3::derive_key("reality-db 2026-11 export header", &header);
    header.extend(check);
    header
}

fn small() -> Vec<u8> {
    let content: Content = (content().into_iter()).take(24).collect();
    export(&database(&content, 40, &options()), 90)
}

#[test]
fn every_changed_byte_is_refused_where_it_stands() {
    let file = small();
    let chunks = chunks(&file);
    assert!(chunks.len() > 4);
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            let error = match at % 8 == bit {
                true => refused(&changed),
                false => verify_export(&changed[..], None, go_on).unwrap_err(),
            };
            let place = chunks
                .iter()
                .position(|&(from, to)| (from..to).contains(&at));
            match (&error, place) {
                (ExportFileError::Chunk { chunk, .. }, Some(place))
                | (ExportFileError::Truncated { chunk, .. }, Some(place)) => {
                    assert_eq!(*chunk, place as u64, "byte {at}: {error}");
                }
                (ExportFileError::Trailer { .. }, None) if at >= file.len() - TRAILER => {}
                (
                    ExportFileError::NotAnExport
                    | ExportFileError::UnknownFormat { .. }
                    | ExportFileError::Header,
                    None,
                ) if at < HEADER => {}
                _ => panic!("byte {at}: {error}"),
            }
        }
    }
}

#[test]
fn every_shorter_file_is_refused() {
    let file = small();
    let chunks = chunks(&file);
    for len in 0..file.len() {
        let error = refused(&file[..len]);
        let ExportFileError::Truncated { offset, chunk } = error else {
            panic!("{len} bytes: {error}");
        };
        assert_eq!(offset, len as u64);
        let whole = chunks.iter().filter(|(_, to)| *to <= len).count();
        assert_eq!(chunk, whole as u64, "{len} bytes");
    }
    let longer = [&file[..], b"x"].concat();
    assert!(matches!(
        refused(&longer),
        ExportFileError::TrailingBytes { .. }
    ));
}

#[test]
fn another_version_than_the_expected_one_is_refused() {
    let db = database(&content(), 40, &options());
    let file = export(&db, 500);
    let version = db.version();
    for (number, root) in [(41, version.root), (40, Hash::from_bytes([9; 32]))] {
        let error = verify_export(&file[..], Some((number, root)), go_on).unwrap_err();
        assert!(matches!(error, ExportFileError::Unexpected { .. }));
        let asked = memory().expect(number, root);
        let error = RealityDb::import("unused", &asked, &file[..], go_on).err();
        assert!(matches!(
            error,
            Some(ImportError::File(ExportFileError::Unexpected { .. }))
        ));
    }
}

#[test]
fn a_header_that_is_not_of_the_chunks_is_refused() {
    let db = database(&content(), 40, &options());
    let file = export(&db, 500);
    let root = db.version().root;
    let count = content().len() as u64;
    let chunks = chunks(&file).len() as u64;
    let body = &file[HEADER..file.len() - TRAILER];
    let forged = |header: Vec<u8>| with_sum(chunks, [header, body.to_vec()].concat());
    assert_eq!(forged(header(0, 0, 40, root, count)), file);

    let other_root = forged(header(0, 0, 40, Hash::from_bytes([9; 32]), count));
    let error = refused(&other_root);
    let is_first = matches!(
        &error,
        ExportFileError::Chunk { chunk: 0, fault, .. } if matches!(**fault, ChunkFault::Proof(_))
    );
    assert!(is_first, "{error}");
    let error = refused(&forged(header(1, 0, 40, root, count)));
    assert!(
        matches!(error, ExportFileError::Chunk { chunk: 0, .. }),
        "{error}"
    );
    for entries in [1, count - 1, count + 1, u64::MAX] {
        let file = forged(header(0, 0, 40, root, entries));
        let error = verify_export(&file[..], None, go_on).unwrap_err();
        let is_told =
            matches!(error, ExportFileError::Entries { expected, .. } if expected == entries);
        assert!(is_told, "{error}");
        let error = RealityDb::import("unused", &memory(), &file[..], go_on).err();
        assert!(matches!(
            error,
            Some(ImportError::File(ExportFileError::Entries { .. }))
        ));
    }
    for (number, entries) in [(40, 0), (0, count), (u64::MAX, count)] {
        let error = refused(&forged(header(0, 0, number, root, entries)));
        assert!(matches!(error, ExportFileError::Header));
    }
    assert!(matches!(
        refused(&forged(header(2, 0, 40, root, count))),
        ExportFileError::Header
    ));
    assert!(matches!(
        refused(&forged(header(0, 2, 40, root, count))),
        ExportFileError::Header
    ));
}

#[test]
fn chunks_left_out_doubled_or_exchanged_are_refused() {
    let file = small();
    let chunks = chunks(&file);
    let bytes = |at: usize| &file[chunks[at].0..chunks[at].1];
    let assemble = |order: &[usize]| {
        let mut body = file[..HEADER].to_vec();
        for at in order {
            body.extend(bytes(*at));
        }
        with_sum(order.len() as u64, body)
    };
    let all: Vec<usize> = (0..chunks.len()).collect();
    assert_eq!(assemble(&all), file);
    for at in 0..chunks.len() {
        let mut order = all.clone();
        order.remove(at);
        assert!(
            verify_export(&assemble(&order)[..], None, go_on).is_err(),
            "without {at}"
        );
        let mut order = all.clone();
        order.insert(at, at);
        assert!(
            verify_export(&assemble(&order)[..], None, go_on).is_err(),
            "twice {at}"
        );
        if at > 0 {
            let mut order = all.clone();
            order.swap(at, at - 1);
            assert!(
                verify_export(&assemble(&order)[..], None, go_on).is_err(),
                "swapped {at}"
            );
        }
    }
}

/// A file with one chunk, from the start to the end.
fn one_chunk(root: Hash, entries: u64, to: &[u8], proof: &[u8]) -> Vec<u8> {
    let mut body = header(0, 0, 40, root, entries);
    let len = u32::try_from(4 + to.len() + proof.len()).unwrap();
    body.push(b'C');
    body.extend(len.to_be_bytes());
    body.extend([0, 0]);
    body.extend(u16::try_from(to.len()).unwrap().to_be_bytes());
    body.extend(to);
    body.extend(proof);
    with_sum(1, body)
}

fn fault(file: &[u8]) -> ChunkFault {
    match refused(file) {
        ExportFileError::Chunk {
            chunk: 0, fault, ..
        } => *fault,
        error => panic!("{error}"),
    }
}

#[test]
fn chunks_that_prove_something_else_are_refused() {
    let content = content();
    let mut batch = Batch::new();
    for (key, value) in &content {
        batch.put(key, value).unwrap();
    }
    let mut map = Map::<merkle_core::Sha256>::new();
    map.update(&batch);
    let (root, entries) = (map.root(), content.len() as u64);
    let whole = map.prove_query(&Query::new().range(..)).encode();
    let good = one_chunk(root, entries, &[], &whole);
    verify_export(&good[..], None, go_on).unwrap();

    let digests = map.prove_query(&Query::new().range(..).digests()).encode();
    let found = fault(&one_chunk(root, entries, &[], &digests));
    assert!(matches!(found, ChunkFault::Value { .. }), "{found}");

    let middle: &[u8] = b"account/05";
    let part = map.prove_query(&Query::new().range(..middle)).encode();
    let found = fault(&one_chunk(root, entries, &[], &part));
    assert!(matches!(found, ChunkFault::Incomplete(_)), "{found}");

    // A range whose end is no entry: such chunks would have no end.
    let found = fault(&one_chunk(root, entries, middle, &whole));
    assert_eq!(found, ChunkFault::End);
    let found = fault(&one_chunk(root, entries, b"a", &whole));
    assert_eq!(found, ChunkFault::End);
}

#[test]
fn a_short_file_takes_little_memory() {
    let root = Hash::from_bytes([1; 32]);
    let mut body = header(0, 0, 40, root, 9);
    body.push(b'C');
    let mut long = body.clone();
    long.extend(u32::MAX.to_be_bytes());
    let found = fault(&long);
    assert!(matches!(found, ChunkFault::TooLong { .. }), "{found}");
    // As long as a chunk may be, and nothing there.
    body.extend(0x0200_0000_u32.to_be_bytes());
    assert!(matches!(
        refused(&body),
        ExportFileError::Truncated { chunk: 0, .. }
    ));
    // A proof of more nodes than there can be.
    for nodes in [&[0x81, 0x80, 0x08][..], &[0xff; 12]] {
        let proof = [&b"M\x01"[..], nodes, &[0xff; 40_000]].concat();
        assert_eq!(
            fault(&one_chunk(root, 9, &[], &proof)),
            ChunkFault::TooManyNodes
        );
    }
    let found = fault(&one_chunk(root, 9, &[], b"M\x01\x81\x80\x04"));
    assert!(matches!(found, ChunkFault::Decode(_)), "{found}");
    let found = fault(&one_chunk(root, 9, &[], b""));
    assert!(
        matches!(found, ChunkFault::TooManyNodes | ChunkFault::Decode(_)),
        "{found}"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(mut bytes in vec(any::<u8>(), 0..300), place in 0usize..400) {
        let _ = verify_export(&bytes[..], None, go_on);
        let mut file = small();
        let at = place * file.len() / 400;
        file.truncate(at);
        file.append(&mut bytes);
        prop_assert!(verify_export(&file[..], None, go_on).is_err());
    }
}
