//! The database of the original system: what is in it, as records.
//!
//! The original kept `telemetry.db`, an SQLite file. [`read`] goes over its tables in order and makes
//! records of the rows. Nothing disappears in silence: what a record has no place for, and what
//! is not what it should be, is counted in [`Leftover`]s with its table, column and first row.
//!
//! | table | becomes |
//! |---|---|
//! | `execution_logs` | executions |
//! | `attack_logs` | attacks |
//! | `telemetry_metrics` | metrics |
//! | `transaction_metrics` | a metric for each number of a row, and an event for the rest of it |
//! | `cpu_violations`, `crisis_mode_transitions` | events of the kind `note` |
//! | `integrity_panics` | events of the kind `panicked` |
//!
//! Times in seconds become the nanoseconds that their shortest decimal form says. `created_at` is the
//! time of observation.

mod row;
mod tables;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use crate::Record;
use row::Row;
use tables::{TABLES, Table};

/// A record made from a row of the original database.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LegacyRecord {
    /// The record.
    pub record: Record,
    /// The table that it was in.
    pub table: String,
    /// The number of its row.
    pub row: i64,
}

/// Something that is not in any record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// The table that it is in.
    pub table: String,
    /// The column; `None` for whole rows.
    pub column: Option<String>,
    /// Why it is left over.
    pub why: LeftoverReason,
    /// How many of them there are.
    pub count: u64,
    /// The number of the first row with one.
    pub first_row: i64,
}

/// Why something is not in any record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LeftoverReason {
    /// The table is not one of the original system.
    UnknownTable,
    /// Records have no field for the column.
    UnknownColumn,
    /// The value is not of the kind that the column should hold; the record is made without it.
    BadValue,
    /// A value without which there is no record is missing or wrong; the row is left out.
    BadRow,
}

impl LeftoverReason {
    /// Its name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTable => "unknown_table",
            Self::UnknownColumn => "unknown_column",
            Self::BadValue => "bad_value",
            Self::BadRow => "bad_row",
        }
    }
}

/// Why the original database cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LegacyError {
    /// The file is not there, or may not be read.
    #[error("the database cannot be opened")]
    Open {
        /// What the system or the engine says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is not a database, or its pages contradict one another.
    #[error("the database is damaged: {what}")]
    Damaged {
        /// What is wrong with it.
        what: String,
    },
    /// It has none of the original's tables.
    #[error("the database has none of the tables of the original system")]
    NotLegacy,
    /// Reading a table failed.
    #[error("table {table} cannot be read")]
    Table {
        /// Which one.
        table: String,
        /// What the engine says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Opens the original's database, to read from it only, and checks that its pages are sound.
///
/// The check reads all of the file once. Nothing is written, but SQLite may make good a
/// `-wal` file that lies beside it: read a copy where that matters.
///
/// # Errors
///
/// [`LegacyError`], whatever the file is.
pub fn read(path: impl AsRef<Path>) -> Result<LegacyRecords, LegacyError> {
    LegacyRecords::open(path.as_ref())
}

/// The records of the original's database, table by table in the order of the rows.
///
/// Once it has given `None`, [`leftovers`](Self::leftovers) is complete. An error ends the table
/// that it is about, not the iteration.
#[derive(Debug)]
pub struct LegacyRecords {
    conn: Connection,
    /// Tables still to be read, with the columns that each has.
    pending: VecDeque<(&'static Table, Vec<String>)>,
    last_row: i64,
    ready: VecDeque<LegacyRecord>,
    leftovers: Leftovers,
}

impl LegacyRecords {
    fn open(path: &Path) -> Result<Self, LegacyError> {
        let open_error = |source| LegacyError::Open { source };
        // SQLite would say no more than that it is unable to.
        std::fs::File::open(path).map_err(|error| open_error(error.into()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn =
            Connection::open_with_flags(path, flags).map_err(|error| open_error(error.into()))?;
        prepare(&conn).map_err(damaged)?;
        let mut records = Self {
            conn,
            pending: VecDeque::new(),
            last_row: i64::MIN,
            ready: VecDeque::new(),
            leftovers: Leftovers::default(),
        };
        records.find_tables().map_err(damaged)?;
        if records.pending.is_empty() {
            return Err(LegacyError::NotLegacy);
        }
        Ok(records)
    }

    /// What was not made into records so far.
    #[must_use]
    pub fn leftovers(&self) -> Vec<Leftover> {
        self.leftovers.list()
    }

    /// How many rows there are in the tables that it has yet to read. A row becomes a record, mostly.
    ///
    /// # Errors
    ///
    /// [`LegacyError::Table`].
    pub fn rows_left(&self) -> Result<u64, LegacyError> {
        let mut rows = 0;
        for (table, _) in &self.pending {
            let text = format!("SELECT count(*) FROM {} WHERE rowid > ?1", table.name);
            let after = [self.last_row];
            let count: i64 =
                (self.conn.query_row(&text, after, |row| row.get(0))).map_err(|source| {
                    LegacyError::Table {
                        table: table.name.into(),
                        source: source.into(),
                    }
                })?;
            rows += count.unsigned_abs();
        }
        Ok(rows)
    }

    fn find_tables(&mut self) -> rusqlite::Result<()> {
        let mut names = Vec::new();
        {
            let text = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid";
            let mut statement = self.conn.prepare(text)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                names.push(row.get::<_, String>(0)?);
            }
        }
        for table in TABLES {
            if names.iter().any(|name| name == table.name) {
                self.pending
                    .push_back((table, columns(&self.conn, table.name)?));
            }
        }
        for name in names {
            let known = TABLES.iter().any(|table| table.name == name);
            if known || name.starts_with("sqlite_") {
                continue;
            }
            let text = format!("SELECT count(*) FROM {}", quoted(&name));
            let count: i64 = self.conn.query_row(&text, [], |row| row.get(0))?;
            let count = count.unsigned_abs();
            if count > 0 {
                self.leftovers
                    .add(&name, None, LeftoverReason::UnknownTable, 0, count);
            }
        }
        Ok(())
    }

    /// Makes records of the next rows, until there are some or no more rows.
    fn fill(&mut self) -> Result<(), LegacyError> {
        while self.ready.is_empty() {
            let Some((table, columns)) = self.pending.front().cloned() else {
                return Ok(());
            };
            let rows = self
                .rows(table, &columns)
                .inspect_err(|_| self.next_table());
            let rows = rows.map_err(|source| LegacyError::Table {
                table: table.name.into(),
                source: source.into(),
            })?;
            let Some(last) = rows.last() else {
                self.next_table();
                continue;
            };
            self.last_row = last.number();
            for row in rows {
                self.convert(table, row);
            }
        }
        Ok(())
    }

    fn next_table(&mut self) {
        self.pending.pop_front();
        self.last_row = i64::MIN;
    }

    fn rows(&self, table: &Table, columns: &[String]) -> rusqlite::Result<Vec<Row>> {
        let names: Vec<_> = columns.iter().map(|name| quoted(name)).collect();
        let text = format!(
            "SELECT rowid, {} FROM {} WHERE rowid > ?1 ORDER BY rowid LIMIT {ROWS_AT_A_TIME}",
            names.join(", "),
            table.name
        );
        let mut statement = self.conn.prepare_cached(&text)?;
        let mut found = statement.query([self.last_row])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(Row::take(row, columns)?);
        }
        Ok(rows)
    }

    fn convert(&mut self, table: &Table, mut row: Row) {
        let number = row.number();
        let records = (table.convert)(&mut row);
        for (column, why) in row.left() {
            self.leftovers
                .add(table.name, Some(&column), why, number, 1);
        }
        for record in records.unwrap_or_default() {
            self.ready.push_back(LegacyRecord {
                record,
                table: table.name.into(),
                row: number,
            });
        }
    }
}

impl Iterator for LegacyRecords {
    type Item = Result<LegacyRecord, LegacyError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.fill() {
            Ok(()) => self.ready.pop_front().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

/// Counts what is left over, by place and reason.
#[derive(Debug, Default)]
struct Leftovers {
    counts: BTreeMap<(String, Option<String>, LeftoverReason), (u64, i64)>,
}

impl Leftovers {
    fn add(&mut self, table: &str, column: Option<&str>, why: LeftoverReason, row: i64, more: u64) {
        let key = (table.into(), column.map(Into::into), why);
        self.counts.entry(key).or_insert((0, row)).0 += more;
    }

    fn list(&self) -> Vec<Leftover> {
        let leftover = |(key, counts): (&(String, Option<String>, _), &(u64, i64))| Leftover {
            table: key.0.clone(),
            column: key.1.clone(),
            why: key.2,
            count: counts.0,
            first_row: counts.1,
        };
        self.counts.iter().map(leftover).collect()
    }
}

/// Has nothing run that the file brings along, and checks its pages.
fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "query_only", true)?;
    let found: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(corrupt, Some(found)))
}

fn damaged(error: rusqlite::Error) -> LegacyError {
    let what = error.to_string();
    LegacyError::Damaged { what }
}

fn columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    names.collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Rows in memory at a time.
const ROWS_AT_A_TIME: usize = 256;

/// Longest value that is read.
const VALUE_BYTES_MAX: i32 = 16 << 20;

#[cfg(test)]
mod tests;
