//! Plan, fetch, finish: which nodes a root or a proof needs, and what to make of them.
//!
//! A plan does no I/O and holds no hashes. It names nodes, the caller fetches them from wherever
//! they are (memory, a table, [tiles](crate::TilePlan)), and the plan turns them into the result.
//! [`Log`](crate::Log) uses the same plans.

use alloc::vec::Vec;
use core::convert::Infallible;

use super::node::{NodeId, RangeNodes};
use super::path::{Path, fold_nodes};
use super::{ConsistencyProof, InclusionProof, LeafIndex, LogError, TreeSize};
use crate::Hash;

/// How to compute the root of a log at some size.
///
/// ```
/// use merkle_core::{Log, RootPlan, TreeSize};
///
/// let log: Log = ["a", "b", "c"].iter().collect();
/// let plan = RootPlan::new(TreeSize::new(3));
/// let hashes: Vec<_> = plan.node_ids().map(|id| *log.node(id).unwrap()).collect();
/// assert_eq!(plan.finish(&hashes)?, log.head().root);
/// # Ok::<(), merkle_core::LogError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootPlan {
    size: TreeSize,
}

impl RootPlan {
    /// Plans the root of the tree over the first `size` leaves.
    #[must_use]
    pub const fn new(size: TreeSize) -> Self {
        Self { size }
    }

    /// The nodes needed, at most 64, from left to right.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + Clone + use<> {
        self.nodes()
    }

    /// Computes the root from the hashes of [`node_ids`](Self::node_ids), in their order.
    ///
    /// # Errors
    ///
    /// [`LogError::WrongNodeCount`].
    pub fn finish(&self, hashes: &[Hash]) -> Result<Hash, LogError> {
        check_count(self.nodes().len(), hashes)?;
        Ok(infallible(fold_nodes(self.nodes(), in_order(hashes))))
    }

    /// Computes the root, asking `fetch` for each of [`node_ids`](Self::node_ids) in their order.
    ///
    /// # Errors
    ///
    /// The first that `fetch` returns.
    pub fn resolve<E>(&self, fetch: impl FnMut(NodeId) -> Result<Hash, E>) -> Result<Hash, E> {
        fold_nodes(self.nodes(), fetch)
    }

    fn nodes(&self) -> RangeNodes {
        RangeNodes::new(0, self.size.get())
    }
}

/// How to prove that a leaf is in the tree at some size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InclusionPlan {
    index: LeafIndex,
    size: TreeSize,
    path: Path,
}

impl InclusionPlan {
    /// Plans the proof that leaf `index` is in the tree over the first `size` leaves.
    ///
    /// # Errors
    ///
    /// [`LogError::IndexOutOfRange`].
    pub fn new(index: LeafIndex, size: TreeSize) -> Result<Self, LogError> {
        if index.get() >= size.get() {
            return Err(LogError::IndexOutOfRange {
                index: index.get(),
                size: size.get(),
            });
        }
        let path = Path::new(NodeId::known(0, index.get()), size.get());
        Ok(Self { index, size, path })
    }

    /// The nodes needed, at most 127; about `2 log2(size)` at worst, `log2(size)` mostly.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + Clone + use<> {
        self.path.node_ids()
    }

    /// Makes the proof from the hashes of [`node_ids`](Self::node_ids), in their order.
    ///
    /// The hashes are not checked: with wrong ones the proof does not verify.
    ///
    /// # Errors
    ///
    /// [`LogError::WrongNodeCount`].
    pub fn finish(&self, hashes: &[Hash]) -> Result<InclusionProof, LogError> {
        check_count(self.node_ids().count(), hashes)?;
        Ok(infallible(self.resolve(in_order(hashes))))
    }

    /// Makes the proof, asking `fetch` for each of [`node_ids`](Self::node_ids) in their order.
    ///
    /// # Errors
    ///
    /// The first that `fetch` returns.
    pub fn resolve<E>(
        &self,
        fetch: impl FnMut(NodeId) -> Result<Hash, E>,
    ) -> Result<InclusionProof, E> {
        let mut hashes = Vec::with_capacity(self.path.len());
        self.path.resolve(&mut hashes, fetch)?;
        Ok(InclusionProof::from_plan(self.index, self.size, hashes))
    }
}

/// How to prove that the tree at one size is a prefix of the tree at a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsistencyPlan {
    old: TreeSize,
    new: TreeSize,
}

impl ConsistencyPlan {
    /// Plans the proof that the tree over the first `old` leaves is a prefix of the one over the
    /// first `new`. Between equal sizes, and from size 0, the proof is empty.
    ///
    /// # Errors
    ///
    /// [`LogError::SizesReversed`].
    pub const fn new(old: TreeSize, new: TreeSize) -> Result<Self, LogError> {
        if old.get() > new.get() {
            return Err(LogError::SizesReversed {
                old: old.get(),
                new: new.get(),
            });
        }
        Ok(Self { old, new })
    }

    /// The nodes needed, at most 127; about `2 log2(new)` at worst.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + Clone + use<> {
        let path = consistency_path(self.old, self.new);
        let first = path.filter(|_| proof_has_edge(self.old)).map(Path::start);
        first
            .into_iter()
            .chain(path.into_iter().flat_map(Path::node_ids))
    }

    /// Makes the proof from the hashes of [`node_ids`](Self::node_ids), in their order.
    ///
    /// The hashes are not checked: with wrong ones the proof does not verify.
    ///
    /// # Errors
    ///
    /// [`LogError::WrongNodeCount`].
    pub fn finish(&self, hashes: &[Hash]) -> Result<ConsistencyProof, LogError> {
        check_count(self.node_ids().count(), hashes)?;
        Ok(infallible(self.resolve(in_order(hashes))))
    }

    /// Makes the proof, asking `fetch` for each of [`node_ids`](Self::node_ids) in their order.
    ///
    /// # Errors
    ///
    /// The first that `fetch` returns.
    pub fn resolve<E>(
        &self,
        mut fetch: impl FnMut(NodeId) -> Result<Hash, E>,
    ) -> Result<ConsistencyProof, E> {
        let mut hashes = Vec::new();
        if let Some(path) = consistency_path(self.old, self.new) {
            hashes.reserve_exact(path.len() + 1);
            if proof_has_edge(self.old) {
                hashes.push(fetch(path.start())?);
            }
            path.resolve(&mut hashes, fetch)?;
        }
        Ok(ConsistencyProof::from_plan(self.old, self.new, hashes))
    }
}

/// The way that a consistency proof takes; none where it is empty.
pub(crate) fn consistency_path(old: TreeSize, new: TreeSize) -> Option<Path> {
    let apart = old != TreeSize::EMPTY && old < new;
    apart.then(|| Path::from_edge(old.get(), new.get()))
}

/// Whether the proof begins with the subtree at the old tree's edge. Where that is the whole old
/// tree, the verifier has its hash: the old root.
pub(crate) const fn proof_has_edge(old: TreeSize) -> bool {
    !old.get().is_power_of_two()
}

fn check_count(expected: usize, hashes: &[Hash]) -> Result<(), LogError> {
    if hashes.len() == expected {
        return Ok(());
    }
    Err(LogError::WrongNodeCount {
        expected,
        found: hashes.len(),
    })
}

/// Answers requests from `hashes`, whose number was checked, one after the other.
fn in_order(hashes: &[Hash]) -> impl FnMut(NodeId) -> Result<Hash, Infallible> {
    let mut hashes = hashes.iter().copied();
    move |_| Ok(hashes.next().unwrap_or_default())
}

fn infallible<T>(result: Result<T, Infallible>) -> T {
    let Ok(value) = result;
    value
}
