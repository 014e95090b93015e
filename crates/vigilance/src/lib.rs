#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod detect;
mod record;
mod sketch;
mod uvarint;

pub use detect::{
    Alert, AlertKind, AlertSink, Observation, Observed, Watch, WatchOptions, WatchStateError,
};
pub use record::{
    Attack, CANONICAL_BYTES_MAX, ENTRIES_MAX, ERASABLE_BYTES_MAX, EncodedRecord, ErasableContent,
    ErasableField, ErasableText, Event, EventKind, Execution, ExecutionStatus, IndexRange,
    LayerOutcome, Metric, NAME_BYTES_MAX, RANGES_MAX, Record, RecordError, RecordKind, Salt, Salts,
    Severity, Text,
};
pub use sketch::Sketch;
