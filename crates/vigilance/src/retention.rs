//! Moving old records out of the database.

use std::fs;
use std::io;
use std::path::Path;

use merkle_core::Hash;

use crate::error::{AppendError, ReadError, StorageError};
use crate::health::Damage;
use crate::projection::typed::TABLES;
use crate::record::{Event, EventKind, IndexRange};
use crate::segment::{self, Segment, StoredBytes};
use crate::trail::Trail;
use crate::writer::Writer;

/// Records that were moved out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sealed {
    /// Index of the first.
    pub first: u64,
    /// The index after the last.
    pub past: u64,
    /// SHA-256 of the file.
    pub digest: Hash,
    /// Name of the file, in the folder `segments`.
    pub file: String,
}

/// Why nothing was moved out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetentionError {
    /// Records that would be moved out are not what the log commits to.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be recorded.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Trail {
    /// Moves the records before `past` into a sealed segment: a file that never changes. They can be read,
    /// proved and checked as before; pages, searches and what looks for an id do not find them any more, and
    /// statistics still count them. Erasable texts stay where they can be erased. Gives `None` where there is nothing to be
    /// moved: whole tiles of 256 records are, and the newest stay.
    ///
    /// The file may be taken elsewhere; until it is back, its records cannot be read.
    ///
    /// With a time, the log says so in an event; without, the caller's own log should.
    ///
    /// # Errors
    ///
    /// [`RetentionError`].
    pub fn seal(&self, past: u64, event_ns: Option<u64>) -> Result<Option<Sealed>, RetentionError> {
        let sealed = self.run(move |writer| writer.seal(past))??;
        if let (Some(sealed), Some(event_ns)) = (&sealed, event_ns) {
            let mut event = Event::new(EventKind::Pruned, event_ns);
            event.source = Some("vigilance".to_owned());
            event.hash = Some(sealed.digest);
            event.ranges = vec![IndexRange {
                first: sealed.first,
                count: sealed.past - sealed.first,
            }];
            self.append(event)?;
        }
        Ok(sealed)
    }

    /// Copies the segments that are there into the folder of a backup.
    pub(crate) fn copy_segments(&self, folder: &Path) -> io::Result<()> {
        let from = self.shared().folder().join(segment::FOLDER);
        if !from.exists() {
            return Ok(());
        }
        let to = folder.join(segment::FOLDER);
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    }
}

impl Writer {
    fn seal(&mut self, past: u64) -> Result<Option<Sealed>, RetentionError> {
        self.make_durable()?;
        let first = segment::pruned(&self.conn).map_err(ReadError::from)?;
        let newest = self.edge.size().saturating_sub(1);
        let past = past.min(newest) & !0xff;
        if past <= first {
            return Ok(None);
        }
        let records = self.checked(first, past)?;
        let folder = self.shared.folder();
        let digest = segment::write(folder, first, past, &records).map_err(ReadError::from)?;
        self.gate.set(true);
        let moved = self.move_out(Segment {
            first,
            past,
            digest,
        });
        self.gate.set(false);
        if moved.is_err() {
            self.roll_back();
        }
        moved.map_err(AppendError::Storage)?;
        self.wal.is_dirty = true;
        self.make_durable()?;
        Ok(Some(Sealed {
            first,
            past,
            digest,
            file: segment::name(first, past),
        }))
    }

    /// The records, each checked against its leaf: what is wrong is not sealed.
    fn checked(&self, first: u64, past: u64) -> Result<Vec<StoredBytes>, ReadError> {
        let mut select = self.conn.prepare(
            "SELECT canonical, link FROM records WHERE idx >= ? AND idx < ? ORDER BY idx",
        )?;
        let rows = select.query_map([first.cast_signed(), past.cast_signed()], |row| {
            Ok(StoredBytes {
                canonical: row.get(0)?,
                link: Some(Hash::from_bytes(row.get(1)?)),
            })
        })?;
        let records: Vec<StoredBytes> = rows.collect::<rusqlite::Result<_>>()?;
        self.shared.nodes(|nodes| {
            for tile in first / 256..past / 256 {
                let leaves = nodes.tile(0, tile)?;
                for (index, leaf) in (tile * 256..).zip(leaves.iter()) {
                    let at = usize::try_from(index - first).ok();
                    let record = at.and_then(|at| records.get(at));
                    let record = record.ok_or(Damage::Missing { index })?;
                    if merkle_core::log_leaf_hash(&record.canonical) != *leaf {
                        return Err(Damage::Record { index }.into());
                    }
                }
            }
            Ok(())
        })?;
        Ok(records)
    }

    fn move_out(&mut self, segment: Segment) -> Result<(), StorageError> {
        let past = segment.past.cast_signed();
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        for projection in &mut self.projections {
            projection.moving_out(&self.conn, segment.past)?;
        }
        self.conn.execute(
            "INSERT INTO segments (first, past, digest) VALUES (?, ?, ?)",
            (segment.first.cast_signed(), past, segment.digest.as_bytes()),
        )?;
        self.conn
            .execute("UPDATE meta SET value = ? WHERE name = 'pruned'", [past])?;
        self.conn
            .execute("DELETE FROM records WHERE idx < ?", [past])?;
        for table in TABLES {
            let text = format!("DELETE FROM {} WHERE idx < ?", table.name);
            self.conn.execute(&text, [past])?;
        }
        self.conn.execute_batch("COMMIT")?;
        Ok(())
    }
}
