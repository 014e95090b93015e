//! Records as comma-separated values (RFC 4180).

use super::json::{layer_results, milliseconds, ranges, telemetry};
use crate::{Record, RecordKind, Text, civil};

/// The names of the columns for records of one kind, with the line's end.
#[must_use]
pub fn csv_header(kind: RecordKind) -> String {
    let columns = match kind {
        RecordKind::Execution => {
            "index,timestamp,observed_at,tx_id,bundle_hash,intent_name,status,result,\
             merkle_root_before,merkle_root_after,state_version,elapsed_ms,layer_results,telemetry,\
             subject"
        }
        RecordKind::Attack => {
            "index,timestamp,observed_at,attack_id,attack_type,category,blocked_by_layer,severity,\
             code_snippet,detection_method,metadata,tx_id,bundle_hash,subject"
        }
        RecordKind::Metric => "index,timestamp,observed_at,tx_id,metric_name,metric_value",
        RecordKind::Event => {
            "index,timestamp,observed_at,event,source,severity,ranges,count,hash,message,detail,\
             subject"
        }
    };
    format!("{columns}\r\n")
}

/// A record as one line, with its end; the columns of [`csv_header`] for its kind.
///
/// Lists and maps are JSON texts; what is not there, or not at hand, is empty. A field that a
/// spreadsheet would take for a formula gets an apostrophe in front: what attackers send ends up in
/// spreadsheets.
#[must_use]
pub fn csv_row(index: u64, record: &Record) -> String {
    let mut line = Line::default();
    line.plain(&index.to_string());
    line.plain(&civil::rfc3339(record.event_ns()));
    line.plain(&civil::rfc3339(record.observed_ns()));
    match record {
        Record::Execution(it) => {
            line.field(Some(&it.tx_id));
            line.field(it.bundle_hash.as_deref());
            line.field(Some(&it.intent_name));
            line.plain(it.status.as_str());
            line.text(it.result.as_ref());
            line.shown(it.merkle_root_before.as_ref());
            line.shown(it.merkle_root_after.as_ref());
            line.shown(it.state_version);
            line.shown(it.elapsed_ns.map(milliseconds));
            line.field(Some(&layer_results(it)));
            line.field(Some(&telemetry(it)));
            line.field(it.subject.as_ref().and_then(|it| it.text()));
        }
        Record::Attack(it) => {
            line.field(Some(&it.attack_id));
            line.field(Some(&it.attack_type));
            line.field(Some(&it.category));
            line.field(Some(&it.blocked_by_layer));
            line.shown(Some(it.severity));
            line.text(it.code_snippet.as_ref());
            line.field(it.detection_method.as_deref());
            line.text(it.metadata.as_ref());
            line.field(it.tx_id.as_deref());
            line.field(it.bundle_hash.as_deref());
            line.field(it.subject.as_ref().and_then(|it| it.text()));
        }
        Record::Metric(it) => {
            line.field(Some(&it.tx_id));
            line.field(Some(&it.metric_name));
            line.shown(Some(it.metric_value));
        }
        Record::Event(it) => {
            line.plain(it.kind.as_str());
            line.field(it.source.as_deref());
            line.shown(it.severity);
            line.field(Some(&ranges(it)));
            line.shown(it.count);
            line.shown(it.hash.as_ref());
            line.text(it.message.as_ref());
            line.text(it.detail.as_ref());
            line.field(it.subject.as_ref().and_then(|it| it.text()));
        }
    }
    line.text + "\r\n"
}

/// A line in the making.
#[derive(Debug, Default)]
struct Line {
    text: String,
    has_fields: bool,
}

impl Line {
    /// A field that needs no quotes.
    fn plain(&mut self, field: &str) {
        if self.has_fields {
            self.text.push(',');
        }
        self.has_fields = true;
        self.text.push_str(field);
    }

    fn shown(&mut self, value: Option<impl std::fmt::Display>) {
        self.plain(&value.map(|value| value.to_string()).unwrap_or_default());
    }

    fn text(&mut self, text: Option<&Text>) {
        self.field(text.and_then(Text::as_str));
    }

    fn field(&mut self, field: Option<&str>) {
        self.plain(&csv_field(field.unwrap_or_default()));
    }
}

/// A field, in quotes where it needs them, and unable to be a formula.
pub(crate) fn csv_field(field: &str) -> String {
    let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let apostrophe = if is_formula { "'" } else { "" };
    if field.contains([',', '"', '\r', '\n']) {
        let doubled = field.replace('"', "\"\"");
        return format!("\"{apostrophe}{doubled}\"");
    }
    format!("{apostrophe}{field}")
}
