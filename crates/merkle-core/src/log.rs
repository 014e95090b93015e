//! An append-only log of entries: RFC 9162 (and RFC 6962) with SHA-256.
//!
//! `Log` keeps everything in memory. Whoever keeps nodes elsewhere appends with
//! [`CompactRange::append_with`], stores the nodes it is shown, and makes roots and proofs with
//! the plans. Both run the same code.

mod codec;
mod error;
pub(crate) mod hash;
mod node;
pub(crate) mod path;
mod plan;
mod proof;
mod range;
#[cfg(feature = "serde")]
pub(crate) mod serde_form;
mod size;

use alloc::vec::Vec;

pub use error::{LogDecodeError, LogError, LogProofError};
pub use hash::{EMPTY_LOG_ROOT, log_inner_hash, log_leaf_hash};
pub use node::{NodeId, RangeNodes};
pub use plan::{ConsistencyPlan, InclusionPlan, RootPlan};
pub use proof::{ConsistencyProof, InclusionProof, ProvenEntry, ProvenExtension, ProvenLeaf};
pub use range::CompactRange;
pub use size::{LeafIndex, TreeHead, TreeSize};

use crate::Hash;

/// A log in memory: the hashes of its leaves and of every perfect subtree, 64 bytes a leaf.
///
/// Entries themselves are not kept.
///
/// ```
/// use merkle_core::{Log, TreeSize};
///
/// let mut log = Log::new();
/// let index = log.append(b"one");
/// log.append(b"two");
/// assert_eq!((index.get(), log.size().get()), (0, 2));
/// assert_ne!(log.root_at(TreeSize::new(1))?, log.head().root);
/// # Ok::<(), merkle_core::LogError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Log {
    // INVARIANT: levels[l][i] is the node (l, i), for each node that is complete.
    levels: Vec<Vec<Hash>>,
    range: CompactRange,
}

impl Log {
    /// A log without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            levels: Vec::new(),
            range: CompactRange::new(),
        }
    }

    /// A log without leaves, with room for `leaves` of them.
    #[must_use]
    pub fn with_capacity(leaves: usize) -> Self {
        let mut levels = Vec::new();
        let mut nodes = leaves;
        while nodes > 0 {
            levels.push(Vec::with_capacity(nodes));
            nodes /= 2;
        }
        Self {
            levels,
            range: CompactRange::new(),
        }
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        TreeSize::new(self.range.end())
    }

    /// Size and root as of now. Hashes at most 63 nodes.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.range.head().unwrap_or(TreeHead::EMPTY)
    }

    /// Root of the tree over the first `size` leaves. Hashes at most 63 nodes.
    ///
    /// # Errors
    ///
    /// [`LogError::SizeOutOfRange`].
    pub fn root_at(&self, size: TreeSize) -> Result<Hash, LogError> {
        self.check_size(size)?;
        RootPlan::new(size).resolve(|id| self.fetch(id))
    }

    /// Appends the leaf that holds `entry`, and returns its place.
    pub fn append(&mut self, entry: &[u8]) -> LeafIndex {
        self.append_leaf(&log_leaf_hash(entry))
    }

    /// Appends a leaf by its hash, and returns its place. Hashes one node on average.
    pub fn append_leaf(&mut self, leaf: &Hash) -> LeafIndex {
        let index = LeafIndex::new(self.range.end());
        let levels = &mut self.levels;
        // There is memory for far fewer than u64::MAX leaves, so there is room in the range.
        self.range.push(0, *leaf, |node, hash| {
            let level = usize::from(node.level());
            if level == levels.len() {
                levels.push(Vec::new());
            }
            levels[level].push(*hash);
        });
        index
    }

    /// The hash of a leaf; `None` beyond the size.
    #[must_use]
    pub fn leaf(&self, index: LeafIndex) -> Option<&Hash> {
        self.node(NodeId::new(0, index.get())?)
    }

    /// The hash of a node; `None` where it is not complete yet.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Hash> {
        let level = self.levels.get(usize::from(id.level()))?;
        level.get(usize::try_from(id.index()).ok()?)
    }

    /// The compact range over all leaves, from which appending can go on elsewhere.
    #[must_use]
    pub const fn range(&self) -> &CompactRange {
        &self.range
    }

    /// Proves that leaf `index` is in the tree over the first `size` leaves.
    ///
    /// # Errors
    ///
    /// [`LogError::IndexOutOfRange`] or [`LogError::SizeOutOfRange`].
    pub fn prove_inclusion(
        &self,
        index: LeafIndex,
        size: TreeSize,
    ) -> Result<InclusionProof, LogError> {
        self.check_size(size)?;
        InclusionPlan::new(index, size)?.resolve(|id| self.fetch(id))
    }

    /// Proves that the tree over the first `old` leaves is a prefix of that over the first `new`.
    ///
    /// # Errors
    ///
    /// [`LogError::SizesReversed`] or [`LogError::SizeOutOfRange`].
    pub fn prove_consistency(
        &self,
        old: TreeSize,
        new: TreeSize,
    ) -> Result<ConsistencyProof, LogError> {
        self.check_size(new)?;
        ConsistencyPlan::new(old, new)?.resolve(|id| self.fetch(id))
    }

    fn check_size(&self, size: TreeSize) -> Result<(), LogError> {
        if size <= self.size() {
            return Ok(());
        }
        Err(LogError::SizeOutOfRange {
            size: size.get(),
            available: self.size().get(),
        })
    }

    /// A node that a plan for an existing size asks for, and which therefore is there.
    fn fetch(&self, id: NodeId) -> Result<Hash, LogError> {
        self.node(id).copied().ok_or(LogError::SizeOutOfRange {
            size: id.complete_at(),
            available: self.size().get(),
        })
    }
}

/// Appends each entry.
impl<E: AsRef<[u8]>> Extend<E> for Log {
    fn extend<I: IntoIterator<Item = E>>(&mut self, entries: I) {
        for entry in entries {
            self.append(entry.as_ref());
        }
    }
}

/// The log of these entries.
impl<E: AsRef<[u8]>> FromIterator<E> for Log {
    fn from_iter<I: IntoIterator<Item = E>>(entries: I) -> Self {
        let mut log = Self::new();
        log.extend(entries);
        log
    }
}

#[cfg(test)]
mod tests;
