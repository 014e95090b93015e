//! One table for each kind of record, with the columns of the original.
//!
//! Erasable texts are not in them: `contents` has those.

mod columns;

use rusqlite::Connection;

use super::{Entry, Projection, Verifier};
use crate::health::Damage;
use crate::record::{IndexRange, Record};
use columns::{Bind, attack_row, event_row, execution_row, metric_row};

/// The four tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed;

/// A table: its name, and its columns after `idx`.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [&'static str],
    insert: &'static str,
    select: &'static str,
}

impl Table {
    /// The table of a record's kind.
    pub(crate) const fn of(record: &Record) -> &'static Self {
        match record {
            Record::Execution(_) => &EXECUTIONS,
            Record::Attack(_) => &ATTACKS,
            Record::Metric(_) => &METRICS,
            Record::Event(_) => &EVENTS,
        }
    }
}

/// All four.
pub(crate) const TABLES: [&Table; 4] = [&EXECUTIONS, &ATTACKS, &METRICS, &EVENTS];

/// What a record's row binds, `idx` first.
pub(crate) fn row(index: u64, record: &Record, bind: &mut dyn Bind) -> rusqlite::Result<()> {
    bind.integer(index)?;
    match record {
        Record::Execution(it) => execution_row(it, bind),
        Record::Attack(it) => attack_row(it, bind),
        Record::Metric(it) => metric_row(it, bind),
        Record::Event(it) => event_row(it, bind),
    }
}

impl Projection for Typed {
    fn create(&self, conn: &Connection) -> rusqlite::Result<()> {
        conn.execute_batch(SCHEMA)
    }

    fn may_change(&self, _table: &str) -> bool {
        false
    }

    fn load(&mut self, _conn: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    fn apply(&mut self, conn: &Connection, entries: &[Entry<'_>]) -> rusqlite::Result<()> {
        for table in TABLES {
            let mut of_table = entries
                .iter()
                .filter(|entry| std::ptr::eq(Table::of(entry.record), table))
                .peekable();
            if of_table.peek().is_none() {
                continue;
            }
            let mut insert = conn.prepare_cached(table.insert)?;
            for entry in of_table {
                let mut binder = columns::Binder::new(&mut insert);
                row(entry.index, entry.record, &mut binder)?;
                insert.raw_execute()?;
            }
        }
        Ok(())
    }

    fn rolled_back(&mut self, _conn: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    fn erase(&mut self, _conn: &Connection, _ranges: &[IndexRange]) -> rusqlite::Result<()> {
        Ok(())
    }

    fn clear(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        for table in TABLES {
            conn.execute(&format!("DELETE FROM {}", table.name), [])?;
        }
        Ok(())
    }

    fn verifier(&self) -> Box<dyn Verifier> {
        Box::new(TypedVerifier)
    }
}

/// Walks the four tables along with the records.
#[derive(Debug)]
struct TypedVerifier;

impl Verifier for TypedVerifier {
    fn check(
        &mut self,
        conn: &Connection,
        entries: &[Entry<'_>],
        found: &mut Vec<Damage>,
    ) -> rusqlite::Result<()> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Ok(());
        };
        for table in TABLES {
            let mut select = conn.prepare_cached(table.select)?;
            let bounds = [first.index.cast_signed(), last.index.cast_signed()];
            let mut stored = select.query(bounds)?;
            let mut next = stored.next()?;
            for entry in entries {
                if !std::ptr::eq(Table::of(entry.record), table) {
                    continue;
                }
                // Rows that come before the record's belong to records of another kind.
                while let Some(row) = next {
                    let at: i64 = row.get(0)?;
                    if at >= entry.index.cast_signed() {
                        break;
                    }
                    found.push(damage(table, at, "*"));
                    next = stored.next()?;
                }
                match next {
                    Some(row) if row.get::<_, i64>(0)? == entry.index.cast_signed() => {
                        if let Some(column) = columns::differing(row, table, *entry)? {
                            found.push(damage(table, entry.index.cast_signed(), column));
                        }
                        next = stored.next()?;
                    }
                    _ => found.push(damage(table, entry.index.cast_signed(), "*")),
                }
            }
            while let Some(row) = next {
                found.push(damage(table, row.get(0)?, "*"));
                next = stored.next()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, conn: &Connection, found: &mut Vec<Damage>) -> rusqlite::Result<()> {
        let kept: i64 =
            conn.query_row("SELECT value FROM meta WHERE name = 'pruned'", [], |row| {
                row.get(0)
            })?;
        let size: i64 = conn.query_row(
            "SELECT coalesce(max(idx), -1) + 1 FROM records",
            [],
            |row| row.get(0),
        )?;
        for table in TABLES {
            let text = format!(
                "SELECT idx FROM {} WHERE idx < ?1 OR idx >= ?2 LIMIT 100",
                table.name
            );
            let mut statement = conn.prepare(&text)?;
            let mut outside = statement.query([kept, size])?;
            while let Some(row) = outside.next()? {
                found.push(damage(table, row.get(0)?, "*"));
            }
        }
        Ok(())
    }
}

fn damage(table: &Table, row: i64, column: &str) -> Damage {
    Damage::Projection {
        table: table.name.to_owned(),
        row: format!("idx {row}"),
        column: column.to_owned(),
        index: u64::try_from(row).ok(),
    }
}

macro_rules! table {
    ($name:literal, $first:literal $(, $column:literal)*) => {
        Table {
            name: $name,
            columns: &[$first $(, $column)*],
            insert: concat!(
                "INSERT INTO ", $name, " (idx, ", $first $(, ", ", $column)*, ") VALUES (?, ?",
                $(table!(@mark $column),)* ")"
            ),
            select: concat!(
                "SELECT idx, ", $first $(, ", ", $column)*, " FROM ", $name,
                " WHERE idx BETWEEN ?1 AND ?2 ORDER BY idx"
            ),
        }
    };
    (@mark $column:literal) => { ", ?" };
}

const EXECUTIONS: Table = table!(
    "executions",
    "tx_id",
    "bundle_hash",
    "intent_name",
    "status",
    "result",
    "merkle_root_before",
    "merkle_root_after",
    "state_version",
    "event_ns",
    "observed_ns",
    "elapsed_ns",
    "layer_results",
    "telemetry"
);

const ATTACKS: Table = table!(
    "attacks",
    "attack_id",
    "event_ns",
    "observed_ns",
    "attack_type",
    "category",
    "blocked_by_layer",
    "severity_micros",
    "code_snippet",
    "detection_method",
    "metadata",
    "tx_id",
    "bundle_hash"
);

const METRICS: Table = table!(
    "metrics",
    "tx_id",
    "metric_name",
    "metric_value",
    "event_ns",
    "observed_ns"
);

const EVENTS: Table = table!(
    "events",
    "kind",
    "event_ns",
    "observed_ns",
    "source",
    "severity_micros",
    "ranges",
    "count",
    "hash",
    "message",
    "detail"
);

/// Pages are in the order of `(event_ns, idx)`. An index on a table with rowid ends with `idx`, so each
/// of these with `event_ns` at the end is also the order of the pages that it filters.
const SCHEMA: &str = "
CREATE TABLE executions (
    idx INTEGER PRIMARY KEY,
    tx_id TEXT NOT NULL,
    bundle_hash TEXT,
    intent_name TEXT NOT NULL,
    status TEXT NOT NULL,
    result TEXT,
    merkle_root_before BLOB,
    merkle_root_after BLOB,
    state_version INTEGER,
    event_ns INTEGER NOT NULL,
    observed_ns INTEGER NOT NULL,
    elapsed_ns INTEGER,
    layer_results TEXT NOT NULL,
    telemetry TEXT NOT NULL
) STRICT;
CREATE INDEX executions_tx_id ON executions (tx_id);
CREATE INDEX executions_status ON executions (status, event_ns);
CREATE INDEX executions_intent_name ON executions (intent_name, event_ns);
CREATE INDEX executions_bundle_hash ON executions (bundle_hash, event_ns) WHERE bundle_hash IS NOT NULL;
CREATE INDEX executions_event_ns ON executions (event_ns);
CREATE TABLE attacks (
    idx INTEGER PRIMARY KEY,
    attack_id TEXT NOT NULL,
    event_ns INTEGER NOT NULL,
    observed_ns INTEGER NOT NULL,
    attack_type TEXT NOT NULL,
    category TEXT NOT NULL,
    blocked_by_layer TEXT NOT NULL,
    severity_micros INTEGER NOT NULL,
    code_snippet TEXT,
    detection_method TEXT,
    metadata TEXT,
    tx_id TEXT,
    bundle_hash TEXT
) STRICT;
CREATE INDEX attacks_attack_id ON attacks (attack_id);
CREATE INDEX attacks_attack_type ON attacks (attack_type, event_ns);
CREATE INDEX attacks_category ON attacks (category, event_ns);
CREATE INDEX attacks_blocked_by_layer ON attacks (blocked_by_layer, event_ns);
CREATE INDEX attacks_severe ON attacks (event_ns) WHERE severity_micros >= 900000;
CREATE INDEX attacks_event_ns ON attacks (event_ns);
CREATE INDEX attacks_tx_id ON attacks (tx_id, event_ns) WHERE tx_id IS NOT NULL;
CREATE INDEX attacks_bundle_hash ON attacks (bundle_hash, event_ns) WHERE bundle_hash IS NOT NULL;
CREATE TABLE metrics (
    idx INTEGER PRIMARY KEY,
    tx_id TEXT NOT NULL,
    metric_name TEXT NOT NULL,
    metric_value REAL NOT NULL,
    event_ns INTEGER NOT NULL,
    observed_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX metrics_tx_id ON metrics (tx_id, event_ns);
CREATE INDEX metrics_event_ns ON metrics (event_ns);
CREATE INDEX metrics_metric_name ON metrics (metric_name, event_ns);
CREATE TABLE events (
    idx INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    event_ns INTEGER NOT NULL,
    observed_ns INTEGER NOT NULL,
    source TEXT,
    severity_micros INTEGER,
    ranges TEXT NOT NULL,
    count INTEGER,
    hash BLOB,
    message TEXT,
    detail TEXT
) STRICT;
CREATE INDEX events_kind ON events (kind, event_ns);
CREATE INDEX events_event_ns ON events (event_ns);
";
