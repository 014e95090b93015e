#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod audit;
mod backup;
mod bundles;
mod config;
mod dashboard;
mod envelope;
mod erase;
mod error;
mod execution;
mod follower;
mod health;
mod ids;
mod import;
mod incident;
mod invariant;
mod moment;
mod named;
mod open;
mod persistence;
mod queue;
mod reads;
mod rebuild_vault;
mod receipt;
mod recent;
mod reconcile;
mod replay;
mod request;
mod seal;
mod sealing;
mod shared;
mod step;
mod vault;
mod verify_all;
mod way_name;
mod ways_out;
mod wire;
mod writer;

pub use audit::AuditError;
pub use backup::{BackupError, BackupReport, CopyProgress};
pub use config::{Config, ConfigError};
pub use dashboard::{AttackStats, DashboardStats, ExecutionStats};
pub use envelope::{Carried, Envelope};
pub use error::{ExecuteError, StorageError};
pub use execution::{Executed, Execution, Recorded, Write};
pub use health::{Cause, Health, Panic, Store};
pub use import::{ImportReport, LegacyImportError, StateImport};
pub use incident::{Incident, IncidentKind, incidents, note_act};
pub use invariant::{
    Change, ChangedKey, Conservation, Invariant, Nonces, NotANumber, Reading, Step, Violation,
};
pub use merkle_core::{Hash, SignerKey, VerifierKey};
pub use moment::Moment;
pub use named::SnapshotError;
pub use open::{OpenError, OpenReport};
pub use persistence::Persistence;
pub use queue::Ticket;
pub use reads::Heads;
pub use reality_db::{NamedSnapshot, Profile};
pub use rebuild_vault::RebuildVaultError;
pub use receipt::{Receipt, ReceiptError, VerifiedReceipt, VerifyError, verify_receipt};
pub use replay::{Replay, Replayed};
pub use seal::{Seal, SealError};
pub use truth_vault::{Address, Bundle, BundleAddress, VerificationStatus};
pub use vault::VaultError;
pub use verify_all::{CheckProgress, CheckReport};
pub use vigilance::{
    Attack, Erased, Erasure, Event, EventKind, Execution as ExecutionRecord, ExecutionStatus,
    LayerOutcome, Metric, Record, RecordError, Severity, Text,
};
pub use ways_out::{RecoverError, WayOut};
pub use wire::WireError;

#[cfg(test)]
mod tests;
