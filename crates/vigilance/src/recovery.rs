//! Ways out of panic mode.

use std::ops::ControlFlow;

use merkle_core::log_leaf_hash;
use rusqlite::OptionalExtension;

use crate::content;
use crate::edge::Edge;
use crate::error::{AppendError, ReadError, StorageError};
use crate::health::Damage;
use crate::open::against;
use crate::projection::Entry;
use crate::record::Record;
use crate::schema;
use crate::segment;
use crate::tiles;
use crate::trail::Trail;
use crate::verify::{Depth, VerifyProgress, VerifyReport};
use crate::writer::Writer;

impl Trail {
    /// Makes everything again that follows from the records: tables, statistics, tiles, indexes, guards.
    /// Then [checks](Self::verify) everything; if nothing is wrong any more, the trail is sound again.
    ///
    /// What is wrong with the records, their chain or their texts cannot be made good from inside: restore
    /// a backup, or [apply](Self::apply) the records again from where they came from.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the trail is as it was then.
    pub fn rebuild(
        &self,
        progress: impl FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<VerifyReport, ReadError> {
        self.run(Writer::rebuild)??;
        // What was found before may be made good; the check says what is left.
        self.shared().set_sound();
        let report = self.verify(Depth::Pages, progress)?;
        if report.is_complete && report.damage.is_empty() {
            self.run(|writer| {
                writer
                    .outside
                    .incident("made good: rebuilt from the records")
            })??;
        }
        Ok(report)
    }
}

impl Writer {
    /// Fills the tables again, in one transaction.
    fn rebuild(&mut self) -> Result<(), StorageError> {
        self.gate.set(true);
        let rebuilt = self.rebuild_all();
        self.gate.set(false);
        if rebuilt.is_err() {
            self.conn.execute_batch("ROLLBACK")?;
        }
        self.wal.is_dirty = true;
        for projection in &mut self.projections {
            projection.load(&self.conn)?;
        }
        rebuilt
    }

    fn rebuild_all(&mut self) -> Result<(), StorageError> {
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        schema::drop_guards(&self.conn)?;
        schema::restore(&self.conn)?;
        for projection in &mut self.projections {
            projection.clear(&self.conn)?;
        }
        self.conn.execute("DELETE FROM tiles WHERE id >= 0", [])?;
        let (size, pruned) = (self.edge.size(), segment::pruned(&self.conn)?);
        let (mut edge, mut first) = (Edge::default(), 0);
        while first < size {
            let end = size.min(first + BATCH);
            let records = self.read_again(first, end, &mut edge)?;
            let entries: Vec<Entry<'_>> = (records.iter())
                .map(|(index, record)| Entry::new(*index, record))
                .collect();
            // The tables of records have only what was not moved out; statistics count everything.
            let kept = entries.iter().position(|entry| entry.index >= pruned);
            let (typed, others) = self.projections.split_at_mut(1);
            for projection in typed {
                let kept = kept.map_or(&[][..], |at| &entries[at..]);
                projection.apply(&self.conn, kept)?;
            }
            for projection in others {
                projection.apply(&self.conn, &entries)?;
            }
            first = end;
        }
        schema::create_guards(&self.conn)?;
        self.conn.execute_batch("REINDEX; COMMIT")?;
        Ok(())
    }

    /// Whether records may be given again although the trail is in panic mode: because its end is missing.
    pub(crate) fn is_catching_up(&self) -> bool {
        matches!(self.shared.panic(), Some(Damage::TailLost { .. }))
    }

    /// After records were given again: whether the log is what everybody says it was.
    pub(crate) fn caught_up(&mut self) -> Result<(), AppendError> {
        let again = self.outside.again()?;
        for (by, known) in again.known.into_iter().chain(self.known) {
            if let Some(damage) = against(&self.shared, by, known)? {
                if !matches!(damage, Damage::TailLost { .. }) {
                    self.shared.set_sound();
                    self.shared.set_panic(&damage);
                }
                return Ok(());
            }
        }
        self.shared.set_sound();
        let line = format!("made good: the log has {} records again", self.edge.size());
        Ok(self.outside.incident(&line)?)
    }
}

impl Writer {
    /// Records as they lie there, their leaves added to the edge, and the tiles that fill written.
    fn read_again(
        &self,
        first: u64,
        end: u64,
        edge: &mut Edge,
    ) -> Result<Vec<(u64, Record)>, StorageError> {
        let mut select = self
            .conn
            .prepare_cached("SELECT canonical FROM records WHERE idx = ?")?;
        let mut records = Vec::new();
        for index in first..end {
            let stored = select.query_row([index.cast_signed()], |row| row.get::<_, Vec<u8>>(0));
            let canonical = match stored.optional()? {
                Some(stored) => stored,
                None => match segment::of(&self.conn, index)? {
                    Some(it) => {
                        segment::read(self.shared.folder(), it, index)
                            .map_err(|_| StorageError::other("a segment cannot be read"))?
                            .canonical
                    }
                    None => Vec::new(),
                },
            };
            let mut full = Vec::new();
            edge.push(&log_leaf_hash(&canonical), |tile| full.push(tile))
                .map_err(|_| StorageError::other("the log is full"))?;
            for tile in full {
                tiles::insert(&self.conn, &tile)?;
            }
            // What is not a record any more has no rows; the check says so.
            let record = content::filled(&self.conn, index, &canonical)?;
            records.extend(record.map(|record| (index, record)));
        }
        Ok(records)
    }
}

/// Records that are read and written at a time.
const BATCH: u64 = 8_192;
