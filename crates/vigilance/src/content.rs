//! Erasable texts in the database: written once, read, and overwritten where they lie.

use std::collections::HashMap;

use merkle_core::{Hash, Hasher, Sha256};
use rusqlite::{Connection, OptionalExtension};

use crate::record::{ErasableContent, ErasableField, IndexRange, Record, Salt};

/// Where the texts go, and which of them came before their record.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    next: i64,
    staged: HashMap<Hash, i64>,
    /// What makes the tags of subjects say nothing about them.
    subject_key: [u8; 32],
}

impl Contents {
    /// What a new trail needs to know beforehand.
    pub(crate) fn create(conn: &Connection) -> rusqlite::Result<()> {
        let mut key = [0_u8; 32];
        getrandom::fill(&mut key).map_err(|error| {
            rusqlite::Error::ToSqlConversionFailure(std::io::Error::from(error).into())
        })?;
        conn.execute("INSERT INTO meta VALUES ('subject_key', ?)", [&key[..]])?;
        Ok(())
    }

    /// Takes up what the database holds.
    pub(crate) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let next = conn.query_row(
            "SELECT coalesce(max(id), -1) + 1 FROM contents",
            [],
            |row| row.get(0),
        )?;
        let subject_key = conn.query_row(
            "SELECT value FROM meta WHERE name = 'subject_key'",
            [],
            |row| row.get(0),
        )?;
        let mut statement = conn.prepare("SELECT commitment, content FROM staged")?;
        let staged = statement.query_map([], |row| {
            Ok((Hash::from_bytes(row.get(0)?), row.get::<_, i64>(1)?))
        })?;
        Ok(Self {
            next,
            staged: staged.collect::<rusqlite::Result<_>>()?,
            subject_key,
        })
    }

    /// Takes in a text whose record comes later.
    pub(crate) fn stage(
        &mut self,
        conn: &Connection,
        content: &ErasableContent,
    ) -> rusqlite::Result<()> {
        if self.staged.contains_key(&content.commitment) {
            return Ok(());
        }
        let id = self.write(conn, content)?;
        let mut insert =
            conn.prepare_cached("INSERT INTO staged (commitment, content) VALUES (?, ?)")?;
        insert.execute((content.commitment.as_bytes(), id))?;
        self.staged.insert(content.commitment, id);
        Ok(())
    }

    /// Overwrites the texts whose record never came. Gives how many they were.
    pub(crate) fn sweep(&mut self, conn: &Connection) -> rusqlite::Result<usize> {
        let swept = self.staged.len();
        for (_, id) in self.staged.drain() {
            overwrite(conn, id)?;
        }
        conn.execute("DELETE FROM staged", [])?;
        Ok(swept)
    }

    /// Writes the texts of a record, or ties those to it that were staged. Texts that are neither given
    /// nor staged stay away.
    pub(crate) fn insert(
        &mut self,
        conn: &Connection,
        index: u64,
        record: &Record,
        given: &[ErasableContent],
    ) -> rusqlite::Result<()> {
        for (field, text) in record.erasable() {
            let commitment = text.commitment();
            let given = given.iter().find(|it| it.field == field);
            let id = if let Some(id) = self.staged.remove(&commitment) {
                let mut delete = conn.prepare_cached("DELETE FROM staged WHERE commitment = ?")?;
                delete.execute([commitment.as_bytes()])?;
                id
            } else if let Some(given) = given {
                self.write(conn, given)?
            } else {
                continue;
            };
            let mut link =
                conn.prepare_cached("INSERT INTO record_contents (ref, content) VALUES (?, ?)")?;
            link.execute((reference(index, field), id))?;
            if field == ErasableField::Subject
                && let Some(subject) = read(conn, id)?
            {
                let tag = self.tag(&subject.1);
                let mut insert =
                    conn.prepare_cached("INSERT OR IGNORE INTO subjects (tag, idx) VALUES (?, ?)")?;
                insert.execute((&tag[..], index.cast_signed()))?;
            }
        }
        Ok(())
    }

    /// Erases the texts of records: overwrites salt and text in their place, and forgets whom they are
    /// about. Notes that the write-ahead log has copies, which are to be scrubbed.
    pub(crate) fn erase(&self, conn: &Connection, ranges: &[IndexRange]) -> rusqlite::Result<()> {
        conn.execute("INSERT OR REPLACE INTO meta VALUES ('scrub', 1)", [])?;
        for range in ranges {
            let bounds = (
                range.first.cast_signed() << 3,
                range.end().cast_signed() << 3,
            );
            let mut select = conn.prepare_cached(
                "SELECT ref, content FROM record_contents WHERE ref >= ? AND ref < ?",
            )?;
            let rows = select.query_map(bounds, |row| Ok((row.get(0)?, row.get(1)?)))?;
            let rows: Vec<(i64, i64)> = rows.collect::<rusqlite::Result<_>>()?;
            for (reference, id) in rows {
                if reference & 7 == i64::from(ErasableField::Subject.code())
                    && let Some((_, subject)) = read(conn, id)?
                {
                    let tag = self.tag(&subject);
                    conn.prepare_cached("DELETE FROM subjects WHERE tag = ? AND idx = ?")?
                        .execute((&tag[..], reference >> 3))?;
                }
                overwrite(conn, id)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, conn: &Connection, content: &ErasableContent) -> rusqlite::Result<i64> {
        let id = self.next;
        self.next += 1;
        let mut insert =
            conn.prepare_cached("INSERT INTO contents (id, salt, content) VALUES (?, ?, ?)")?;
        insert.execute((id, content.salt.as_bytes(), content.text.as_bytes()))?;
        Ok(id)
    }

    /// The keyed hash under which the records about a subject are found.
    pub(crate) fn tag(&self, subject: &[u8]) -> [u8; 16] {
        tag(&self.subject_key, subject)
    }
}

/// The keyed hash under which the records about a subject are found.
pub(crate) fn tag(key: &[u8; 32], subject: &[u8]) -> [u8; 16] {
    let hash = Sha256.value(&[b"vigilance 2026-11 subject", &key[..], subject].concat());
    let (tag, _) = hash.as_bytes().split_at(16);
    tag.try_into().unwrap_or_default()
}

/// Where a text is tied to its record.
pub(crate) const fn reference(index: u64, field: ErasableField) -> i64 {
    (index.cast_signed() << 3) | field.code() as i64
}

/// Salt and text of a row; nothing if it was overwritten.
pub(crate) fn read(conn: &Connection, id: i64) -> rusqlite::Result<Option<(Salt, Vec<u8>)>> {
    let mut select = conn.prepare_cached("SELECT salt, content FROM contents WHERE id = ?")?;
    let row = select.query_row([id], |row| {
        Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Vec<u8>>(1)?))
    });
    let row = row.optional()?;
    Ok(row
        .filter(|(salt, _)| *salt != ERASED)
        .map(|(salt, text)| (Salt::from_bytes(salt), text)))
}

/// The record of these bytes, the texts put in that are at hand; none if they are not those of a record.
pub(crate) fn filled(
    conn: &Connection,
    index: u64,
    canonical: &[u8],
) -> rusqlite::Result<Option<Record>> {
    let Ok(mut record) = Record::decode(canonical) else {
        return Ok(None);
    };
    fill(conn, index, &mut record)?;
    Ok(Some(record))
}

/// Puts the texts of a record in that are at hand. Those that do not match their commitment stay out;
/// their fields are given back.
pub(crate) fn fill(
    conn: &Connection,
    index: u64,
    record: &mut Record,
) -> rusqlite::Result<Vec<ErasableField>> {
    let mut bad = Vec::new();
    let fields: Vec<_> = (record.erasable().iter())
        .map(|(field, text)| (*field, text.commitment()))
        .collect();
    for (field, commitment) in fields {
        let mut select =
            conn.prepare_cached("SELECT content FROM record_contents WHERE ref = ?")?;
        let id = select.query_row([reference(index, field)], |row| row.get(0));
        let Some(id) = id.optional()? else { continue };
        let Some((salt, text)) = read(conn, id)? else {
            continue;
        };
        let content = String::from_utf8(text).ok().map(|text| ErasableContent {
            field,
            commitment,
            salt,
            text,
        });
        if content.is_none_or(|content| record.fill(&content).is_err()) {
            bad.push(field);
        }
    }
    Ok(bad)
}

/// Whether any text of a record is at hand.
pub(crate) fn has_texts(conn: &Connection, index: u64) -> rusqlite::Result<bool> {
    let mut select = conn.prepare_cached(
        "SELECT 1 FROM record_contents r JOIN contents c ON c.id = r.content
         WHERE r.ref >= ?1 AND r.ref < ?1 + 8 AND c.salt <> zeroblob(32)",
    )?;
    select.exists([index.cast_signed() << 3])
}

/// Zeros in the place of salt and text, as many: SQLite then writes into the same cell.
fn overwrite(conn: &Connection, id: i64) -> rusqlite::Result<()> {
    let mut update = conn.prepare_cached(
        "UPDATE contents SET salt = zeroblob(32), content = zeroblob(length(content)) WHERE id = ?",
    )?;
    update.execute([id])?;
    Ok(())
}

/// The salt of a text that was erased.
pub(crate) const ERASED: [u8; 32] = [0; 32];
