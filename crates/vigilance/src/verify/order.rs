//! What has to see the records in their order.

use std::collections::BTreeSet;
use std::sync::Arc;

use merkle_core::{CompactRange, Hash};
use rusqlite::Connection;

use super::chunk::{Chunk, Worker, orphan, tile_damage, unreadable};
use super::{ContinuityBreak, DAMAGES_MAX, Found, words};
use crate::edge::{Edge, TILE_WIDTH, perfect_root};
use crate::error::{ReadError, StorageError};
use crate::health::{Damage, TileFault};
use crate::projection::rollups::Rollups;
use crate::projection::text::{self, TextVerifier};
use crate::projection::typed::Typed;
use crate::projection::{Entry, Projection, Verifier};
use crate::record::{ErasableField, EventKind, Record};
use crate::segment;
use crate::shared::Shared;
use crate::tiles::tile_id;

/// Takes the chunks in order.
pub(super) struct InOrder<'c> {
    pub(super) conn: &'c Connection,
    pub(super) edge: Arc<Edge>,
    /// How many records were moved out.
    pruned: u64,
    typed: Box<dyn Verifier>,
    rollups: Box<dyn Verifier>,
    words: TextVerifier,
    /// The tree over the records as they lie there.
    range: CompactRange,
    continuity: Continuity,
    missing: BTreeSet<(u64, ErasableField)>,
    /// One bit for each record of which texts are there.
    present: Bits,
    present_count: u64,
    redacted: Vec<(u64, u64)>,
    /// One bit for each row of the contents that belongs to a record.
    rows: Bits,
    subjects: u64,
}

#[derive(Default)]
struct Continuity {
    state: Option<(u64, Hash)>,
    breaks: Vec<ContinuityBreak>,
    count: u64,
}

impl<'c> InOrder<'c> {
    pub(super) fn new(conn: &'c Connection, shared: &Shared) -> Result<Self, StorageError> {
        let edge = shared.edge();
        let pruned = segment::pruned(conn)?.min(edge.size());
        Ok(Self {
            conn,
            pruned,
            // The typed tables are checked by the workers, chunk by chunk, and at the end.
            typed: Typed.verifier(),
            rollups: Rollups::default().verifier(),
            words: TextVerifier::new(text::taken(conn, edge.size())?),
            range: CompactRange::new(),
            continuity: Continuity::default(),
            missing: BTreeSet::new(),
            present: Bits::default(),
            present_count: 0,
            redacted: Vec::new(),
            rows: Bits::default(),
            subjects: 0,
            edge,
        })
    }

    pub(super) fn pruned(&self) -> u64 {
        self.pruned
    }

    pub(super) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root that follows from the records.
    pub(super) fn root(&self) -> Option<Hash> {
        (self.range.end() == self.size())
            .then(|| self.range.head())
            .flatten()
            .map(|head| head.root)
    }

    /// Texts that are there, and texts that were erased.
    pub(super) fn texts(&self) -> (u64, u64) {
        let erased = self
            .missing
            .iter()
            .filter(|(index, _)| self.is_redacted(*index));
        (self.present_count, erased.count() as u64)
    }

    pub(super) fn into_breaks(self) -> (Vec<ContinuityBreak>, u64) {
        (self.continuity.breaks, self.continuity.count)
    }

    pub(super) fn take(&mut self, chunk: Chunk, found: &mut Found) -> Result<(), ReadError> {
        found.add(chunk.damage);
        self.grow(chunk.first, &chunk.leaves, found)?;
        for row in chunk.rows {
            self.see_row(row, found);
        }
        self.present_count += chunk.present.len() as u64;
        self.missing.extend(chunk.missing);
        // Only a later redaction can contradict a text that is there: it is looked up then.
        self.subjects += chunk.subjects;
        for (index, record) in &chunk.records {
            match record {
                Record::Execution(it) => self.continuity.see(*index, it),
                Record::Event(it) if it.kind == EventKind::Redacted => {
                    for range in &it.ranges {
                        self.redacted.push((range.first, range.end().min(*index)));
                    }
                }
                _ => {}
            }
        }
        for index in chunk.present {
            self.present.set(index);
        }
        let entries: Vec<Entry<'_>> = (chunk.records.iter())
            .map(|(index, record)| Entry::new(*index, record))
            .collect();
        let mut damage = Vec::new();
        let end = chunk.first + chunk.count;
        self.words.add(&chunk.words);
        if let Err(error) = self.rollups.check(self.conn, &entries, &mut damage) {
            damage.push(unreadable(error, "a table", chunk.first, end)?);
        }
        found.add(damage);
        Ok(())
    }

    /// Adds the leaves to the tree, and holds each tile's own hash against theirs.
    fn grow(&mut self, first: u64, leaves: &[Hash], found: &mut Found) -> Result<(), StorageError> {
        for (tile, leaves) in (first / TILE_WIDTH as u64..).zip(leaves.chunks(TILE_WIDTH)) {
            let begin = tile * TILE_WIDTH as u64;
            if leaves.len() < TILE_WIDTH {
                for leaf in leaves {
                    let _ = self.range.append(leaf);
                }
                continue;
            }
            let root = perfect_root(leaves);
            let piece = CompactRange::from_parts(begin, begin + TILE_WIDTH as u64, vec![root]);
            if let Ok(piece) = piece {
                let _ = self.range.merge(&piece);
            }
            let mut select = self
                .conn
                .prepare_cached("SELECT root FROM tiles WHERE id = ?")?;
            let stored = select.query_row([tile_id(0, tile)], |row| row.get::<_, Vec<u8>>(0));
            if let Ok(stored) = stored
                && stored != root.as_bytes()
            {
                // Whether the records or the tile are to blame, the workers have said.
                found.add((found.count == 0).then(|| tile_damage(0, tile, TileFault::RootChanged)));
            }
        }
        Ok(())
    }

    fn see_row(&mut self, row: i64, found: &mut Found) {
        // A row that two records share, or that cannot be one.
        if row < 0 || !self.rows.set(row.cast_unsigned()) {
            found.add([orphan("record_contents", row)]);
        }
    }

    pub(super) fn has_row(&self, row: i64) -> bool {
        row >= 0 && self.rows.has(row.cast_unsigned())
    }

    /// A part of what sums up the words.
    pub(super) fn words(&self) -> TextVerifier {
        self.words.part()
    }

    pub(super) fn subjects(&self) -> u64 {
        self.subjects
    }

    fn is_redacted(&self, index: u64) -> bool {
        let mut ranges = self.redacted.iter();
        ranges.any(|(first, end)| *first <= index && index < *end)
    }

    /// Texts that are gone and were not erased, and ones that were erased and are there.
    pub(super) fn texts_against_redactions(&self, found: &mut Found) {
        let gone = self
            .missing
            .iter()
            .filter(|(index, _)| !self.is_redacted(*index));
        found.add(gone.map(|&(index, field)| Damage::ContentMissing { index, field }));
        for &(first, end) in &self.redacted {
            for index in (first..end).filter(|index| self.present.has(*index)) {
                found.add(self.fields_there(index).into_iter().flatten());
            }
        }
    }

    /// The texts of an erased record that are there.
    fn fields_there(&self, index: u64) -> rusqlite::Result<Vec<Damage>> {
        let mut select = self.conn.prepare_cached(
            "SELECT r.ref & 7 FROM record_contents r JOIN contents c ON c.id = r.content
             WHERE r.ref >= ?1 AND r.ref < ?1 + 8 AND c.salt <> zeroblob(32)",
        )?;
        let codes = select.query_map([index.cast_signed() << 3], |row| row.get::<_, u8>(0))?;
        codes
            .map(|code| {
                let field = ErasableField::from_code(code?).unwrap_or(ErasableField::Subject);
                Ok(Damage::ContentBack { index, field })
            })
            .collect()
    }

    /// The projections' last word.
    pub(super) fn finish_projections(
        &mut self,
        workers: &mut [Worker],
        found: &mut Found,
    ) -> Result<(), StorageError> {
        let mut damage = Vec::new();
        let stored = words::stored(&self.words, workers);
        let stored = stored.map(|stored| self.words.compare(stored, &mut damage));
        let steps = [
            stored,
            TextVerifier::check_taken(self.conn, self.edge.size(), &mut damage),
            self.typed.finish(self.conn, &mut damage),
            self.rollups.finish(self.conn, &mut damage),
        ];
        for error in steps.into_iter().filter_map(Result::err) {
            damage.push(unreadable(error, "a table", 0, self.edge.size())?);
        }
        found.add(damage);
        Ok(())
    }
}

impl Continuity {
    fn see(&mut self, index: u64, execution: &crate::record::Execution) {
        if let (Some((previous, expected)), Some(found)) =
            (self.state, execution.merkle_root_before)
            && expected != found
        {
            self.count += 1;
            if self.breaks.len() < DAMAGES_MAX {
                self.breaks.push(ContinuityBreak {
                    index,
                    previous,
                    expected,
                    found,
                });
            }
        }
        if let Some(after) = execution.merkle_root_after {
            self.state = Some((index, after));
        }
    }
}

/// A set of small numbers.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// Adds a number. Gives whether it was not there, and could be added.
    fn set(&mut self, number: u64) -> bool {
        let Some(word) = usize::try_from(number / 64)
            .ok()
            .filter(|it| *it < WORDS_MAX)
        else {
            return false;
        };
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let bit = 1 << (number % 64);
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    fn has(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok();
        let word = word.and_then(|word| self.0.get(word));
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

/// Bits of 2^33 numbers take a gigabyte: a file with more rows is not checked by this release.
const WORDS_MAX: usize = 1 << 27;
