//! Errors of the stores as problems: the one place where they meet HTTP.

use persistence::{AuditError, BackupError, ExecuteError, ReceiptError, StorageError, VaultError};
use reality_db::{CommitError, NameError, ReadError};
use truth_vault::{BundleGetError, GetError, PutError};
use vigilance::{CheckpointError, PageError, ReportError, TileExportError};

use super::{Kind, Problem};

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::Key(_) => Kind::BadRequest,
            ReadError::NoSuchVersion { .. } => Kind::NotFound,
            ReadError::Pruned { .. } => Kind::Gone,
            ReadError::NoKeyOrder => Kind::Unprocessable,
            ReadError::Damaged(_) => Kind::Damaged,
            _ => return Self::internal(&error),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ExecuteError> for Problem {
    fn from(error: ExecuteError) -> Self {
        let kind = match &error {
            ExecuteError::Record(_) | ExecuteError::Key(_) | ExecuteError::UnknownBundle { .. } => {
                Kind::Unprocessable
            }
            ExecuteError::TooLarge(_) => Kind::TooLarge,
            ExecuteError::Conflict { .. } => Kind::Conflict,
            ExecuteError::Busy | ExecuteError::Cancelled => Kind::Busy,
            ExecuteError::Panic(_) => Kind::Panic,
            ExecuteError::Closed => Kind::Stopping,
            ExecuteError::Storage(_) => return Self::of_storage(error),
            _ => return Self::internal(&error),
        };
        Self::new(kind, error.to_string())
    }
}

impl Problem {
    fn of_storage(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Storage(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Read(error) => error.into(),
            StorageError::Audit(AuditError::Read(error)) => error.into(),
            StorageError::Vault(VaultError::Get(error)) => error.into(),
            StorageError::Vault(VaultError::Bundle(error)) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<GetError> for Problem {
    fn from(error: GetError) -> Self {
        let kind = match &error {
            // Outside, a file's name and place are nobody's business: they are in the log.
            GetError::Damaged { address, .. } => {
                tracing::error!(%error, "a blob is damaged");
                let detail = format!("what is stored as {address} is damaged");
                return Self::new(Kind::Damaged, detail);
            }
            GetError::Vanished { .. } => Kind::NotFound,
            GetError::TooLong { .. } => Kind::TooLarge,
            _ => return Self::internal(&error),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<PutError> for Problem {
    fn from(error: PutError) -> Self {
        let kind = match &error {
            PutError::OtherAddress { .. } => Kind::Unprocessable,
            PutError::NothingToResume { .. } => Kind::Conflict,
            PutError::Source(_) => Kind::BadRequest,
            _ => return Self::internal(&error),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<BundleGetError> for Problem {
    fn from(error: BundleGetError) -> Self {
        let kind = match error {
            BundleGetError::Get(error) => return error.into(),
            BundleGetError::NoBundle(_) => Kind::NotFound,
            BundleGetError::MissingPart { .. } | BundleGetError::Bundle(_) => Kind::Damaged,
            other => return Self::internal(&other),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        let kind = match &error {
            BackupError::Cancelled | BackupError::OtherStores { .. } => Kind::Conflict,
            _ => return Self::internal(&error),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        let kind = match error {
            NameError::Read(error) => return error.into(),
            NameError::Length { .. } | NameError::TooMany => Kind::Unprocessable,
            NameError::Taken { .. } => Kind::Conflict,
            NameError::Write(CommitError::Panic(_)) => Kind::Panic,
            other => return Self::internal(&other),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<TileExportError> for Problem {
    fn from(error: TileExportError) -> Self {
        match error {
            TileExportError::Read(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        let kind = match error {
            ReportError::Read(error) => return error.into(),
            ReportError::BadTitle
            | ReportError::TooLarge { .. }
            | ReportError::BadFilter { .. } => Kind::Unprocessable,
            other => return Self::internal(&other),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<vigilance::ReadError> for Problem {
    fn from(error: vigilance::ReadError) -> Self {
        use vigilance::ReadError as E;
        let kind = match &error {
            E::OutOfRange { .. } => Kind::NotFound,
            E::Reversed { .. } => Kind::BadRequest,
            E::Pruned { .. } => Kind::Gone,
            E::Damaged(_) => Kind::Damaged,
            _ => return Self::internal(&error),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<PageError> for Problem {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Read(error) => error.into(),
            other => Self::new(Kind::BadRequest, other.to_string()),
        }
    }
}

impl From<CheckpointError> for Problem {
    fn from(error: CheckpointError) -> Self {
        Self::internal(&error)
    }
}

impl From<ReceiptError> for Problem {
    fn from(error: ReceiptError) -> Self {
        let kind = match &error {
            ReceiptError::NotFound { .. } => Kind::NotFound,
            ReceiptError::Imported { .. } => Kind::Unprocessable,
            ReceiptError::Pruned { .. } => Kind::Gone,
            _ => return Self::internal(&error),
        };
        Self::new(kind, error.to_string())
    }
}
