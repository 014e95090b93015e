//! The table of counts: see `rollup.rs`.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, ffi};

use super::{Entry, Projection, Verifier};
use crate::civil;
use crate::health::Damage;
use crate::record::IndexRange;
use crate::rollup::{Cell, CellKey, Fold};

/// The counts, and the cells that the last transactions changed.
#[derive(Debug, Default)]
pub(crate) struct Rollups {
    fold: Fold,
}

/// The stored cell, if there is one.
pub(crate) fn load(conn: &Connection, key: CellKey) -> rusqlite::Result<Option<Cell>> {
    let mut select = conn.prepare_cached("SELECT cell FROM rollups WHERE id = ?")?;
    let bytes: Option<Vec<u8>> = select.query_row([key.id()], |row| row.get(0)).optional()?;
    bytes.map(|bytes| decode(key, &bytes)).transpose()
}

/// The cell that is stored in these bytes; damage is an error of SQLite's, as in any other page.
pub(crate) fn decode(key: CellKey, bytes: &[u8]) -> rusqlite::Result<Cell> {
    Cell::decode(key.family, bytes).ok_or_else(|| {
        let corrupt = ffi::Error::new(ffi::SQLITE_CORRUPT);
        let what = format!("the counts of {} are damaged", name(key));
        rusqlite::Error::SqliteFailure(corrupt, Some(what))
    })
}

fn name(key: CellKey) -> String {
    let start = civil::rfc3339(key.start_ns());
    format!("{:?}, {} from {start}", key.family, key.period)
}

impl Projection for Rollups {
    fn create(&self, conn: &Connection) -> rusqlite::Result<()> {
        conn.execute_batch(
            "-- Counts of each family of records by stretch of time.
            CREATE TABLE rollups (
                id INTEGER PRIMARY KEY,
                cell BLOB NOT NULL
            ) STRICT;",
        )
    }

    fn may_change(&self, table: &str) -> bool {
        table == "rollups"
    }

    fn load(&mut self, _conn: &Connection) -> rusqlite::Result<()> {
        self.fold.forget();
        Ok(())
    }

    fn apply(&mut self, conn: &Connection, entries: &[Entry<'_>]) -> rusqlite::Result<()> {
        for entry in entries {
            self.fold.record(entry.record, |key| load(conn, key))?;
        }
        let mut upsert = conn.prepare_cached(
            "INSERT INTO rollups (id, cell) VALUES (?, ?)
             ON CONFLICT (id) DO UPDATE SET cell = excluded.cell",
        )?;
        for (key, cell) in self.fold.take_changed() {
            upsert.execute((key.id(), cell.encode()))?;
        }
        Ok(())
    }

    fn committed(&mut self) {
        if self.fold.len() > CELLS_AT_HAND {
            self.fold.forget();
        }
    }

    fn rolled_back(&mut self, _conn: &Connection) -> rusqlite::Result<()> {
        self.fold.forget();
        Ok(())
    }

    fn erase(&mut self, _conn: &Connection, _ranges: &[IndexRange]) -> rusqlite::Result<()> {
        Ok(())
    }

    fn clear(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        self.fold.forget();
        conn.execute("DELETE FROM rollups", []).map(drop)
    }

    fn verifier(&self) -> Box<dyn Verifier> {
        Box::new(RollupVerifier::default())
    }
}

/// Counts the records again.
///
/// It holds every cell at once, encoded but for the latest ones: some 100 bytes and more for each
/// minute in which there were records.
#[derive(Debug, Default)]
struct RollupVerifier {
    fold: Fold,
    counted: BTreeMap<i64, Vec<u8>>,
    /// Index of the first record that was shown.
    first: Option<u64>,
}

impl RollupVerifier {
    fn put_away(&mut self) {
        for (key, cell) in self.fold.take_changed() {
            self.counted.insert(key.id(), cell.encode());
        }
        self.fold.forget();
    }
}

impl Verifier for RollupVerifier {
    fn check(
        &mut self,
        _conn: &Connection,
        entries: &[Entry<'_>],
        _found: &mut Vec<Damage>,
    ) -> rusqlite::Result<()> {
        self.first = self.first.or(entries.first().map(|entry| entry.index));
        for entry in entries {
            let counted = &self.counted;
            let again = |key: CellKey| {
                let bytes = counted.get(&key.id());
                bytes.map(|bytes| decode(key, bytes)).transpose()
            };
            self.fold.record(entry.record, again)?;
        }
        if self.fold.len() > CELLS_AT_HAND {
            self.put_away();
        }
        Ok(())
    }

    fn finish(&mut self, conn: &Connection, found: &mut Vec<Damage>) -> rusqlite::Result<()> {
        self.put_away();
        let all_shown = self.first.unwrap_or_default() == 0;
        let mut select = conn.prepare("SELECT id, cell FROM rollups ORDER BY id")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let stored = row.get_ref(1)?.as_bytes()?;
            let is_sound = match self.counted.remove(&id) {
                Some(counted) if counted == stored => true,
                // Records that were moved out are in the counts, and not shown.
                counted if !all_shown => is_at_least(id, stored, counted.as_deref()),
                _ => false,
            };
            if !is_sound {
                found.push(damage(id, "cell"));
            }
        }
        found.extend(self.counted.keys().map(|id| damage(*id, "*")));
        Ok(())
    }
}

/// Whether the stored cell is one, and counts no fewer records than were shown.
fn is_at_least(id: i64, stored: &[u8], counted: Option<&[u8]>) -> bool {
    let Some(key) = CellKey::from_id(id) else {
        return false;
    };
    let total = |bytes| Cell::decode(key.family, bytes).map(|cell| cell.total());
    match (total(stored), counted.map(total)) {
        (Some(stored), Some(counted)) => counted.is_some_and(|counted| counted <= stored),
        (stored, None) => stored.is_some(),
        (None, _) => false,
    }
}

fn damage(id: i64, column: &str) -> Damage {
    Damage::Projection {
        table: "rollups".into(),
        row: CellKey::from_id(id).map_or_else(|| format!("id {id}"), name),
        column: column.into(),
        index: None,
    }
}

/// Cells kept in memory between transactions.
const CELLS_AT_HAND: usize = 512;
