//! What a new checkpoint takes over from before: buckets that did not change stay where they are, unless
//! too little of their file is still used.

use std::collections::{BTreeMap, BTreeSet};

use merkle_core::SubtreeRef;

use super::{catalogue::Cursor, places::Places};

/// Most older files that a checkpoint refers to: each is an open file.
const FILES_MAX: usize = 32;

/// What is still used of the files in which buckets lie.
///
/// Counted before the version of the checkpoint is settled, so that nothing waits for it: which files are
/// worth keeping does not depend on the changes of a second.
#[derive(Default)]
pub(crate) struct Usage {
    /// The files that the checkpoint does not take over: too little of them is used.
    pub(crate) left: BTreeSet<u64>,
    /// Subtrees that were counted.
    pub(crate) subtrees: usize,
}

/// Counts what is used, subtree by subtree in key order.
pub(crate) struct Counting<'p> {
    places: &'p Places,
    cursor: Option<Cursor<'p>>,
    /// By number.
    files: BTreeMap<u64, FileUse>,
    subtrees: usize,
}

impl<'p> Counting<'p> {
    pub(crate) fn new(places: &'p Places) -> Self {
        let spills = places.spills().iter().filter_map(|spill| spill.file());
        let unused = |(number, len)| (number, FileUse { len, live_bytes: 0 });
        Self {
            places,
            cursor: places.catalogue().map(|catalogue| Cursor::new(catalogue)),
            files: of_catalogue(places).chain(spills).map(unused).collect(),
            subtrees: 0,
        }
    }

    /// Counts a subtree that lies behind the one before it.
    pub(crate) fn count(&mut self, subtree: &SubtreeRef<'_>) {
        self.subtrees += 1;
        // What was moved lies there, whatever the checkpoint before says.
        let spilled = self.places.find_spilled(&subtree.hash());
        let stored = match (spilled, &mut self.cursor) {
            (Some(place), _) => Some((place.number, place.location.len)),
            (None, Some(cursor)) => {
                let row = cursor.seek(subtree);
                row.map(|(number, location)| (number, location.len))
            }
            (None, None) => None,
        };
        if let Some((number, len)) = stored
            && let Some(file) = self.files.get_mut(&number)
        {
            file.live_bytes += len as u64;
        }
    }

    pub(crate) fn usage(self) -> Usage {
        let uses: Vec<&FileUse> = self.files.values().collect();
        let kept = self.files.keys().zip(keep(&uses));
        let of_little_use = kept.filter(|(_, kept)| !kept).map(|(number, _)| *number);
        let spills = self.places.spills().iter();
        let nameless = spills.filter(|spill| spill.is_nameless());
        let nameless = nameless.filter_map(|spill| spill.number());
        Usage {
            left: of_little_use.chain(nameless).collect(),
            subtrees: self.subtrees,
        }
    }
}

impl Usage {
    /// The files that the checkpoint takes over, by number, with their lengths: of the one before, and of what
    /// was let go since and is durable.
    pub(super) fn kept_files(&self, places: &Places) -> BTreeMap<u64, u64> {
        let spills = places.spills().iter().filter(|spill| spill.is_closed());
        let files = of_catalogue(places).chain(spills.filter_map(|spill| spill.file()));
        files
            .filter(|(number, _)| !self.left.contains(number))
            .collect()
    }
}

/// The files of the checkpoint before, with their lengths.
fn of_catalogue(places: &Places) -> impl Iterator<Item = (u64, u64)> {
    let catalogue = places.catalogue().into_iter();
    let files = catalogue.flat_map(|catalogue| catalogue.files());
    files.map(|file| (file.number, file.len))
}

/// How much of a file is still used.
struct FileUse {
    len: u64,
    live_bytes: u64,
}

/// Says of each file whether it stays.
///
/// A file stays if half of its bytes or more are used: so files take at most twice the bytes that
/// are used. If too many stay, the smaller half of those allowed is written again: then each byte
/// is copied a few times in its life, whether checkpoints are large or small.
fn keep(files: &[&FileUse]) -> Vec<bool> {
    let mut kept: Vec<bool> = (files.iter())
        .map(|file| file.live_bytes > 0 && file.live_bytes >= file.len / 2)
        .collect();
    let mut by_size: Vec<usize> = (0..files.len()).filter(|&file| kept[file]).collect();
    if by_size.len() > FILES_MAX {
        by_size.sort_unstable_by_key(|&file| files[file].live_bytes);
        for &file in &by_size[..by_size.len() - FILES_MAX / 2] {
            kept[file] = false;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(len: u64, live_bytes: u64) -> FileUse {
        FileUse { len, live_bytes }
    }

    #[test]
    fn leaves_files_of_little_use() {
        let files = [file(100, 50), file(100, 49), file(100, 0), file(16, 0)];
        assert_eq!(keep(&files.each_ref()), [true, false, false, false]);
    }

    #[test]
    fn keeps_the_larger_of_too_many_files() {
        let sizes: Vec<u64> = (1..=33).map(|size| 7 * size % 37 * 10).collect();
        let files: Vec<_> = sizes.iter().map(|size| file(*size, *size)).collect();
        let files: Vec<_> = files.iter().collect();
        assert_eq!(keep(&files[..32]), [true; 32]);
        let kept = keep(&files);
        let of = |stays| (sizes.iter().zip(&kept)).filter(move |(_, kept)| **kept == stays);
        assert_eq!(of(true).count(), 16);
        assert!(of(true).map(|(size, _)| size).min() > of(false).map(|(size, _)| size).max());
    }
}
