//! Records as JSON: in short for lists, in full for one.

use persistence::{Attack, Event, EventKind, ExecutionRecord, LayerOutcome, Metric, Record, Text};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use vigilance::StoredRecord;

use crate::clock::rfc3339;

/// A record in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordSummary {
    /// Its place in the log.
    index: u64,
    /// `execution`, `attack`, `metric` or `event`.
    #[schema(example = "execution")]
    kind: &'static str,
    /// Its identifier, where its kind has one.
    id: Option<String>,
    /// Its intent, type, name or kind.
    #[schema(example = "transfer")]
    title: String,
    /// How an execution ended.
    #[schema(example = "PROVED")]
    status: Option<&'static str>,
    /// How bad an attack would have been, from 0 to 1.
    severity: Option<f64>,
    /// How long an execution took, in milliseconds.
    elapsed_ms: Option<f64>,
    /// When it happened.
    time: String,
}

/// A record in full.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordBody {
    /// Its place in the log.
    index: u64,
    /// `execution`, `attack`, `metric` or `event`.
    #[schema(example = "execution")]
    kind: &'static str,
    /// When it happened.
    time: String,
    /// The same in nanoseconds since 1970, in decimal digits.
    time_ns: String,
    /// When it was recorded.
    observed: String,
    /// The version of the state that an execution was committed in.
    state_version: Option<u64>,
    /// What it says, by the original system's names.
    #[schema(value_type = Object)]
    fields: Value,
}

impl RecordSummary {
    pub(crate) fn of(stored: &StoredRecord) -> Self {
        let mut summary = Self {
            index: stored.index,
            kind: kind_of(&stored.record),
            id: None,
            title: String::new(),
            status: None,
            severity: None,
            elapsed_ms: None,
            time: rfc3339(stored.record.event_ns()),
        };
        match &stored.record {
            Record::Execution(it) => {
                summary.id = Some(it.tx_id.clone());
                summary.title.clone_from(&it.intent_name);
                summary.status = Some(it.status.as_str());
                summary.elapsed_ms = it.elapsed_ns.map(ms);
            }
            Record::Attack(it) => {
                summary.id = Some(it.attack_id.clone());
                summary.title.clone_from(&it.attack_type);
                summary.severity = Some(it.severity.as_f64());
            }
            Record::Metric(it) => {
                summary.id = Some(it.tx_id.clone());
                summary.title.clone_from(&it.metric_name);
            }
            Record::Event(it) => summary.title = title_of(it),
            _ => {}
        }
        summary
    }
}

/// What happened; where that says little, in the words of who did it.
fn title_of(event: &Event) -> String {
    let said = event.message.as_ref().and_then(Text::as_str);
    match (event.kind, said) {
        (EventKind::Note | EventKind::Recovered, Some(said)) => {
            let shown: String = said.chars().take(TITLE_CHARS_MAX).collect();
            format!("{}: {shown}", event.kind)
        }
        _ => event.kind.to_string(),
    }
}

/// Most characters of an event's own words in a title.
const TITLE_CHARS_MAX: usize = 200;

impl RecordBody {
    pub(crate) fn of(stored: &StoredRecord) -> Self {
        let record = &stored.record;
        let (fields, state_version) = match record {
            Record::Execution(it) => (execution(it), it.state_version),
            Record::Attack(it) => (attack(it), None),
            Record::Metric(it) => (metric(it), None),
            Record::Event(it) => (event(it), None),
            _ => (Value::Null, None),
        };
        Self {
            index: stored.index,
            kind: kind_of(record),
            time: rfc3339(record.event_ns()),
            time_ns: record.event_ns().to_string(),
            observed: rfc3339(record.observed_ns()),
            state_version,
            fields,
        }
    }
}

fn kind_of(record: &Record) -> &'static str {
    match record {
        Record::Execution(_) => "execution",
        Record::Attack(_) => "attack",
        Record::Metric(_) => "metric",
        _ => "event",
    }
}

#[expect(clippy::cast_precision_loss, reason = "a duration for people")]
pub(crate) fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

pub(crate) fn execution(it: &ExecutionRecord) -> Value {
    let layers = it.layer_results.iter().map(|(name, outcome)| {
        let said = match outcome {
            LayerOutcome::Passed => Value::Bool(true),
            LayerOutcome::Refused => Value::Bool(false),
            _ => Value::Null,
        };
        (name.clone(), said)
    });
    json!({
        "tx_id": it.tx_id,
        "bundle_hash": it.bundle_hash,
        "intent_name": it.intent_name,
        "status": it.status.as_str(),
        "result": it.result.as_ref().map_or(Value::Null, text),
        "merkle_root_before": it.merkle_root_before.map(|root| root.to_string()),
        "merkle_root_after": it.merkle_root_after.map(|root| root.to_string()),
        "elapsed_ms": it.elapsed_ns.map(ms),
        "layer_results": layers.collect::<Map<_, _>>(),
        "telemetry": it.telemetry,
    })
}

pub(crate) fn attack(it: &Attack) -> Value {
    let erased = it
        .code_snippet
        .as_ref()
        .is_some_and(|text| text.as_str().is_none());
    json!({
        "attack_id": it.attack_id,
        "attack_type": it.attack_type,
        "category": it.category,
        "blocked_by_layer": it.blocked_by_layer,
        "severity": it.severity.as_f64(),
        "code_snippet": it.code_snippet.as_ref().map_or(Value::Null, text),
        "erased": erased,
        "detection_method": it.detection_method,
        "metadata": it.metadata.as_ref().map_or(Value::Null, text),
        "tx_id": it.tx_id,
    })
}

fn metric(it: &Metric) -> Value {
    json!({ "tx_id": it.tx_id, "metric_name": it.metric_name, "metric_value": it.metric_value })
}

fn event(it: &Event) -> Value {
    let fields = [
        ("kind", json!(it.kind.to_string())),
        ("source", json!(it.source)),
        (
            "severity",
            json!(it.severity.map(|severity| severity.as_f64())),
        ),
        ("count", json!(it.count)),
        ("hash", json!(it.hash.map(|hash| hash.to_string()))),
        ("message", it.message.as_ref().map_or(Value::Null, text)),
        ("detail", it.detail.as_ref().map_or(Value::Null, text)),
    ];
    let said = fields.into_iter().filter(|(_, value)| !value.is_null());
    said.map(|(name, value)| (name.to_owned(), value))
        .collect::<Map<_, _>>()
        .into()
}

/// A text as what it is: JSON where it is an object or an array, else itself; null where it was erased.
fn text(text: &Text) -> Value {
    let Some(text) = text.as_str() else {
        return Value::Null;
    };
    let structured = text
        .starts_with(['{', '['])
        .then(|| serde_json::from_str(text).ok())
        .flatten();
    structured.unwrap_or_else(|| Value::String(text.to_owned()))
}
