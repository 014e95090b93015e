//! Tables that are made from the records: whoever changes them is found out, since they can be made
//! again.
//!
//! Each is filled in the transaction that appends the records, and checked against them by `verify`.

pub(crate) mod rollups;
pub(crate) mod text;
pub(crate) mod typed;

use rusqlite::Connection;

use crate::health::Damage;
use crate::record::{IndexRange, Record};

/// A record on its way into the tables, its erasable texts put in where they are at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'r> {
    /// Its place in the log.
    pub(crate) index: u64,
    /// The record.
    pub(crate) record: &'r Record,
    /// The words that it is found by, where somebody has them already.
    pub(crate) words: Option<&'r str>,
}

impl<'r> Entry<'r> {
    /// An entry of which nothing is computed yet.
    pub(crate) const fn new(index: u64, record: &'r Record) -> Self {
        Self {
            index,
            record,
            words: None,
        }
    }
}

/// Tables made from the records.
///
/// A projection lives with the connection that writes, and is called by one thread. It may keep state
/// in memory, if it forgets in [`rolled_back`](Self::rolled_back) what was never committed.
pub(crate) trait Projection: Send {
    /// Creates the tables, in a new database. Also run in an empty one, to know what the schema should be.
    fn create(&self, conn: &Connection) -> rusqlite::Result<()>;

    /// Whether rows of this table may be changed and deleted by the trail itself. Others are append-only.
    fn may_change(&self, table: &str) -> bool;

    /// Takes up what the tables hold, when the trail is opened.
    fn load(&mut self, conn: &Connection) -> rusqlite::Result<()>;

    /// Adds records, in order and without a gap, within a transaction.
    fn apply(&mut self, conn: &Connection, entries: &[Entry<'_>]) -> rusqlite::Result<()>;

    /// The transaction was committed.
    fn committed(&mut self) {}

    /// The transaction was not committed: what was applied since is not in the tables.
    fn rolled_back(&mut self, conn: &Connection) -> rusqlite::Result<()>;

    /// The erasable texts of these records are erased: removes whatever was made from them. Within a
    /// transaction; the records' own rows in `contents` are overwritten afterwards.
    fn erase(&mut self, conn: &Connection, ranges: &[IndexRange]) -> rusqlite::Result<()>;

    /// The records before `past` are about to be moved out: takes from them what it has not yet. Within a
    /// transaction.
    fn moving_out(&mut self, _conn: &Connection, _past: u64) -> rusqlite::Result<()> {
        Ok(())
    }

    /// Empties the tables, so that they can be made again by [`apply`](Self::apply).
    fn clear(&mut self, conn: &Connection) -> rusqlite::Result<()>;

    /// What checks the tables against the records.
    fn verifier(&self) -> Box<dyn Verifier>;
}

/// Checks tables against the records, which it is shown in order. It reads a snapshot of its own.
pub(crate) trait Verifier: Send {
    /// Takes the next records.
    fn check(
        &mut self,
        conn: &Connection,
        entries: &[Entry<'_>],
        found: &mut Vec<Damage>,
    ) -> rusqlite::Result<()>;

    /// There are no more records.
    fn finish(&mut self, conn: &Connection, found: &mut Vec<Damage>) -> rusqlite::Result<()>;
}

/// All projections, in the order in which they are filled. One more is one more line here.
pub(crate) fn all() -> Vec<Box<dyn Projection>> {
    vec![
        Box::new(typed::Typed),
        Box::new(rollups::Rollups::default()),
        Box::new(text::TextIndex::default()),
    ]
}

#[cfg(test)]
mod tests;
