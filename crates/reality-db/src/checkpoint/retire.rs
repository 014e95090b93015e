//! Removing the files that no checkpoint needs any more.

use std::{collections::BTreeSet, io};

use super::{catalogue::Catalogue, file};
use crate::volume::Volume;

/// The number for a new file: greater than that of any file there is.
pub(crate) fn next_number(volume: &dyn Volume) -> io::Result<u64> {
    let names = volume.list()?;
    let last = names.iter().filter_map(|name| file::number(name)).max();
    Ok(last.map_or(1, |last| last.saturating_add(1)))
}

/// The numbers of the checkpoint files to which none of `catalogues` refers, in no order. That of a
/// checkpoint being written is among them.
pub(crate) fn unreferenced(volume: &dyn Volume, catalogues: &[&Catalogue]) -> io::Result<Vec<u64>> {
    let needed: BTreeSet<u64> = (catalogues.iter())
        .flat_map(|catalogue| catalogue.files())
        .map(|file| file.number)
        .collect();
    let names = volume.list()?;
    let numbers = names.iter().filter_map(|name| file::number(name));
    Ok(numbers.filter(|number| !needed.contains(number)).collect())
}

/// Removes the checkpoint files to which none of `catalogues` refers, and says how many. Not while
/// a checkpoint is being written. Catalogues that are open elsewhere keep their files readable.
///
/// The engine no longer has pointers to what is removed: that comes first, and durably.
pub(crate) fn remove_unreferenced(
    volume: &dyn Volume,
    catalogues: &[&Catalogue],
) -> io::Result<usize> {
    let numbers = unreferenced(volume, catalogues)?;
    for number in &numbers {
        volume.remove(&file::name(*number))?;
    }
    if !numbers.is_empty() {
        volume.sync()?;
    }
    Ok(numbers.len())
}
