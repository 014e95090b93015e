#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![allow(
    dead_code,
    unused_imports,
    reason = "the thread that commits comes next and uses them"
)]

mod config;
mod dashboard;
mod envelope;
mod execution;
mod invariant;
mod seal;
mod wire;

pub use config::{Config, ConfigError};
pub use dashboard::{AttackStats, DashboardStats, ExecutionStats};
pub use execution::{Executed, Execution, Recorded, Write};
pub use invariant::{
    Change, ChangedKey, Conservation, Invariant, Nonces, NotANumber, Reading, Step, Violation,
};
pub use merkle_core::{Hash, SignerKey, VerifierKey};
pub use reality_db::Profile;
pub use seal::{Seal, SealError};
pub use vigilance::{
    Attack, Event, EventKind, Execution as ExecutionRecord, ExecutionStatus, LayerOutcome, Metric,
    Record, RecordError, Severity, Text,
};
pub use wire::WireError;
