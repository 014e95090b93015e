//! What happened to the system itself.

use std::fmt;
use std::str::FromStr;

use merkle_core::Hash;

use super::codec::{Reader, Writer};
use super::{ErasableField, ErasableText, RecordError, Severity, Text};

/// Most ranges of indices that one event names.
pub const RANGES_MAX: usize = 1_024;

/// Something that happened to the system itself, or that it found out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When it happened, in nanoseconds since 1970.
    pub event_ns: u64,
    /// When it was observed, in nanoseconds since 1970.
    pub observed_ns: u64,
    /// Who says so: a part of the system, a detector.
    pub source: Option<String>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// The records that it is about. For [`EventKind::Redacted`]: those whose erasable texts go.
    pub ranges: Vec<IndexRange>,
    /// How many it is about, where they have no index: records that were dropped, say.
    pub count: Option<u64>,
    /// A root, an address: the hash that it is about.
    pub hash: Option<Hash>,
    /// What there is to say.
    pub message: Option<Text>,
    /// What else is known, JSON mostly: the evidence of an alert.
    pub detail: Option<Text>,
    /// Who it is about.
    pub subject: Option<ErasableText>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// The trail, or the system around it, was opened.
    Opened,
    /// It was opened and something had to be made good.
    Recovered,
    /// Damage was found, and writes refused.
    Panicked,
    /// Records were moved out into a sealed segment.
    Pruned,
    /// Erasable texts were erased.
    Redacted,
    /// A signed checkpoint was given out.
    Checkpointed,
    /// A detector found something.
    Alert,
    /// Records were dropped, because the disk was full and the policy says so.
    Dropped,
    /// Another key signs from here on.
    KeyRotated,
    /// Something else, which `source` and `message` say.
    Note,
}

/// Records by their place in the log: from `first`, `count` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a range is its begin and its length"
)]
pub struct IndexRange {
    /// Index of the first.
    pub first: u64,
    /// How many; not 0.
    pub count: u64,
}

impl Event {
    /// An event of which nothing more is known; observed when it happened.
    #[must_use]
    pub const fn new(kind: EventKind, event_ns: u64) -> Self {
        Self {
            kind,
            event_ns,
            observed_ns: event_ns,
            source: None,
            severity: None,
            ranges: Vec::new(),
            count: None,
            hash: None,
            message: None,
            detail: None,
            subject: None,
        }
    }

    pub(super) fn write(&self, to: &mut Writer) -> Result<(), RecordError> {
        to.number("event_ns", self.event_ns)?;
        to.number("observed_ns", self.observed_ns)?;
        to.byte(self.kind.code());
        to.optional(self.source.as_deref(), |to, source| {
            to.name("source", source)
        })?;
        to.optional(self.severity, |to, severity| {
            to.u32(severity.micros());
            Ok(())
        })?;
        check_ranges(&self.ranges)?;
        to.count("ranges", self.ranges.len(), RANGES_MAX)?;
        for range in &self.ranges {
            to.number("ranges", range.first)?;
            to.number("ranges", range.count)?;
        }
        to.optional(self.count, |to, count| to.number("count", count))?;
        to.optional_hash(self.hash.as_ref());
        to.text(ErasableField::Message, self.message.as_ref())?;
        to.text(ErasableField::Detail, self.detail.as_ref())?;
        to.erasable(ErasableField::Subject, self.subject.as_ref())
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        let (event_ns, observed_ns) = (from.number("event_ns")?, from.number("observed_ns")?);
        Ok(Self {
            event_ns,
            observed_ns,
            kind: EventKind::from_code(from.byte("kind")?)?,
            source: from.optional("source", |from| from.name("source"))?,
            severity: from.optional("severity", |from| {
                Severity::from_micros(from.u32("severity")?)
            })?,
            ranges: read_ranges(from)?,
            count: from.optional("count", |from| from.number("count"))?,
            hash: from.optional_hash("hash")?,
            message: from.text(ErasableField::Message)?,
            detail: from.text(ErasableField::Detail)?,
            subject: from.erasable(ErasableField::Subject)?,
        })
    }
}

fn read_ranges(from: &mut Reader<'_>) -> Result<Vec<IndexRange>, RecordError> {
    let mut ranges = Vec::new();
    for _ in 0..from.count("ranges", RANGES_MAX)? {
        let (first, count) = (from.number("ranges")?, from.number("ranges")?);
        ranges.push(IndexRange { first, count });
    }
    check_ranges(&ranges)?;
    Ok(ranges)
}

/// One set of indices is written in one way: ascending, with gaps between the ranges.
fn check_ranges(ranges: &[IndexRange]) -> Result<(), RecordError> {
    let field = "ranges";
    let mut free = 0;
    for (at, range) in ranges.iter().enumerate() {
        let end = range.end();
        if range.count == 0 || (at > 0 && range.first <= free) {
            return Err(RecordError::OutOfOrder { field });
        }
        if i64::try_from(end).is_err() {
            let value = range.first;
            return Err(RecordError::NumberOutOfRange { field, value });
        }
        free = end;
    }
    Ok(())
}

impl IndexRange {
    /// The index after the last.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// Whether a record is among them.
    #[must_use]
    pub const fn contains(self, index: u64) -> bool {
        self.first <= index && index < self.end()
    }

    /// The fewest ranges over these indices, ascending.
    #[must_use]
    pub fn over(indices: &std::collections::BTreeSet<u64>) -> Vec<Self> {
        let mut ranges: Vec<Self> = Vec::new();
        for &index in indices {
            match ranges.last_mut() {
                Some(last) if last.end() == index => last.count += 1,
                _ => ranges.push(Self {
                    first: index,
                    count: 1,
                }),
            }
        }
        ranges
    }
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Opened,
        Self::Recovered,
        Self::Panicked,
        Self::Pruned,
        Self::Redacted,
        Self::Checkpointed,
        Self::Alert,
        Self::Dropped,
        Self::KeyRotated,
        Self::Note,
    ];

    /// The name in the database and in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Recovered => "recovered",
            Self::Panicked => "panicked",
            Self::Pruned => "pruned",
            Self::Redacted => "redacted",
            Self::Checkpointed => "checkpointed",
            Self::Alert => "alert",
            Self::Dropped => "dropped",
            Self::KeyRotated => "key_rotated",
            Self::Note => "note",
        }
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Opened => 1,
            Self::Recovered => 2,
            Self::Panicked => 3,
            Self::Pruned => 4,
            Self::Redacted => 5,
            Self::Checkpointed => 6,
            Self::Alert => 7,
            Self::Dropped => 8,
            Self::KeyRotated => 9,
            Self::Note => 10,
        }
    }

    fn from_code(found: u8) -> Result<Self, RecordError> {
        let kind = Self::ALL.into_iter().find(|it| it.code() == found);
        let field = "kind";
        kind.ok_or(RecordError::UnknownCode { field, found })
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads exactly the names that `Display` writes.
impl FromStr for EventKind {
    type Err = RecordError;

    fn from_str(name: &str) -> Result<Self, RecordError> {
        let kind = Self::ALL.into_iter().find(|it| it.as_str() == name);
        kind.ok_or_else(|| RecordError::unknown_name("kind of event", name))
    }
}
