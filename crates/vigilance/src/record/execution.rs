//! Attempts to execute an intent.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use merkle_core::Hash;

use super::codec::{Reader, Writer};
use super::{ENTRIES_MAX, ErasableField, ErasableText, RecordError, Text};

/// An attempt to execute an intent, whatever came of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Execution {
    /// Name of the transaction.
    pub tx_id: String,
    /// Address of the code that ran, in hexadecimal.
    pub bundle_hash: Option<String>,
    /// Name of the intent.
    pub intent_name: String,
    /// What came of it.
    pub status: ExecutionStatus,
    /// What it returned or said, JSON mostly.
    pub result: Option<Text>,
    /// Root of the state before.
    pub merkle_root_before: Option<Hash>,
    /// Root of the state after.
    pub merkle_root_after: Option<Hash>,
    /// The version of the state that it made, or saw if it made none.
    pub state_version: Option<u64>,
    /// When it happened, in nanoseconds since 1970.
    pub event_ns: u64,
    /// When it was observed, in nanoseconds since 1970.
    pub observed_ns: u64,
    /// How long it took, in nanoseconds.
    pub elapsed_ns: Option<u64>,
    /// What each layer of the defence said.
    pub layer_results: BTreeMap<String, LayerOutcome>,
    /// What was measured on the way; finite numbers.
    pub telemetry: BTreeMap<String, f64>,
    /// Who it was done for.
    pub subject: Option<ErasableText>,
}

/// What came of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ExecutionStatus {
    /// It was proved and took place.
    Proved,
    /// The proof failed.
    Failed,
    /// A layer of the defence refused it.
    Rejected,
    /// The proof took too long.
    Timeout,
}

/// What a layer of the defence said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LayerOutcome {
    /// It let the intent pass.
    Passed,
    /// It refused the intent.
    Refused,
    /// It was not asked.
    Skipped,
}

impl Execution {
    /// An execution of which nothing more is known; observed when it happened.
    #[must_use]
    pub fn new(
        tx_id: impl Into<String>,
        intent_name: impl Into<String>,
        status: ExecutionStatus,
        event_ns: u64,
    ) -> Self {
        Self {
            tx_id: tx_id.into(),
            bundle_hash: None,
            intent_name: intent_name.into(),
            status,
            result: None,
            merkle_root_before: None,
            merkle_root_after: None,
            state_version: None,
            event_ns,
            observed_ns: event_ns,
            elapsed_ns: None,
            layer_results: BTreeMap::new(),
            telemetry: BTreeMap::new(),
            subject: None,
        }
    }

    pub(super) fn write(&self, to: &mut Writer) -> Result<(), RecordError> {
        to.number("event_ns", self.event_ns)?;
        to.number("observed_ns", self.observed_ns)?;
        to.name("tx_id", &self.tx_id)?;
        to.optional(self.bundle_hash.as_deref(), |to, hash| {
            to.name("bundle_hash", hash)
        })?;
        to.name("intent_name", &self.intent_name)?;
        to.byte(self.status.code());
        to.text(ErasableField::Result, self.result.as_ref())?;
        to.optional_hash(self.merkle_root_before.as_ref());
        to.optional_hash(self.merkle_root_after.as_ref());
        to.optional(self.state_version, |to, version| {
            to.number("state_version", version)
        })?;
        to.optional(self.elapsed_ns, |to, elapsed| {
            to.number("elapsed_ns", elapsed)
        })?;
        to.count("layer_results", self.layer_results.len(), ENTRIES_MAX)?;
        for (layer, outcome) in &self.layer_results {
            to.name("layer_results", layer)?;
            to.byte(outcome.code());
        }
        to.count("telemetry", self.telemetry.len(), ENTRIES_MAX)?;
        for (name, value) in &self.telemetry {
            to.name("telemetry", name)?;
            to.float("telemetry", *value)?;
        }
        to.erasable(ErasableField::Subject, self.subject.as_ref())
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        let (event_ns, observed_ns) = (from.number("event_ns")?, from.number("observed_ns")?);
        Ok(Self {
            event_ns,
            observed_ns,
            tx_id: from.name("tx_id")?,
            bundle_hash: from.optional("bundle_hash", |from| from.name("bundle_hash"))?,
            intent_name: from.name("intent_name")?,
            status: ExecutionStatus::from_code(from.byte("status")?)?,
            result: from.text(ErasableField::Result)?,
            merkle_root_before: from.optional_hash("merkle_root_before")?,
            merkle_root_after: from.optional_hash("merkle_root_after")?,
            state_version: from.optional("state_version", |from| from.number("state_version"))?,
            elapsed_ns: from.optional("elapsed_ns", |from| from.number("elapsed_ns"))?,
            layer_results: from.map("layer_results", |from| {
                LayerOutcome::from_code(from.byte("layer_results")?)
            })?,
            telemetry: from.map("telemetry", |from| from.float("telemetry"))?,
            subject: from.erasable(ErasableField::Subject)?,
        })
    }
}

impl ExecutionStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Proved, Self::Failed, Self::Rejected, Self::Timeout];

    /// The name in the database and in reports: `PROVED` and so on.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proved => "PROVED",
            Self::Failed => "FAILED",
            Self::Rejected => "REJECTED",
            Self::Timeout => "TIMEOUT",
        }
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Proved => 1,
            Self::Failed => 2,
            Self::Rejected => 3,
            Self::Timeout => 4,
        }
    }

    fn from_code(found: u8) -> Result<Self, RecordError> {
        let status = Self::ALL.into_iter().find(|it| it.code() == found);
        let field = "status";
        status.ok_or(RecordError::UnknownCode { field, found })
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads exactly the names that `Display` writes.
impl FromStr for ExecutionStatus {
    type Err = RecordError;

    fn from_str(name: &str) -> Result<Self, RecordError> {
        let status = Self::ALL.into_iter().find(|it| it.as_str() == name);
        status.ok_or_else(|| RecordError::unknown_name("status", name))
    }
}

impl LayerOutcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Passed, Self::Refused, Self::Skipped];

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Passed => 1,
            Self::Refused => 2,
            Self::Skipped => 3,
        }
    }

    fn from_code(found: u8) -> Result<Self, RecordError> {
        let outcome = Self::ALL.into_iter().find(|it| it.code() == found);
        let field = "layer_results";
        outcome.ok_or(RecordError::UnknownCode { field, found })
    }

    /// As JSON has it: `true`, `false` or `null`.
    #[must_use]
    pub const fn as_json(self) -> &'static str {
        match self {
            Self::Passed => "true",
            Self::Refused => "false",
            Self::Skipped => "null",
        }
    }
}

impl From<bool> for LayerOutcome {
    fn from(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Refused }
    }
}
