//! The full-text index over results, snippets and messages.
//!
//! It is an FTS5 table without content: words and where they stand, under the record's index. Words are cut
//! by `search/words.rs`, not by SQLite, so that a query is cut in the same way and the index can be checked
//! without SQLite.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

use rusqlite::Connection;

use super::{Entry, Projection, Verifier};
use crate::content;
use crate::health::Damage;
use crate::record::{ErasableField, IndexRange, Record};
use crate::search::{normalised, searched_text};

/// The index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextIndex;

impl Projection for TextIndex {
    fn create(&self, conn: &Connection) -> rusqlite::Result<()> {
        conn.execute_batch(
            "CREATE VIRTUAL TABLE search USING fts5(
                words, content = '', columnsize = 0, tokenize = 'ascii'
            );
            INSERT INTO search (search, rank) VALUES ('secure-delete', 1);",
        )
    }

    fn may_change(&self, table: &str) -> bool {
        table == "search" || table.starts_with("search_")
    }

    fn load(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let mut set = conn.prepare("INSERT INTO search (search, rank) VALUES (?, ?)")?;
        for (option, value) in [("automerge", 0), ("crisismerge", SEGMENTS_MAX)] {
            // Compared by SQLite: somebody may have put something else there than a number.
            let mut is = conn.prepare("SELECT 1 FROM search_config WHERE k = ? AND v = ?")?;
            if !is.exists((option, value))? {
                set.execute((option, value))?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, conn: &Connection, entries: &[Entry<'_>]) -> rusqlite::Result<()> {
        let mut insert = conn.prepare_cached("INSERT INTO search (rowid, words) VALUES (?, ?)")?;
        let mut bytes = 0;
        for entry in entries {
            let words = words(entry);
            if !words.is_empty() {
                insert.execute((entry.index.cast_signed(), &words))?;
                bytes += words.len();
            }
        }
        // A group's share of merging what earlier ones wrote: as much each time, where SQLite would wait for 64
        // pages and then have one group in 64 wait for all of it.
        let pages = PAGES_MERGED + bytes / BYTES_A_PAGE_MERGED;
        let mut merge =
            conn.prepare_cached("INSERT INTO search (search, rank) VALUES ('merge', ?)")?;
        merge.execute([i64::try_from(pages).unwrap_or(i64::MAX)])?;
        Ok(())
    }

    fn rolled_back(&mut self, _conn: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    fn erase(&mut self, conn: &Connection, ranges: &[IndexRange]) -> rusqlite::Result<()> {
        let mut delete = conn
            .prepare_cached("INSERT INTO search (search, rowid, words) VALUES ('delete', ?, ?)")?;
        for range in ranges {
            for (index, text) in erasable_texts(conn, *range)? {
                let words = normalised(&text);
                if !words.is_empty() {
                    delete.execute((index, words))?;
                }
            }
        }
        Ok(())
    }

    fn clear(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        conn.execute("INSERT INTO search (search) VALUES ('delete-all')", [])
            .map(drop)
    }

    fn verifier(&self) -> Box<dyn Verifier> {
        Box::new(TextVerifier::default())
    }
}

/// Most pieces of the index on one level, beyond which SQLite merges them at once, however long that takes.
const SEGMENTS_MAX: i64 = 256;

/// Pages that a group merges, however small it is.
const PAGES_MERGED: usize = 4;

/// Bytes of words for which a group merges a page more. A page takes about 6,000.
const BYTES_A_PAGE_MERGED: usize = 2_400;

/// The words of what is searched of a record; empty if it has none.
pub(crate) fn words_of(record: &Record) -> String {
    searched_text(record).map_or_else(String::new, |(_, text)| normalised(text))
}

fn words<'r>(entry: &Entry<'r>) -> Cow<'r, str> {
    match entry.words {
        Some(words) => Cow::Borrowed(words),
        None => Cow::Owned(words_of(entry.record)),
    }
}

/// The texts of these records that are in the index and can be erased, as long as they are there.
fn erasable_texts(conn: &Connection, range: IndexRange) -> rusqlite::Result<Vec<(i64, String)>> {
    let searched = [
        ErasableField::Result,
        ErasableField::CodeSnippet,
        ErasableField::Message,
    ];
    let bounds = [range.first, range.end()].map(|index| index.cast_signed() << 3);
    let mut select =
        conn.prepare_cached("SELECT ref, content FROM record_contents WHERE ref >= ? AND ref < ?")?;
    let rows = select.query_map(bounds, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut texts = Vec::new();
    for row in rows {
        let (reference, id): (i64, i64) = row?;
        let is_searched = (searched.iter()).any(|field| reference & 7 == i64::from(field.code()));
        if !is_searched {
            continue;
        }
        if let Some((_, bytes)) = content::read(conn, id)?
            && let Ok(text) = String::from_utf8(bytes)
        {
            texts.push((reference >> 3, text));
        }
    }
    Ok(texts)
}

/// Compares the index with the records' words, as multisets of (word, record, place): both are summed
/// as keyed hashes that nobody outside can foresee.
///
/// As sums do not mind the order, several threads can each see a part: see [`part`](Self::part) and
/// [`stored`](Self::stored).
#[derive(Debug, Default)]
pub(crate) struct TextVerifier {
    keys: [RandomState; 2],
    expected: Sum,
    first: Option<u64>,
}

/// A sum over words and where they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    hashes: [u64; 2],
    count: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, other: Self) {
        for (sum, more) in self.hashes.iter_mut().zip(other.hashes) {
            *sum = sum.wrapping_add(more);
        }
        self.count += other.count;
    }
}

impl TextVerifier {
    /// One with the same keys that has seen nothing.
    pub(crate) fn part(&self) -> Self {
        Self {
            keys: self.keys.clone(),
            ..Self::default()
        }
    }

    /// Adds what a part has seen.
    pub(crate) fn add(&mut self, part: &Self) {
        self.expected.add(part.expected);
        self.first = match (self.first, part.first) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// Takes the next records.
    pub(crate) fn see(&mut self, entries: &[Entry<'_>]) {
        self.first = self.first.or(entries.first().map(|entry| entry.index));
        for entry in entries {
            let words = words(entry);
            for (word, place) in words.split(' ').filter(|word| !word.is_empty()).zip(0..) {
                let placed = self.placed(self.hashes(word), entry.index.cast_signed(), place);
                self.expected.add(placed);
            }
        }
    }

    /// Sums up the words that the index has from `from` on and before `to`.
    pub(crate) fn stored(
        &self,
        conn: &Connection,
        from: &str,
        to: Option<&str>,
    ) -> rusqlite::Result<Sum> {
        conn.execute_batch(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.search_words
             USING fts5vocab('main', 'search', 'instance')",
        )?;
        let first = self.first.unwrap_or_default().cast_signed();
        let mut sum = Sum::default();
        // All places of a word follow one another.
        let (mut word, mut hashes) = (String::new(), self.hashes(""));
        // The end is looked for here: SQLite would fetch each word once more to compare it.
        let mut select =
            conn.prepare_cached("SELECT term, doc, offset FROM temp.search_words WHERE term >= ?")?;
        let mut rows = select.query([from])?;
        while let Some(row) = rows.next()? {
            let term = row.get_ref(0)?.as_str()?;
            if term != word {
                if to.is_some_and(|to| term >= to) {
                    break;
                }
                term.clone_into(&mut word);
                hashes = self.hashes(term);
            }
            let index: i64 = row.get(1)?;
            // Words of records that were moved out may stay: they are not shown.
            if index >= first {
                sum.add(self.placed(hashes, index, row.get(2)?));
            }
        }
        Ok(sum)
    }

    /// Says so if the index has other words than the records.
    pub(crate) fn compare(&self, stored: Sum, found: &mut Vec<Damage>) {
        if stored != self.expected {
            let (stored, expected) = (stored.count, self.expected.count);
            found.push(Damage::Projection {
                table: "search".into(),
                row: format!("{stored} words where the records have {expected}"),
                column: "words".into(),
                index: None,
            });
        }
    }

    fn hashes(&self, word: &str) -> [u64; 2] {
        self.keys.each_ref().map(|key| key.hash_one(word))
    }

    fn placed(&self, [one, other]: [u64; 2], index: i64, place: i64) -> Sum {
        let hashes = [
            self.keys[0].hash_one((one, index, place)),
            self.keys[1].hash_one((other, index, place)),
        ];
        Sum { hashes, count: 1 }
    }
}

impl Verifier for TextVerifier {
    fn check(
        &mut self,
        _conn: &Connection,
        entries: &[Entry<'_>],
        _found: &mut Vec<Damage>,
    ) -> rusqlite::Result<()> {
        self.see(entries);
        Ok(())
    }

    fn finish(&mut self, conn: &Connection, found: &mut Vec<Damage>) -> rusqlite::Result<()> {
        self.compare(self.stored(conn, "", None)?, found);
        Ok(())
    }
}
