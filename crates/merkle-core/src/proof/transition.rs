//! What root a batch leads to, from the proof alone.

use alloc::vec::Vec;

use super::{Node, View};
use crate::{
    Hash, Hasher,
    map::{Batch, Bit},
};

/// Why a verified proof does not tell what a batch leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransitionError {
    /// The proof does not reveal enough around a change.
    #[error("the proof does not cover change {change} of the batch, in key order")]
    NotCovered {
        /// The change, counted from 0 in key order.
        change: usize,
    },
    /// The tree with this root is none that a map has: whoever made it broke the order of keys.
    #[error("the tree is not in order at leaf {leaf} of the proof")]
    Disorder {
        /// The revealed leaf, counted from 0.
        leaf: usize,
    },
}

/// An inner node between two neighbours, as far as the proof fixes where it branches.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// The earliest bit at which it can branch.
    least: Bit,
    /// The first bit that is too late; right behind `least` if the proof fixes the bit.
    bound: Bit,
    /// The change that brought it.
    change: Option<usize>,
}

impl Gap {
    fn exact(bit: Bit, change: Option<usize>) -> Self {
        Self {
            least: bit,
            bound: bit.next().unwrap_or(Bit::END),
            change,
        }
    }

    /// Of two inner nodes next to a leaf that goes, the upper one, which stays.
    fn upper(self, other: Self) -> Result<Self, TransitionError> {
        match self.change.or(other.change) {
            _ if self.bound <= other.least => Ok(self),
            _ if other.bound <= self.least => Ok(other),
            Some(change) => Err(TransitionError::NotCovered { change }),
            // Both are on the way to one leaf, where `least` grows from node to node.
            None if self.least < other.least => Ok(self),
            None => Ok(other),
        }
    }
}

/// The pieces of the tree, leaves and pruned subtrees, and the inner nodes between them.
#[derive(Debug, Default)]
struct Pieces {
    /// None for a leaf that goes.
    hashes: Vec<Option<Hash>>,
    /// The gap before each piece but the first.
    gaps: Vec<Gap>,
}

impl<H: Hasher> View<'_, H> {
    /// The root of the map once `batch` is applied to it.
    ///
    /// The hash of an inner node does not say where it branches. Where that matters, for a new
    /// leaf, it is derived from revealed leaves on both sides of the node, never believed.
    /// Proofs made by [`Map::prove_update`](crate::Map::prove_update) reveal what is needed.
    ///
    /// # Errors
    ///
    /// [`TransitionError::NotCovered`] if the proof reveals too little for this batch.
    pub fn apply(&self, batch: &Batch<'_>) -> Result<Hash, TransitionError> {
        let pieces = self.changed(batch)?.without_removed()?;
        pieces.root(&self.hasher)
    }

    /// The pieces with the new leaves among them, and marks where leaves go.
    fn changed(&self, batch: &Batch<'_>) -> Result<Pieces, TransitionError> {
        let proof = self.proof;
        let old_gaps = self.gaps()?;
        let mut hashes: Vec<_> = proof.hashes(&self.hasher).into_iter().map(Some).collect();
        // For each new leaf its change, key and hash, and the old leaf before which it comes.
        let mut inserts: Vec<(usize, &[u8], Hash, usize)> = Vec::new();
        for (change, &(key, value)) in batch.sorted().iter().enumerate() {
            let hash = value.map(|value| self.hasher.leaf(key, &value.hash(&self.hasher)));
            match proof
                .leaves
                .binary_search_by(|leaf| proof.key(leaf).cmp(key))
            {
                Ok(leaf) => hashes[proof.leaves[leaf].place] = hash,
                Err(next) if !self.is_unbroken(next, next) => {
                    return Err(TransitionError::NotCovered { change });
                }
                Err(next) => inserts.extend(hash.map(|hash| (change, key, hash, next))),
            }
        }
        let mut inserts = inserts.into_iter().peekable();
        let mut pieces = Pieces::default();
        let mut leaf = 0;
        for place in 0..=hashes.len() {
            let at_leaf = proof.leaves.get(leaf).filter(|leaf| leaf.place == place);
            let at_end = place == hashes.len();
            let mut gap = place
                .checked_sub(1)
                .and_then(|gap| old_gaps.get(gap))
                .copied();
            // New leaves stand between revealed ones: all gaps there follow from the keys.
            let mut before = leaf
                .checked_sub(1)
                .map(|last| proof.key(&proof.leaves[last]));
            while let Some((change, key, hash, _)) =
                inserts.next_if(|insert| insert.3 == leaf && (at_leaf.is_some() || at_end))
            {
                let parting = |other| Bit::between(key, other);
                pieces.push(
                    before
                        .and_then(parting)
                        .map(|bit| Gap::exact(bit, Some(change))),
                    Some(hash),
                );
                gap = at_leaf
                    .and_then(|leaf| parting(proof.key(leaf)))
                    .map(|bit| Gap::exact(bit, Some(change)));
                before = Some(key);
            }
            if let Some(hash) = hashes.get(place) {
                pieces.push(gap, *hash);
            }
            leaf += usize::from(at_leaf.is_some());
        }
        Ok(pieces)
    }

    /// The inner nodes of the proof, in key order.
    fn gaps(&self) -> Result<Vec<Gap>, TransitionError> {
        let proof = self.proof;
        // Inner nodes in pre-order, each with its parent, its depth, and the gap it stands for.
        struct Inner {
            parent: Option<usize>,
            depth: usize,
            gap: usize,
            exact: Option<Bit>,
        }
        let mut inner: Vec<Inner> = Vec::with_capacity(proof.places());
        let mut of_gap: Vec<usize> = Vec::with_capacity(proof.places());
        // The path to the current node: inner nodes, and whether their left subtree is done.
        let mut path: Vec<(usize, bool)> = Vec::new();
        for node in &proof.nodes {
            if *node == Node::Inner {
                let parent = path.last().map(|&(parent, _)| parent);
                path.push((inner.len(), false));
                inner.push(Inner {
                    parent,
                    depth: path.len(),
                    gap: 0,
                    exact: None,
                });
                continue;
            }
            while let Some((at, left_is_done)) = path.pop() {
                if !left_is_done {
                    inner[at].gap = of_gap.len();
                    of_gap.push(at);
                    path.push((at, true));
                    break;
                }
            }
        }
        // Between two revealed leaves, the uppermost inner node parts them.
        for (leaf, pair) in proof.leaves.windows(2).enumerate() {
            let bit = Bit::between(proof.key(&pair[0]), proof.key(&pair[1]));
            let between = &of_gap[pair[0].place..pair[1].place];
            let parting = between.iter().min_by_key(|&&at| inner[at].depth);
            match (parting, bit) {
                (Some(&at), Some(bit)) => inner[at].exact = Some(bit),
                _ => return Err(TransitionError::Disorder { leaf }),
            }
        }
        // Going down each node branches behind its parent; going up, before its children.
        let mut gaps = alloc::vec![Gap::exact(Bit::FIRST, None); inner.len()];
        for node in &inner {
            let least = match node.parent {
                None => Some(Bit::FIRST),
                Some(parent) => gaps[inner[parent].gap].least.next(),
            };
            let disorder = TransitionError::Disorder { leaf: node.gap };
            let least = least.ok_or(disorder)?;
            gaps[node.gap] = match node.exact {
                Some(bit) if bit < least => return Err(disorder),
                Some(bit) => Gap::exact(bit, None),
                None => Gap {
                    least,
                    bound: Bit::END,
                    change: None,
                },
            };
        }
        for node in inner.iter().rev() {
            let Some(parent) = node.parent.map(|parent| &inner[parent]) else {
                continue;
            };
            let bound = node.exact.unwrap_or(gaps[node.gap].bound);
            let parent_gap = &mut gaps[parent.gap];
            if parent.exact.is_none() {
                parent_gap.bound = parent_gap.bound.min(bound);
            }
        }
        Ok(gaps)
    }
}

impl Pieces {
    fn push(&mut self, gap: Option<Gap>, hash: Option<Hash>) {
        if !self.hashes.is_empty() {
            self.gaps.extend(gap);
        }
        self.hashes.push(hash);
    }

    /// Takes out the leaves that go; with each goes the inner node right above it.
    fn without_removed(self) -> Result<Self, TransitionError> {
        let mut left = Self::default();
        let mut upper: Option<Gap> = None;
        let gaps = core::iter::once(None).chain(self.gaps.into_iter().map(Some));
        for (hash, gap) in self.hashes.into_iter().zip(gaps) {
            upper = match (upper, gap) {
                (Some(upper), Some(gap)) => Some(upper.upper(gap)?),
                (upper, gap) => gap.or(upper),
            };
            if hash.is_some() {
                left.push(upper.take(), hash);
            } else if left.hashes.is_empty() {
                upper = None;
            }
        }
        Ok(left)
    }

    /// Links the gaps to a tree, from left to right, and hashes it.
    fn root<H: Hasher>(self, hasher: &H) -> Result<Hash, TransitionError> {
        let mut hashes = self.hashes.into_iter().flatten();
        let Some(mut last) = hashes.next() else {
            return Ok(hasher.empty());
        };
        // The right spine, top first: inner nodes with their left subtrees.
        let mut spine: Vec<(Gap, Hash)> = Vec::new();
        for (gap, hash) in self.gaps.into_iter().zip(hashes) {
            while let Some((upper, left)) = spine.pop_if(|(upper, _)| upper.least > gap.least) {
                // A node between the two was held against `upper` before, and is against `gap` next.
                check(gap, upper)?;
                last = hasher.inner(&left, &last);
            }
            if let Some((above, _)) = spine.last() {
                check(*above, gap)?;
            }
            spine.push((gap, last));
            last = hash;
        }
        while let Some((gap, left)) = spine.pop() {
            if let Some((above, _)) = spine.last() {
                check(*above, gap)?;
            }
            last = hasher.inner(&left, &last);
        }
        Ok(last)
    }
}

/// Whether the proof fixes that `upper` branches before `lower`, which it may not if one is new.
fn check(upper: Gap, lower: Gap) -> Result<(), TransitionError> {
    match upper.change.or(lower.change) {
        Some(change) if upper.bound > lower.least => Err(TransitionError::NotCovered { change }),
        _ => Ok(()),
    }
}
