//! The numbers of files, and removing those that no checkpoint needs any more.

use std::{
    collections::BTreeSet,
    io,
    sync::{Mutex, PoisonError},
};

use super::file;
use crate::volume::Volume;

/// Gives numbers to new files: each greater than that of any file there is, and than any given before.
#[derive(Default)]
pub(crate) struct Numbers {
    last: Mutex<u64>,
}

impl Numbers {
    /// The number for a new file in `volume`.
    pub(crate) fn take(&self, volume: &dyn Volume) -> io::Result<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let names = volume.list()?;
        let there = names.iter().filter_map(|name| file::number(name)).max();
        *last = there.unwrap_or_default().max(*last).saturating_add(1);
        Ok(*last)
    }
}

/// Removes the checkpoint files that are not among those that `needed` says, and says how many. Catalogues
/// that are open elsewhere keep their files readable.
///
/// The engine no longer has pointers to what is removed: that comes first, and durably. Who makes a file
/// meanwhile keeps it, if `needed` knows it once it is asked.
pub(crate) fn remove_unreferenced<E: From<io::Error>>(
    volume: &dyn Volume,
    needed: impl FnOnce() -> Result<BTreeSet<u64>, E>,
) -> Result<usize, E> {
    let names = volume.list()?;
    let needed = needed()?;
    let numbers = names.iter().filter_map(|name| file::number(name));
    let mut removed = 0;
    for number in numbers.filter(|number| !needed.contains(number)) {
        volume.remove(&file::name(number))?;
        removed += 1;
    }
    if removed > 0 {
        volume.sync()?;
    }
    Ok(removed)
}

/// Removes the files behind `last`, the newest that any checkpoint has written: a process that ended left
/// them, and nothing refers to them. How many there were.
pub(crate) fn remove_behind(volume: &dyn Volume, last: u64) -> io::Result<usize> {
    let names = volume.list()?;
    let left = names.iter().filter_map(|name| file::number(name));
    let mut removed = 0;
    for number in left.filter(|number| *number > last) {
        volume.remove(&file::name(number))?;
        removed += 1;
    }
    Ok(removed)
}
