//! What the trail records, and the bytes that are hashed.

mod attack;
mod codec;
mod error;
mod event;
mod execution;
mod metric;
mod severity;
mod text;

pub use attack::Attack;
pub use error::RecordError;
pub use event::{Event, EventKind, IndexRange, RANGES_MAX};
pub use execution::{Execution, ExecutionStatus, LayerOutcome};
pub use metric::Metric;
pub use severity::Severity;
pub use text::{ErasableField, ErasableText, Salt, Salts, Text};

use codec::{Reader, Writer};

/// Most bytes of a record's canonical form: what an entry of a log tile can hold.
pub const CANONICAL_BYTES_MAX: usize = 65_535;

/// Most bytes of a name: an id, an intent, a type, a layer.
pub const NAME_BYTES_MAX: usize = 256;

/// Most bytes of an erasable text, which does not count towards [`CANONICAL_BYTES_MAX`].
pub const ERASABLE_BYTES_MAX: usize = 1 << 20;

/// Most entries of a map in a record: results of layers, telemetry.
pub const ENTRIES_MAX: usize = 256;

/// One record of the trail.
///
/// [`encode`](Self::encode) gives the canonical bytes: one record has one encoding, and the log's
/// leaf is the hash of it. Erasable texts stand in it as salted commitments, so that erasing one
/// leaves the bytes, and every proof, as they were. The layout is in `docs/formats/audit.md`.
///
/// ```
/// use vigilance::{Execution, ExecutionStatus, Record};
///
/// let mut execution = Execution::new("tx_001", "transfer", ExecutionStatus::Proved, 1_770_585_433_051_488_400);
/// execution.elapsed_ns = Some(45_200_000);
/// let record = Record::from(execution);
/// let encoded = record.encode()?;
/// assert_eq!(Record::decode(&encoded.canonical)?, record);
/// # Ok::<(), vigilance::RecordError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// An attempt to execute an intent, whatever came of it.
    Execution(Execution),
    /// An attack that a layer blocked.
    Attack(Attack),
    /// A measured value.
    Metric(Metric),
    /// Something that happened to the system itself.
    Event(Event),
}

/// Which kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RecordKind {
    /// [`Record::Execution`]
    Execution,
    /// [`Record::Attack`]
    Attack,
    /// [`Record::Metric`]
    Metric,
    /// [`Record::Event`]
    Event,
}

/// A record as it is stored: what is hashed, and what lies beside it and can be erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodedRecord {
    /// The bytes that the log's leaf commits to. They may be kept for ever.
    pub canonical: Vec<u8>,
    /// The erasable texts that are at hand, in the order of their fields.
    pub erasable: Vec<ErasableContent>,
}

/// An erasable text on its way to the store, and the commitment that the canonical bytes hold.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErasableContent {
    /// Which field of the record it is.
    pub field: ErasableField,
    /// What stands in the canonical bytes in its place.
    pub commitment: merkle_core::Hash,
    /// What makes the commitment say nothing about the text.
    pub salt: Salt,
    /// The text.
    pub text: String,
}

impl Record {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Execution(_) => RecordKind::Execution,
            Self::Attack(_) => RecordKind::Attack,
            Self::Metric(_) => RecordKind::Metric,
            Self::Event(_) => RecordKind::Event,
        }
    }

    /// When it happened, in nanoseconds since 1970, by the clock of whoever reports it.
    #[must_use]
    pub const fn event_ns(&self) -> u64 {
        match self {
            Self::Execution(it) => it.event_ns,
            Self::Attack(it) => it.event_ns,
            Self::Metric(it) => it.event_ns,
            Self::Event(it) => it.event_ns,
        }
    }

    /// When it was observed, in nanoseconds since 1970, by the clock of whoever records it.
    #[must_use]
    pub const fn observed_ns(&self) -> u64 {
        match self {
            Self::Execution(it) => it.observed_ns,
            Self::Attack(it) => it.observed_ns,
            Self::Metric(it) => it.observed_ns,
            Self::Event(it) => it.observed_ns,
        }
    }

    /// The canonical bytes, and the erasable texts beside them.
    ///
    /// # Errors
    ///
    /// [`RecordError`], where a field is out of bounds: see there.
    pub fn encode(&self) -> Result<EncodedRecord, RecordError> {
        let mut writer = Writer::new(self.kind().code());
        match self {
            Self::Execution(it) => it.write(&mut writer)?,
            Self::Attack(it) => it.write(&mut writer)?,
            Self::Metric(it) => it.write(&mut writer)?,
            Self::Event(it) => it.write(&mut writer)?,
        }
        writer.finish()
    }

    /// Reads the canonical bytes. Erasable texts are known by their commitments then, until
    /// [`fill`](Self::fill) puts them in.
    ///
    /// # Errors
    ///
    /// [`RecordError`], whatever the bytes: exactly what [`encode`](Self::encode) writes is read.
    pub fn decode(canonical: &[u8]) -> Result<Self, RecordError> {
        let (kind, mut reader) = Reader::new(canonical)?;
        let record = match kind {
            RecordKind::EXECUTION => Self::Execution(Execution::read(&mut reader)?),
            RecordKind::ATTACK => Self::Attack(Attack::read(&mut reader)?),
            RecordKind::METRIC => Self::Metric(Metric::read(&mut reader)?),
            RecordKind::EVENT => Self::Event(Event::read(&mut reader)?),
            found => return Err(RecordError::UnknownKind { found }),
        };
        reader.finish()?;
        Ok(record)
    }

    /// Puts the text of an erasable field in, if it is the one that was committed to.
    ///
    /// # Errors
    ///
    /// [`RecordError::NotCommitted`], where the record has no such field or another commitment; or the
    /// text or its salt is one that no record can have.
    pub fn fill(&mut self, content: &ErasableContent) -> Result<(), RecordError> {
        let field = content.field;
        let committed = ErasableText::new(field, &content.text, content.salt);
        committed.check()?;
        let mut texts = self.erasable_mut();
        let text = texts.iter_mut().find(|(at, _)| *at == field);
        match text {
            Some((_, text)) if text.commitment() == committed.commitment() => **text = committed,
            _ => return Err(RecordError::NotCommitted { field }),
        }
        Ok(())
    }

    /// The erasable fields that are there, each with its commitment and, if it is at hand, its text.
    #[must_use]
    pub fn erasable(&self) -> Vec<(ErasableField, &ErasableText)> {
        let (texts, subject) = match self {
            Self::Execution(it) => ([it.result.as_ref(), None], it.subject.as_ref()),
            Self::Attack(it) => (
                [it.code_snippet.as_ref(), it.metadata.as_ref()],
                it.subject.as_ref(),
            ),
            Self::Metric(_) => ([None, None], None),
            Self::Event(it) => (
                [it.message.as_ref(), it.detail.as_ref()],
                it.subject.as_ref(),
            ),
        };
        let texts = texts.into_iter().flatten().filter_map(Text::as_erasable);
        texts
            .chain(subject)
            .map(|text| (text.field(), text))
            .collect()
    }

    fn erasable_mut(&mut self) -> Vec<(ErasableField, &mut ErasableText)> {
        let (texts, subject) = match self {
            Self::Execution(it) => ([it.result.as_mut(), None], it.subject.as_mut()),
            Self::Attack(it) => (
                [it.code_snippet.as_mut(), it.metadata.as_mut()],
                it.subject.as_mut(),
            ),
            Self::Metric(_) => ([None, None], None),
            Self::Event(it) => (
                [it.message.as_mut(), it.detail.as_mut()],
                it.subject.as_mut(),
            ),
        };
        let texts = texts
            .into_iter()
            .flatten()
            .filter_map(Text::as_erasable_mut);
        texts
            .chain(subject)
            .map(|text| (text.field(), text))
            .collect()
    }
}

impl EncodedRecord {
    /// What was encoded elsewhere: the canonical bytes, and the texts that are at hand.
    ///
    /// # Errors
    ///
    /// [`RecordError`], where the bytes are not a record, or a text is not committed to by it.
    pub fn from_parts(
        canonical: Vec<u8>,
        mut erasable: Vec<ErasableContent>,
    ) -> Result<Self, RecordError> {
        let mut record = Record::decode(&canonical)?;
        for content in &erasable {
            record.fill(content)?;
        }
        erasable.sort_by_key(|content| content.field);
        erasable.dedup();
        Ok(Self {
            canonical,
            erasable,
        })
    }

    /// The record, with the texts that are at hand.
    ///
    /// # Errors
    ///
    /// As [`from_parts`](Self::from_parts).
    pub fn decode(&self) -> Result<Record, RecordError> {
        let mut record = Record::decode(&self.canonical)?;
        for content in &self.erasable {
            record.fill(content)?;
        }
        Ok(record)
    }

    /// The hash of its leaf in the log: `SHA-256(0x00 || canonical)`.
    #[must_use]
    pub fn leaf(&self) -> merkle_core::Hash {
        merkle_core::log_leaf_hash(&self.canonical)
    }
}

/// Shows where a text is, not the text.
impl std::fmt::Debug for ErasableContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErasableContent")
            .field("field", &self.field)
            .field("commitment", &self.commitment)
            .finish_non_exhaustive()
    }
}

impl RecordKind {
    pub(crate) const EXECUTION: u8 = 1;
    pub(crate) const ATTACK: u8 = 2;
    pub(crate) const METRIC: u8 = 3;
    pub(crate) const EVENT: u8 = 4;

    /// The number in canonical bytes.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Execution => Self::EXECUTION,
            Self::Attack => Self::ATTACK,
            Self::Metric => Self::METRIC,
            Self::Event => Self::EVENT,
        }
    }

    /// The name, in the singular.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Execution => "execution",
            Self::Attack => "attack",
            Self::Metric => "metric",
            Self::Event => "event",
        }
    }
}

impl std::fmt::Display for RecordKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Execution> for Record {
    fn from(it: Execution) -> Self {
        Self::Execution(it)
    }
}

impl From<Attack> for Record {
    fn from(it: Attack) -> Self {
        Self::Attack(it)
    }
}

impl From<Metric> for Record {
    fn from(it: Metric) -> Self {
        Self::Metric(it)
    }
}

impl From<Event> for Record {
    fn from(it: Event) -> Self {
        Self::Event(it)
    }
}

#[cfg(test)]
mod tests;
