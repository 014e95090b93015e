//! What a new checkpoint takes over from before: buckets that did not change stay where they are, unless
//! too little of their file is still used.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use merkle_core::SubtreeRef;

use super::{catalogue::Cursor, places::Places, spill::Spill};

/// Most older files that a checkpoint refers to: each is an open file.
const FILES_MAX: usize = 32;

/// How much of each file is still used.
///
/// Counted before the version of the checkpoint is settled, so that nothing waits for it: which files are
/// worth keeping does not depend on the changes of a second.
#[derive(Default)]
pub(crate) struct Usage {
    /// Bytes of buckets that are used, by the number of their file. What has no number here is newer than
    /// the count, and kept.
    live_bytes: BTreeMap<u64, u64>,
    /// Subtrees that were counted.
    pub(crate) subtrees: usize,
}

/// Counts what is used, subtree by subtree in key order.
pub(crate) struct Counting<'p> {
    places: &'p Places,
    cursor: Option<Cursor<'p>>,
    usage: Usage,
}

impl<'p> Counting<'p> {
    pub(crate) fn new(places: &'p Places) -> Self {
        Self {
            places,
            cursor: places.catalogue().map(|catalogue| Cursor::new(catalogue)),
            usage: Usage {
                live_bytes: all_files(places)
                    .into_keys()
                    .map(|number| (number, 0))
                    .collect(),
                subtrees: 0,
            },
        }
    }

    /// Counts a subtree that lies behind the one before it.
    pub(crate) fn count(&mut self, subtree: &SubtreeRef<'_>) {
        self.usage.subtrees += 1;
        let stored = (self.cursor.as_mut())
            .and_then(|cursor| cursor.seek(subtree))
            .map(|(number, location)| (number, location.len))
            .or_else(|| {
                let place = self.places.find_spilled(&subtree.hash())?;
                Some((place.number, place.location.len))
            });
        if let Some((number, len)) = stored
            && let Some(live_bytes) = self.usage.live_bytes.get_mut(&number)
        {
            *live_bytes += len as u64;
        }
    }

    pub(crate) fn usage(self) -> Usage {
        self.usage
    }
}

impl Usage {
    /// The files that a checkpoint takes over, by number, with their lengths: of the one before, and of what was
    /// let go since and is durable.
    pub(crate) fn kept_files(&self, places: &Places) -> BTreeMap<u64, u64> {
        let closed = places.spills().iter().filter(|spill| spill.is_closed());
        self.kept(files(places, closed))
    }

    /// The numbers of the files of which too little is used.
    pub(crate) fn left_files(&self, places: &Places) -> BTreeSet<u64> {
        let all = all_files(places);
        let kept = self.kept(all.clone());
        let all = all.into_keys();
        all.filter(|number| !kept.contains_key(number)).collect()
    }

    fn kept(&self, mut files: BTreeMap<u64, u64>) -> BTreeMap<u64, u64> {
        let uses: Vec<FileUse> = (files.iter())
            .map(|(number, len)| FileUse {
                len: *len,
                live_bytes: self.live_bytes.get(number).copied().unwrap_or(*len),
            })
            .collect();
        let mut kept = keep(&uses).into_iter();
        files.retain(|_, _| kept.next().unwrap_or_default());
        files
    }
}

/// The files in which buckets lie, by number, with their lengths.
fn all_files(places: &Places) -> BTreeMap<u64, u64> {
    files(places, places.spills().iter())
}

/// Those of the checkpoint and of some spills.
fn files<'s>(places: &Places, spills: impl Iterator<Item = &'s Arc<Spill>>) -> BTreeMap<u64, u64> {
    let of_catalogue = places.catalogue().map(|catalogue| catalogue.files());
    let of_catalogue = of_catalogue.unwrap_or_default().iter();
    let of_catalogue = of_catalogue.map(|file| (file.number, file.len));
    of_catalogue
        .chain(spills.filter_map(|spill| spill.file()))
        .collect()
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
fn keep(files: &[FileUse]) -> Vec<bool> {
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
        assert_eq!(keep(&files), [true, false, false, false]);
    }

    #[test]
    fn keeps_the_larger_of_too_many_files() {
        let sizes: Vec<u64> = (1..=33).map(|size| 7 * size % 37 * 10).collect();
        let files: Vec<_> = sizes.iter().map(|size| file(*size, *size)).collect();
        assert_eq!(keep(&files[..32]), [true; 32]);
        let kept = keep(&files);
        let of = |stays| (sizes.iter().zip(&kept)).filter(move |(_, kept)| **kept == stays);
        assert_eq!(of(true).count(), 16);
        assert!(of(true).map(|(size, _)| size).min() > of(false).map(|(size, _)| size).max());
    }
}
