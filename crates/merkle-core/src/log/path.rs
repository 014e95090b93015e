//! The way from a perfect subtree up to the root, which all proofs are made of.

use alloc::vec::Vec;

use super::hash::log_inner_hash;
use super::node::{NodeId, RangeNodes};
use crate::Hash;

/// The siblings on the way from `start` up to the root of the tree over `size` leaves.
///
/// Going up, there are first `inner` levels on which `start`'s ancestor and the last leaf's are
/// different nodes: its sibling there lies left or right, as the bits of its index say. The
/// topmost of these siblings holds the last leaf, so it need not be perfect: it is *folded* from
/// the perfect subtrees over what it holds. Above, the ancestor is on the right edge of the tree,
/// and each one bit of the index is one more perfect sibling on the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    // INVARIANT: start.complete_at() <= size.
    start: NodeId,
    size: u64,
}

impl Path {
    pub(crate) fn new(start: NodeId, size: u64) -> Self {
        debug_assert!(start.complete_at() <= size);
        Self { start, size }
    }

    /// The way up from the largest perfect subtree that ends the tree over `old` leaves: what a
    /// consistency proof is about. Needs `0 < old <= size`.
    pub(crate) fn from_edge(old: u64, size: u64) -> Self {
        let level = old.trailing_zeros();
        Self::new(NodeId::known(level, (old - 1) >> level), size)
    }

    pub(crate) fn start(self) -> NodeId {
        self.start
    }

    /// Number of siblings; at most 64.
    pub(crate) fn len(self) -> usize {
        let border = self.index_above().count_ones();
        (self.inner() + border) as usize
    }

    /// The nodes from which the siblings are computed, upwards, and from left to right where
    /// several fold into one.
    pub(crate) fn node_ids(self) -> impl Iterator<Item = NodeId> + Clone {
        let fold = self.fold_begin().map_or(RangeNodes::new(0, 0), |begin| {
            RangeNodes::new(begin, self.size)
        });
        self.below_fold().chain(fold).chain(self.above_fold())
    }

    /// Appends the siblings to `out`; `fetch` is asked for each of [`node_ids`](Self::node_ids),
    /// in that order.
    pub(crate) fn resolve<E>(
        self,
        out: &mut Vec<Hash>,
        mut fetch: impl FnMut(NodeId) -> Result<Hash, E>,
    ) -> Result<(), E> {
        for node in self.below_fold() {
            out.push(fetch(node)?);
        }
        if let Some(begin) = self.fold_begin() {
            out.push(fold_nodes(RangeNodes::new(begin, self.size), &mut fetch)?);
        }
        for node in self.above_fold() {
            out.push(fetch(node)?);
        }
        Ok(())
    }

    /// For each sibling, from the lowest up: on which side it lies.
    pub(crate) fn sides(self) -> impl Iterator<Item = Side> {
        let index = self.start.index();
        let inner = (0..self.inner()).map(move |k| match index >> k & 1 {
            0 => Side::Right,
            _ => Side::Left,
        });
        let border = self.index_above().count_ones();
        inner.chain((0..border).map(|_| Side::Left))
    }

    /// How many levels the ancestors of `start` and of the last leaf are different nodes.
    fn inner(self) -> u32 {
        let last = (self.size - 1) >> self.start.level();
        64 - (self.start.index() ^ last).leading_zeros()
    }

    /// The index of the lowest ancestor that lies on the right edge of the tree.
    fn index_above(self) -> u64 {
        self.start.index().checked_shr(self.inner()).unwrap_or(0)
    }

    fn sibling(self, k: u32) -> NodeId {
        NodeId::known(
            u32::from(self.start.level()) + k,
            (self.start.index() >> k) ^ 1,
        )
    }

    fn below_fold(self) -> impl Iterator<Item = NodeId> + Clone {
        (0..self.inner().saturating_sub(1)).map(move |k| self.sibling(k))
    }

    fn fold_begin(self) -> Option<u64> {
        Some(self.sibling(self.inner().checked_sub(1)?).first_leaf())
    }

    fn above_fold(self) -> impl Iterator<Item = NodeId> + Clone {
        let index = self.start.index();
        (self.inner()..64)
            .filter(move |k| index >> k & 1 == 1)
            .map(move |k| self.sibling(k))
    }
}

/// On which side of the way up a sibling lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Root of the tree over the leaves of `nodes`, which lie side by side with falling levels.
pub(crate) fn fold_nodes<E>(
    nodes: RangeNodes,
    mut fetch: impl FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let mut hashes = [Hash::default(); 64];
    let mut count = 0;
    for (slot, node) in hashes.iter_mut().zip(nodes) {
        *slot = fetch(node)?;
        count += 1;
    }
    Ok(fold(hashes[..count].iter()).unwrap_or(super::hash::EMPTY_LOG_ROOT))
}

/// Folds subtrees of falling levels, given from left to right, into their root.
pub(crate) fn fold<'h>(hashes: impl DoubleEndedIterator<Item = &'h Hash>) -> Option<Hash> {
    hashes
        .rev()
        .copied()
        .reduce(|right, left| log_inner_hash(&left, &right))
}
