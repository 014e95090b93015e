//! What a new checkpoint takes over from the one before: buckets that did not change stay where
//! they are, unless too little of their file is still used.

use merkle_core::Subtree;

use super::{
    catalogue::Catalogue,
    row::{Location, Row},
};

/// Most older files that a checkpoint refers to: each is an open file.
const FILES_MAX: usize = 32;

/// What of the checkpoint before a new one uses.
#[derive(Default)]
pub(super) struct Reuse {
    /// For each subtree, the row that has the same name and hash.
    rows: Vec<Option<u32>>,
    /// For each file, its place among those that stay. What others hold is written again.
    kept: Vec<Option<usize>>,
    /// The files that stay: their numbers and lengths.
    files: Vec<(u64, u64)>,
}

impl Reuse {
    /// What of `previous` serves for `subtrees`, which are in key order. O(n).
    pub(super) fn of(subtrees: &[Subtree], previous: &Catalogue) -> Self {
        let mut rows = vec![None; subtrees.len()];
        let mut live_bytes = vec![0_u64; previous.files().len()];
        let mut old = (0_u32..).zip(previous.rows()).peekable();
        for (subtree, same) in subtrees.iter().zip(&mut rows) {
            let before = |row: &Row<'_>| row.prefix() < subtree.prefix();
            while old.next_if(|(_, row)| before(row)).is_some() {}
            if let Some((at, row)) = old.peek()
                && row.subtree().is_some_and(|old| old == *subtree)
            {
                *same = Some(*at);
                live_bytes[row.location.file] += row.location.len as u64;
            }
        }
        let uses: Vec<FileUse> = (previous.files().iter().zip(live_bytes))
            .map(|(file, live_bytes)| FileUse {
                len: file.len,
                live_bytes,
            })
            .collect();
        let mut reuse = Self {
            rows,
            ..Self::default()
        };
        for (file, keep) in previous.files().iter().zip(keep(&uses)) {
            reuse.kept.push(keep.then_some(reuse.files.len()));
            if keep {
                reuse.files.push((file.number, file.len));
            }
        }
        reuse
    }

    /// The row of the checkpoint before that has the same name and hash as this subtree.
    pub(super) fn row(&self, subtree: usize) -> Option<usize> {
        let row = (*self.rows.get(subtree)?)?;
        usize::try_from(row).ok()
    }

    /// An old place as the new checkpoint names it; none if its file does not stay.
    pub(super) fn kept(&self, old: Location) -> Option<Location> {
        let file = (*self.kept.get(old.file)?)?;
        Some(Location { file, ..old })
    }

    /// The files that stay: their numbers and lengths.
    pub(super) fn files(&self) -> &[(u64, u64)] {
        &self.files
    }
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
