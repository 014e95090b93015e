#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod record;

pub use record::{
    Attack, CANONICAL_BYTES_MAX, ENTRIES_MAX, ERASABLE_BYTES_MAX, EncodedRecord, ErasableContent,
    ErasableField, ErasableText, Event, EventKind, Execution, ExecutionStatus, IndexRange,
    LayerOutcome, Metric, NAME_BYTES_MAX, RANGES_MAX, Record, RecordError, RecordKind, Salt, Salts,
    Severity, Text,
};
