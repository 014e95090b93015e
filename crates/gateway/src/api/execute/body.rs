//! Bodies as the original system has them, and a little more.

use std::collections::BTreeMap;

use persistence::{
    Attack, BundleAddress, Execution, ExecutionStatus, Hash, LayerOutcome, Metric, Severity, Text,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use vigilance::{ErasableField, ErasableText, Salt};

use crate::problem::{Kind, Problem};

/// An execution to be committed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "tx_id": "tx_001",
    "intent_name": "transfer",
    "status": "PROVED",
    "result": {"success": true},
    "writes": [{"key": "account:alice", "value": "900"}, {"key": "account:bob", "value": "600"}],
    "elapsed_ms": 45.2,
    "layer_results": {"conservation": true, "z3_prover": true},
    "telemetry": {"gas": 21000}
}))]
pub(super) struct ExecutionBody {
    /// Its identifier, unique; the header `Idempotency-Key` otherwise.
    #[schema(min_length = 1, max_length = 256)]
    tx_id: Option<String>,
    /// Name of the intent.
    #[schema(min_length = 1, max_length = 256)]
    intent_name: String,
    /// How it ended.
    status: Outcome,
    /// What it gave: text, or JSON of any kind.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// What it changes; only a proved execution may change anything.
    #[serde(default)]
    writes: Vec<WriteBody>,
    /// Address of the bundle that ran, which the vault must hold.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    bundle: Option<String>,
    /// What its caller calls the code that ran; recorded as it is.
    #[schema(min_length = 1, max_length = 256)]
    bundle_hash: Option<String>,
    /// Commits only on this root of the state; else it is recorded as rejected.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    expect_root: Option<String>,
    /// When it happened, in seconds since 1970; now otherwise.
    #[schema(minimum = 0, maximum = 9_000_000_000.0)]
    timestamp: Option<f64>,
    /// How long it took, in milliseconds.
    #[schema(minimum = 0, maximum = 9_000_000_000.0)]
    elapsed_ms: Option<f64>,
    /// What each layer said: `true`, `false`, or `null` where it was skipped.
    #[serde(default)]
    layer_results: BTreeMap<String, Option<bool>>,
    /// Numbers about it.
    #[serde(default)]
    telemetry: BTreeMap<String, f64>,
    /// Read for the sake of the original's callers, and not believed: the root is computed.
    #[schema(ignore)]
    #[serde(default, rename = "merkle_root_before")]
    _root_before: Option<String>,
    /// As above.
    #[schema(ignore)]
    #[serde(default, rename = "merkle_root_after")]
    _root_after: Option<String>,
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Outcome {
    /// It was proved; its writes are committed.
    Proved,
    /// It failed.
    Failed,
    /// A layer refused it.
    Rejected,
    /// It took too long.
    Timeout,
}

/// One change of the state.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"key": "account:alice", "value": "900"}))]
struct WriteBody {
    /// The key, as text.
    key: Option<String>,
    /// The key in hexadecimal digits, where it is no text.
    key_hex: Option<String>,
    /// The value, as text; neither this nor `value_hex`, and the key is deleted.
    value: Option<String>,
    /// The value in hexadecimal digits.
    value_hex: Option<String>,
}

/// An attack that was blocked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "attack_id": "atk_001",
    "attack_type": "injection",
    "category": "code_injection",
    "blocked_by_layer": "input_sanitizer",
    "severity": 0.9,
    "code_snippet": "'; drop table --",
    "detection_method": "pattern"
}))]
pub(super) struct AttackBody {
    /// Its identifier, unique; the header `Idempotency-Key` otherwise.
    #[schema(min_length = 1, max_length = 256)]
    attack_id: Option<String>,
    /// Its type.
    #[schema(min_length = 1, max_length = 256)]
    attack_type: String,
    /// Its category.
    #[schema(min_length = 1, max_length = 256)]
    category: String,
    /// The layer that blocked it.
    #[schema(min_length = 1, max_length = 256)]
    blocked_by_layer: String,
    /// How bad it would have been.
    #[schema(minimum = 0, maximum = 1)]
    severity: f64,
    /// The code that was tried.
    code_snippet: Option<String>,
    /// How it was found.
    #[schema(min_length = 1, max_length = 256)]
    detection_method: Option<String>,
    /// More about it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// Whom it is about: its texts can be erased by that name.
    #[schema(min_length = 1, max_length = 256)]
    subject: Option<String>,
    /// Whether `code_snippet` and `metadata` can be erased later: then they are not in the journal, nor in
    /// backups. A subject always can be.
    #[serde(default)]
    erasable: bool,
    /// The execution that it came with.
    #[schema(min_length = 1, max_length = 256)]
    tx_id: Option<String>,
    /// When it happened, in seconds since 1970; now otherwise.
    #[schema(minimum = 0, maximum = 9_000_000_000.0)]
    timestamp: Option<f64>,
}

/// A number that was measured.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"tx_id": "tx_001", "metric_name": "gas", "metric_value": 21000}))]
pub(super) struct MetricBody {
    /// What it is about: an execution, as a rule.
    #[schema(min_length = 1, max_length = 256)]
    tx_id: String,
    /// Its name.
    #[schema(min_length = 1, max_length = 256)]
    metric_name: String,
    /// Its value.
    metric_value: f64,
    /// When it was measured, in seconds since 1970; now otherwise.
    #[schema(minimum = 0, maximum = 9_000_000_000.0)]
    timestamp: Option<f64>,
}

impl ExecutionBody {
    pub(super) fn execution(self, key: Option<String>, now_ns: u64) -> Result<Execution, Problem> {
        let tx_id = one_name("tx_id", self.tx_id, key)?;
        let event_ns = event_ns(self.timestamp, now_ns)?;
        let mut execution = Execution::new(&tx_id, &self.intent_name, self.status.of(), event_ns);
        execution.record.observed_ns = now_ns;
        execution.record.result = self.result.map(|result| Text::plain(text_of(result)));
        execution.record.elapsed_ns = self
            .elapsed_ms
            .map(|ms| scaled("elapsed_ms", ms, 1e6))
            .transpose()?;
        execution.record.bundle_hash = self.bundle_hash;
        for (layer, said) in self.layer_results {
            let outcome = match said {
                Some(true) => LayerOutcome::Passed,
                Some(false) => LayerOutcome::Refused,
                None => LayerOutcome::Skipped,
            };
            execution.record.layer_results.insert(layer, outcome);
        }
        // Minus zero is the same number, and has no place in a record.
        execution.record.telemetry = self
            .telemetry
            .into_iter()
            .map(|(name, value)| (name, value + 0.0))
            .collect();
        let address = |text: &str| {
            text.parse::<BundleAddress>()
                .map_err(|_| bad("bundle is 64 hexadecimal digits"))
        };
        execution.bundle = self.bundle.as_deref().map(address).transpose()?;
        execution.expect_root = self
            .expect_root
            .as_deref()
            .map(|text| hash("expect_root", text))
            .transpose()?;
        for write in self.writes {
            let (key, value) = write.change()?;
            execution = match value {
                Some(value) => execution.put(&key, &value),
                None => execution.delete(&key),
            };
        }
        Ok(execution)
    }
}

impl Outcome {
    fn of(self) -> ExecutionStatus {
        match self {
            Self::Proved => ExecutionStatus::Proved,
            Self::Failed => ExecutionStatus::Failed,
            Self::Rejected => ExecutionStatus::Rejected,
            Self::Timeout => ExecutionStatus::Timeout,
        }
    }
}

impl WriteBody {
    fn change(self) -> Result<(Vec<u8>, Option<Vec<u8>>), Problem> {
        let key = bytes("key", self.key, self.key_hex)?;
        let key = key.ok_or_else(|| bad("a write names its key: `key` or `key_hex`"))?;
        Ok((key, bytes("value", self.value, self.value_hex)?))
    }
}

impl AttackBody {
    pub(super) fn attack(self, key: Option<String>, now_ns: u64) -> Result<Attack, Problem> {
        let attack_id = one_name("attack_id", self.attack_id, key)?;
        let severity =
            Severity::from_f64(self.severity).map_err(|_| unprocessable("severity is 0 to 1"))?;
        let event_ns = event_ns(self.timestamp, now_ns)?;
        let mut attack = Attack::new(
            &attack_id,
            &self.attack_type,
            &self.category,
            &self.blocked_by_layer,
            severity,
            event_ns,
        );
        attack.observed_ns = now_ns;
        let salt = || Salt::random().map_err(|error| Problem::internal(&error));
        let text = |field, text: String| match self.erasable {
            true => Ok::<_, Problem>(Text::erasable(field, &text, salt()?)),
            false => Ok(Text::plain(text)),
        };
        let code = self
            .code_snippet
            .map(|code| text(ErasableField::CodeSnippet, code));
        attack.code_snippet = code.transpose()?;
        let metadata = self
            .metadata
            .map(|value| text(ErasableField::Metadata, text_of(value)));
        attack.metadata = metadata.transpose()?;
        if let Some(subject) = &self.subject {
            let text = ErasableText::new(ErasableField::Subject, subject, salt()?);
            attack.subject = Some(text);
        }
        attack.detection_method = self.detection_method;
        attack.tx_id = self.tx_id;
        Ok(attack)
    }
}

impl MetricBody {
    pub(super) fn metric(self, now_ns: u64) -> Result<Metric, Problem> {
        let event_ns = event_ns(self.timestamp, now_ns)?;
        let mut metric = Metric::new(
            &self.tx_id,
            &self.metric_name,
            self.metric_value + 0.0,
            event_ns,
        );
        metric.observed_ns = now_ns;
        Ok(metric)
    }
}

/// The identifier in the body, or the idempotency key; two that differ are a mistake.
fn one_name(field: &str, body: Option<String>, key: Option<String>) -> Result<String, Problem> {
    match (body, key) {
        (Some(body), Some(key)) if body != key => {
            Err(bad(&format!("{field} and Idempotency-Key differ")))
        }
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => Err(unprocessable(&format!(
            "name it: {field}, or the header Idempotency-Key"
        ))),
    }
}

/// Text stays as it is; other JSON becomes its text.
fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn event_ns(seconds: Option<f64>, now_ns: u64) -> Result<u64, Problem> {
    seconds.map_or(Ok(now_ns), |seconds| scaled("timestamp", seconds, 1e9))
}

/// A number that is neither negative nor beyond what the records below count with.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held against its bounds before"
)]
fn scaled(field: &str, value: f64, by: f64) -> Result<u64, Problem> {
    let scaled = (value * by).round();
    if (0.0..9.0e18).contains(&scaled) {
        Ok(scaled as u64)
    } else {
        Err(unprocessable(&format!("{field} is out of bounds")))
    }
}

fn bytes(
    field: &str,
    text: Option<String>,
    digits: Option<String>,
) -> Result<Option<Vec<u8>>, Problem> {
    match (text, digits) {
        (Some(_), Some(_)) => Err(bad(&format!("give {field} or {field}_hex, not both"))),
        (Some(text), None) => Ok(Some(text.into_bytes())),
        (None, Some(digits)) => match hex::decode(&digits) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(_) => Err(bad(&format!(
                "{field}_hex is not hexadecimal digits in pairs"
            ))),
        },
        (None, None) => Ok(None),
    }
}

fn hash(field: &str, text: &str) -> Result<Hash, Problem> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)
        .map(|()| Hash::from_bytes(bytes))
        .map_err(|_| bad(&format!("{field} is 64 hexadecimal digits")))
}

fn bad(detail: &str) -> Problem {
    Problem::new(Kind::BadRequest, detail)
}

fn unprocessable(detail: &str) -> Problem {
    Problem::new(Kind::Unprocessable, detail)
}
