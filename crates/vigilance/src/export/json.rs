//! A record as a JSON object, with the original's names.

use crate::json::{Object, array};
use crate::{Attack, Event, Execution, Metric, Record, Text, civil};

/// A record as one line of JSON Lines, without the newline.
///
/// Members are the fields of the record by the original's names, after `index` and `kind`, in an
/// order that never changes. Times are there twice: `event_ns` and `observed_ns` as integers of nanoseconds since
/// 1970, `timestamp` and `observed_at` in RFC 3339 for readers whose numbers have 53 bits. A text
/// that is not at hand is `null`, and its commitment stands in `commitments`.
///
/// ```
/// use vigilance::{Metric, json_line};
///
/// let record = Metric::new("tx_001", "cpu_time_ms", 42.5, 1_770_585_433_051_488_400).into();
/// let line = json_line(7, &record);
/// assert!(line.starts_with(r#"{"index":7,"kind":"metric","timestamp":"2026-02-08T21:17:13.051488400Z""#));
/// ```
#[must_use]
pub fn json_line(index: u64, record: &Record) -> String {
    let mut object = Object::new();
    object.put("index", index);
    object.put("kind", record.kind().as_str());
    object.put("timestamp", civil::rfc3339(record.event_ns()));
    object.put("observed_at", civil::rfc3339(record.observed_ns()));
    object.put("event_ns", record.event_ns());
    object.put("observed_ns", record.observed_ns());
    match record {
        Record::Execution(it) => execution(it, &mut object),
        Record::Attack(it) => attack(it, &mut object),
        Record::Metric(it) => metric(it, &mut object),
        Record::Event(it) => event(it, &mut object),
    }
    let mut commitments = Object::new();
    for (field, text) in record.erasable() {
        if text.text().is_none() {
            commitments.put(field.as_str(), text.commitment().to_string());
        }
    }
    if !commitments.is_empty() {
        object.put("commitments", commitments);
    }
    object.finish()
}

fn execution(it: &Execution, object: &mut Object) {
    object.put("tx_id", it.tx_id.as_str());
    object.put("bundle_hash", it.bundle_hash.as_deref());
    object.put("intent_name", it.intent_name.as_str());
    object.put("status", it.status.as_str());
    object.put("result", text(it.result.as_ref()));
    object.put("merkle_root_before", hash(it.merkle_root_before.as_ref()));
    object.put("merkle_root_after", hash(it.merkle_root_after.as_ref()));
    object.put("state_version", it.state_version);
    object.put("elapsed_ns", it.elapsed_ns);
    object.put("elapsed_ms", it.elapsed_ns.map(milliseconds));
    object.raw("layer_results", &layer_results(it));
    object.raw("telemetry", &telemetry(it));
    object.put("subject", it.subject.as_ref().and_then(|it| it.text()));
}

fn attack(it: &Attack, object: &mut Object) {
    object.put("attack_id", it.attack_id.as_str());
    object.put("attack_type", it.attack_type.as_str());
    object.put("category", it.category.as_str());
    object.put("blocked_by_layer", it.blocked_by_layer.as_str());
    object.put("severity", it.severity.as_f64());
    object.put("code_snippet", text(it.code_snippet.as_ref()));
    object.put("detection_method", it.detection_method.as_deref());
    object.put("metadata", text(it.metadata.as_ref()));
    object.put("tx_id", it.tx_id.as_deref());
    object.put("bundle_hash", it.bundle_hash.as_deref());
    object.put("subject", it.subject.as_ref().and_then(|it| it.text()));
}

fn metric(it: &Metric, object: &mut Object) {
    object.put("tx_id", it.tx_id.as_str());
    object.put("metric_name", it.metric_name.as_str());
    object.put("metric_value", it.metric_value);
}

fn event(it: &Event, object: &mut Object) {
    object.put("event", it.kind.as_str());
    object.put("source", it.source.as_deref());
    object.put("severity", it.severity.map(crate::Severity::as_f64));
    object.raw("ranges", &ranges(it));
    object.put("count", it.count);
    object.put("hash", hash(it.hash.as_ref()));
    object.put("message", text(it.message.as_ref()));
    object.put("detail", text(it.detail.as_ref()));
    object.put("subject", it.subject.as_ref().and_then(|it| it.text()));
}

pub(super) fn layer_results(it: &Execution) -> String {
    let mut layers = Object::new();
    for (layer, outcome) in &it.layer_results {
        layers.raw(layer, outcome.as_json());
    }
    layers.finish()
}

pub(super) fn telemetry(it: &Execution) -> String {
    let mut telemetry = Object::new();
    for (name, value) in &it.telemetry {
        telemetry.put(name, *value);
    }
    telemetry.finish()
}

pub(super) fn ranges(it: &Event) -> String {
    array(it.ranges.iter().map(|range| {
        let mut object = Object::new();
        object.put("first", range.first).put("count", range.count);
        object.finish()
    }))
}

/// The original's unit of durations.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds are beside it")]
pub(super) fn milliseconds(ns: u64) -> f64 {
    ns as f64 / 1e6
}

fn text(text: Option<&Text>) -> Option<&str> {
    text.and_then(Text::as_str)
}

fn hash(hash: Option<&merkle_core::Hash>) -> Option<String> {
    hash.map(ToString::to_string)
}
