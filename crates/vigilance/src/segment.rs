//! Sealed segments: records that were moved out of the database into a file of their own.
//!
//! The layout is in `docs/formats/audit.md`. A segment never changes; erasable texts stay in the database,
//! where they can be erased.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use merkle_core::{Hash, Hasher, Sha256};
use rusqlite::{Connection, OptionalExtension};

use crate::error::ReadError;
use crate::health::Damage;

/// A record as it lies in the database or in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredBytes {
    pub(crate) canonical: Vec<u8>,
    pub(crate) link: Option<Hash>,
}

/// A segment, as the database knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) past: u64,
    pub(crate) digest: Hash,
}

/// The name of a segment's file.
pub(crate) fn name(first: u64, past: u64) -> String {
    format!("segment-{first:012}-{past:012}")
}

/// Where a segment lies.
pub(crate) fn path(folder: &Path, first: u64, past: u64) -> PathBuf {
    folder.join(FOLDER).join(name(first, past))
}

/// How many records were moved out.
pub(crate) fn pruned(conn: &Connection) -> rusqlite::Result<u64> {
    let mut select = conn.prepare_cached("SELECT value FROM meta WHERE name = 'pruned'")?;
    let pruned: Option<i64> = select.query_row([], |row| row.get(0)).optional()?;
    Ok(pruned.map_or(0, |pruned| pruned.max(0).cast_unsigned()))
}

/// All segments, by their first record.
pub(crate) fn list(conn: &Connection) -> rusqlite::Result<Vec<Segment>> {
    let mut select = conn.prepare("SELECT first, past, digest FROM segments ORDER BY first")?;
    let rows = select.query_map([], row)?;
    rows.collect()
}

/// The segment that has a record.
pub(crate) fn of(conn: &Connection, index: u64) -> rusqlite::Result<Option<Segment>> {
    let mut select = conn.prepare_cached(
        "SELECT first, past, digest FROM segments WHERE first <= ?1 AND past > ?1
         ORDER BY first DESC LIMIT 1",
    )?;
    select.query_row([index.cast_signed()], row).optional()
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Segment> {
    Ok(Segment {
        first: row.get::<_, i64>(0)?.cast_unsigned(),
        past: row.get::<_, i64>(1)?.cast_unsigned(),
        digest: Hash::from_bytes(row.get(2)?),
    })
}

/// Reads a record of a segment. What it is worth, its leaf says.
pub(crate) fn read(folder: &Path, segment: Segment, index: u64) -> Result<StoredBytes, ReadError> {
    let name = name(segment.first, segment.past);
    let damaged = |why: &str| Damage::Segment {
        segment: name.clone(),
        why: why.to_owned(),
        index: Some(index),
    };
    let file = match File::open(path(folder, segment.first, segment.past)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ReadError::Pruned {
                index,
                segment: name,
            });
        }
        Err(error) => return Err(error.into()),
    };
    let mut places = [0; 16];
    let at = HEADER_BYTES + 8 * (index - segment.first);
    let bytes = |buffer: &mut [u8], at: u64| match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(ReadError::from(damaged("it ends too early")))
        }
        Err(error) => Err(error.into()),
    };
    bytes(&mut places, at)?;
    let (places, _) = places.as_chunks::<8>();
    let [begin, end] = [places[0], places[1]].map(u64::from_be_bytes);
    let len = end.checked_sub(begin).filter(|len| *len <= ENTRY_BYTES_MAX);
    let len = len.ok_or_else(|| damaged("a record has no length that can be"))?;
    let mut entry = vec![0; usize::try_from(len).unwrap_or(0)];
    bytes(&mut entry, begin)?;
    let (link, canonical) = entry
        .split_first_chunk::<32>()
        .ok_or_else(|| damaged("a record is too short"))?;
    Ok(StoredBytes {
        canonical: canonical.to_vec(),
        link: Some(Hash::from_bytes(*link)),
    })
}

/// Writes a segment, so that it is there whole or not at all. Gives its digest.
pub(crate) fn write(
    folder: &Path,
    first: u64,
    past: u64,
    records: &[StoredBytes],
) -> io::Result<Hash> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(MAGIC);
    bytes.extend(first.to_be_bytes());
    bytes.extend(past.to_be_bytes());
    let mut at = HEADER_BYTES + 8 * (records.len() as u64 + 1);
    for record in records {
        bytes.extend(at.to_be_bytes());
        at += 32 + record.canonical.len() as u64;
    }
    bytes.extend(at.to_be_bytes());
    for record in records {
        bytes.extend_from_slice(record.link.unwrap_or_default().as_bytes());
        bytes.extend_from_slice(&record.canonical);
    }
    let digest = Sha256.value(&bytes);
    let path = path(folder, first, past);
    let within = folder.join(FOLDER);
    fs::create_dir_all(&within)?;
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&partial, &path)?;
    File::open(&within)?.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(digest)
}

/// What is wrong with the file of a segment as a whole.
pub(crate) fn check(folder: &Path, segment: Segment) -> io::Result<Option<Damage>> {
    let why = match fs::read(path(folder, segment.first, segment.past)) {
        Ok(bytes) if Sha256.value(&bytes) == segment.digest => return Ok(None),
        Ok(_) => "it is not what was sealed",
        Err(error) if error.kind() == io::ErrorKind::NotFound => "it is not there",
        Err(error) => return Err(error),
    };
    Ok(Some(Damage::Segment {
        segment: name(segment.first, segment.past),
        why: why.to_owned(),
        index: None,
    }))
}

/// Name of the folder with the segments.
pub(crate) const FOLDER: &str = "segments";

const MAGIC: &[u8; 8] = b"vigseg01";

/// Bytes before the table of places.
const HEADER_BYTES: u64 = 24;

/// Most bytes of a record with its link.
const ENTRY_BYTES_MAX: u64 = 32 + crate::record::CANONICAL_BYTES_MAX as u64;
