//! What the fuzz targets need and nobody else may have: only builds of cargo-fuzz, which sets
//! `cfg(fuzzing)`, have this module.

use std::sync::Arc;

use merkle_core::Hash;

use crate::checkpoint::{Catalogue, Pointer, decode_bucket};
use crate::engine::memory::MemoryEngine;
use crate::engine::wal::{WalEngine, WalOptions};
use crate::engine::{Engine, EngineBatch, EngineError};
use crate::format;
use crate::journal::Journal;
use crate::record::{Changes, Record};
use crate::storage::{Reopen, Storage};
use crate::volume::Volume;
use crate::volume::memory::MemoryVolume;
use crate::{OpenError, Options, Profile, RealityDb};

/// A record decoded and encoded again; none if the bytes are none.
#[must_use]
pub fn record(bytes: &[u8]) -> Option<Vec<u8>> {
    let record = Record::decode(bytes).ok()?;
    let changes = Changes::encode(&record.changes).expect("it was in a record");
    Some(record.header.encode(record.metadata, &changes))
}

/// A pointer decoded and encoded again; none if the bytes, with their check behind them, are none.
#[must_use]
pub fn pointer(body: &[u8]) -> Option<Vec<u8>> {
    let check = blake3::derive_key("reality-db checkpoint pointer v1", body);
    let encoded = Pointer::decode(&[body, &check].concat()).ok()?.encode();
    Some(encoded[..encoded.len() - check.len()].to_vec())
}

/// A bucket that should have so many entries, decoded; none if the bytes are none.
#[must_use]
pub fn bucket(bytes: &[u8], entries: u64) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    decode_bucket(bytes, entries)
}

/// Whether `catalogue` behind `buckets` is one, whose subtrees make up `root`, with everything read
/// that it points to. Its hash and its place are as the pointer says.
#[must_use]
pub fn catalogue(
    buckets: &[u8],
    catalogue: &[u8],
    root: Hash,
    entries: u64,
    live_bytes: u64,
) -> bool {
    const NUMBER: u64 = 1;
    let header = [&b"RDBCKPT\x01"[..], &NUMBER.to_be_bytes()].concat();
    let pointer = Pointer {
        version: 1,
        root,
        record: Hash::default(),
        entries,
        file: NUMBER,
        catalogue_at: (header.len() + buckets.len()) as u64,
        catalogue_len: catalogue.len() as u64,
        catalogue_hash: blake3::derive_key("reality-db checkpoint catalogue v1", catalogue).into(),
        live_bytes,
        journal_bytes: 0,
    };
    let volume = MemoryVolume::default();
    let file = [&header, buckets, catalogue].concat();
    let mut sink = volume
        .create(&format!("{NUMBER:020}.checkpoint"))
        .expect("in memory");
    sink.append(&file).expect("in memory");
    let Ok(opened) = Catalogue::open(&volume, &pointer) else {
        return false;
    };
    let subtrees: Vec<_> = opened.subtrees().collect();
    for subtree in &subtrees {
        let buckets = opened.load_all(std::slice::from_ref(subtree));
        for bucket in buckets.unwrap_or_default() {
            let _ = bucket.batch();
        }
    }
    opened.assemble(Profile::Sha256).is_ok()
}

/// Where a database lives while it is closed, in memory.
#[derive(Default)]
pub struct Store {
    engine: MemoryEngine,
    folder: MemoryVolume,
    checkpoints: MemoryVolume,
}

impl Store {
    /// Opens the database, or creates it.
    ///
    /// # Errors
    ///
    /// [`OpenError`], as for any store.
    pub fn open(&self, options: &Options) -> Result<RealityDb, OpenError> {
        let engine = self.engine.clone();
        let open = move || Ok(Box::new(engine.clone()) as Box<dyn Engine>);
        let storage = Storage {
            engine: Arc::new(Reopen::new(Box::new(open))?),
            folder: Arc::new(self.folder.clone()),
            checkpoints: Arc::new(self.checkpoints.clone()),
            _lock: None,
        };
        RealityDb::start(storage, format::read(&self.folder)?, options)
    }

    /// The records from version 1 on.
    #[must_use]
    pub fn records(&self) -> Vec<Vec<u8>> {
        let records = self.journal().scan(1, u64::MAX);
        let records = records.map(|record| record.expect("it is sound").1);
        records.collect()
    }

    /// Puts others in their place, behind the database's back.
    pub fn replace(&self, records: Vec<Vec<u8>>) {
        let journal = self.journal();
        let records: Vec<_> = (1..).zip(records).collect();
        let replaced = journal
            .remove_above(0)
            .and_then(|()| journal.append(&records));
        replaced.expect("in memory");
    }

    fn journal(&self) -> Journal {
        Journal::new(Arc::new(self.engine.clone()))
    }
}

/// A log before an engine, in memory, as the end of a process leaves it.
#[derive(Default)]
pub struct Log {
    engine: MemoryEngine,
    volume: MemoryVolume,
}

/// Keys with their new values, none where they go.
pub type Write = Vec<(Vec<u8>, Option<Vec<u8>>)>;

impl Log {
    /// Writes and syncs, and goes on in the other file after `file_bytes`.
    ///
    /// # Errors
    ///
    /// [`EngineError`], as of any log.
    pub fn write(&self, writes: &[Write], file_bytes: u64) -> Result<(), EngineError> {
        let log = self.open(file_bytes)?;
        for changes in writes {
            let changes = changes.clone();
            log.write(EngineBatch { changes })?;
            log.sync()?;
        }
        log.abandon();
        Ok(())
    }

    /// The files of the log.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let names = self.volume.list().expect("in memory");
        let read = |name: String| {
            let source = self.volume.open(&name).expect("it is listed");
            let len = source.len().expect("in memory");
            let mut bytes = vec![0; usize::try_from(len).expect("in memory")];
            source.read_at(0, &mut bytes).expect("in memory");
            (name, bytes)
        };
        names.into_iter().map(read).collect()
    }

    /// Puts a file in the place of another, behind the log's back.
    pub fn replace(&self, name: &str, bytes: &[u8]) {
        let mut sink = self.volume.create(name).expect("in memory");
        sink.append(bytes).expect("in memory");
    }

    /// Opens it, and reads all there is.
    ///
    /// # Errors
    ///
    /// [`EngineError`], as of any log.
    pub fn entries(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, EngineError> {
        let log = self.open(u64::MAX)?;
        let entries = log.scan(b"", b"\xff", usize::MAX)?;
        log.abandon();
        Ok(entries)
    }

    fn open(&self, file_bytes: u64) -> Result<WalEngine, EngineError> {
        let options = WalOptions {
            file_bytes,
            thread: false,
        };
        let (engine, volume) = (self.engine.clone(), self.volume.clone());
        WalEngine::open(Arc::new(volume), Box::new(engine), options)
    }
}
