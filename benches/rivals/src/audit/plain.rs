//! The reference: one SQLite table with the columns and indexes of ours, and nothing that proves anything.

use std::path::Path;

use rusqlite::Connection;
use vigilance::Record;

/// A plain table.
pub(super) struct Plain {
    conn: Connection,
}

impl Plain {
    pub(super) fn new(path: &Path) -> Self {
        let conn = Connection::open(path).expect("a new database");
        conn.execute_batch(SCHEMA).expect("SQLite's own words");
        Self { conn }
    }

    /// Appends executions in one durable transaction.
    pub(super) fn append(&mut self, first: usize, records: &[Record]) {
        let transaction = self.conn.transaction().expect("nobody else writes");
        {
            let mut insert = transaction.prepare_cached(INSERT).expect("our table");
            for (index, record) in (first..).zip(records) {
                let Record::Execution(it) = record else {
                    continue;
                };
                let layers: Vec<_> = (it.layer_results.iter())
                    .map(|(name, it)| format!("\"{name}\":{}", it.as_json()))
                    .collect();
                let telemetry: Vec<_> = (it.telemetry.iter())
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                let row = rusqlite::params![
                    index as i64,
                    it.tx_id,
                    it.bundle_hash,
                    it.intent_name,
                    it.status.as_str(),
                    it.result.as_ref().and_then(|text| text.as_str()),
                    it.merkle_root_before.map(|root| *root.as_bytes()),
                    it.merkle_root_after.map(|root| *root.as_bytes()),
                    it.event_ns as i64,
                    it.elapsed_ns.map(|elapsed| elapsed as i64),
                    format!("{{{}}}", layers.join(",")),
                    format!("{{{}}}", telemetry.join(",")),
                ];
                insert.execute(row).expect("a row of our table");
            }
        }
        transaction.commit().expect("room on the disk");
    }
}

const INSERT: &str = "INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -65536;
CREATE TABLE executions (
    idx INTEGER PRIMARY KEY, tx_id TEXT NOT NULL, bundle_hash TEXT, intent_name TEXT NOT NULL,
    status TEXT NOT NULL, result TEXT, merkle_root_before BLOB, merkle_root_after BLOB,
    event_ns INTEGER NOT NULL, elapsed_ns INTEGER, layer_results TEXT, telemetry TEXT
) STRICT;
CREATE INDEX by_tx ON executions (tx_id);
CREATE INDEX by_status ON executions (status);
CREATE INDEX by_intent ON executions (intent_name);
CREATE INDEX by_bundle ON executions (bundle_hash);
CREATE INDEX by_time ON executions (event_ns);
";
