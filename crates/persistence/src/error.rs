//! What can go wrong, by whose fault it is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use merkle_core::KeyError;
use reality_db::TooLarge;
use truth_vault::BundleAddress;
use vigilance::RecordError;

use crate::{AuditError, Panic, SealError, VaultError};

/// Why an execution, or another record, was not committed.
///
/// Whatever the reason, handing over the same execution again is safe: it is committed once.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The record has a field that is out of bounds. Nothing was recorded.
    #[error("the record cannot be kept: {0}")]
    Record(#[from] RecordError),
    /// A key has no length that a key can have. Nothing was recorded.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It writes more than a commit holds. Nothing was recorded.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The vault does not hold the bundle that is said to have run. Nothing was recorded.
    #[error("the vault holds no bundle {address}")]
    UnknownBundle {
        /// The address of the bundle.
        address: BundleAddress,
    },
    /// Another one with the same identifier was committed before. Nothing was recorded.
    #[error("{id:?} was recorded before, at index {index}, and is another one")]
    Conflict {
        /// The identifier.
        id: String,
        /// Where the other one is in the log.
        index: u64,
    },
    /// As many callers wait as may. Nothing was recorded.
    #[error("too many executions are waiting to be committed")]
    Busy,
    /// It was cancelled before it was taken. Nothing was recorded.
    #[error("cancelled before it was committed")]
    Cancelled,
    /// Damage was found, and writes are refused. Nothing was recorded.
    #[error("writes are refused: {0}")]
    Panic(Box<Panic>),
    /// A store failed. Nothing was recorded; the handle may be used.
    #[error("a store failed")]
    Storage(#[from] StorageError),
    /// A store failed while the commit was being made durable: it may be there or not. The handle
    /// may be used; the next commit finds out.
    #[error("a store failed while a commit was being made durable")]
    Unknown(#[source] StorageError),
    /// The handle is being closed, or the thread that commits has ended. It may be there or not:
    /// opening again tells.
    #[error("the persistence layer is closed")]
    Closed,
}

/// A store failed: the environment's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The state could not be written.
    #[error("the state could not be written")]
    Commit(#[source] Arc<reality_db::CommitError>),
    /// The state could not be read.
    #[error("the state could not be read")]
    Read(#[from] reality_db::ReadError),
    /// The audit trail could not be written or read.
    #[error("the audit trail failed")]
    Audit(#[from] AuditError),
    /// The audit trail is too far behind because it fails; nothing is lost.
    #[error("the audit trail is too far behind")]
    Behind(#[source] Arc<AuditError>),
    /// The vault could not be written or read.
    #[error("the vault failed")]
    Vault(#[from] VaultError),
    /// A seal could not be made or kept.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A file could not be written or read.
    #[error("{} could not be used", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StorageError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}

impl From<reality_db::CommitError> for StorageError {
    fn from(error: reality_db::CommitError) -> Self {
        Self::Commit(Arc::new(error))
    }
}
