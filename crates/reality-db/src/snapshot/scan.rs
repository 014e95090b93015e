//! Going over the entries of a version, a stretch at a time.

use std::ops::Bound;
use std::vec;

use super::Snapshot;
use crate::{Fault, ReadError, state};

/// Subtrees that a stretch goes over: what is loaded for it is let go after it.
const SUBTREES_TOGETHER: usize = 64;

/// Entries that a stretch copies at most.
const ENTRIES_TOGETHER: usize = 2048;

/// Entries of a version in key order. The first error ends it.
pub struct Scan {
    snapshot: Snapshot,
    /// Where the next stretch begins; none if there is no more.
    from: Option<Bound<Vec<u8>>>,
    to: Bound<Vec<u8>>,
    stretch: vec::IntoIter<(Vec<u8>, Vec<u8>)>,
}

impl Scan {
    pub(super) fn new(snapshot: &Snapshot, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Self {
        Self {
            snapshot: snapshot.clone(),
            from: Some(from),
            to,
            stretch: Vec::new().into_iter(),
        }
    }

    /// Loads the next stretch and says where the one after it begins.
    fn load(&mut self, from: &Bound<Vec<u8>>) -> Result<Option<Bound<Vec<u8>>>, Fault> {
        let mut state = state::write(&self.snapshot.state)?;
        let catalogue = state.catalogue().cloned();
        let start = match from {
            Bound::Included(key) | Bound::Excluded(key) => &key[..],
            Bound::Unbounded => &[],
        };
        let boundary = (catalogue.as_ref())
            .and_then(|catalogue| catalogue.boundary_after(start, SUBTREES_TOGETHER))
            .filter(|key| match &self.to {
                Bound::Included(to) | Bound::Excluded(to) => *key < &to[..],
                Bound::Unbounded => true,
            });
        let to = match boundary {
            Some(key) => Bound::Excluded(key),
            None => self.to.as_ref().map(|key| &key[..]),
        };
        let range = (from.as_ref().map(|key| &key[..]), to);
        let (entries, loaded) = state.read_range(range, ENTRIES_TOGETHER)?;
        for subtree in &loaded {
            state.evict(subtree);
        }
        let next = match entries.last() {
            Some((key, _)) if entries.len() == ENTRIES_TOGETHER => {
                Some(Bound::Excluded(key.clone()))
            }
            _ => boundary.map(|key| Bound::Included(key.to_vec())),
        };
        self.stretch = entries.into_iter();
        Ok(next)
    }
}

impl Iterator for Scan {
    type Item = Result<(Vec<u8>, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.stretch.next() {
                return Some(Ok(entry));
            }
            let from = self.from.take()?;
            let loaded = self.load(&from);
            match self.snapshot.noticed(loaded) {
                Ok(next) => self.from = next,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
