//! What a caller hands over, and what became of it.

use merkle_core::Hash;
use truth_vault::BundleAddress;
use vigilance::{ExecutionStatus, LayerOutcome, Text};

use crate::ExecutionRecord;

/// One change of the state: a key with its new value, or with none where it is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Write {
    /// The key.
    pub key: Vec<u8>,
    /// Its value from then on.
    pub value: Option<Vec<u8>>,
}

/// An execution: what ran, what it changes, and how it ended.
///
/// ```
/// use persistence::{Execution, ExecutionStatus};
///
/// let transfer = Execution::new("tx_001", "transfer", ExecutionStatus::Proved, 1_770_585_433_051_488_000)
///     .put(b"account:alice", b"900")
///     .put(b"account:bob", b"600")
///     .result(r#"{"success": true}"#)
///     .elapsed_ns(45_200_000)
///     .layer("conservation", true);
/// assert_eq!(transfer.writes.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Execution {
    /// What the audit trail is to hold of it. Its `tx_id` is unique: the same execution handed over
    /// twice is committed once. Roots, version and bundle are put in when it is committed.
    pub record: ExecutionRecord,
    /// Address of the bundle that ran, which the vault must hold; none if no code is kept for it.
    pub bundle: Option<BundleAddress>,
    /// What it changes: only an execution that is proved may change anything. Where a key is written
    /// more than once, the last one counts.
    pub writes: Vec<Write>,
    /// Commits only on this root of the state, else it is recorded as rejected: compare and set.
    pub expect_root: Option<Hash>,
}

impl Execution {
    /// An execution that changes nothing and of which no more is known; observed when it happened.
    #[must_use]
    pub fn new(tx_id: &str, intent_name: &str, status: ExecutionStatus, event_ns: u64) -> Self {
        Self::from(ExecutionRecord::new(tx_id, intent_name, status, event_ns))
    }

    /// Names the bundle that ran.
    #[must_use]
    pub fn bundle(mut self, address: BundleAddress) -> Self {
        self.bundle = Some(address);
        self
    }

    /// Sets what it gave: JSON, as a rule.
    #[must_use]
    pub fn result(mut self, result: &str) -> Self {
        self.record.result = Some(Text::plain(result));
        self
    }

    /// Writes a value.
    #[must_use]
    pub fn put(mut self, key: &[u8], value: &[u8]) -> Self {
        self.writes.push(Write {
            key: key.to_vec(),
            value: Some(value.to_vec()),
        });
        self
    }

    /// Deletes a key.
    #[must_use]
    pub fn delete(mut self, key: &[u8]) -> Self {
        self.writes.push(Write {
            key: key.to_vec(),
            value: None,
        });
        self
    }

    /// Sets how long it took, in nanoseconds.
    #[must_use]
    pub fn elapsed_ns(mut self, elapsed_ns: u64) -> Self {
        self.record.elapsed_ns = Some(elapsed_ns);
        self
    }

    /// Adds what a layer said.
    #[must_use]
    pub fn layer(mut self, name: &str, passed: bool) -> Self {
        let outcome = match passed {
            true => LayerOutcome::Passed,
            false => LayerOutcome::Refused,
        };
        self.record.layer_results.insert(name.to_owned(), outcome);
        self
    }

    /// Adds a number to the telemetry; finite.
    #[must_use]
    pub fn measured(mut self, name: &str, value: f64) -> Self {
        self.record.telemetry.insert(name.to_owned(), value);
        self
    }

    /// Sets when it was observed, in nanoseconds since 1970, if that is not when it happened.
    #[must_use]
    pub fn observed_ns(mut self, observed_ns: u64) -> Self {
        self.record.observed_ns = observed_ns;
        self
    }

    /// Commits only on this root of the state.
    #[must_use]
    pub fn expect_root(mut self, root: Hash) -> Self {
        self.expect_root = Some(root);
        self
    }
}

impl From<ExecutionRecord> for Execution {
    fn from(record: ExecutionRecord) -> Self {
        Self {
            record,
            bundle: None,
            writes: Vec::new(),
            expect_root: None,
        }
    }
}

/// What became of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Executed {
    /// The execution.
    pub tx_id: String,
    /// How it ended: as handed over, or [`ExecutionStatus::Rejected`] if it was refused at commit.
    pub status: ExecutionStatus,
    /// Why it was refused at commit.
    pub refusal: Option<String>,
    /// Its place in the log, from 0.
    pub index: u64,
    /// The version of the state that carries its record.
    pub version: u64,
    /// Root of the state before it.
    pub root_before: Hash,
    /// Root of the state after it: the same if it changed nothing.
    pub root_after: Hash,
    /// It had been committed before; this is what became of it then.
    pub repeated: bool,
}

/// Where a record is that is not an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// Its place in the log, from 0.
    pub index: u64,
    /// The version of the state that carries it.
    pub version: u64,
    /// It had been recorded before.
    pub repeated: bool,
}
