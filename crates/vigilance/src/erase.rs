//! Erasing texts: a record in the log says so, and salt and text are overwritten wherever they lie.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::content;
use crate::error::{AppendError, ReadError};
use crate::options::Durability;
use crate::record::{Event, EventKind, IndexRange, RANGES_MAX, Record};
use crate::trail::Trail;
use crate::verify::subject_key;
use crate::writer::{Appended, Writer};

/// Which texts are erased.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Erasure {
    /// All erasable texts of these records.
    Records(BTreeSet<u64>),
    /// All erasable texts of all records whose subject is this one.
    Subject(String),
}

/// What was erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// The records that had texts, and have none any more.
    pub records: BTreeSet<u64>,
    /// Where the log says so.
    pub redactions: Vec<u64>,
    /// Whether no copy is left in any of the trail's files. If a reader was in the way, not yet: call
    /// [`scrub`](Trail::scrub).
    pub is_scrubbed: bool,
}

/// Why nothing was erased, or not everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// What is to be erased could not be found out.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The redaction could not be recorded, so nothing was erased; or the files could not be scrubbed
    /// after it was.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Trail {
    /// Erases texts: appends redactions, overwrites salts and texts in the database, and brings the
    /// write-ahead log in and empties it, so that no copy is left there.
    ///
    /// Leaves, roots and proofs stay as they are. What lies in backups and in snapshots of the disk, or in
    /// blocks that the file system gave back, is out of reach.
    ///
    /// # Errors
    ///
    /// [`EraseError`].
    pub fn erase(&self, what: &Erasure, event_ns: u64) -> Result<Erased, EraseError> {
        let records = self.erasable(what)?;
        let mut erased = Erased::default();
        let events = redactions(&records, event_ns);
        if !events.is_empty() {
            let events = events.into_iter().map(Record::from).collect();
            let appended = self.submit(events, Durability::Durable)?.wait()?;
            erased.redactions = appended.into_iter().filter_map(Appended::index).collect();
        }
        erased.records = records;
        erased.is_scrubbed = self.scrub()?;
        Ok(erased)
    }

    /// The events that erase texts when they are appended or [applied](Self::apply): for callers whose
    /// log comes first. Call [`scrub`](Self::scrub) afterwards.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn redactions(&self, what: &Erasure, event_ns: u64) -> Result<Vec<Event>, ReadError> {
        Ok(redactions(&self.erasable(what)?, event_ns))
    }

    /// Removes what is left in the write-ahead log of texts that were erased. Gives whether nothing is
    /// left; a reader that is at work keeps it from being emptied.
    ///
    /// # Errors
    ///
    /// [`AppendError`].
    pub fn scrub(&self) -> Result<bool, AppendError> {
        self.run(Writer::scrub)?
    }

    /// The records that have texts to be erased.
    fn erasable(&self, what: &Erasure) -> Result<BTreeSet<u64>, ReadError> {
        self.shared().nodes(|nodes| {
            let candidates = match what {
                Erasure::Records(records) => records.clone(),
                Erasure::Subject(subject) => about(nodes.conn, subject)?,
            };
            let size = nodes.edge.size();
            if let Some(&asked) = candidates.last()
                && asked >= size
            {
                return Err(ReadError::OutOfRange { asked, size });
            }
            let mut found = BTreeSet::new();
            for index in candidates {
                if content::has_texts(nodes.conn, index)? {
                    found.insert(index);
                }
            }
            Ok(found)
        })
    }
}

/// The records about a subject.
fn about(conn: &Connection, subject: &str) -> rusqlite::Result<BTreeSet<u64>> {
    let tag = content::tag(&subject_key(conn)?, subject.as_bytes());
    let mut select = conn.prepare_cached("SELECT idx FROM subjects WHERE tag = ?")?;
    let indices = select.query_map([&tag[..]], |row| row.get::<_, i64>(0))?;
    indices.map(|index| index.map(i64::cast_unsigned)).collect()
}

/// Events that name these records, as few as can be.
fn redactions(records: &BTreeSet<u64>, event_ns: u64) -> Vec<Event> {
    let ranges = IndexRange::over(records);
    let events = ranges.chunks(RANGES_MAX).map(|ranges| {
        let mut event = Event::new(EventKind::Redacted, event_ns);
        event.source = Some("vigilance".to_owned());
        event.count = Some(ranges.iter().map(|range| range.count).sum());
        event.ranges = ranges.to_vec();
        event
    });
    events.collect()
}

impl Writer {
    /// Brings the write-ahead log in and empties it.
    fn scrub(&mut self) -> Result<bool, AppendError> {
        let held = self.background.hold();
        let is_scrubbed = scrub(&self.conn)?;
        drop(held);
        self.wal.is_dirty = true;
        Ok(is_scrubbed)
    }
}

/// Brings the write-ahead log in and empties it, and notes that nothing is left to be scrubbed.
pub(crate) fn scrub(conn: &Connection) -> rusqlite::Result<bool> {
    let truncate = || {
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            Ok(row.get::<_, i64>(0)? == 0)
        })
    };
    if !truncate()? {
        return Ok(false);
    }
    conn.execute("DELETE FROM meta WHERE name = 'scrub'", [])?;
    Ok(true)
}
