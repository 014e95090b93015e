//! What becomes of the rows of each table.

use super::row::{Row, outcome};
use crate::{Attack, Event, EventKind, Execution, Metric, Record, RecordError, Severity, Text};

/// A table of the original system.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The records of a row; `None` where it refused itself.
    pub(super) convert: fn(&mut Row) -> Option<Vec<Record>>,
}

/// In the order in which the original created them.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "execution_logs",
        convert: execution,
    },
    Table {
        name: "attack_logs",
        convert: attack,
    },
    Table {
        name: "telemetry_metrics",
        convert: metric,
    },
    Table {
        name: "transaction_metrics",
        convert: transaction,
    },
    Table {
        name: "cpu_violations",
        convert: cpu_violation,
    },
    Table {
        name: "crisis_mode_transitions",
        convert: crisis,
    },
    Table {
        name: "integrity_panics",
        convert: panic,
    },
];

fn execution(row: &mut Row) -> Option<Vec<Record>> {
    row.ignore("id");
    let Some(tx_id) = row.text("tx_id") else {
        return row.refuse("tx_id");
    };
    let Some(intent_name) = row.text("intent_name") else {
        return row.refuse("intent_name");
    };
    let Some(status) = row.with("status", |name| name.parse().ok()) else {
        return row.refuse("status");
    };
    let Some(event_ns) = row.seconds("timestamp") else {
        return row.refuse("timestamp");
    };
    let mut it = Execution::new(tx_id, intent_name, status, event_ns);
    it.observed_ns = row.date("created_at").unwrap_or(event_ns);
    it.bundle_hash = row.text("bundle_hash");
    it.result = row.text("result").map(Text::plain);
    it.merkle_root_before = row.hash("merkle_root_before");
    it.merkle_root_after = row.hash("merkle_root_after");
    it.elapsed_ns = row.milliseconds("elapsed_ms");
    it.layer_results = row.members("layer_results", outcome);
    it.telemetry = row.members("telemetry", serde_json::Value::as_f64);
    checked(row, vec![it.into()])
}

fn attack(row: &mut Row) -> Option<Vec<Record>> {
    row.ignore("id");
    let mut names = [const { String::new() }; 4];
    let columns = ["attack_id", "attack_type", "category", "blocked_by_layer"];
    for (name, column) in names.iter_mut().zip(columns) {
        let Some(text) = row.text(column) else {
            return row.refuse(column);
        };
        *name = text;
    }
    let severity = row.real("severity").map(Severity::from_f64);
    let Some(Ok(severity)) = severity else {
        return row.refuse("severity");
    };
    let Some(event_ns) = row.seconds("timestamp") else {
        return row.refuse("timestamp");
    };
    let [id, attack_type, category, layer] = names;
    let mut it = Attack::new(id, attack_type, category, layer, severity, event_ns);
    it.observed_ns = row.date("created_at").unwrap_or(event_ns);
    it.code_snippet = row.text("code_snippet").map(Text::plain);
    it.detection_method = row.text("detection_method");
    it.metadata = row.text("metadata").map(Text::plain);
    checked(row, vec![it.into()])
}

fn metric(row: &mut Row) -> Option<Vec<Record>> {
    row.ignore("id");
    let Some(tx_id) = row.text("tx_id") else {
        return row.refuse("tx_id");
    };
    let Some(name) = row.text("metric_name") else {
        return row.refuse("metric_name");
    };
    let Some(value) = row.real("metric_value") else {
        return row.refuse("metric_value");
    };
    let Some(event_ns) = row.seconds("timestamp") else {
        return row.refuse("timestamp");
    };
    let mut it = Metric::new(tx_id, name, value, event_ns);
    it.observed_ns = row.date("created_at").unwrap_or(event_ns);
    checked(row, vec![it.into()])
}

/// A row of a later generation: numbers as metrics, what the layers said as an event.
fn transaction(row: &mut Row) -> Option<Vec<Record>> {
    let Some(tx_id) = row.text("tx_id") else {
        return row.refuse("tx_id");
    };
    let Some(event_ns) = row.seconds("timestamp") else {
        return row.refuse("timestamp");
    };
    let mut records = Vec::new();
    for name in [
        "cpu_time_ms",
        "memory_delta_mb",
        "z3_duration_ms",
        "anomaly_score",
    ] {
        if let Some(value) = row.real(name) {
            records.push(Metric::new(tx_id.clone(), name, value, event_ns).into());
        }
    }
    if let Some(detail) = row.rest() {
        let message = format!("transaction {tx_id}");
        let event = note("transaction_metrics", event_ns, message, Some(detail));
        records.push(event.into());
    }
    checked(row, records)
}

fn cpu_violation(row: &mut Row) -> Option<Vec<Record>> {
    row.ignore("id");
    let Some(event_ns) = row.seconds("timestamp") else {
        return row.refuse("timestamp");
    };
    let detail = row.rest();
    let event = note(
        "cpu_violations",
        event_ns,
        "too much processor time".into(),
        detail,
    );
    checked(row, vec![event.into()])
}

fn crisis(row: &mut Row) -> Option<Vec<Record>> {
    row.ignore("id");
    let Some(event_ns) = row.seconds("timestamp") else {
        return row.refuse("timestamp");
    };
    let what = row
        .text("transition_type")
        .unwrap_or_else(|| "transition".into());
    let message = match row.text("triggering_condition") {
        Some(condition) => format!("crisis mode, {what}: {condition}"),
        None => format!("crisis mode, {what}"),
    };
    let detail = row.rest();
    let event = note("crisis_mode_transitions", event_ns, message, detail);
    checked(row, vec![event.into()])
}

fn panic(row: &mut Row) -> Option<Vec<Record>> {
    row.ignore("id");
    let Some(event_ns) = row.seconds("timestamp") else {
        return row.refuse("timestamp");
    };
    let mut it = Event::new(EventKind::Panicked, event_ns);
    it.observed_ns = row.date("created_at").unwrap_or(event_ns);
    it.source = Some("integrity_panics".into());
    it.severity = Some(Severity::MAX);
    let violation = row
        .text("violation_type")
        .unwrap_or_else(|| "unknown".into());
    let message = match row.text("recovery_hint") {
        Some(hint) => format!("integrity violated, {violation}: {hint}"),
        None => format!("integrity violated, {violation}"),
    };
    it.message = Some(Text::plain(message));
    it.detail = row.rest().map(Text::plain);
    checked(row, vec![it.into()])
}

fn note(source: &str, event_ns: u64, message: String, detail: Option<String>) -> Event {
    let mut it = Event::new(EventKind::Note, event_ns);
    it.source = Some(source.into());
    it.message = Some(Text::plain(message));
    it.detail = detail.map(Text::plain);
    it
}

/// The records, if all of them are ones that a trail accepts.
fn checked(row: &mut Row, records: Vec<Record>) -> Option<Vec<Record>> {
    let refused = records.iter().find_map(|record| record.encode().err());
    match refused {
        None => Some(records),
        Some(error) => row.refuse(field_of(&error)),
    }
}

/// The field that a record was refused for, as far as the error names one.
fn field_of(error: &RecordError) -> &'static str {
    match error {
        RecordError::BadName { field }
        | RecordError::TooLong { field, .. }
        | RecordError::NotFinite { field }
        | RecordError::NumberOutOfRange { field, .. } => field,
        _ => "row",
    }
}
