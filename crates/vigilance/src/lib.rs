#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod background;
mod backup;
mod civil;
mod connection;
mod content;
mod cursor;
mod detect;
mod edge;
mod erase;
mod error;
mod export;
mod filter;
mod health;
mod incident;
mod json;
pub mod legacy;
mod lock;
mod migration;
mod open;
mod options;
mod outside;
mod page;
mod projection;
mod queue;
mod read;
mod record;
mod recovery;
mod report;
mod retention;
mod rollup;
mod schema;
mod search;
mod segment;
mod shared;
mod sketch;
mod stats;
mod subscribe;
mod tile_export;
mod tiles;
mod trail;
mod uvarint;
mod verify;
mod writer;

pub use backup::{BackupError, BackupProgress};
pub use cursor::{Cursor, CursorError};
pub use detect::{
    Alert, AlertKind, AlertSink, FollowError, Observation, Observed, Watch, WatchOptions,
    WatchStateError,
};
pub use erase::{EraseError, Erased, Erasure};
pub use error::{
    AppendError, CheckpointError, OpenError, ReadError, StorageError, StorageErrorKind,
};
pub use export::{OCSF_VERSION, csv_header, csv_row, json_line, ocsf_line};
pub use filter::{Filter, NoSuchField};
pub use health::{Damage, Health, SchemaFault, TileFault, Witness};
pub use merkle_core::{
    ConsistencyProof, Hash, InclusionProof, NoteKeyError, SignedNote, SignerKey, TreeHead,
    VerifierKey,
};
pub use open::OpenReport;
pub use options::{DiskFull, Duplicates, Durability, Options};
pub use page::{Page, PageError, PageFrom};
pub use read::StoredRecord;
pub use record::{
    Attack, CANONICAL_BYTES_MAX, ENTRIES_MAX, ERASABLE_BYTES_MAX, EncodedRecord, ErasableContent,
    ErasableField, ErasableText, Event, EventKind, Execution, ExecutionStatus, IndexRange,
    LayerOutcome, Metric, NAME_BYTES_MAX, RANGES_MAX, Record, RecordError, RecordKind, Salt, Salts,
    Severity, Text,
};
pub use report::{
    Completeness, Coverage, Document, REPORT_RECORDS_MAX, Report, ReportError, ReportKind,
    ReportProofError, ReportRequest, VerifiedReport, verify_report,
};
pub use retention::{RetentionError, Sealed};
pub use rollup::{
    AttackCell, Breakdown, EventCell, ExecutionCell, Family, IntentCounts, MetricCell,
    MetricCounts, Period,
};
pub use search::{TextQuery, TextQueryError};
pub use sketch::Sketch;
pub use stats::{AttackStats, ExecutionStats, SeriesPoint};
pub use subscribe::Subscription;
pub use tile_export::TileExportError;
pub use trail::{Ticket, Trail};
pub use verify::{ContinuityBreak, DAMAGES_MAX, Depth, VerifyProgress, VerifyReport};
pub use writer::Appended;

#[cfg(test)]
mod tests;
