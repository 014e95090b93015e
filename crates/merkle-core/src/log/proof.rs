//! Proofs about a log, and what only verifying them makes.

use alloc::vec::Vec;

use super::hash::{log_inner_hash, log_leaf_hash};
use super::node::NodeId;
use super::path::{Path, Side};
use super::plan::{consistency_path, proof_has_edge};
use super::{LeafIndex, LogProofError, TreeHead, TreeSize};
use crate::Hash;

/// Proof that a leaf is in a log, at an index, at a size.
///
/// It is a Merkle audit path with the index and size it is for: the siblings on the way from the
/// leaf to the root. RFC 9162, section 2.1.3.
///
/// ```
/// use merkle_core::{LeafIndex, Log, TreeSize};
///
/// let log: Log = ["one", "two", "three"].iter().collect();
/// let proof = log.prove_inclusion(LeafIndex::new(1), log.size())?;
/// let proven = proof.verify_entry(b"two", &log.head())?;
/// assert_eq!((proven.entry(), proven.index().get()), (&b"two"[..], 1));
/// assert!(proof.verify_entry(b"2", &log.head()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InclusionProof {
    // INVARIANT: index < size, and hashes are as many as index and size determine.
    index: LeafIndex,
    size: TreeSize,
    hashes: Vec<Hash>,
}

impl InclusionProof {
    /// Most hashes that a proof can have.
    pub const HASHES_MAX: usize = 64;

    /// Puts a proof together from its parts, as another implementation gave them.
    ///
    /// # Errors
    ///
    /// [`LogProofError::IndexOutOfRange`] or [`LogProofError::WrongHashCount`].
    pub fn from_parts(
        index: LeafIndex,
        size: TreeSize,
        hashes: Vec<Hash>,
    ) -> Result<Self, LogProofError> {
        check_count(Self::hash_count(index, size)?, hashes.len())?;
        Ok(Self {
            index,
            size,
            hashes,
        })
    }

    /// How many hashes the proof for leaf `index` in a tree of `size` leaves has.
    ///
    /// # Errors
    ///
    /// [`LogProofError::IndexOutOfRange`].
    pub fn hash_count(index: LeafIndex, size: TreeSize) -> Result<usize, LogProofError> {
        if index.get() >= size.get() {
            return Err(LogProofError::IndexOutOfRange {
                index: index.get(),
                size: size.get(),
            });
        }
        Ok(leaf_path(index, size).len())
    }

    pub(crate) fn from_plan(index: LeafIndex, size: TreeSize, hashes: Vec<Hash>) -> Self {
        debug_assert_eq!(Self::hash_count(index, size), Ok(hashes.len()));
        Self {
            index,
            size,
            hashes,
        }
    }

    /// Where the leaf is.
    #[must_use]
    pub const fn index(&self) -> LeafIndex {
        self.index
    }

    /// The size of the tree that the leaf is in.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// The siblings on the way to the root, from the leaf upwards; at most 64.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The root that follows from `leaf` and this proof. Prefer [`verify`](Self::verify).
    #[must_use]
    pub fn root_for(&self, leaf: &Hash) -> Hash {
        let sides = leaf_path(self.index, self.size).sides();
        self.hashes
            .iter()
            .zip(sides)
            .fold(*leaf, |below, (sibling, side)| match side {
                Side::Left => log_inner_hash(sibling, &below),
                Side::Right => log_inner_hash(&below, sibling),
            })
    }

    /// Verifies that the leaf with hash `leaf` is under `head`, at this proof's index.
    ///
    /// Whoever takes `leaf` from others should know that it is the hash of an entry:
    /// [`verify_entry`](Self::verify_entry) hashes the entry itself. Hashes at most 64 nodes; does
    /// not allocate.
    ///
    /// # Errors
    ///
    /// [`LogProofError::SizeMismatch`] or [`LogProofError::RootMismatch`].
    ///
    /// See RFC 9162, section 2.1.3.2.
    pub fn verify(&self, leaf: &Hash, head: &TreeHead) -> Result<ProvenLeaf, LogProofError> {
        check_size(self.size, head)?;
        let computed = self.root_for(leaf);
        if computed != head.root {
            return Err(LogProofError::RootMismatch {
                computed,
                expected: head.root,
            });
        }
        Ok(ProvenLeaf {
            index: self.index,
            hash: *leaf,
            head: *head,
        })
    }

    /// Verifies that `entry` is under `head`, at this proof's index.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_entry<'e>(
        &self,
        entry: &'e [u8],
        head: &TreeHead,
    ) -> Result<ProvenEntry<'e>, LogProofError> {
        let leaf = self.verify(&log_leaf_hash(entry), head)?;
        Ok(ProvenEntry { entry, leaf })
    }
}

/// Proof that a log only grew between two sizes: the older tree is a prefix of the newer.
///
/// RFC 9162, section 2.1.4.
///
/// ```
/// use merkle_core::{Log, TreeSize};
///
/// let mut log: Log = ["one", "two"].iter().collect();
/// let old = log.head();
/// log.append(b"three");
/// let proof = log.prove_consistency(old.size, log.size())?;
/// assert_eq!(proof.verify(&old, &log.head())?.new_head(), log.head());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConsistencyProof {
    // INVARIANT: old <= new, and hashes are as many as old and new determine.
    old: TreeSize,
    new: TreeSize,
    hashes: Vec<Hash>,
}

impl ConsistencyProof {
    /// Most hashes that a proof can have.
    pub const HASHES_MAX: usize = 65;

    /// Puts a proof together from its parts, as another implementation gave them.
    ///
    /// # Errors
    ///
    /// [`LogProofError::SizesReversed`] or [`LogProofError::WrongHashCount`].
    pub fn from_parts(
        old: TreeSize,
        new: TreeSize,
        hashes: Vec<Hash>,
    ) -> Result<Self, LogProofError> {
        check_count(Self::hash_count(old, new)?, hashes.len())?;
        Ok(Self { old, new, hashes })
    }

    /// How many hashes the proof between trees of `old` and `new` leaves has.
    ///
    /// # Errors
    ///
    /// [`LogProofError::SizesReversed`].
    pub fn hash_count(old: TreeSize, new: TreeSize) -> Result<usize, LogProofError> {
        if old > new {
            return Err(LogProofError::SizesReversed {
                old: old.get(),
                new: new.get(),
            });
        }
        let path = consistency_path(old, new);
        Ok(path.map_or(0, |path| path.len() + usize::from(proof_has_edge(old))))
    }

    pub(crate) fn from_plan(old: TreeSize, new: TreeSize, hashes: Vec<Hash>) -> Self {
        debug_assert_eq!(Self::hash_count(old, new), Ok(hashes.len()));
        Self { old, new, hashes }
    }

    /// The size of the older tree.
    #[must_use]
    pub const fn old_size(&self) -> TreeSize {
        self.old
    }

    /// The size of the newer tree.
    #[must_use]
    pub const fn new_size(&self) -> TreeSize {
        self.new
    }

    /// The nodes of the proof, from the older tree's edge upwards; at most 65.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Verifies that the log with head `old` became the one with head `new` by appending only.
    ///
    /// Hashes at most 128 nodes; does not allocate.
    ///
    /// # Errors
    ///
    /// [`LogProofError::SizeMismatch`], [`LogProofError::OldRootMismatch`] or
    /// [`LogProofError::RootMismatch`].
    ///
    /// See RFC 9162, section 2.1.4.2. From size 0, which the RFC leaves out, any tree is an
    /// extension, but the older root must be that of the empty log.
    pub fn verify(&self, old: &TreeHead, new: &TreeHead) -> Result<ProvenExtension, LogProofError> {
        check_size(self.old, old)?;
        check_size(self.new, new)?;
        let (old_root, new_root) = self.roots(old, new);
        if old_root != old.root {
            return Err(LogProofError::OldRootMismatch {
                computed: old_root,
                expected: old.root,
            });
        }
        if new_root != new.root {
            return Err(LogProofError::RootMismatch {
                computed: new_root,
                expected: new.root,
            });
        }
        Ok(ProvenExtension {
            old: *old,
            new: *new,
        })
    }

    /// The roots that follow from this proof, for heads of its sizes.
    fn roots(&self, old: &TreeHead, new: &TreeHead) -> (Hash, Hash) {
        let Some(path) = consistency_path(self.old, self.new) else {
            // Nothing was proved, so the heads must speak for themselves: equal sizes have equal
            // roots, and there is one empty log.
            return match self.old {
                TreeSize::EMPTY if self.new == TreeSize::EMPTY => {
                    (TreeHead::EMPTY.root, TreeHead::EMPTY.root)
                }
                TreeSize::EMPTY => (TreeHead::EMPTY.root, new.root),
                _ => (old.root, old.root),
            };
        };
        let (edge, siblings) = match self.hashes.split_first() {
            Some((edge, siblings)) if proof_has_edge(self.old) => (*edge, siblings),
            _ => (old.root, &self.hashes[..]),
        };
        let start = (edge, edge);
        siblings
            .iter()
            .zip(path.sides())
            .fold(start, |(old, new), (sibling, side)| match side {
                Side::Left => (log_inner_hash(sibling, &old), log_inner_hash(sibling, &new)),
                // What lies right of the older tree's edge was appended later.
                Side::Right => (old, log_inner_hash(&new, sibling)),
            })
    }
}

/// A leaf that was proved to be in a log: only [`InclusionProof::verify`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenLeaf {
    index: LeafIndex,
    hash: Hash,
    head: TreeHead,
}

impl ProvenLeaf {
    /// Where the leaf is.
    #[must_use]
    pub const fn index(&self) -> LeafIndex {
        self.index
    }

    /// The leaf's hash.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The head of the log that it was proved against.
    #[must_use]
    pub const fn head(&self) -> TreeHead {
        self.head
    }
}

/// An entry that was proved to be in a log: only [`InclusionProof::verify_entry`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenEntry<'e> {
    entry: &'e [u8],
    leaf: ProvenLeaf,
}

impl<'e> ProvenEntry<'e> {
    /// The entry's bytes.
    #[must_use]
    pub const fn entry(&self) -> &'e [u8] {
        self.entry
    }

    /// Where the entry is.
    #[must_use]
    pub const fn index(&self) -> LeafIndex {
        self.leaf.index
    }

    /// The leaf that holds it.
    #[must_use]
    pub const fn leaf(&self) -> ProvenLeaf {
        self.leaf
    }
}

/// Two heads of which the newer was proved to extend the older: only
/// [`ConsistencyProof::verify`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenExtension {
    old: TreeHead,
    new: TreeHead,
}

impl ProvenExtension {
    /// The older head.
    #[must_use]
    pub const fn old_head(&self) -> TreeHead {
        self.old
    }

    /// The newer head.
    #[must_use]
    pub const fn new_head(&self) -> TreeHead {
        self.new
    }
}

/// The way up from a leaf. Needs `index < size`.
fn leaf_path(index: LeafIndex, size: TreeSize) -> Path {
    Path::new(NodeId::known(0, index.get()), size.get())
}

fn check_size(proof: TreeSize, head: &TreeHead) -> Result<(), LogProofError> {
    if proof == head.size {
        return Ok(());
    }
    Err(LogProofError::SizeMismatch {
        proof: proof.get(),
        head: head.size.get(),
    })
}

pub(crate) fn check_count(expected: usize, found: usize) -> Result<(), LogProofError> {
    if expected == found {
        return Ok(());
    }
    Err(LogProofError::WrongHashCount { expected, found })
}
