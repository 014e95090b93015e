//! A piece of the log, read and hashed by one worker.

use std::path::{Path, PathBuf};

use merkle_core::{EMPTY_LOG_ROOT, Hash, Hasher, Sha256, log_inner_hash};
use rusqlite::{Connection, OptionalExtension};

use crate::content::{self, reference};
use crate::edge::{TILE_WIDTH, perfect_root};
use crate::error::{ReadError, StorageError, StorageErrorKind};
use crate::health::{Damage, TileFault};
use crate::projection::text::TextVerifier;
use crate::projection::typed::Typed;
use crate::projection::{Entry, Projection, Verifier};
use crate::record::{ErasableContent, ErasableField, Record, Salt};
use crate::segment::{self, StoredBytes};
use crate::tiles::{decode_hashes, tile_id};

/// Records of a chunk: whole tiles.
pub(super) const CHUNK: u64 = 16 * TILE_WIDTH as u64;

/// What a worker found in a chunk.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) first: u64,
    pub(super) count: u64,
    pub(super) damage: Vec<Damage>,
    /// The hashes of the records as they lie there; where one cannot be read, the tree's word for it.
    pub(super) leaves: Vec<Hash>,
    /// The records that could be read, with the texts that are at hand.
    pub(super) records: Vec<(u64, Record)>,
    /// Texts that should be there and are not.
    pub(super) missing: Vec<(u64, ErasableField)>,
    /// Records of which texts are there.
    pub(super) present: Vec<u64>,
    /// Rows of the contents that belong to these records.
    pub(super) rows: Vec<i64>,
    /// How many rows of subjects there must be.
    pub(super) subjects: u64,
    /// The words that the text index should have of them.
    pub(super) words: TextVerifier,
}

/// Reads and hashes pieces of the log.
pub(super) struct Worker {
    conn: Connection,
    folder: PathBuf,
    typed: Box<dyn Verifier>,
    words: TextVerifier,
}

impl Worker {
    /// A worker; `words` is a part that has the keys of everybody's.
    pub(super) fn new(conn: Connection, folder: &Path, words: TextVerifier) -> Self {
        Self {
            conn,
            folder: folder.to_owned(),
            typed: Typed.verifier(),
            words,
        }
    }

    /// What it reads from.
    pub(super) fn conn(&self) -> &Connection {
        &self.conn
    }

    /// Checks the records `[first, end)`.
    pub(super) fn chunk(&mut self, first: u64, end: u64) -> Result<Chunk, StorageError> {
        let mut chunk = Chunk {
            first,
            count: end - first,
            words: self.words.part(),
            ..Chunk::default()
        };
        let rows = self.rows(&mut chunk, end)?;
        self.leaves(&mut chunk, &rows)?;
        self.contents(&mut chunk)?;
        let pruned = segment::pruned(&self.conn)?;
        let entries: Vec<Entry<'_>> = (chunk.records.iter())
            .map(|(index, record)| Entry::new(*index, record))
            .collect();
        chunk.words.see(&entries);
        let kept = entries.iter().position(|entry| entry.index >= pruned);
        let kept = kept.map_or(&[][..], |at| &entries[at..]);
        let mut damage = Vec::new();
        let checked = self.typed.check(&self.conn, kept, &mut damage);
        chunk.damage.append(&mut damage);
        if let Err(error) = checked {
            chunk
                .damage
                .push(unreadable(error, "a table of records", first, end)?);
        }
        Ok(chunk)
    }

    /// The stored records, a gap where one is missing or cannot be read.
    fn rows(&self, chunk: &mut Chunk, end: u64) -> Result<Vec<Option<StoredBytes>>, StorageError> {
        let mut rows: Vec<Option<StoredBytes>> = Vec::new();
        rows.resize_with(usize::try_from(chunk.count).unwrap_or(0), || None);
        if let Err(error) = self.read_rows(chunk.first, end, &mut rows) {
            chunk
                .damage
                .push(unreadable(error, "records", chunk.first, end)?);
            // One after the other: what lies on a good page is read.
            for (index, row) in (chunk.first..).zip(&mut rows) {
                if row.is_none() {
                    let _ = self.read_rows(index, index + 1, std::slice::from_mut(row));
                }
            }
        }
        let pruned = segment::pruned(&self.conn)?;
        for (index, row) in (chunk.first..).zip(&mut rows) {
            if row.is_none() && index < pruned {
                let (stored, damage) = self.sealed(index)?;
                *row = stored;
                chunk.damage.extend(damage);
            } else if row.is_none() {
                chunk.damage.push(Damage::Missing { index });
            }
        }
        Ok(rows)
    }

    /// A record that was moved out.
    fn sealed(&self, index: u64) -> Result<(Option<StoredBytes>, Option<Damage>), StorageError> {
        let Some(segment) = segment::of(&self.conn, index)? else {
            return Ok((None, Some(Damage::Missing { index })));
        };
        match segment::read(&self.folder, segment, index) {
            Ok(stored) => Ok((Some(stored), None)),
            Err(ReadError::Damaged(damage)) => Ok((None, Some(*damage))),
            Err(ReadError::Storage(error)) => Err(error),
            // That the file is not there is said once, of the file.
            Err(_) => Ok((None, None)),
        }
    }

    fn read_rows(
        &self,
        first: u64,
        end: u64,
        to: &mut [Option<StoredBytes>],
    ) -> rusqlite::Result<()> {
        let mut select = self.conn.prepare_cached(
            "SELECT idx, canonical, link FROM records WHERE idx >= ? AND idx < ? ORDER BY idx",
        )?;
        let mut rows = select.query([first.cast_signed(), end.cast_signed()])?;
        while let Some(row) = rows.next()? {
            let at = row.get::<_, i64>(0)?.cast_unsigned() - first;
            let place = usize::try_from(at).ok().and_then(|at| to.get_mut(at));
            if let Some(place) = place {
                let bytes = row.get_ref(1)?.as_bytes().unwrap_or_default();
                let link = row.get_ref(2)?.as_bytes().unwrap_or_default();
                *place = Some(StoredBytes {
                    canonical: bytes.to_vec(),
                    link: link.try_into().ok().map(Hash::from_bytes),
                });
            }
        }
        Ok(())
    }

    /// Hashes the records, and holds them against the tiles and the chain.
    fn leaves(&self, chunk: &mut Chunk, rows: &[Option<StoredBytes>]) -> Result<(), StorageError> {
        let tiles = self.tiles(chunk)?;
        let leaves = hash_leaves(rows);
        let mut previous = self.link_before(chunk.first)?;
        for ((at, row), leaf) in rows.iter().enumerate().zip(leaves) {
            let index = chunk.first + at as u64;
            let tile = tiles.get(at / TILE_WIDTH).and_then(Option::as_ref);
            let stated = tile.and_then(|hashes| hashes.get(at % TILE_WIDTH)).copied();
            let Some(row) = row else {
                chunk.leaves.push(stated.unwrap_or_default());
                previous = None;
                continue;
            };
            let chained = |leaf: Hash| previous.map(|link| log_inner_hash(&link, &leaf));
            let of_record = chained(leaf);
            if row.link.is_none() || (of_record.is_some() && of_record != row.link) {
                let of_tile = stated.and_then(chained);
                // Where tile and chain agree on another record, the record was changed.
                match stated {
                    Some(stated) if stated != leaf && of_tile == row.link => {}
                    _ => chunk.damage.push(Damage::Link { index }),
                }
            }
            if let Some(stated) = stated
                && stated != leaf
            {
                let is_tile = of_record.is_some() && of_record == row.link;
                chunk.damage.push(if is_tile {
                    tile_damage(0, index / TILE_WIDTH as u64, TileFault::Changed)
                } else {
                    Damage::Record { index }
                });
            }
            match Record::decode(&row.canonical) {
                Ok(record) => chunk.records.push((index, record)),
                Err(_) => chunk.damage.push(Damage::Record { index }),
            }
            chunk.leaves.push(leaf);
            previous = row.link;
        }
        Ok(())
    }

    /// The full tiles over the chunk, and whether they hash to what stands beside them.
    fn tiles(&self, chunk: &mut Chunk) -> Result<Vec<Option<Vec<Hash>>>, StorageError> {
        let (begin, full) = (
            chunk.first / TILE_WIDTH as u64,
            (chunk.first + chunk.count) / TILE_WIDTH as u64,
        );
        let mut tiles = Vec::new();
        for place in begin..full {
            let (tile, damage) = read_tile(&self.conn, 0, place)?;
            chunk.damage.extend(damage);
            tiles.push(tile);
        }
        Ok(tiles)
    }

    /// What the first record of a chunk is chained to; unknown where it cannot be read.
    fn link_before(&self, first: u64) -> Result<Option<Hash>, StorageError> {
        let Some(before) = first.checked_sub(1) else {
            return Ok(Some(EMPTY_LOG_ROOT));
        };
        let mut select = self
            .conn
            .prepare_cached("SELECT link FROM records WHERE idx = ?")?;
        let link = select.query_row([before.cast_signed()], |row| row.get::<_, Vec<u8>>(0));
        let link = match link.optional() {
            Ok(None) => {
                let (stored, _) = self.sealed(before)?;
                return Ok(stored.and_then(|stored| stored.link));
            }
            Ok(link) => link,
            Err(error) => {
                unreadable(error, "records", before, first)?;
                None
            }
        };
        Ok(link
            .and_then(|link| link.try_into().ok())
            .map(Hash::from_bytes))
    }

    /// Holds the erasable texts against their commitments.
    fn contents(&self, chunk: &mut Chunk) -> Result<(), StorageError> {
        let end = chunk.first + chunk.count;
        let mut texts = match self.texts(chunk.first, end) {
            Ok(texts) => texts,
            Err(error) => {
                let damage = unreadable(error, "contents", chunk.first, end)?;
                chunk.damage.push(damage);
                return Ok(());
            }
        }
        .into_iter()
        .peekable();
        for (index, record) in &mut chunk.records {
            let fields: Vec<_> = (record.erasable().iter())
                .map(|(field, text)| (*field, text.commitment()))
                .collect();
            for (field, commitment) in fields {
                let at = reference(*index, field);
                while let Some(text) = texts.next_if(|text| text.at < at) {
                    chunk.damage.push(orphan("record_contents", text.at));
                }
                let Some(text) = texts.next_if(|text| text.at == at) else {
                    chunk.missing.push((*index, field));
                    continue;
                };
                chunk.rows.push(text.row);
                let Some((salt, bytes)) = text.content else {
                    chunk.missing.push((*index, field));
                    continue;
                };
                let text = String::from_utf8(bytes).ok();
                let content = text.map(|text| ErasableContent {
                    field,
                    commitment,
                    salt,
                    text,
                });
                if content.is_none_or(|content| record.fill(&content).is_err()) {
                    let index = *index;
                    chunk.damage.push(Damage::Content { index, field });
                    continue;
                }
                chunk.present.push(*index);
            }
        }
        let rest: Vec<_> = texts
            .map(|text| orphan("record_contents", text.at))
            .collect();
        chunk.damage.extend(rest);
        self.subjects(chunk)
    }

    /// Whether the records about somebody are found by their subject.
    fn subjects(&self, chunk: &mut Chunk) -> Result<(), StorageError> {
        let mut key = None;
        for (index, record) in &chunk.records {
            let texts = record.erasable();
            let subject = texts
                .iter()
                .find(|(field, _)| *field == ErasableField::Subject);
            let Some(subject) = subject.and_then(|(_, text)| text.text()) else {
                continue;
            };
            chunk.subjects += 1;
            let key: &[u8; 32] = match &key {
                Some(key) => key,
                None => key.insert(subject_key(&self.conn)?),
            };
            let tag = content::tag(key, subject.as_bytes());
            let mut select = self
                .conn
                .prepare_cached("SELECT 1 FROM subjects WHERE tag = ? AND idx = ?")?;
            if !select.exists((&tag[..], index.cast_signed()))? {
                chunk.damage.push(Damage::Projection {
                    table: "subjects".to_owned(),
                    row: format!("idx {index}"),
                    column: "*".to_owned(),
                    index: Some(*index),
                });
            }
        }
        Ok(())
    }

    fn texts(&self, first: u64, end: u64) -> rusqlite::Result<Vec<StoredText>> {
        let mut select = self.conn.prepare_cached(
            "SELECT r.ref, r.content, c.salt, c.content FROM record_contents r
             LEFT JOIN contents c ON c.id = r.content
             WHERE r.ref >= ? AND r.ref < ? ORDER BY r.ref",
        )?;
        let bounds = [first.cast_signed() << 3, end.cast_signed() << 3];
        let rows = select.query_map(bounds, |row| {
            let salt = row.get_ref(2)?.as_bytes_or_null().unwrap_or_default();
            let salt: Option<[u8; 32]> = salt.and_then(|salt| salt.try_into().ok());
            let text = row.get_ref(3)?.as_bytes_or_null().unwrap_or_default();
            let content = salt
                .filter(|salt| *salt != content::ERASED)
                .zip(text)
                .map(|(salt, text)| (Salt::from_bytes(salt), text.to_vec()));
            Ok(StoredText {
                at: row.get(0)?,
                row: row.get(1)?,
                content,
            })
        })?;
        rows.collect()
    }
}

/// A text as it is stored, for a record and a field.
struct StoredText {
    at: i64,
    row: i64,
    content: Option<(Salt, Vec<u8>)>,
}

pub(crate) fn subject_key(conn: &Connection) -> rusqlite::Result<[u8; 32]> {
    let text = "SELECT value FROM meta WHERE name = 'subject_key'";
    let key = conn.query_row(text, [], |row| row.get::<_, Vec<u8>>(0));
    // Whatever it was changed to, the tags do not follow from it.
    Ok(key
        .optional()?
        .and_then(|key| key.try_into().ok())
        .unwrap_or_default())
}

/// Reads a full tile. Gives its hashes, and what is wrong with it.
pub(super) fn read_tile(
    conn: &Connection,
    level: u8,
    place: u64,
) -> Result<(Option<Vec<Hash>>, Option<Damage>), StorageError> {
    let mut select = conn.prepare_cached("SELECT root, hashes FROM tiles WHERE id = ?")?;
    let row = select.query_row([tile_id(level, place)], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
    });
    let row = match row.optional() {
        Ok(row) => row,
        Err(error) => return Ok((None, Some(unreadable(error, "tiles", place, place)?))),
    };
    let Some((root, hashes)) = row else {
        return Ok((None, Some(tile_damage(level, place, TileFault::Missing))));
    };
    let root: Option<[u8; 32]> = root.try_into().ok();
    let (Some(root), Some(hashes)) = (root.map(Hash::from_bytes), decode_hashes(&hashes)) else {
        return Ok((
            None,
            Some(tile_damage(level, place, TileFault::WrongLength)),
        ));
    };
    let damage =
        (perfect_root(&hashes) != root).then(|| tile_damage(level, place, TileFault::Changed));
    Ok((Some(hashes), damage))
}

pub(super) fn tile_damage(level: u8, tile: u64, found: TileFault) -> Damage {
    Damage::Tile { level, tile, found }
}

pub(super) fn orphan(table: &'static str, row: i64) -> Damage {
    Damage::Orphan { table, row }
}

/// What cannot be read is damage, if the file is to blame and not the disk.
pub(super) fn unreadable(
    error: rusqlite::Error,
    what: &str,
    first: u64,
    end: u64,
) -> Result<Damage, StorageError> {
    let values = !matches!(error, rusqlite::Error::SqliteFailure(..));
    let text = error.to_string();
    let error = StorageError::from(error);
    if !values && error.kind() != StorageErrorKind::Corrupt {
        return Err(error);
    }
    Ok(Damage::Page {
        what: format!("{what} {first} to {end}: {text}"),
    })
}

/// The leaf hash of each record: `SHA-256(0x00 || canonical)`, many at a time.
fn hash_leaves(rows: &[Option<StoredBytes>]) -> Vec<Hash> {
    let mut messages: Vec<Vec<u8>> = Vec::with_capacity(rows.len());
    for row in rows {
        let canonical = row.as_ref().map_or(&[][..], |row| &row.canonical);
        let mut message = Vec::with_capacity(canonical.len() + 1);
        message.push(0);
        message.extend_from_slice(canonical);
        messages.push(message);
    }
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let mut hashes = vec![Hash::default(); messages.len()];
    Sha256.value_many(&messages, &mut hashes);
    hashes
}
