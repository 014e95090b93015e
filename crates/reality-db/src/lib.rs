#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod checkpoint;
mod checkpoints;
mod commit;
mod db;
mod engine;
mod error;
mod format;
mod head;
mod health;
mod journal;
mod lock;
mod open;
mod options;
mod profile;
mod record;
mod snapshot;
mod state;
mod storage;
mod version;
mod volume;
mod writer;

pub use commit::Commit;
pub use db::RealityDb;
pub use engine::EngineError;
pub use error::{CommitError, Damage, OpenError, ReadError};
pub use health::Health;
pub use merkle_core::{Batch, Hash, Query};
pub use open::OpenReport;
pub use options::{Backend, Durability, KeyMode, Options, Retention};
pub use profile::Profile;
pub use record::{COMMIT_BYTES_MAX, CommitKind, METADATA_BYTES_MAX, TooLarge, VALUE_BYTES_MAX};
pub use snapshot::{Scan, Snapshot};
pub use version::{CommitInfo, Version};

use db::Shared;
use error::Fault;
