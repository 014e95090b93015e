//! Where each blob is: a cache of the segments, in memory and as a file.

mod file;
mod run;

use std::collections::{BTreeSet, HashMap};

use crate::Address;
use crate::segment::{Header, Kind};

pub(crate) use file::{Covered, IndexFile};
pub(crate) use run::Run;

/// Copies of blobs, and where each of them is.
pub(crate) type Places = Vec<(Address, Place)>;

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    /// Where its header begins.
    pub(crate) at: u64,
    /// Bytes behind the header, without padding.
    pub(crate) stored_bytes: u32,
    pub(crate) kind: Kind,
}

impl Place {
    /// The place of the record with this header at `at`.
    pub(crate) fn new(segment: u32, at: u64, header: &Header) -> Self {
        let stored_bytes = u32::try_from(header.stored_bytes).expect("at most a mebibyte");
        let kind = header.kind;
        Self {
            segment,
            at,
            stored_bytes,
            kind,
        }
    }
}

/// The places of all blobs: those of the index file in order, later ones beside them. A blob may have
/// several copies; one of them is the one that is read.
#[derive(Debug, Default)]
pub(crate) struct Index {
    run: Run,
    /// What came after the run; `None` for what is in the run and no longer there.
    tail: HashMap<Address, Option<Place>>,
    /// Copies beside the one that is read: made when one was damaged, when two processes put the same
    /// blob, and by a collection. Few, and gone when their segment goes.
    others: HashMap<Address, Vec<Place>>,
    len: u64,
    /// Manifests that came or went since somebody looked, if somebody does.
    moved: Option<Vec<Address>>,
    /// Blobs that came or went since the set of addresses was made, once there is one.
    unset: Option<BTreeSet<Address>>,
}

impl Index {
    /// What an index file had.
    pub(crate) fn from_file(run: Run, others: Places) -> Self {
        let mut index = Self {
            len: run.len() as u64,
            run,
            ..Self::default()
        };
        for (address, place) in others {
            index.enter(address, place);
        }
        index
    }

    /// Every manifest there is; from now on those that come or go are kept for
    /// [`take_moved`](Self::take_moved).
    pub(crate) fn watch_manifests(&mut self) -> Vec<Address> {
        self.moved = Some(Vec::new());
        let all = self.all().into_iter();
        all.filter(|(_, place)| place.kind == Kind::Manifest)
            .map(|(address, _)| address)
            .collect()
    }

    pub(crate) fn stop_watching(&mut self) {
        self.moved = None;
    }

    /// The manifests that came or went since the last time, perhaps some more than once.
    pub(crate) fn take_moved(&mut self) -> Vec<Address> {
        self.moved.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn put_back_moved(&mut self, moved: &[Address]) {
        if let Some(kept) = &mut self.moved {
            kept.extend(moved);
        }
    }

    /// The blobs that came or went since the last time; none the first time, when all are to be taken.
    pub(crate) fn take_unset(&mut self) -> Option<BTreeSet<Address>> {
        self.unset.replace(BTreeSet::new())
    }

    fn note(&mut self, address: &Address, place: Place) {
        if let Some(unset) = &mut self.unset {
            unset.insert(*address);
        }
        if let Some(moved) = &mut self.moved
            && place.kind == Kind::Manifest
        {
            moved.push(*address);
        }
    }

    /// How many blobs there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// How many changes there were since the run was made.
    pub(crate) fn changes(&self) -> usize {
        self.tail.len()
    }

    pub(crate) fn get(&self, address: &Address) -> Option<Place> {
        match self.tail.get(address) {
            Some(place) => *place,
            None => self.run.get(address),
        }
    }

    /// All copies of a blob, the one that is read first.
    pub(crate) fn copies(&self, address: &Address) -> Vec<Place> {
        let Some(first) = self.get(address) else {
            return Vec::new();
        };
        let others = self.others.get(address).into_iter().flatten();
        std::iter::once(first).chain(others.copied()).collect()
    }

    /// Every copy beside those that are read, in order.
    pub(crate) fn others(&self) -> Places {
        let others = self.others.iter();
        let mut others: Places = others
            .flat_map(|(address, places)| places.iter().map(|place| (*address, *place)))
            .collect();
        others.sort_unstable();
        others
    }

    /// Says where a blob is to be read, whether or not it was somewhere before.
    pub(crate) fn insert(&mut self, address: Address, place: Place) {
        let before = self.get(&address);
        self.forget_other(&address, place);
        self.note(&address, place);
        self.tail.insert(address, Some(place));
        match before {
            None => self.len += 1,
            Some(before) if before != place => {
                self.others.entry(address).or_default().push(before);
            }
            Some(_) => {}
        }
    }

    /// Says that a copy of a blob is at `place`. It is read there if it was nowhere before.
    pub(crate) fn enter(&mut self, address: Address, place: Place) {
        match self.get(&address) {
            None => self.insert(address, place),
            Some(known) if known == place => {}
            Some(_) => {
                let others = self.others.entry(address).or_default();
                if !others.contains(&place) {
                    others.push(place);
                }
            }
        }
    }

    /// Forgets the copy of a blob at `place`. It is read from another one, if there is one.
    pub(crate) fn remove(&mut self, address: &Address, place: Place) -> bool {
        if self.get(address) != Some(place) {
            return self.forget_other(address, place);
        }
        self.note(address, place);
        // The last one came last.
        let next = self
            .others
            .get(address)
            .and_then(|others| others.last().copied());
        if let Some(next) = next {
            self.forget_other(address, next);
            self.tail.insert(*address, Some(next));
            return true;
        }
        if self.run.get(address).is_some() {
            self.tail.insert(*address, None);
        } else {
            self.tail.remove(address);
        }
        self.len -= 1;
        true
    }

    fn forget_other(&mut self, address: &Address, place: Place) -> bool {
        let Some(others) = self.others.get_mut(address) else {
            return false;
        };
        let before = others.len();
        others.retain(|other| *other != place);
        let found = others.len() < before;
        if others.is_empty() {
            self.others.remove(address);
        }
        found
    }

    /// Forgets all that is in `segments`.
    pub(crate) fn remove_segments(&mut self, segments: &BTreeSet<u32>) {
        let all = self.others().into_iter().chain(self.all());
        for (address, place) in all {
            if segments.contains(&place.segment) {
                self.remove(&address, place);
            }
        }
    }

    /// At most `limit` blobs in the order of their addresses, from behind `after` on.
    pub(crate) fn page(&self, after: Option<&Address>, limit: usize) -> Vec<(Address, Place)> {
        // The run is in order and the tail is not, so the page's part of the tail is sorted.
        let behind = |address: &Address| after.is_none_or(|after| address > after);
        let mut tail: Vec<_> = (self.tail.iter())
            .filter(|(address, place)| place.is_some() && behind(address))
            .map(|(address, place)| (*address, place.expect("just asked for")))
            .collect();
        if tail.len() > limit {
            tail.select_nth_unstable_by_key(limit, |(address, _)| *address);
            tail.truncate(limit);
        }
        tail.sort_unstable_by_key(|(address, _)| *address);
        let run = (self.run.from(after)).filter(|(address, _)| !self.tail.contains_key(address));
        merge(run, tail.into_iter(), limit)
    }

    /// All blobs, in order.
    pub(crate) fn all(&self) -> Vec<(Address, Place)> {
        self.page(None, usize::MAX)
    }

    /// Takes a run of all that was known when it was made, instead of the one before it.
    pub(crate) fn settle(&mut self, run: Run) {
        self.tail
            .retain(|address, place| run.get(address) != *place);
        self.run = run;
    }
}

/// The first `limit` of two ordered lists that have nothing in common.
fn merge(
    first: impl Iterator<Item = (Address, Place)>,
    second: impl Iterator<Item = (Address, Place)>,
    limit: usize,
) -> Vec<(Address, Place)> {
    let (mut first, mut second) = (first.peekable(), second.peekable());
    let mut merged = Vec::new();
    while merged.len() < limit {
        let next = match (first.peek(), second.peek()) {
            (Some(one), Some(other)) if one.0 < other.0 => first.next(),
            (Some(_), None) => first.next(),
            _ => second.next(),
        };
        let Some(next) = next else { break };
        merged.push(next);
    }
    merged
}

#[cfg(test)]
mod tests;
