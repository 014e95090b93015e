//! What a caller hands over: executions, attacks, metrics, events.

use std::collections::BTreeMap;

use merkle_core::Hash;

/// How an execution ended, in the original system's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Status {
    /// It was proved; its writes are committed.
    #[default]
    Proved,
    /// It failed; nothing was written.
    Failed,
    /// A layer, or an invariant at commit, refused it; nothing was written.
    Rejected,
    /// It took too long; nothing was written.
    Timeout,
}

impl Status {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Proved, Self::Failed, Self::Rejected, Self::Timeout];

    /// Its name: `PROVED`, `FAILED`, `REJECTED`, `TIMEOUT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proved => "PROVED",
            Self::Failed => "FAILED",
            Self::Rejected => "REJECTED",
            Self::Timeout => "TIMEOUT",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

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
/// use persistence::{Execution, Status};
///
/// let transfer = Execution::new("tx_001", "transfer", Status::Proved)
///     .put(b"account:alice", b"900")
///     .put(b"account:bob", b"600")
///     .result(r#"{"success": true}"#)
///     .elapsed_ns(45_200_000)
///     .layer("conservation", true)
///     .times(1_770_585_433_051_488_000, 1_770_585_433_051_488_000);
/// assert_eq!(transfer.writes.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Execution {
    /// Its identifier, unique: the same execution handed over twice is committed once.
    pub tx_id: String,
    /// Address of the bundle that ran, which the vault must hold; none if no code is kept for it.
    pub bundle: Option<Hash>,
    /// Name of the intent.
    pub intent_name: String,
    /// How it ended. Writes are for [`Status::Proved`] only.
    pub status: Status,
    /// What it gave, as text: JSON, as a rule.
    pub result: String,
    /// What it changes. Where a key is written more than once, the last one counts.
    pub writes: Vec<Write>,
    /// How long it took, in nanoseconds.
    pub elapsed_ns: u64,
    /// What each layer said: `semantic_sanitizer`, `input_sanitizer`, `conservation`, `overflow`,
    /// `z3_prover`, …
    pub layer_results: BTreeMap<String, bool>,
    /// Numbers about it, as a JSON object in text; empty for none.
    pub telemetry: String,
    /// When it happened, in nanoseconds since 1970.
    pub event_ns: u64,
    /// When it was handed over, in nanoseconds since 1970: the clock of whoever runs this.
    pub observed_ns: u64,
    /// Commits only on this root of the state, else it is recorded as rejected: compare and set.
    pub expect_root: Option<Hash>,
}

impl Execution {
    /// An execution that changes nothing, took no time and says nothing.
    #[must_use]
    pub fn new(tx_id: &str, intent_name: &str, status: Status) -> Self {
        Self {
            tx_id: tx_id.to_owned(),
            bundle: None,
            intent_name: intent_name.to_owned(),
            status,
            result: String::new(),
            writes: Vec::new(),
            elapsed_ns: 0,
            layer_results: BTreeMap::new(),
            telemetry: String::new(),
            event_ns: 0,
            observed_ns: 0,
            expect_root: None,
        }
    }

    /// Names the bundle that ran.
    #[must_use]
    pub fn bundle(mut self, address: Hash) -> Self {
        self.bundle = Some(address);
        self
    }

    /// Sets what it gave.
    #[must_use]
    pub fn result(mut self, result: &str) -> Self {
        result.clone_into(&mut self.result);
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
        self.elapsed_ns = elapsed_ns;
        self
    }

    /// Adds what a layer said.
    #[must_use]
    pub fn layer(mut self, name: &str, passed: bool) -> Self {
        self.layer_results.insert(name.to_owned(), passed);
        self
    }

    /// Sets the telemetry: a JSON object in text.
    #[must_use]
    pub fn telemetry(mut self, json: &str) -> Self {
        json.clone_into(&mut self.telemetry);
        self
    }

    /// Sets when it happened and when it was handed over, in nanoseconds since 1970.
    #[must_use]
    pub fn times(mut self, event_ns: u64, observed_ns: u64) -> Self {
        (self.event_ns, self.observed_ns) = (event_ns, observed_ns);
        self
    }

    /// Commits only on this root of the state.
    #[must_use]
    pub fn expect_root(mut self, root: Hash) -> Self {
        self.expect_root = Some(root);
        self
    }
}

/// An attack that was blocked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Attack {
    /// Its identifier, unique.
    pub attack_id: String,
    /// Its type: `injection`, `semantic_violation`, …
    pub attack_type: String,
    /// Its category: `code_injection`, `trojan`, …
    pub category: String,
    /// The layer that blocked it.
    pub blocked_by_layer: String,
    /// How bad it would have been, from 0 to 1.
    pub severity: f64,
    /// The code that was tried. It can be erased later without breaking a proof.
    pub code_snippet: String,
    /// How it was found.
    pub detection_method: String,
    /// More about it, as a JSON object in text; empty for none.
    pub metadata: String,
    /// When it happened, in nanoseconds since 1970.
    pub event_ns: u64,
    /// When it was handed over, in nanoseconds since 1970.
    pub observed_ns: u64,
}

impl Attack {
    /// An attack of which no more is known.
    #[must_use]
    pub fn new(
        attack_id: &str,
        attack_type: &str,
        category: &str,
        blocked_by_layer: &str,
        severity: f64,
    ) -> Self {
        Self {
            attack_id: attack_id.to_owned(),
            attack_type: attack_type.to_owned(),
            category: category.to_owned(),
            blocked_by_layer: blocked_by_layer.to_owned(),
            severity,
            code_snippet: String::new(),
            detection_method: String::new(),
            metadata: String::new(),
            event_ns: 0,
            observed_ns: 0,
        }
    }

    /// Sets the code that was tried and how it was found.
    #[must_use]
    pub fn evidence(mut self, code_snippet: &str, detection_method: &str) -> Self {
        code_snippet.clone_into(&mut self.code_snippet);
        detection_method.clone_into(&mut self.detection_method);
        self
    }

    /// Sets the metadata: a JSON object in text.
    #[must_use]
    pub fn metadata(mut self, json: &str) -> Self {
        json.clone_into(&mut self.metadata);
        self
    }

    /// Sets when it happened and when it was handed over, in nanoseconds since 1970.
    #[must_use]
    pub fn times(mut self, event_ns: u64, observed_ns: u64) -> Self {
        (self.event_ns, self.observed_ns) = (event_ns, observed_ns);
        self
    }
}

/// One number that was measured.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// The execution that it is about; empty if it is about none.
    pub tx_id: String,
    /// Its name.
    pub metric_name: String,
    /// Its value; finite.
    pub metric_value: f64,
    /// When it was measured, in nanoseconds since 1970.
    pub event_ns: u64,
    /// When it was handed over, in nanoseconds since 1970.
    pub observed_ns: u64,
}

impl Metric {
    /// A number that was measured about the execution `tx_id`.
    #[must_use]
    pub fn new(tx_id: &str, metric_name: &str, metric_value: f64) -> Self {
        Self {
            tx_id: tx_id.to_owned(),
            metric_name: metric_name.to_owned(),
            metric_value,
            event_ns: 0,
            observed_ns: 0,
        }
    }

    /// Sets when it was measured and when it was handed over, in nanoseconds since 1970.
    #[must_use]
    pub fn times(mut self, event_ns: u64, observed_ns: u64) -> Self {
        (self.event_ns, self.observed_ns) = (event_ns, observed_ns);
        self
    }
}

/// What became of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Executed {
    /// The execution.
    pub tx_id: String,
    /// How it ended: as handed over, or [`Status::Rejected`] if it was refused at commit.
    pub status: Status,
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
