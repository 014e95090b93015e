//! The journal: the records of all commits in an engine, each chained to the one before it.

use std::sync::Arc;

use merkle_core::Hash;

use crate::engine::{End, Engine, EngineBatch, EngineError, Entry, VALUE_BYTES_MAX};
use crate::record::{COMMIT_BYTES_MAX, Header, METADATA_BYTES_MAX, Record, record_hash};
use crate::{Damage, Fault};

/// Bytes of a record that one entry of the engine holds.
const CHUNK_BYTES: usize = 4000;

const _: () = assert!(CHUNK_BYTES <= VALUE_BYTES_MAX);

/// Chunks read at a time.
const SCANNED_TOGETHER: usize = 1024;

/// First byte of the engine's keys that hold records.
const KIND: u8 = b'j';

/// The records of all retained versions.
#[derive(Clone)]
pub(crate) struct Journal {
    engine: Arc<dyn Engine>,
}

/// Where a chain of records stands: what the next one must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) version: u64,
    pub(crate) root: Hash,
    pub(crate) record_hash: Hash,
    /// Entries of the map.
    pub(crate) entries: u64,
}

impl Journal {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// Writes encoded records, each with its version: all or none of them, not yet durable.
    pub(crate) fn append(&self, records: &[(u64, Vec<u8>)]) -> Result<(), EngineError> {
        let mut batch = EngineBatch::default();
        for (version, record) in records {
            put_chunks(&mut batch, *version, record);
        }
        self.engine.write(batch)
    }

    /// Number of the oldest or the newest retained version.
    pub(crate) fn edge(&self, end: End) -> Result<Option<u64>, EngineError> {
        let entry = self.engine.edge(end, &[KIND], &[KIND + 1])?;
        Ok(entry.and_then(|(key, _)| Some(parse_key(&key)?.0)))
    }

    /// The record of `version`, none if it is not retained.
    pub(crate) fn read(&self, version: u64) -> Result<Option<Vec<u8>>, Fault> {
        let mut records = self.scan(version, version);
        let record = records.next().transpose()?;
        Ok(record.map(|(_, record)| record))
    }

    /// The version before `version` of which there is a record, or some of one. One small read.
    pub(crate) fn before(&self, version: u64) -> Result<Option<u64>, EngineError> {
        let last = (self.engine).edge(End::Last, &[KIND], &chunk_key(version, 0))?;
        Ok(last.and_then(|(key, _)| Some(parse_key(&key)?.0)))
    }

    /// The version behind `version` of which there is a record, or some of one. One small read.
    pub(crate) fn after(&self, version: u64) -> Result<Option<u64>, EngineError> {
        let next = chunk_key(version, u32::MAX); // no record has so many chunks
        let first = self.engine.edge(End::First, &next, &[KIND + 1])?;
        Ok(first.and_then(|(key, _)| Some(parse_key(&key)?.0)))
    }

    /// About how many bytes the record of `version` has; 0 if it is not retained. One small read.
    pub(crate) fn record_bytes(&self, version: u64) -> Result<u64, EngineError> {
        let (first, behind) = (chunk_key(version, 0), chunk_key(version, u32::MAX));
        let last = self.engine.edge(End::Last, &first, &behind)?;
        let chunk = last.and_then(|(key, _)| Some(parse_key(&key)?.1));
        Ok(chunk.map_or(0, |chunk| (u64::from(chunk) + 1) * CHUNK_BYTES as u64))
    }

    /// What the first record at or behind `version` says of itself, unchecked: one small read.
    pub(crate) fn peek(&self, version: u64) -> Result<Option<(u64, Header)>, Fault> {
        let mut from = version;
        loop {
            let entry = (self.engine).edge(End::First, &chunk_key(from, 0), &[KIND + 1])?;
            let Some((key, chunk)) = entry else {
                return Ok(None);
            };
            let damaged = |version| Damage::Record { version };
            let (version, number) = parse_key(&key).ok_or(damaged(from))?;
            if number > 0 && version < u64::MAX {
                from = version + 1; // its removal was begun and not finished
                continue;
            }
            let (_, mut record) = chunk.split_first_chunk::<4>().ok_or(damaged(version))?;
            let (header, ..) = Header::read(&mut record).map_err(|_| damaged(version))?;
            return Ok(Some((version, header)));
        }
    }

    /// The records of the versions `first..=last` that are there, in order.
    ///
    /// Their chunks are put together again; nothing else is checked.
    pub(crate) fn scan(&self, first: u64, last: u64) -> Scan {
        Scan {
            engine: self.engine.clone(),
            from: chunk_key(first, 0).to_vec(),
            last,
            chunks: Vec::new().into_iter().peekable(),
            ended: false,
            failed: false,
        }
    }

    /// Removes the records of the versions below `version`, a few at a time.
    pub(crate) fn remove_below(&self, version: u64) -> Result<(), EngineError> {
        self.remove(&chunk_key(0, 0), &chunk_key(version, 0))
    }

    /// Removes the records of the versions above `version`, a few at a time.
    pub(crate) fn remove_above(&self, version: u64) -> Result<(), EngineError> {
        match version.checked_add(1) {
            Some(first) => self.remove(&chunk_key(first, 0), &[KIND + 1]),
            None => Ok(()),
        }
    }

    fn remove(&self, from: &[u8], to: &[u8]) -> Result<(), EngineError> {
        let mut from = from.to_vec();
        loop {
            let chunks = self.engine.scan(&from, to, SCANNED_TOGETHER)?;
            let Some((last, _)) = chunks.last() else {
                return Ok(());
            };
            // What is removed already is not gone over again.
            from.clone_from(last);
            let changes = chunks.into_iter().map(|(key, _)| (key, None)).collect();
            self.engine.write(EngineBatch { changes })?;
        }
    }
}

impl Link {
    /// Checks that `bytes` are the record that follows, and takes its place.
    pub(crate) fn follow<'r>(
        &mut self,
        version: u64,
        bytes: &'r [u8],
    ) -> Result<Record<'r>, Damage> {
        let record = Record::decode(bytes).map_err(|_| Damage::Record { version })?;
        let Header {
            version: number,
            previous_version,
            root_before,
            root,
            previous_record,
            entries,
            ..
        } = record.header;
        if number != version || previous_version >= version {
            return Err(Damage::Record { version });
        }
        if (previous_version, root_before, previous_record)
            != (self.version, self.root, self.record_hash)
        {
            return Err(Damage::Chain {
                version,
                follows: self.version,
            });
        }
        *self = Self {
            version,
            root,
            record_hash: record_hash(bytes),
            entries,
        };
        Ok(record)
    }
}

/// Records put together from their chunks.
pub(crate) struct Scan {
    engine: Arc<dyn Engine>,
    from: Vec<u8>,
    last: u64,
    chunks: std::iter::Peekable<std::vec::IntoIter<Entry>>,
    /// Nothing is left to fetch.
    ended: bool,
    /// A record was damaged: what follows it is not looked at.
    failed: bool,
}

impl Iterator for Scan {
    type Item = Result<(u64, Vec<u8>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.record().transpose();
        self.failed = matches!(record, Some(Err(_)));
        record
    }
}

impl Scan {
    fn record(&mut self) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let Some((key, first)) = self.chunk()? else {
            return Ok(None);
        };
        let Some((version, 0)) = parse_key(&key) else {
            let version = parse_key(&key).map_or(0, |(version, _)| version);
            return Err(Damage::Record { version }.into());
        };
        let damaged = || Fault::from(Damage::Record { version });
        let (len, first) = first.split_first_chunk().ok_or_else(damaged)?;
        let len = u32::from_be_bytes(*len) as usize;
        if len > COMMIT_BYTES_MAX + METADATA_BYTES_MAX + CHUNK_BYTES {
            return Err(damaged());
        }
        let mut record = first.to_vec();
        for number in 1.. {
            if record.len() >= len {
                break;
            }
            let (key, chunk) = self.chunk()?.ok_or_else(damaged)?;
            if parse_key(&key) != Some((version, number)) {
                return Err(damaged());
            }
            record.extend(chunk);
        }
        if record.len() != len {
            return Err(damaged());
        }
        Ok(Some((version, record)))
    }

    fn chunk(&mut self) -> Result<Option<Entry>, EngineError> {
        if self.chunks.peek().is_none() && !self.ended {
            let to = match self.last.checked_add(1) {
                Some(end) => chunk_key(end, 0).to_vec(),
                None => vec![KIND + 1],
            };
            let chunks = self.engine.scan(&self.from, &to, SCANNED_TOGETHER)?;
            self.ended = chunks.len() < SCANNED_TOGETHER;
            if let Some((key, _)) = chunks.last() {
                self.from.clone_from(key);
                self.from.push(0);
            }
            self.chunks = chunks.into_iter().peekable();
        }
        Ok(self.chunks.next())
    }
}

/// Cuts a record into chunks; the first says how long it is.
fn put_chunks(batch: &mut EngineBatch, version: u64, record: &[u8]) {
    let len = u32::try_from(record.len()).unwrap_or(u32::MAX);
    let (first, rest) = record.split_at(record.len().min(CHUNK_BYTES - 4));
    let first = [&len.to_be_bytes()[..], first].concat();
    let chunks = std::iter::once(first).chain(rest.chunks(CHUNK_BYTES).map(<[u8]>::to_vec));
    for (number, chunk) in (0..).zip(chunks) {
        batch
            .changes
            .push((chunk_key(version, number).to_vec(), Some(chunk)));
    }
}

/// The engine's key of a piece of the record of `version`.
pub(crate) fn chunk_key(version: u64, chunk: u32) -> [u8; 13] {
    let mut key = [KIND; 13];
    key[1..9].copy_from_slice(&version.to_be_bytes());
    key[9..].copy_from_slice(&chunk.to_be_bytes());
    key
}

fn parse_key(key: &[u8]) -> Option<(u64, u32)> {
    let (version, chunk) = key.strip_prefix(&[KIND])?.split_first_chunk()?;
    Some((
        u64::from_be_bytes(*version),
        u32::from_be_bytes(chunk.try_into().ok()?),
    ))
}
