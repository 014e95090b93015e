//! RocksDB, used as a journal: its write-ahead log, synced once a commit.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rocksdb::{
    DB, DBCompressionType, DBRecoveryMode, Direction, ErrorKind, IteratorMode, Options,
    ReadOptions, WriteBatch,
};

use super::files::{folder_bytes, sync_folder};
use super::{End, Engine, EngineBatch, EngineError, Entry};

/// Memory for what was written last; there are two of them, one of which is being written to a
/// file.
const BUFFER_BYTES: usize = 8 << 20;

/// A journal in RocksDB.
pub(crate) struct RocksEngine {
    path: PathBuf,
    db: DB,
    /// Set by the first write or sync that failed: nobody knows what of it is on disk.
    refusal: OnceLock<String>,
}

impl RocksEngine {
    /// Opens the store in the folder `path`, or makes one there.
    pub(crate) fn open(path: &Path) -> Result<Self, EngineError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        // Records carry hashes; they do not shrink.
        options.set_compression_type(DBCompressionType::None);
        options.set_write_buffer_size(BUFFER_BYTES);
        options.set_max_write_buffer_number(2);
        // Up to the first record that is not whole: the tail that a loss of power leaves. What
        // else it may be, the mark of the last commit knows.
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_paranoid_checks(true);
        options.set_max_open_files(64);
        options.set_keep_log_file_num(1);
        let db = DB::open(&options, path).map_err(ours)?;
        sync_folder(path)?;
        if let Some(parent) = path.parent() {
            sync_folder(parent)?;
        }
        Ok(Self {
            path: path.to_owned(),
            db,
            refusal: OnceLock::new(),
        })
    }

    fn range(
        &self,
        end: End,
        from: &[u8],
        to: &[u8],
    ) -> impl Iterator<Item = Result<Entry, EngineError>> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        let mode = match end {
            End::First => IteratorMode::From(from, Direction::Forward),
            End::Last => IteratorMode::End,
        };
        self.db.iterator_opt(mode, options).map(|entry| {
            let (key, value) = entry.map_err(ours)?;
            Ok((key.into_vec(), value.into_vec()))
        })
    }

    fn change(
        &self,
        call: impl FnOnce(&DB) -> Result<(), rocksdb::Error>,
    ) -> Result<(), EngineError> {
        if let Some(why) = self.refusal.get() {
            return Err(EngineError::Broken(why.clone()));
        }
        call(&self.db).map_err(ours).inspect_err(|error| {
            let why = format!("an earlier write failed: {error}");
            let _ = self.refusal.set(why);
        })
    }
}

impl Engine for RocksEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.db.get(key).map_err(ours)
    }

    fn edge(&self, end: End, from: &[u8], to: &[u8]) -> Result<Option<Entry>, EngineError> {
        if from >= to {
            return Ok(None);
        }
        self.range(end, from, to).next().transpose()
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, EngineError> {
        if from >= to {
            return Ok(Vec::new());
        }
        self.range(End::First, from, to).take(limit).collect()
    }

    fn write(&self, batch: EngineBatch) -> Result<(), EngineError> {
        let mut writes = WriteBatch::default();
        for (key, value) in batch.changes {
            match value {
                Some(value) => writes.put(key, value),
                None => writes.delete(key),
            }
        }
        self.change(|db| db.write(writes))
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.change(|db| db.flush_wal(true))
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        Ok(folder_bytes(&self.path)?)
    }
}

/// What went wrong, in our words: no type of RocksDB's leaves this file.
fn ours(error: rocksdb::Error) -> EngineError {
    match error.kind() {
        ErrorKind::Corruption => EngineError::Damaged(error.into_string()),
        ErrorKind::IOError => EngineError::Io(std::io::Error::other(error.into_string())),
        _ => EngineError::Broken(error.into_string()),
    }
}
