//! Catalogues: where each subtree of a checkpoint lies.

use std::{cmp::Ordering, sync::Arc};

use merkle_core::{Hash, PartialMap, Subtree, SubtreeRef};

#[cfg(any(test, fuzzing))]
use super::place::load_all;
use super::{
    bucket::Bucket,
    error::{CheckpointError, Damage},
    file,
    place::{self, Place},
    pointer::Pointer,
    reader::Reader,
    row::{Head, Location, Row},
};
use crate::{
    Profile,
    volume::{Source, Volume},
};

/// The subtrees of a checkpoint in key order, and where the entries of each lie.
///
/// Immutable, to be shared by an `Arc`. It holds its files open: they stay readable when they are
/// removed. In memory it is as it is on disk, and 12 bytes a subtree.
pub(crate) struct Catalogue {
    pointer: Pointer,
    files: Vec<StoredFile>,
    bytes: Vec<u8>,
    /// Where the rows start in `bytes`.
    ///
    /// INVARIANT: a row starts at each, whose subtree can be decoded and whose place lies in its file.
    rows: Vec<u32>,
    /// The first bytes of the prefix of each row: a search meets few others, which lie all over `bytes`.
    words: Vec<u64>,
}

/// A file that holds buckets of a checkpoint.
pub(crate) struct StoredFile {
    /// Its number.
    pub(crate) number: u64,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// Bytes of its buckets that belong to the checkpoint.
    pub(crate) live_bytes: u64,
    pub(super) source: Arc<dyn Source>,
}

impl Catalogue {
    /// Reads the catalogue that `pointer` points to, and opens the files that it names.
    ///
    /// Cost: one read of the catalogue, two small ones for each file. What is read is held against
    /// the pointer's hash and the lengths of the files; that the subtrees make up the root is found
    /// out by [`assemble`](Self::assemble).
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`] or [`CheckpointError::Damaged`].
    pub(crate) fn open(volume: &dyn Volume, pointer: &Pointer) -> Result<Self, CheckpointError> {
        let source = file::open(volume, pointer.file, pointer.file_bytes())?;
        let bytes = read(&*source, pointer)?;
        Self::from_bytes(volume, pointer, source, bytes)
    }

    /// The catalogue that was just written to the file that `pointer` points to, and read back there.
    pub(super) fn of_written(
        volume: &dyn Volume,
        pointer: &Pointer,
        bytes: Vec<u8>,
    ) -> Result<Self, CheckpointError> {
        let source = file::open(volume, pointer.file, pointer.file_bytes())?;
        Self::from_bytes(volume, pointer, source, bytes)
    }

    fn from_bytes(
        volume: &dyn Volume,
        pointer: &Pointer,
        source: Arc<dyn Source>,
        bytes: Vec<u8>,
    ) -> Result<Self, CheckpointError> {
        let mut catalogue = Self {
            pointer: *pointer,
            files: Vec::new(),
            bytes,
            rows: Vec::new(),
            words: Vec::new(),
        };
        let mut reader = Reader::new(&catalogue.bytes);
        let head = Head::decode(&mut reader)
            .filter(|head| head.files.last() == Some(&(pointer.file, pointer.catalogue_at)))
            .ok_or_else(|| catalogue.damaged(Damage::Catalogue { at: 0 }))?;
        for &(number, len) in &head.files {
            let is_own = number == pointer.file;
            catalogue.files.push(StoredFile {
                number,
                len: if is_own { pointer.file_bytes() } else { len },
                live_bytes: 0,
                source: match is_own {
                    true => Arc::clone(&source),
                    false => file::open(volume, number, len)?,
                },
            });
        }
        let start = catalogue.bytes.len() - reader.rest().len();
        catalogue.index(start, head.rows)?;
        Ok(catalogue)
    }

    /// Finds the rows, which start at `start`, and checks each of them and what they add up to.
    fn index(&mut self, start: usize, rows: usize) -> Result<(), CheckpointError> {
        let mut starts = Vec::with_capacity(rows);
        let mut words = Vec::with_capacity(rows);
        let mut live_bytes = vec![0_u64; self.files.len()];
        let mut entries = 0_u64;
        let mut reader = Reader::new(self.bytes.get(start..).unwrap_or_default());
        let mut last: Option<&[u8]> = None;
        for _ in 0..rows {
            let at = self.bytes.len() - reader.rest().len();
            let row = Row::decode(&mut reader).filter(|row| {
                let follows = last
                    .replace(row.prefix())
                    .is_none_or(|last| last < row.prefix());
                follows && row.subtree().is_some() && self.holds(&row.location)
            });
            let (Some(row), Ok(start)) = (row, u32::try_from(at)) else {
                return Err(self.damaged(Damage::Catalogue { at }));
            };
            starts.push(start);
            words.push(prefix_word(row.prefix()));
            // Each sum is at most that of lengths that were read: no overflow short of 2^64 bytes.
            entries = entries.saturating_add(row.location.entries);
            let live = &mut live_bytes[row.location.file];
            *live = live.saturating_add(row.location.len as u64);
        }
        let live_sum = live_bytes
            .iter()
            .fold(0_u64, |sum, live| sum.saturating_add(*live));
        if !reader.is_empty()
            || entries != self.pointer.entries
            || live_sum != self.pointer.live_bytes
        {
            return Err(self.damaged(Damage::Sums));
        }
        for (file, live) in self.files.iter_mut().zip(live_bytes) {
            file.live_bytes = live;
        }
        (self.rows, self.words) = (starts, words);
        Ok(())
    }

    /// Whether a place lies in its file, behind the header and before the catalogue.
    fn holds(&self, location: &Location) -> bool {
        let end = location.offset.checked_add(location.len as u64);
        self.files.get(location.file).is_some_and(|file| {
            let limit = match file.number == self.pointer.file {
                true => self.pointer.catalogue_at,
                false => file.len,
            };
            location.offset >= file::HEADER_LEN && end.is_some_and(|end| end <= limit)
        })
    }

    /// What the engine keeps of the checkpoint.
    pub(crate) fn pointer(&self) -> &Pointer {
        &self.pointer
    }

    /// The tree of the checkpoint, no entry of it in memory.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Damaged`], if the subtrees do not make up the root.
    pub(crate) fn assemble(
        &self,
        profile: Profile,
    ) -> Result<PartialMap<Profile>, CheckpointError> {
        let subtrees: Vec<Subtree> = self.subtrees().collect();
        PartialMap::assemble(profile, self.pointer.root, &subtrees)
            .map_err(|_| self.damaged(Damage::Root))
    }

    /// Whether the subtrees make up the root.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Damaged`], if they do not.
    pub(super) fn check_root(&self, profile: Profile) -> Result<(), CheckpointError> {
        let computed = PartialMap::root_of(&profile, self.subtrees());
        match computed == Ok(self.pointer.root) {
            true => Ok(()),
            false => Err(self.damaged(Damage::Root)),
        }
    }

    /// How many subtrees there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The subtrees in key order.
    pub(crate) fn subtrees(&self) -> impl Iterator<Item = Subtree> {
        self.rows().filter_map(Row::subtree)
    }

    /// Where the entries of `subtree` lie; none if the checkpoint has no subtree of this name and
    /// hash. O(log n).
    pub(crate) fn find(&self, subtree: &Subtree) -> Option<Location> {
        let at = self.search(subtree.prefix());
        let row = self.row(*self.rows.get(at.ok()?)?)?;
        let is_same = row.hash() == Some(subtree.hash()) && row.subtree()? == *subtree;
        is_same.then_some(row.location)
    }

    /// The same, with the file.
    pub(super) fn place(&self, subtree: &Subtree) -> Option<Place> {
        self.place_at(self.find(subtree)?)
    }

    fn place_at(&self, location: Location) -> Option<Place> {
        let file = self.files.get(location.file)?;
        Some(Place {
            number: file.number,
            source: file.source.clone(),
            location,
        })
    }

    /// Reads the entries of some subtrees.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`], of the first that meets one.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn load_all(&self, subtrees: &[Subtree]) -> Result<Vec<Bucket>, CheckpointError> {
        load_all(|subtree| self.place(subtree), subtrees)
    }

    /// Reads buckets that lie next to each other.
    pub(super) fn read(&self, run: &[Location]) -> Result<Vec<Bucket>, CheckpointError> {
        let Some(first) = run.first() else {
            return Ok(Vec::new());
        };
        let number = self.file_number(first);
        let file = self.files.get(first.file);
        let file = file.ok_or(CheckpointError::Damaged {
            file: number,
            offset: first.offset,
            damage: Damage::Header { number },
        })?;
        place::read(number, &*file.source, run)
    }

    /// First bytes of the subtree that comes `subtrees` after `key`; none if there are fewer.
    pub(crate) fn boundary_after(&self, key: &[u8], subtrees: usize) -> Option<&[u8]> {
        let after = self.search(key).map_or_else(|after| after, |at| at + 1);
        let row = self.row(*self.rows.get(after.checked_add(subtrees)?)?)?;
        Some(row.prefix())
    }

    /// The files in which the buckets lie, by number. The last one is that of the catalogue.
    pub(crate) fn files(&self) -> &[StoredFile] {
        &self.files
    }

    /// Number of the file of a place.
    pub(crate) fn file_number(&self, location: &Location) -> u64 {
        self.files
            .get(location.file)
            .map_or(self.pointer.file, |file| file.number)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().filter_map(|&start| self.row(start))
    }

    /// The subtree of a row and where its entries lie.
    pub(crate) fn get(&self, at: usize) -> Option<(Subtree, Location)> {
        let row = self.row(*self.rows.get(at)?)?;
        Some((row.subtree()?, row.location))
    }

    fn row(&self, start: u32) -> Option<Row<'_>> {
        Row::decode(&mut Reader::new(self.bytes.get(start as usize..)?))
    }

    /// Which row has this prefix, or which is the first behind it.
    fn search(&self, prefix: &[u8]) -> Result<usize, usize> {
        let word = prefix_word(prefix);
        let first = self.words.partition_point(|it| *it < word);
        let rest = self.words.get(first..).unwrap_or_default();
        let same = match rest.get(1) {
            Some(next) if *next == word => rest.partition_point(|it| *it == word),
            _ => usize::from(rest.first() == Some(&word)), // nearly always: the end is not searched for
        };
        let rows = self.rows.get(first..first + same).unwrap_or_default();
        let at = rows.binary_search_by(|&start| self.prefix(start).cmp(prefix));
        at.map(|at| first + at).map_err(|at| first + at)
    }

    /// The prefix of the row that starts there, and nothing else of it.
    fn prefix(&self, start: u32) -> &[u8] {
        let bytes = self.bytes.get(start as usize..);
        Row::prefix_at(&mut Reader::new(bytes.unwrap_or_default())).unwrap_or_default()
    }

    /// Reads the catalogue's bytes again and compares them with its hash.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`] or [`CheckpointError::Damaged`].
    pub(super) fn reread(&self) -> Result<(), CheckpointError> {
        self.files
            .last()
            .map_or(Ok(()), |own| read(&*own.source, &self.pointer).map(drop))
    }

    fn damaged(&self, damage: Damage) -> CheckpointError {
        CheckpointError::Damaged {
            file: self.pointer.file,
            offset: self.pointer.catalogue_at,
            damage,
        }
    }
}

/// The first eight bytes of a prefix as a number, which sorts as they do.
fn prefix_word(prefix: &[u8]) -> u64 {
    let mut word = [0; 8];
    let len = prefix.len().min(word.len());
    word[..len].copy_from_slice(&prefix[..len]);
    u64::from_be_bytes(word)
}

/// Finds the rows of subtrees that are asked for in key order. O(n) for all of them together.
pub(super) struct Cursor<'c> {
    catalogue: &'c Catalogue,
    next: usize,
}

impl<'c> Cursor<'c> {
    pub(super) fn new(catalogue: &'c Catalogue) -> Self {
        Self { catalogue, next: 0 }
    }

    /// The number of the file in which the entries of `subtree` lie, and where; none if the checkpoint has
    /// no subtree of this name and hash.
    pub(super) fn seek(&mut self, subtree: &SubtreeRef<'_>) -> Option<(u64, Location)> {
        loop {
            let row = self.catalogue.row(*self.catalogue.rows.get(self.next)?)?;
            match row.prefix().cmp(subtree.prefix()) {
                Ordering::Less => self.next += 1,
                Ordering::Greater => return None,
                Ordering::Equal => {
                    let same = row.hash() == Some(subtree.hash());
                    let number = self.catalogue.file_number(&row.location);
                    return same.then_some((number, row.location));
                }
            }
        }
    }

    /// The same, with the file.
    pub(super) fn place(&mut self, subtree: &SubtreeRef<'_>) -> Option<Place> {
        let (_, location) = self.seek(subtree)?;
        self.catalogue.place_at(location)
    }
}

/// Reads the catalogue from its file, whose length was checked, and checks its hash.
fn read(source: &dyn Source, pointer: &Pointer) -> Result<Vec<u8>, CheckpointError> {
    let damaged = |damage| CheckpointError::Damaged {
        file: pointer.file,
        offset: pointer.catalogue_at,
        damage,
    };
    let len = usize::try_from(pointer.catalogue_len);
    let len = len.map_err(|_| damaged(Damage::Catalogue { at: 0 }))?;
    let mut bytes = vec![0; len];
    source
        .read_at(pointer.catalogue_at, &mut bytes)
        .map_err(CheckpointError::io(pointer.file))?;
    let (expected, computed) = (pointer.catalogue_hash, hash(&bytes));
    if computed == expected {
        Ok(bytes)
    } else {
        Err(damaged(Damage::CatalogueHash { expected, computed }))
    }
}

/// The hash of a catalogue.
pub(super) fn hash(catalogue: &[u8]) -> Hash {
    Hash::from_bytes(blake3::derive_key(
        "reality-db checkpoint catalogue v1",
        catalogue,
    ))
}
