//! Exports judged by those who read them: an OCSF schema, a JSON parser, a CSV reader.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use merkle_core::Hash;
use vigilance::{
    Attack, ErasableField, ErasableText, Event, EventKind, Execution, ExecutionStatus, IndexRange,
    LayerOutcome, Metric, OCSF_VERSION, Record, RecordKind, Salt, Severity, Text, csv_header,
    csv_row, json_line, ocsf_line,
};

const NOW: u64 = 1_770_585_433_051_488_400;

/// Records with every field, with none, with awkward texts, and with erased ones.
fn records() -> Vec<Record> {
    let mut records = Vec::new();
    for status in ExecutionStatus::ALL {
        let mut it = Execution::new("tx_001", "transfer", status, NOW);
        records.push(Record::from(it.clone()));
        it.bundle_hash = Some("45fc28efeb6dde41".into());
        it.result = Some(Text::plain(
            "{\"success\": true, \"message\": \"a \\\"quote\\\"\"}\n=1+1",
        ));
        it.merkle_root_before = Some(Hash::from_bytes([1; 32]));
        it.merkle_root_after = Some(Hash::from_bytes([2; 32]));
        it.state_version = Some(7);
        it.elapsed_ns = Some(45_200_000);
        it.layer_results
            .insert("z3_prover".into(), LayerOutcome::Passed);
        it.layer_results
            .insert("overflow".into(), LayerOutcome::Skipped);
        it.telemetry.insert("cpu_time_ms".into(), 42.0);
        it.subject = Some(erasable(ErasableField::Subject, "alice"));
        records.push(it.into());
    }
    for micros in [0, 1, 400_000, 850_000, 1_000_000] {
        let severity = Severity::from_micros(micros).unwrap();
        let mut it = Attack::new(
            "a1",
            "injection",
            "code, \"injection\"",
            "input_sanitizer",
            severity,
            NOW,
        );
        records.push(it.clone().into());
        it.code_snippet = Some(Text::plain("'; DROP TABLE accounts; -- </script>\u{1}é"));
        it.detection_method = Some("@regex".into());
        it.metadata = Some(Text::erasable(
            ErasableField::Metadata,
            "{}",
            Salt::from_bytes([9; 32]),
        ));
        it.tx_id = Some("tx_001".into());
        it.bundle_hash = Some("45fc".into());
        records.push(it.into());
    }
    records.push(Metric::new("tx_001", "cpu_time_ms", 1.5e-7, NOW).into());
    for kind in EventKind::ALL {
        let mut it = Event::new(kind, NOW);
        records.push(it.clone().into());
        it.source = Some("watch".into());
        it.severity = Some(Severity::MAX);
        it.ranges = vec![IndexRange { first: 3, count: 2 }];
        it.count = Some(2);
        it.hash = Some(Hash::from_bytes([3; 32]));
        it.message = Some(Text::plain("something, happened"));
        it.detail = Some(Text::plain("{}"));
        records.push(it.into());
    }
    // The same with texts that are not at hand.
    let erased: Vec<_> = (records.iter())
        .map(|record| Record::decode(&record.encode().unwrap().canonical).unwrap())
        .collect();
    records.extend(erased);
    records
}

fn erasable(field: ErasableField, text: &str) -> ErasableText {
    ErasableText::new(field, text, Salt::from_bytes([7; 32]))
}

/// Whether Python has what a check needs; if not, the test says so and passes.
fn has_python(module: &str) -> bool {
    let import = Command::new(python())
        .args(["-c", &format!("import {module}")])
        .stderr(Stdio::null())
        .status();
    let found = import.is_ok_and(|status| status.success());
    if !found {
        assert!(env::var_os("VIGILANCE_JUDGES").is_none(), "no {module}");
        println!("skipped: Python has no {module}, see `cargo xtask judges`");
    }
    found
}

/// The Python of the judges, which `cargo xtask judges` installs, or else the system's.
fn python() -> PathBuf {
    let judges = env::var_os("VIGILANCE_JUDGES").map(PathBuf::from);
    judges.map_or("python3".into(), |folder| folder.join("python/bin/python"))
}

/// Runs a script over lines; returns what it prints.
fn run(script: &str, input: &str) -> String {
    let mut child = Command::new(python())
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ocsf_events_follow_the_published_schema() {
    if !has_python("ocsf_json_schema, jsonschema") {
        return;
    }
    let script = format!(
        r#"
import json, sys
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from jsonschema import Draft202012Validator
schemas, checked = OcsfJsonSchemaEmbedded(get_ocsf_schema("{OCSF_VERSION}")), {{}}
for line in sys.stdin:
    event = json.loads(line)
    uid = event["class_uid"]
    if uid not in checked:
        name = "base_event" if uid == 0 else schemas.lookup_class_name_from_uid(uid)
        checked[uid] = [Draft202012Validator(schemas.get_class_schema(name)), 0]
    errors = list(checked[uid][0].iter_errors(event))
    assert not errors, (errors[0].message, list(errors[0].path), line)
    # A schema that finds fault with nothing proves nothing.
    for required in ["time", "metadata", "severity_id"]:
        broken = dict(event); del broken[required]
        assert list(checked[uid][0].iter_errors(broken)), required
    checked[uid][1] += 1
print(sorted((uid, count) for uid, (_, count) in checked.items()))
"#
    );
    let lines: Vec<_> = records()
        .iter()
        .enumerate()
        .map(|(index, record)| ocsf_line("example.com/log", index as u64, record) + "\n")
        .collect();
    let counts = run(&script, &lines.concat());
    assert_eq!(
        counts.trim(),
        "[(0, 2), (2004, 24), (6002, 32), (6003, 16), (6008, 4)]"
    );
}

#[test]
fn json_lines_hold_what_the_records_hold() {
    for (index, record) in records().iter().enumerate() {
        let line = json_line(index as u64, record);
        assert!(!line.contains('\n'));
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["index"], index);
        assert_eq!(json["kind"], record.kind().as_str());
        assert_eq!(json["event_ns"], NOW);
        if let Record::Attack(it) = record {
            let snippet = it.code_snippet.as_ref().and_then(Text::as_str);
            assert_eq!(json["code_snippet"].as_str(), snippet);
            assert_eq!(json["severity"], it.severity.as_f64());
        }
        for (field, text) in record.erasable() {
            assert_eq!(json[field.as_str()].as_str(), text.text());
            let commitment = json["commitments"][field.as_str()].as_str();
            assert_eq!(commitment.is_none(), text.text().is_some());
        }
    }
}

#[test]
fn spreadsheets_read_the_same_number_of_fields_and_no_formula() {
    if !has_python("csv") {
        return;
    }
    let script = r#"
import csv, io, sys
rows = list(csv.reader(io.StringIO(sys.stdin.buffer.read().decode(), newline=""), strict=True))
assert len({len(row) for row in rows}) == 1, rows
assert not any(field[:1] in tuple("=+-@\t\r") for row in rows[1:] for field in row), rows
print(len(rows))
"#;
    for kind in [
        RecordKind::Execution,
        RecordKind::Attack,
        RecordKind::Metric,
        RecordKind::Event,
    ] {
        let of_kind: Vec<_> = records()
            .into_iter()
            .filter(|record| record.kind() == kind)
            .collect();
        let mut text = csv_header(kind);
        for (index, record) in of_kind.iter().enumerate() {
            text += &csv_row(index as u64, record);
        }
        let rows = run(script, &text);
        assert_eq!(rows.trim(), (of_kind.len() + 1).to_string());
    }
}
