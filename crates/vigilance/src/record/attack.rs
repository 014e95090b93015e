//! Attacks that were blocked.

use super::codec::{Reader, Writer};
use super::{ErasableField, ErasableText, RecordError, Severity, Text};

/// An attack that a layer of the defence blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attack {
    /// Name of the attack, which others may refer to.
    pub attack_id: String,
    /// When it happened, in nanoseconds since 1970.
    pub event_ns: u64,
    /// When it was observed, in nanoseconds since 1970.
    pub observed_ns: u64,
    /// What was tried: `injection`, say.
    pub attack_type: String,
    /// The kind of it: `code_injection`, say.
    pub category: String,
    /// The layer of the defence that stopped it.
    pub blocked_by_layer: String,
    /// How bad it would have been.
    pub severity: Severity,
    /// The code that was sent.
    pub code_snippet: Option<Text>,
    /// How it was found.
    pub detection_method: Option<String>,
    /// What else is known, JSON mostly.
    pub metadata: Option<Text>,
    /// The transaction that it came with.
    pub tx_id: Option<String>,
    /// Address of the code that it was aimed at, in hexadecimal.
    pub bundle_hash: Option<String>,
    /// Who it came from.
    pub subject: Option<ErasableText>,
}

impl Attack {
    /// An attack of which nothing more is known; observed when it happened.
    #[must_use]
    pub fn new(
        attack_id: impl Into<String>,
        attack_type: impl Into<String>,
        category: impl Into<String>,
        blocked_by_layer: impl Into<String>,
        severity: Severity,
        event_ns: u64,
    ) -> Self {
        Self {
            attack_id: attack_id.into(),
            event_ns,
            observed_ns: event_ns,
            attack_type: attack_type.into(),
            category: category.into(),
            blocked_by_layer: blocked_by_layer.into(),
            severity,
            code_snippet: None,
            detection_method: None,
            metadata: None,
            tx_id: None,
            bundle_hash: None,
            subject: None,
        }
    }

    pub(super) fn write(&self, to: &mut Writer) -> Result<(), RecordError> {
        to.number("event_ns", self.event_ns)?;
        to.number("observed_ns", self.observed_ns)?;
        to.name("attack_id", &self.attack_id)?;
        to.name("attack_type", &self.attack_type)?;
        to.name("category", &self.category)?;
        to.name("blocked_by_layer", &self.blocked_by_layer)?;
        to.u32(self.severity.micros());
        to.text(ErasableField::CodeSnippet, self.code_snippet.as_ref())?;
        to.optional(self.detection_method.as_deref(), |to, method| {
            to.name("detection_method", method)
        })?;
        to.text(ErasableField::Metadata, self.metadata.as_ref())?;
        to.optional(self.tx_id.as_deref(), |to, id| to.name("tx_id", id))?;
        to.optional(self.bundle_hash.as_deref(), |to, hash| {
            to.name("bundle_hash", hash)
        })?;
        to.erasable(ErasableField::Subject, self.subject.as_ref())
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        let (event_ns, observed_ns) = (from.number("event_ns")?, from.number("observed_ns")?);
        Ok(Self {
            event_ns,
            observed_ns,
            attack_id: from.name("attack_id")?,
            attack_type: from.name("attack_type")?,
            category: from.name("category")?,
            blocked_by_layer: from.name("blocked_by_layer")?,
            severity: Severity::from_micros(from.u32("severity")?)?,
            code_snippet: from.text(ErasableField::CodeSnippet)?,
            detection_method: from
                .optional("detection_method", |from| from.name("detection_method"))?,
            metadata: from.text(ErasableField::Metadata)?,
            tx_id: from.optional("tx_id", |from| from.name("tx_id"))?,
            bundle_hash: from.optional("bundle_hash", |from| from.name("bundle_hash"))?,
            subject: from.erasable(ErasableField::Subject)?,
        })
    }
}
