use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::{EventKind, ExecutionStatus, LayerOutcome, Severity};

/// The original's database; `None`, said aloud, where the shared folder is not there.
fn fixture() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/fixtures/legacy-v2.1/sentinel/telemetry.db"
    ));
    if !path.exists() {
        println!("skipped: no {}", path.display());
        return None;
    }
    Some(path)
}

/// A copy, beside which SQLite may put what it likes.
fn copy(path: &PathBuf) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("telemetry.db");
    fs::copy(path, &copy).unwrap();
    (folder, copy)
}

/// A database with what `text` creates.
fn database(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telemetry.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch(text)
        .unwrap();
    (folder, path)
}

fn all(path: &PathBuf) -> (Vec<LegacyRecord>, Vec<Leftover>) {
    let mut records = read(path).unwrap();
    let found = records.by_ref().map(Result::unwrap).collect();
    (found, records.leftovers())
}

const EXECUTIONS: &str =
    "CREATE TABLE execution_logs (id INTEGER PRIMARY KEY AUTOINCREMENT, tx_id TEXT,
    bundle_hash TEXT, intent_name TEXT, status TEXT, result TEXT, merkle_root_before TEXT,
    merkle_root_after TEXT, timestamp REAL, elapsed_ms REAL, layer_results TEXT, telemetry TEXT,
    created_at TIMESTAMP);";

#[test]
fn reads_all_of_the_originals_database() {
    let Some(path) = fixture() else { return };
    let (_folder, path) = copy(&path);
    let (records, leftovers) = all(&path);
    assert_eq!(leftovers, []);
    let mut counts = BTreeMap::new();
    for it in &records {
        *counts
            .entry((it.table.as_str(), it.record.kind().as_str()))
            .or_insert(0) += 1;
        it.record.encode().unwrap();
    }
    let expected = BTreeMap::from([
        (("execution_logs", "execution"), 1),
        (("attack_logs", "attack"), 2),
        (("transaction_metrics", "metric"), 4 * 186),
        (("transaction_metrics", "event"), 186),
        (("cpu_violations", "event"), 33),
        (("crisis_mode_transitions", "event"), 13),
        (("integrity_panics", "event"), 30),
    ]);
    assert_eq!(counts, expected);
}

#[test]
fn keeps_every_field_of_an_execution_and_an_attack() {
    let Some(path) = fixture() else { return };
    let (_folder, path) = copy(&path);
    let (records, _) = all(&path);
    let Record::Execution(it) = &records[0].record else {
        panic!("{:?}", records[0])
    };
    assert_eq!(
        (it.tx_id.as_str(), it.intent_name.as_str()),
        ("tx_001", "transfer")
    );
    assert_eq!(it.status, ExecutionStatus::Proved);
    assert_eq!(it.event_ns, 1_770_585_433_051_488_400);
    assert_eq!(it.observed_ns, 1_770_585_433_000_000_000);
    assert_eq!(it.elapsed_ns, Some(45_200_000));
    let root = it.merkle_root_after.unwrap().to_string();
    assert_eq!(
        root,
        "0efa5354071e6b6e37ffa227270a744029022b3072ecd4078e42489b72400fa6"
    );
    assert_eq!(it.layer_results["z3_prover"], LayerOutcome::Passed);
    assert_eq!(it.telemetry["cpu_time_ms"].to_bits(), 42.0_f64.to_bits());
    let result = it.result.as_ref().and_then(|text| text.as_str());
    assert_eq!(
        result,
        Some(r#"{"success": true, "message": "Transfer verified"}"#)
    );

    let Record::Attack(it) = &records[1].record else {
        panic!("{:?}", records[1])
    };
    assert_eq!(it.attack_id, "1d9523ad3c042f46");
    assert_eq!(it.severity, Severity::from_micros(900_000).unwrap());
    let snippet = it.code_snippet.as_ref().and_then(|text| text.as_str());
    assert_eq!(snippet, Some("'; DROP TABLE accounts; --"));
    assert_eq!(it.detection_method.as_deref(), Some("regex_pattern"));

    let panic = records
        .iter()
        .find(|it| it.table == "integrity_panics")
        .unwrap();
    let Record::Event(it) = &panic.record else {
        panic!("{panic:?}")
    };
    assert_eq!(it.kind, EventKind::Panicked);
    let detail = it.detail.as_ref().and_then(|text| text.as_str()).unwrap();
    let detail: serde_json::Value = serde_json::from_str(detail).unwrap();
    assert_eq!(
        detail["forensic_metadata"]["system"]["hostname"],
        "DESKTOP-46LVUIL"
    );
    assert_eq!(detail["process_id"], 7436);
}

#[test]
fn counts_what_has_no_place() {
    let (_folder, path) = database(&format!(
        "{EXECUTIONS}
        ALTER TABLE execution_logs ADD COLUMN mood TEXT;
        INSERT INTO execution_logs (tx_id, intent_name, status, timestamp, mood, layer_results, telemetry,
            merkle_root_after, elapsed_ms) VALUES
            ('a', 'i', 'PROVED', 1.5, 'good', '{{\"z3\": {{\"ok\": 1}}, \"sat\": true}}', '{{\"cpu\": \"much\"}}', 'abc', -1),
            ('b', 'i', 'WON', 1.5, 'bad', NULL, NULL, NULL, NULL),
            ('c', 'i', 'FAILED', -1, NULL, NULL, NULL, NULL, NULL),
            ('d', 'i', 'FAILED', 'yesterday', NULL, NULL, NULL, NULL, NULL),
            (NULL, 'i', 'FAILED', 1, NULL, NULL, NULL, NULL, NULL),
            ('e', '', 'FAILED', 1, NULL, NULL, NULL, NULL, NULL),
            ('f', 'i', 'TIMEOUT', 2, NULL, '[]', NULL, NULL, NULL);
        CREATE TABLE gossip (id INTEGER PRIMARY KEY, text TEXT);
        INSERT INTO gossip VALUES (7, 'x'), (8, 'y');
        CREATE TABLE silence (id INTEGER);"
    ));
    let (records, leftovers) = all(&path);
    let kept: Vec<_> = records.iter().map(|it| it.row).collect();
    assert_eq!(kept, [1, 7]);
    let Record::Execution(first) = &records[0].record else {
        panic!("{:?}", records[0])
    };
    assert_eq!(first.layer_results.len(), 1);
    let found: Vec<_> = leftovers
        .iter()
        .map(|it| {
            (
                it.table.as_str(),
                it.column.as_deref().unwrap_or("*"),
                it.why,
                it.count,
                it.first_row,
            )
        })
        .collect();
    use LeftoverReason::{BadRow, BadValue, UnknownColumn, UnknownTable};
    let table = "execution_logs";
    assert_eq!(
        found,
        [
            (table, "elapsed_ms", BadValue, 1, 1),
            (table, "intent_name", BadRow, 1, 6),
            (table, "layer_results", BadValue, 1, 7),
            (table, "layer_results.z3", BadValue, 1, 1),
            (table, "merkle_root_after", BadValue, 1, 1),
            (table, "mood", UnknownColumn, 1, 1),
            (table, "status", BadRow, 1, 2),
            (table, "telemetry.cpu", BadValue, 1, 1),
            (table, "timestamp", BadRow, 2, 3),
            (table, "tx_id", BadRow, 1, 5),
            ("gossip", "*", UnknownTable, 2, 0),
        ]
    );
}

#[test]
fn goes_over_more_rows_than_are_in_memory_at_a_time() {
    let (_folder, path) = database(&format!(
        "{EXECUTIONS}
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO execution_logs (id, tx_id, intent_name, status, timestamp)
            SELECT i * 3 - 1500, 'tx' || i, 'i', 'PROVED', i FROM n;"
    ));
    let (records, leftovers) = all(&path);
    assert_eq!((records.len(), leftovers.len()), (1000, 0));
    assert!(records.is_sorted_by_key(|it| it.row));
}

#[test]
fn refuses_what_is_no_database_of_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telemetry.db");
    assert!(matches!(read(&path), Err(LegacyError::Open { .. })));
    fs::write(
        &path,
        b"not a database, but long enough to be taken for one",
    )
    .unwrap();
    assert!(matches!(read(&path), Err(LegacyError::Damaged { .. })));
    fs::write(&path, b"").unwrap();
    assert!(matches!(read(&path), Err(LegacyError::NotLegacy)));
    let (_folder, path) = database("CREATE VIEW execution_logs AS SELECT 1 AS id;");
    assert!(matches!(read(&path), Err(LegacyError::NotLegacy)));
}

#[test]
fn a_table_without_row_numbers_is_an_error_and_not_the_end() {
    let (_folder, path) = database(
        "CREATE TABLE execution_logs (tx_id TEXT PRIMARY KEY, x) WITHOUT ROWID;
         INSERT INTO execution_logs VALUES ('a', 1);
         CREATE TABLE telemetry_metrics (tx_id TEXT, metric_name TEXT, metric_value REAL, timestamp REAL);
         INSERT INTO telemetry_metrics VALUES ('a', 'cpu', 1.5, 2.5);",
    );
    let found: Vec<_> = read(&path).unwrap().collect();
    assert_eq!(found.len(), 2);
    assert!(
        matches!(&found[0], Err(LegacyError::Table { table, .. }) if table == "execution_logs")
    );
    assert!(found[1].is_ok());
}

#[test]
fn a_damaged_file_gives_errors_or_records_and_never_panics() {
    let Some(path) = fixture() else { return };
    let (_folder, path) = copy(&path);
    let whole = fs::read(&path).unwrap();
    let (mut refused, mut read_through) = (0, 0);
    for step in 0..120_usize {
        let mut bytes = whole.clone();
        let at = step * 2_654_435_761 % bytes.len();
        // A page zeroed, a byte flipped, the file cut.
        match step % 3 {
            0 => bytes[at / 4096 * 4096..][..4096.min(whole.len() - at / 4096 * 4096)].fill(0),
            1 => bytes[at] ^= 0xff,
            _ => bytes.truncate(at),
        }
        fs::write(&path, &bytes).unwrap();
        match read(&path) {
            Err(_) => refused += 1,
            Ok(records) => {
                records.for_each(drop);
                read_through += 1;
            }
        }
    }
    assert!(refused >= 40, "{refused} refused, {read_through} read");
}

#[test]
fn times_are_what_their_shortest_decimal_says() {
    for (value, digits, expected) in [
        (1_770_585_433.051_488_4, 9, Some(1_770_585_433_051_488_400)),
        (45.2, 6, Some(45_200_000)),
        (0.0, 9, Some(0)),
        (1e-12, 9, Some(0)),
        (-0.5, 9, None),
        (1e15, 9, None),
        (f64::NAN, 9, None),
        (f64::INFINITY, 6, None),
    ] {
        assert_eq!(row::decimal(value, digits), expected, "{value}");
    }
}
