//! Why something is not a record.

use super::ErasableField;

/// Why a record was not encoded, or bytes are not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A name is empty, longer than [`NAME_BYTES_MAX`](crate::NAME_BYTES_MAX), or has control characters.
    #[error("{field} is empty, too long, or has control characters")]
    BadName {
        /// The field.
        field: &'static str,
    },
    /// A time or a duration is beyond 2^63 - 1 nanoseconds, or another number beyond 2^63 - 1.
    #[error("{field} is out of range: {value}")]
    NumberOutOfRange {
        /// The field.
        field: &'static str,
        /// The value.
        value: u64,
    },
    /// A value is infinite or not a number.
    #[error("{field} is not a finite number")]
    NotFinite {
        /// The field.
        field: &'static str,
    },
    /// A severity is not between 0 and 1.
    #[error("a severity of {micros} millionths is above 1")]
    SeverityOutOfRange {
        /// The severity, in millionths.
        micros: u32,
    },
    /// A map has more entries than [`ENTRIES_MAX`](crate::ENTRIES_MAX), or a list more ranges than
    /// [`RANGES_MAX`](crate::RANGES_MAX).
    #[error("{field} has {count} entries, which are too many")]
    TooManyEntries {
        /// The field.
        field: &'static str,
        /// How many.
        count: usize,
    },
    /// Keys of a map that are not in order, or ranges that are empty, touch, or are not in order.
    #[error("the entries of {field} are not in order")]
    OutOfOrder {
        /// The field.
        field: &'static str,
    },
    /// A text has more bytes than its place allows.
    #[error("{field} of {bytes} bytes is too long")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// An erasable text was made for another field.
    #[error("the text of {found} was put in the place of {expected}")]
    WrongField {
        /// The field it stands in.
        expected: ErasableField,
        /// The field it was made for.
        found: ErasableField,
    },
    /// A salt of zeros, which stands for a text that was erased.
    #[error("the salt of {field} is all zeros")]
    BadSalt {
        /// The field.
        field: ErasableField,
    },
    /// A text that the record does not commit to.
    #[error("the text is not the one that the record commits to as its {field}")]
    NotCommitted {
        /// The field it is said to be.
        field: ErasableField,
    },
    /// The record would be longer than [`CANONICAL_BYTES_MAX`](crate::CANONICAL_BYTES_MAX).
    #[error("a record of {bytes} bytes is too long")]
    RecordTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A layout that this release does not know.
    #[error("records of version {found} are not known")]
    UnknownVersion {
        /// The version in the bytes.
        found: u8,
    },
    /// A kind of record that this release does not know.
    #[error("records of kind {found} are not known")]
    UnknownKind {
        /// The kind in the bytes.
        found: u8,
    },
    /// A status, an outcome or a kind of event that is not known.
    #[error("{field} {found} is not known")]
    UnknownCode {
        /// The field.
        field: &'static str,
        /// What stands there.
        found: u8,
    },
    /// A name of a status or kind that is not known.
    #[error("{found:?} is not a known {field}")]
    UnknownName {
        /// The field.
        field: &'static str,
        /// What stands there, its first 64 characters.
        found: String,
    },
    /// The bytes end within a field.
    #[error("the record ends within {field}")]
    Truncated {
        /// The field.
        field: &'static str,
    },
    /// A text is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotUtf8 {
        /// The field.
        field: &'static str,
    },
    /// More follows after the last field.
    #[error("{count} bytes too many after the record")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

impl RecordError {
    pub(crate) fn unknown_name(field: &'static str, found: &str) -> Self {
        Self::UnknownName {
            field,
            found: found.chars().take(64).collect(),
        }
    }
}
