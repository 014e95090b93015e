//! What can go wrong, by whose fault it is.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use merkle_core::{Hash, NoteError, NoteKeyError};

use crate::health::Damage;
use crate::record::{RecordError, RecordKind};

/// The storage failed: the disk, the system, or a file that is not what it should be.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct StorageError {
    what: &'static str,
    kind: StorageErrorKind,
    #[source]
    source: Arc<dyn Error + Send + Sync>,
}

/// In which way the storage failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// There is no space.
    Full,
    /// Somebody else, a reader mostly, was in the way for too long.
    Busy,
    /// The file is not a database, or its pages contradict one another.
    Corrupt,
    /// Reading or writing failed.
    Io,
    /// Anything else.
    Other,
}

impl StorageError {
    /// In which way it failed.
    #[must_use]
    pub const fn kind(&self) -> StorageErrorKind {
        self.kind
    }

    /// Whether there is no space.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self.kind, StorageErrorKind::Full)
    }

    /// The damage that it is, if the file is to blame and not the disk.
    pub(crate) fn as_damage(&self) -> Option<Damage> {
        (self.kind == StorageErrorKind::Corrupt).then(|| Damage::Page {
            what: self.source.to_string(),
        })
    }

    /// An error in which nothing but the message is known.
    pub(crate) fn other(what: &'static str) -> Self {
        Self {
            what,
            kind: StorageErrorKind::Other,
            source: Arc::from(Box::<dyn Error + Send + Sync>::from(what)),
        }
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode};
        // A value of another type than was stored, or a row that is always there: the file was changed.
        let is_other = matches!(
            error,
            Error::InvalidColumnType(..)
                | Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::Utf8Error(..)
                | Error::QueryReturnedNoRows
        );
        let kind = match error.sqlite_error_code() {
            _ if is_other => StorageErrorKind::Corrupt,
            Some(ErrorCode::DiskFull) => StorageErrorKind::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageErrorKind::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StorageErrorKind::Corrupt,
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => StorageErrorKind::Io,
            _ => StorageErrorKind::Other,
        };
        Self {
            what: "the database failed",
            kind,
            source: Arc::new(error),
        }
    }
}

impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageErrorKind::Full,
            _ => StorageErrorKind::Io,
        };
        Self {
            what: "reading or writing a file failed",
            kind,
            source: Arc::new(error),
        }
    }
}

/// Why a trail was not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another handle of this one, has it open.
    #[error("{} is in use{}", path.display(), holder.map_or(String::new(), |pid| format!(" by process {pid}")))]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The process that has it, where that can be told.
        holder: Option<u32>,
    },
    /// There is no trail, and none was to be created.
    #[error("{} holds no trail", path.display())]
    NotFound {
        /// The folder.
        path: PathBuf,
    },
    /// The database is another program's.
    #[error("{} is not the database of a trail", path.display())]
    NotATrail {
        /// The file.
        path: PathBuf,
    },
    /// A layout that this release does not know.
    #[error("the trail has layout {found}; this release reads layouts up to {known}")]
    UnknownVersion {
        /// The layout of the database.
        found: i64,
        /// The newest layout that this release knows.
        known: i64,
    },
    /// The name of the log or a key cannot be used.
    #[error("the name of the log cannot stand in a checkpoint")]
    BadOrigin,
    /// The checkpoint that the caller gave is not one of this log, signed by a trusted key.
    #[error("the checkpoint that was given is not one of this log: {why}")]
    BadCheckpoint {
        /// What is wrong with it.
        why: String,
    },
    /// The damage leaves nothing that could be served.
    #[error("the trail cannot be read: {0}")]
    Damaged(Box<Damage>),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why records were not appended, or something else was not written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A record is out of bounds. Nothing was appended.
    #[error("record {at}: {source}")]
    Record {
        /// Which of the records given, counted from 0.
        at: usize,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
    /// A record with this id is in the log, and the policy is to refuse another. Nothing was appended.
    #[error("the {kind} {id:?} is in the log already, as record {index}")]
    Duplicate {
        /// The kind of record.
        kind: RecordKind,
        /// The `tx_id` or `attack_id`.
        id: String,
        /// Where the first is; for one of the same call, its place among the records given.
        index: u64,
    },
    /// [`apply`](crate::Trail::apply) left a gap. Nothing was appended.
    #[error("record {first} does not follow: the log has {size}")]
    Gap {
        /// The index that was given.
        first: u64,
        /// The index that comes next.
        size: u64,
    },
    /// [`apply`](crate::Trail::apply) was given another record than the log has there. Nothing was
    /// appended.
    #[error("the log has another record at {index}")]
    Diverged {
        /// Where.
        index: u64,
    },
    /// Damage is known, so nothing is written.
    #[error("panic mode, nothing is written: {0}")]
    Panic(Box<Damage>),
    /// Writing stopped after an earlier failure that left it unknown what is durable. Open the trail
    /// again: what is there then is what was.
    #[error("an earlier failure stopped writing: open the trail again")]
    Stopped,
    /// Whether it is in is unknown: it was written, and could not be made durable. Open the trail
    /// again.
    #[error("written, but perhaps not durable")]
    Unknown(#[source] StorageError),
    /// The storage failed. Nothing was appended.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why something could not be read or proved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no record with this index, or no such size, yet.
    #[error("record or size {asked} is beyond the log, which has {size}")]
    OutOfRange {
        /// What was asked for.
        asked: u64,
        /// How many records there are.
        size: u64,
    },
    /// The sizes are given the wrong way round, or the record is not below the size.
    #[error("{lower} is not below {upper}")]
    Reversed {
        /// What should be below.
        lower: u64,
        /// What it should be below.
        upper: u64,
    },
    /// The record was moved out into a sealed segment, which is not at hand.
    #[error("record {index} is in segment {segment}, which is not there")]
    Pruned {
        /// The record.
        index: u64,
        /// Name of the segment's file.
        segment: String,
    },
    /// What is stored is not what the log commits to.
    #[error(transparent)]
    Damaged(Box<Damage>),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<Damage> for ReadError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(Box::new(damage))
    }
}

impl From<AppendError> for ReadError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Storage(error) | AppendError::Unknown(error) => Self::Storage(error),
            other => Self::Storage(StorageError {
                what: "the thread that writes is gone",
                kind: StorageErrorKind::Other,
                source: Arc::new(other),
            }),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<rusqlite::Error> for AppendError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// Why no checkpoint was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The trail was opened without a key to sign with.
    #[error("there is no key to sign with")]
    NoKey,
    /// The text was not signed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] NoteKeyError),
    /// What it would sign could not be made durable, or not written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What the caller knows of a log: it had this size and this root once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// Whether it was closed then, so that nothing came after.
    pub(crate) is_closed: bool,
}
