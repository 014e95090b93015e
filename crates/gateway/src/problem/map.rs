//! Errors of the stores as problems: the one place where they meet HTTP.

use persistence::{ExecuteError, ReceiptError, StorageError};
use reality_db::ReadError;
use vigilance::{CheckpointError, PageError};

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
            _ => return Self::internal(&error),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Read(error) => error.into(),
            other => Self::internal(&other),
        }
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
