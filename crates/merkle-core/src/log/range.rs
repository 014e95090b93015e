//! The few hashes from which a log goes on.

use alloc::vec::Vec;

use super::hash::{log_inner_hash, log_leaf_hash};
use super::node::{NodeId, RangeNodes};
use super::path::fold;
use super::proof::check_count;
use super::{LogError, LogProofError, TreeHead, TreeSize};
use crate::Hash;

/// The hashes of the fewest perfect subtrees over consecutive leaves.
///
/// A range that begins at 0 is all that appending needs to know of a log: at most 64 hashes,
/// which [`encode`](Self::encode) to at most 2 KiB. Ranges over neighbouring leaves, built apart
/// (on two cores, say), [`merge`](Self::merge) into the range over both.
///
/// ```
/// use merkle_core::{CompactRange, Log, log_leaf_hash};
///
/// let mut range = CompactRange::new();
/// for entry in ["one", "two", "three"] {
///     range.append(&log_leaf_hash(entry.as_bytes()))?;
/// }
/// let mut resumed = CompactRange::decode(&range.encode())?;
/// resumed.append_entry(b"four")?;
///
/// let log: Log = ["one", "two", "three", "four"].iter().collect();
/// assert_eq!(resumed.head(), Some(log.head()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CompactRange {
    // INVARIANT: begin <= end, and hashes are those of RangeNodes::new(begin, end), in order.
    begin: u64,
    end: u64,
    hashes: Vec<Hash>,
}

impl CompactRange {
    /// The range without leaves at the beginning of a log.
    #[must_use]
    pub const fn new() -> Self {
        Self::starting_at(0)
    }

    /// The range without leaves before leaf `begin`, to be merged into another later.
    #[must_use]
    pub const fn starting_at(begin: u64) -> Self {
        Self {
            begin,
            end: begin,
            hashes: Vec::new(),
        }
    }

    /// Restores the range over the leaves `[begin, end)` from the hashes of its
    /// [nodes](RangeNodes).
    ///
    /// Whether the hashes are the right ones shows in the root: compare
    /// [`head`](Self::head) with one that is trusted.
    ///
    /// # Errors
    ///
    /// [`LogProofError::RangeReversed`] or [`LogProofError::WrongHashCount`].
    pub fn from_parts(begin: u64, end: u64, hashes: Vec<Hash>) -> Result<Self, LogProofError> {
        check_count(Self::hash_count(begin, end)?, hashes.len())?;
        Ok(Self { begin, end, hashes })
    }

    /// How many hashes the range over the leaves `[begin, end)` has; at most 126.
    ///
    /// # Errors
    ///
    /// [`LogProofError::RangeReversed`].
    pub fn hash_count(begin: u64, end: u64) -> Result<usize, LogProofError> {
        if begin > end {
            return Err(LogProofError::RangeReversed { begin, end });
        }
        Ok(RangeNodes::new(begin, end).len())
    }

    /// Index of the first leaf.
    #[must_use]
    pub const fn begin(&self) -> u64 {
        self.begin
    }

    /// One more than the index of the last leaf: the index of the next.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// The hashes of the range's [nodes](Self::node_ids), from left to right.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The names of the range's nodes, from left to right.
    #[must_use]
    pub const fn node_ids(&self) -> RangeNodes {
        RangeNodes::new(self.begin, self.end)
    }

    /// Size and root of the log; `None` where the range does not begin with its first leaf.
    #[must_use]
    pub fn head(&self) -> Option<TreeHead> {
        if self.begin > 0 {
            return None;
        }
        let root = fold(self.hashes.iter()).unwrap_or(TreeHead::EMPTY.root);
        Some(TreeHead::new(TreeSize::new(self.end), root))
    }

    /// Appends the leaf that holds `entry`.
    ///
    /// # Errors
    ///
    /// [`LogError::Full`].
    pub fn append_entry(&mut self, entry: &[u8]) -> Result<(), LogError> {
        self.append(&log_leaf_hash(entry))
    }

    /// Appends a leaf by its hash. Hashes one node on average, 63 at most.
    ///
    /// # Errors
    ///
    /// [`LogError::Full`].
    pub fn append(&mut self, leaf: &Hash) -> Result<(), LogError> {
        self.append_with(leaf, |_, _| {})
    }

    /// Appends a leaf by its hash, and shows `store` each node that is complete from now on: the
    /// leaf, then its finished ancestors upwards.
    ///
    /// A store that keeps what it is shown has every node that any [plan](crate::RootPlan) asks
    /// for later; there are two for each leaf on average.
    ///
    /// # Errors
    ///
    /// [`LogError::Full`].
    pub fn append_with(
        &mut self,
        leaf: &Hash,
        store: impl FnMut(NodeId, &Hash),
    ) -> Result<(), LogError> {
        if self.end == u64::MAX {
            return Err(LogError::Full);
        }
        self.push(0, *leaf, store);
        Ok(())
    }

    /// Appends many leaves by their hashes.
    ///
    /// # Errors
    ///
    /// [`LogError::Full`], once there is no room; the leaves before are in.
    pub fn append_all<'h>(
        &mut self,
        leaves: impl IntoIterator<Item = &'h Hash>,
    ) -> Result<(), LogError> {
        leaves.into_iter().try_for_each(|leaf| self.append(leaf))
    }

    /// Appends the leaves of `right`, which must begin where this range ends. Hashes at most 126
    /// nodes, however many the leaves.
    ///
    /// # Errors
    ///
    /// [`LogError::NotAdjacent`].
    pub fn merge(&mut self, right: &Self) -> Result<(), LogError> {
        self.merge_with(right, |_, _| {})
    }

    /// Merges as [`merge`](Self::merge) does, and shows `store` each node that is complete from
    /// now on and was in neither range.
    ///
    /// # Errors
    ///
    /// [`LogError::NotAdjacent`].
    pub fn merge_with(
        &mut self,
        right: &Self,
        mut store: impl FnMut(NodeId, &Hash),
    ) -> Result<(), LogError> {
        if self.end != right.begin {
            return Err(LogError::NotAdjacent {
                end: self.end,
                begin: right.begin,
            });
        }
        for (node, hash) in right.node_ids().zip(&right.hashes) {
            self.push(node.level(), *hash, |joined, hash| {
                if joined != node {
                    store(joined, hash);
                }
            });
        }
        Ok(())
    }

    /// Adds the perfect subtree at `level` that begins at `end`. Needs room for its leaves.
    pub(crate) fn push(&mut self, level: u8, hash: Hash, mut store: impl FnMut(NodeId, &Hash)) {
        let (mut level, mut hash) = (u32::from(level), hash);
        let mut begin = self.end;
        self.end += 1 << level;
        store(NodeId::known(level, begin >> level), &hash);
        // A right child whose left sibling is in the range: the sibling is the last node, since
        // no larger subtree can end where this one begins.
        while (begin >> level) & 1 == 1 && begin - self.begin >= 1 << level {
            let Some(left) = self.hashes.pop() else { break };
            hash = log_inner_hash(&left, &hash);
            begin -= 1 << level;
            level += 1;
            store(NodeId::known(level, begin >> level), &hash);
        }
        self.hashes.push(hash);
    }
}
