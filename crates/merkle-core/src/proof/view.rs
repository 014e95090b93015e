//! What a verified proof shows.

use core::ops::RangeBounds;

use super::{Leaf, Proof};
use crate::{
    Hash,
    map::{KeyRange, Value},
};

/// A proof that was held against a root: what can be read here is so in the map with that root.
///
/// Only [`Proof::verify`] makes one.
///
/// Why that holds: the root fixes the hash of every node above it, down to the leaves, and the
/// hashes of leaves and of inner nodes cannot be taken for one another. So a revealed leaf is in
/// the map, and its neighbours in the proof are its neighbours in the map, whose leaves stand in
/// key order. A proof carries no branch positions that would have to be believed.
#[derive(Clone, Debug)]
pub struct View<'p, H> {
    pub(super) proof: &'p Proof,
    pub(super) hasher: H,
    root: Hash,
}

/// What a verified proof shows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup<'p> {
    /// The key has this value.
    Present(Value<'p>),
    /// The map does not have the key.
    Absent,
    /// The proof says nothing of the key.
    NotCovered,
}

/// A verified proof does not show all that was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not cover this range")]
#[non_exhaustive]
pub struct NotCovered;

impl<'p, H> View<'p, H> {
    pub(super) fn new(proof: &'p Proof, hasher: H, root: Hash) -> Self {
        Self {
            proof,
            hasher,
            root,
        }
    }

    /// The root that the proof was held against.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }

    /// What the proof shows of `key`. O(log n).
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Lookup<'p> {
        let leaves = &self.proof.leaves;
        match leaves.binary_search_by(|leaf| self.proof.key(leaf).cmp(key)) {
            Ok(found) => Lookup::Present(self.proof.value(&leaves[found])),
            Err(next) if self.is_unbroken(next, next) => Lookup::Absent,
            Err(_) => Lookup::NotCovered,
        }
    }

    /// The entries whose keys lie in `keys`: all of them, in key order.
    ///
    /// # Errors
    ///
    /// [`NotCovered`] unless the proof shows that there are no others.
    pub fn range<'k>(&self, keys: impl RangeBounds<&'k [u8]>) -> Result<Revealed<'p>, NotCovered> {
        self.entries(&KeyRange::new(&keys))
    }

    /// The entries whose keys begin with `prefix`: all of them, in key order.
    ///
    /// # Errors
    ///
    /// [`NotCovered`] unless the proof shows that there are no others.
    pub fn prefix(&self, prefix: &[u8]) -> Result<Revealed<'p>, NotCovered> {
        self.entries(&KeyRange::prefix(prefix))
    }

    fn entries(&self, range: &KeyRange<'_>) -> Result<Revealed<'p>, NotCovered> {
        let proof = self.proof;

        let from = proof
            .leaves
            .partition_point(|leaf| range.starts_after(proof.key(leaf)));
        let to = proof
            .leaves
            .partition_point(|leaf| !range.ends_before(proof.key(leaf)));
        let to = to.max(from);
        // A leaf right on an end of the range shows that end without its neighbour.
        let holds = |at: usize, end: Option<&[u8]>| {
            proof
                .leaves
                .get(at)
                .is_some_and(|leaf| Some(proof.key(leaf)) == end)
        };
        let first = if holds(from, range.start_order().0) {
            from + 1
        } else {
            from
        };
        let last = match range.end_order() {
            (false, end, true) if to > 0 && holds(to - 1, Some(end)) => to - 1,
            _ => to,
        };
        if !range.is_empty() && first <= last && !self.is_unbroken(first, last) {
            return Err(NotCovered);
        }
        Ok(Revealed {
            proof,
            leaves: proof.leaves[from..to].iter(),
        })
    }

    /// Whether nothing is pruned from the leaf before `first` to the leaf `last`.
    pub(super) fn is_unbroken(&self, first: usize, last: usize) -> bool {
        let Proof { leaves, .. } = self.proof;
        // Places from 1, so that there is one before the first leaf.
        let before = first
            .checked_sub(1)
            .map_or(0, |before| leaves[before].place + 1);
        let after = leaves
            .get(last)
            .map_or(self.proof.places() + 1, |leaf| leaf.place + 1);
        after - before == last - first + 1
    }
}

/// Entries that a verified proof shows, in key order; made by [`View::range`] and
/// [`View::prefix`].
#[derive(Clone, Debug)]
pub struct Revealed<'p> {
    proof: &'p Proof,
    leaves: core::slice::Iter<'p, Leaf>,
}

impl<'p> Iterator for Revealed<'p> {
    type Item = (&'p [u8], Value<'p>);

    fn next(&mut self) -> Option<Self::Item> {
        self.leaves
            .next()
            .map(|leaf| (self.proof.key(leaf), self.proof.value(leaf)))
    }
}

impl DoubleEndedIterator for Revealed<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.leaves
            .next_back()
            .map(|leaf| (self.proof.key(leaf), self.proof.value(leaf)))
    }
}

impl core::iter::FusedIterator for Revealed<'_> {}
