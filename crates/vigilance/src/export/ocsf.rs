//! Records as events of the Open Cybersecurity Schema Framework.

use super::json::{layer_results, milliseconds, ranges, telemetry};
use crate::json::{Object, array};
use crate::{
    Attack, Event, EventKind, Execution, ExecutionStatus, Metric, Record, Severity, Text, civil,
};

/// The version of the schema that [`ocsf_line`] follows.
pub const OCSF_VERSION: &str = "1.5.0";

/// A record as one OCSF event in one line of JSON, without the newline.
///
/// | record | class |
/// |---|---|
/// | execution | API Activity (6003), the intent as the operation |
/// | attack, alert of a detector | Detection Finding (2004) |
/// | panic | Application Error (6008) |
/// | other events | Application Lifecycle (6002) |
/// | metric | Base Event (0) |
///
/// Times are milliseconds, as the schema has them; `metadata.sequence` is the record's place in the log, and
/// `unmapped` holds what the schema has no attribute for. `log` names the log.
#[must_use]
pub fn ocsf_line(log: &str, index: u64, record: &Record) -> String {
    let mut event = Object::new();
    let mut unmapped = Object::new();
    match record {
        Record::Execution(it) => execution(it, &mut event, &mut unmapped),
        Record::Attack(it) => attack(it, &mut event, &mut unmapped),
        Record::Metric(it) => metric(it, &mut event, &mut unmapped),
        Record::Event(it) => system_event(it, index, &mut event, &mut unmapped),
    }
    event.put("time", record.event_ns() / 1_000_000);
    event.put("metadata", metadata(log, index, record));
    unmapped.put("event_ns", record.event_ns());
    unmapped.put("observed_ns", record.observed_ns());
    event.put("unmapped", unmapped);
    event.finish()
}

/// A class of the schema, and its category.
struct Class {
    uid: u64,
    category: u64,
    name: &'static str,
}

const API_ACTIVITY: Class = Class {
    uid: 6003,
    category: 6,
    name: "API Activity",
};
const DETECTION_FINDING: Class = Class {
    uid: 2004,
    category: 2,
    name: "Detection Finding",
};
const APPLICATION_ERROR: Class = Class {
    uid: 6008,
    category: 6,
    name: "Application Error",
};
const APPLICATION_LIFECYCLE: Class = Class {
    uid: 6002,
    category: 6,
    name: "Application Lifecycle",
};
const BASE_EVENT: Class = Class {
    uid: 0,
    category: 0,
    name: "Base Event",
};

const OTHER: u64 = 99;

impl Class {
    /// What every event says of itself.
    fn begin(&self, activity: (u64, &str), severity: SeverityId, event: &mut Object) {
        event
            .put("class_uid", self.uid)
            .put("class_name", self.name);
        event.put("category_uid", self.category);
        event
            .put("activity_id", activity.0)
            .put("activity_name", activity.1);
        event.put("type_uid", self.uid * 100 + activity.0);
        event
            .put("severity_id", severity.0)
            .put("severity", severity.1);
    }
}

type SeverityId = (u64, &'static str);

const INFORMATIONAL: SeverityId = (1, "Informational");

/// In the bands of CVSS.
fn severity_id(severity: Severity) -> SeverityId {
    match severity.micros() {
        0 => INFORMATIONAL,
        1..400_000 => (2, "Low"),
        400_000..700_000 => (3, "Medium"),
        700_000..900_000 => (4, "High"),
        _ => (5, "Critical"),
    }
}

fn metadata(log: &str, index: u64, record: &Record) -> Object {
    let mut metadata = Object::new();
    metadata.put("version", OCSF_VERSION);
    metadata.put("product", product());
    metadata.put("log_name", log);
    metadata.put("sequence", index);
    metadata.put("original_time", civil::rfc3339(record.event_ns()));
    metadata.put("logged_time", record.observed_ns() / 1_000_000);
    metadata
}

fn product() -> Object {
    let mut product = Object::new();
    product
        .put("name", "vigilance")
        .put("vendor_name", "DIOTEC 360");
    product.put("version", env!("CARGO_PKG_VERSION"));
    product
}

fn execution(it: &Execution, event: &mut Object, unmapped: &mut Object) {
    let is_proved = it.status == ExecutionStatus::Proved;
    let severity = match it.status {
        ExecutionStatus::Proved => INFORMATIONAL,
        ExecutionStatus::Rejected => (3, "Medium"),
        _ => (2, "Low"),
    };
    API_ACTIVITY.begin((OTHER, "Execute"), severity, event);
    event.put("status_id", if is_proved { 1 } else { 2 });
    event.put("status", if is_proved { "Success" } else { "Failure" });
    event.put("status_code", it.status.as_str());
    let mut request = Object::new();
    request.put("uid", it.tx_id.as_str());
    let mut api = Object::new();
    api.put("operation", it.intent_name.as_str())
        .put("request", request);
    event.put("api", api);
    event.put("actor", actor(it.subject.as_ref().and_then(|it| it.text())));
    let mut endpoint = Object::new();
    endpoint.put("svc_name", "diotec360");
    event.put("src_endpoint", endpoint);
    if let Some(bundle) = &it.bundle_hash {
        event.raw("resources", &array([resource(bundle)]));
    }
    if let Some(ns) = it.elapsed_ns {
        event.put("duration", ns / 1_000_000);
        unmapped.put("elapsed_ms", milliseconds(ns));
    }
    put_text(event, "message", it.result.as_ref());
    put_some(
        unmapped,
        "merkle_root_before",
        it.merkle_root_before.map(|root| root.to_string()),
    );
    put_some(
        unmapped,
        "merkle_root_after",
        it.merkle_root_after.map(|root| root.to_string()),
    );
    put_some(unmapped, "state_version", it.state_version);
    unmapped.raw("layer_results", &layer_results(it));
    unmapped.raw("telemetry", &telemetry(it));
}

fn attack(it: &Attack, event: &mut Object, unmapped: &mut Object) {
    DETECTION_FINDING.begin((1, "Create"), severity_id(it.severity), event);
    let mut finding = Object::new();
    finding.put("uid", it.attack_id.as_str());
    finding.put(
        "title",
        format!("{} blocked by {}", it.attack_type, it.blocked_by_layer),
    );
    finding.raw(
        "types",
        &array([quoted(&it.attack_type), quoted(&it.category)]),
    );
    if let Some(method) = &it.detection_method {
        let mut analytic = Object::new();
        analytic.put("type_id", 1).put("name", method.as_str());
        finding.put("analytic", analytic);
    }
    event.put("finding_info", finding);
    if let Some(snippet) = it.code_snippet.as_ref().and_then(Text::as_str) {
        event.raw("evidences", &array([evidence("code_snippet", snippet)]));
    }
    if let Some(bundle) = &it.bundle_hash {
        event.raw("resources", &array([resource(bundle)]));
    }
    put_text(unmapped, "metadata", it.metadata.as_ref());
    put_some(unmapped, "tx_id", it.tx_id.as_deref());
    put_some(
        unmapped,
        "subject",
        it.subject.as_ref().and_then(|it| it.text()),
    );
    unmapped.put("blocked_by_layer", it.blocked_by_layer.as_str());
    unmapped.put("severity", it.severity.as_f64());
}

fn metric(it: &Metric, event: &mut Object, unmapped: &mut Object) {
    BASE_EVENT.begin((OTHER, "Measure"), INFORMATIONAL, event);
    event.put("message", format!("{} of {}", it.metric_name, it.tx_id));
    unmapped.put("tx_id", it.tx_id.as_str());
    unmapped.put("metric_name", it.metric_name.as_str());
    unmapped.put("metric_value", it.metric_value);
}

fn system_event(it: &Event, index: u64, event: &mut Object, unmapped: &mut Object) {
    let severity = it.severity.map_or(INFORMATIONAL, severity_id);
    let name = it.kind.as_str();
    match it.kind {
        EventKind::Alert => {
            DETECTION_FINDING.begin((1, "Create"), severity, event);
            let mut finding = Object::new();
            finding.put("uid", format!("alert-{index}"));
            let title = it.source.as_deref().unwrap_or("alert");
            finding.put("title", title);
            event.put("finding_info", finding).put("is_alert", true);
        }
        EventKind::Panicked => {
            APPLICATION_ERROR.begin((1, "General Error"), (5, "Critical"), event);
        }
        EventKind::Opened => lifecycle((3, "Start"), severity, event),
        EventKind::Recovered => lifecycle((5, "Restart"), severity, event),
        _ => lifecycle((OTHER, name), severity, event),
    }
    put_text(event, "message", it.message.as_ref());
    unmapped.put("event", name);
    put_some(unmapped, "source", it.source.as_deref());
    unmapped.raw("ranges", &ranges(it));
    put_some(unmapped, "count", it.count);
    put_some(unmapped, "hash", it.hash.map(|hash| hash.to_string()));
    put_text(unmapped, "detail", it.detail.as_ref());
    put_some(
        unmapped,
        "subject",
        it.subject.as_ref().and_then(|it| it.text()),
    );
}

fn lifecycle(activity: (u64, &str), severity: SeverityId, event: &mut Object) {
    APPLICATION_LIFECYCLE.begin(activity, severity, event);
    event.put("app", product());
}

fn actor(subject: Option<&str>) -> Object {
    let mut actor = Object::new();
    actor.put("app_name", "diotec360");
    if let Some(subject) = subject {
        let mut user = Object::new();
        user.put("uid", subject);
        actor.put("user", user);
    }
    actor
}

fn resource(bundle: &str) -> String {
    let mut resource = Object::new();
    resource.put("uid", bundle).put("type", "bundle");
    resource.finish()
}

fn evidence(name: &str, text: &str) -> String {
    let mut data = Object::new();
    data.put(name, text);
    let mut evidence = Object::new();
    evidence.put("data", data);
    evidence.finish()
}

fn quoted(text: &str) -> String {
    let mut json = String::new();
    crate::json::ToJson::push_to(&text, &mut json);
    json
}

fn put_some(object: &mut Object, name: &str, value: Option<impl crate::json::ToJson>) {
    if let Some(value) = value {
        object.put(name, value);
    }
}

fn put_text(object: &mut Object, name: &str, text: Option<&Text>) {
    put_some(object, name, text.and_then(Text::as_str));
}
