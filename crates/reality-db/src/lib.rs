#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod checkpoint;
mod checkpoints;
mod commit;
mod counters;
mod db;
mod engine;
mod error;
#[cfg(test)]
mod fault;
mod format;
#[cfg(fuzzing)]
pub mod fuzzing;
mod head;
mod health;
mod helper;
mod history;
mod integrity;
mod journal;
mod lock;
mod named;
mod open;
mod options;
mod prepare;
mod profile;
mod progress;
mod provable;
mod record;
mod recovery;
mod replay;
mod snapshot;
mod state;
mod stats;
mod storage;
mod transfer;
#[cfg(feature = "serde")]
mod typed;
mod version;
mod volume;
mod worker;
mod writer;

pub use checkpoint::{
    BadPart, CheckpointError, CheckpointProgress, CheckpointReport, Damage as FileDamage,
    VerifyProgress,
};
pub use checkpoints::MaintenanceError;
pub use commit::{CommitOptions, Staged};
pub use counters::Counters;
pub use db::RealityDb;
pub use engine::EngineError;
pub use error::{CommitError, Damage, OpenError, ReadError};
pub use health::Health;
pub use history::{Commit, Difference, KeyChange, RollbackError};
pub use integrity::{Depth, IntegrityProgress, IntegrityReport};
pub use merkle_core::{Batch, Hash, Query};
pub use named::{NameError, NamedSnapshot, SNAPSHOT_NAME_BYTES_MAX, SNAPSHOTS_MAX};
pub use open::OpenReport;
pub use options::{Backend, Durability, KeyMode, Options, Retention};
pub use prepare::Prepared;
pub use profile::Profile;
pub use provable::{KeyRange, Provable, ProvableVersions};
pub use record::{COMMIT_BYTES_MAX, CommitKind, METADATA_BYTES_MAX, TooLarge, VALUE_BYTES_MAX};
pub use recovery::{RecoveryError, RecoveryProgress, SearchProgress, WayOut};
pub use snapshot::{Scan, Snapshot};
pub use stats::Stats;
pub use transfer::{
    ChunkFault, ExportError, ExportFileError, ExportHeader, ExportOptions, ExportReport,
    ImportError, TransferProgress, verify_export,
};
#[cfg(feature = "serde")]
pub use typed::{Encoding, EncodingError};
pub use version::{CommitInfo, Version};

use db::Shared;
use error::Fault;

#[cfg(test)]
mod tests;
