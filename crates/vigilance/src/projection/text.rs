//! The full-text index over results, snippets and messages.
//!
//! It is an FTS5 table without content: words and where they stand, under the record's index. Words are cut
//! by `search/words.rs`, not by SQLite, so that a query is cut in the same way and the index can be checked
//! without SQLite.
//!
//! The newest records are not in it yet: a few hundred are taken up together, since one by one most of the pages
//! that an append writes would be the index's. Whoever searches looks through these records themselves
//! (`page/tail.rs`); `meta` says from which on they are.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

use rusqlite::{Connection, OptionalExtension};

use super::{Entry, Projection, Verifier};
use crate::content;
use crate::health::Damage;
use crate::record::{ErasableField, IndexRange, Record};
use crate::search::{normalised, searched_text};

/// The index.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextIndex {
    /// How many records the index has taken up.
    taken: u64,
    /// How many records there are.
    size: u64,
    /// The words of records that are not taken up yet, by index: those from `known` on. Those before are read again.
    waiting: Vec<(u64, String)>,
    waiting_bytes: usize,
    known: u64,
}

/// How many records the index has taken up, of the first `size`: the others are to be looked through. All, where
/// the number is not there: a check says so.
pub(crate) fn taken(conn: &Connection, size: u64) -> rusqlite::Result<u64> {
    Ok(said_to_be_taken(conn)?.map_or(size, |taken| taken.min(size)))
}

/// The number as it stands there, if it is one.
fn said_to_be_taken(conn: &Connection) -> rusqlite::Result<Option<u64>> {
    let mut select = conn.prepare_cached(
        "SELECT value FROM meta WHERE name = 'worded' AND typeof(value) = 'integer' AND value >= 0",
    )?;
    let taken: Option<i64> = select.query_row([], |row| row.get(0)).optional()?;
    Ok(taken.map(i64::cast_unsigned))
}

/// The words of a record that lies there, and of its texts; none if it does not.
fn stored_words(conn: &Connection, index: u64) -> rusqlite::Result<Option<String>> {
    let mut select = conn.prepare_cached("SELECT canonical FROM records WHERE idx = ?")?;
    let canonical = select.query_row([index.cast_signed()], |row| row.get::<_, Vec<u8>>(0));
    let Some(canonical) = canonical.optional()? else {
        return Ok(None);
    };
    let record = content::filled(conn, index, &canonical)?;
    Ok(record.as_ref().map(words_of))
}

impl TextIndex {
    /// Takes up all records that wait, and `entries`, which follow them.
    fn take_up(&mut self, conn: &Connection, entries: &[Entry<'_>]) -> rusqlite::Result<()> {
        let mut insert = conn.prepare_cached("INSERT INTO search (rowid, words) VALUES (?, ?)")?;
        let mut bytes = 0;
        let mut insert = |index: u64, words: &str| {
            if !words.is_empty() {
                insert.execute((index.cast_signed(), words))?;
                bytes += words.len();
            }
            Ok::<_, rusqlite::Error>(())
        };
        for index in self.taken..self.known {
            insert(index, &stored_words(conn, index)?.unwrap_or_default())?;
        }
        for (index, words) in &self.waiting {
            insert(*index, words)?;
        }
        for entry in entries {
            insert(entry.index, &words(entry))?;
        }
        // A share of merging what was taken up before: as much each time, where SQLite would wait for 64
        // pages and then have one of them wait for all of it.
        let pages = PAGES_MERGED + bytes / BYTES_A_PAGE_MERGED;
        let mut merge =
            conn.prepare_cached("INSERT INTO search (search, rank) VALUES ('merge', ?)")?;
        merge.execute([i64::try_from(pages).unwrap_or(i64::MAX)])?;
        let mut set = conn.prepare_cached("INSERT OR REPLACE INTO meta VALUES ('worded', ?)")?;
        set.execute([self.size.cast_signed()])?;
        self.wait_for_nothing(self.size);
        Ok(())
    }

    fn wait_for_nothing(&mut self, taken: u64) {
        self.taken = taken;
        self.known = self.size;
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    /// Takes up where the tables stand.
    fn stand(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let last: Option<i64> =
            conn.query_row("SELECT max(idx) FROM records", [], |row| row.get(0))?;
        self.size = last.map_or(0, |last| last.cast_unsigned() + 1);
        self.wait_for_nothing(taken(conn, self.size)?);
        Ok(())
    }
}

impl Projection for TextIndex {
    fn create(&self, conn: &Connection) -> rusqlite::Result<()> {
        conn.execute_batch(
            "CREATE VIRTUAL TABLE search USING fts5(
                words, content = '', columnsize = 0, tokenize = 'ascii'
            );
            INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
            INSERT INTO meta VALUES ('worded', 0);",
        )
    }

    fn may_change(&self, table: &str) -> bool {
        table == "search" || table.starts_with("search_")
    }

    fn load(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        self.stand(conn)?;
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
        let Some(last) = entries.last() else {
            return Ok(());
        };
        self.size = last.index + 1;
        if self.size - self.taken >= RECORDS_WAITING {
            return self.take_up(conn, entries);
        }
        for entry in entries {
            let words = words(entry).into_owned();
            if !words.is_empty() {
                self.waiting_bytes += words.len();
                self.waiting.push((entry.index, words));
            }
        }
        if self.waiting_bytes >= BYTES_WAITING {
            self.take_up(conn, &[])?;
        }
        Ok(())
    }

    fn rolled_back(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        self.stand(conn)
    }

    fn erase(&mut self, conn: &Connection, ranges: &[IndexRange]) -> rusqlite::Result<()> {
        // What is not in the index cannot be removed from it.
        if ranges.iter().any(|range| range.end() > self.taken) {
            self.take_up(conn, &[])?;
        }
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

    fn moving_out(&mut self, conn: &Connection, past: u64) -> rusqlite::Result<()> {
        if past > self.taken {
            self.take_up(conn, &[])?;
        }
        Ok(())
    }

    fn clear(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        conn.execute_batch(
            "INSERT INTO search (search) VALUES ('delete-all');
             INSERT OR REPLACE INTO meta VALUES ('worded', 0);",
        )?;
        self.size = 0;
        self.wait_for_nothing(0);
        Ok(())
    }

    fn verifier(&self) -> Box<dyn Verifier> {
        Box::new(TextVerifier::default())
    }
}

/// Records that wait at most until they are taken up; few in unit tests, so that they see both kinds.
const RECORDS_WAITING: u64 = if cfg!(test) { 8 } else { 256 };

/// Bytes of words that wait at most.
const BYTES_WAITING: usize = 256 << 10;

/// Most pieces of the index on one level, beyond which SQLite merges them at once, however long that takes.
const SEGMENTS_MAX: i64 = 256;

/// Pages that are merged each time, however little is taken up.
const PAGES_MERGED: usize = 4;

/// Bytes of words for which a page more is merged. A page takes about 6,000.
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
    /// How many records the index has taken up.
    taken: u64,
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
    /// One for an index that has taken up so many records.
    pub(crate) fn new(taken: u64) -> Self {
        Self {
            taken,
            ..Self::default()
        }
    }

    /// One with the same keys that has seen nothing.
    pub(crate) fn part(&self) -> Self {
        Self {
            keys: self.keys.clone(),
            taken: self.taken,
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
        for entry in entries.iter().filter(|entry| entry.index < self.taken) {
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

    /// Says so if the number of records that the index has taken up is none, or more than there are.
    pub(crate) fn check_taken(
        conn: &Connection,
        size: u64,
        found: &mut Vec<Damage>,
    ) -> rusqlite::Result<()> {
        let last: Option<i64> =
            conn.query_row("SELECT max(idx) FROM records", [], |row| row.get(0))?;
        // Records may have been committed that the log does not show yet.
        let size = size.max(last.map_or(0, |last| last.cast_unsigned() + 1));
        if said_to_be_taken(conn)?.is_none_or(|taken| taken > size) {
            found.push(Damage::Projection {
                table: "meta".into(),
                row: "worded".into(),
                column: "value".into(),
                index: None,
            });
        }
        Ok(())
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
        conn: &Connection,
        entries: &[Entry<'_>],
        _found: &mut Vec<Damage>,
    ) -> rusqlite::Result<()> {
        self.taken = taken(conn, u64::MAX)?;
        self.see(entries);
        Ok(())
    }

    fn finish(&mut self, conn: &Connection, found: &mut Vec<Damage>) -> rusqlite::Result<()> {
        self.compare(self.stored(conn, "", None)?, found);
        Ok(())
    }
}
