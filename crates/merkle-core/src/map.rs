//! The ordered authenticated map.

mod batch;
mod bit;
mod diff;
mod fragment;
mod node;
mod page;
mod partial;
mod range;
mod subtree;
mod tree;
mod update;

pub use batch::{Batch, KeyError, Value};
pub use diff::{Difference, Differences};
pub use partial::{AssembleError, Missing, PartialMap, SupplyError};
pub use range::Entries;
pub use subtree::{Subtree, SubtreeDecodeError};

use core::ops::RangeBounds;

use crate::{Hash, Hasher, Proof, Query, Sha256, proof};
use tree::Tree;

pub(crate) use bit::Bit;
pub(crate) use node::{Kind, Node, Standing};
pub(crate) use range::KeyRange;

/// Longest key, in bytes. The shortest has one.
pub const KEY_BYTES_MAX: usize = 1024;

/// Longest reference of a value kept elsewhere, in bytes.
pub const REFERENCE_BYTES_MAX: usize = 64;

/// An ordered map from keys to values with a root that commits to all of it.
#[derive(Clone, Debug)]
pub struct Map<H = Sha256> {
    tree: Tree<H>,
    len: u64,
}

impl<H: Hasher + Default> Map<H> {
    /// A map without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::with_hasher(H::default())
    }
}

impl<H: Hasher> Map<H> {
    /// A map without entries that hashes with `hasher`.
    #[must_use]
    pub fn with_hasher(hasher: H) -> Self {
        Self {
            tree: Tree::new(hasher),
            len: 0,
        }
    }

    /// The hash that commits to every entry.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.tree.root
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value<'_>> {
        self.tree.get(key).ok()?
    }

    /// All entries in key order.
    pub fn iter(&self) -> Entries<'_> {
        self.range(..)
    }

    /// The entries whose keys lie in `keys`, in key order.
    pub fn range<'t>(&'t self, keys: impl RangeBounds<&'t [u8]>) -> Entries<'t> {
        Entries::new(self.tree.node(), KeyRange::new(&keys))
    }

    /// The entries whose keys begin with `prefix`, in key order.
    pub fn prefix<'t>(&'t self, prefix: &'t [u8]) -> Entries<'t> {
        Entries::new(self.tree.node(), KeyRange::prefix(prefix))
    }

    /// What differs between this map and `after`, in key order.
    ///
    /// Equal subtrees are skipped by their hash: O(difference x depth).
    pub fn diff<'t>(&'t self, after: &'t Self) -> Differences<'t> {
        Differences::new(self.tree.node(), after.tree.node())
    }

    /// Proves the value of `key`, or its absence.
    pub fn prove(&self, key: &[u8]) -> Proof {
        self.prove_query(&Query::new().key(key))
    }

    /// Proves all that `query` asks for.
    pub fn prove_query(&self, query: &Query<'_>) -> Proof {
        proof::prove(&self.tree.hasher, self.tree.node(), query).unwrap_or_default()
    }

    /// Proves to what root `batch` leads, with [`View::apply`](crate::View::apply).
    pub fn prove_update(&self, batch: &Batch<'_>) -> Proof {
        proof::prove_update(&self.tree.hasher, self.tree.node(), batch).unwrap_or_default()
    }

    /// Applies `batch` in place.
    pub fn update(&mut self, batch: &Batch<'_>) {
        let tally = self.tree.update(batch);
        self.len = self.len + tally.added - tally.removed;
    }

    /// Applies `batch` in place, its two halves by two closures that may run at the same time.
    ///
    /// `both` is given the closures and calls each once, on two threads or one after the other.
    /// The result is that of [`update`](Self::update); where the batch or the map has no two
    /// halves, `both` is not called.
    ///
    /// # Panics
    ///
    /// Only if `both` does; the map is empty then.
    ///
    /// ```
    /// use merkle_core::{Batch, Map, Sha256};
    ///
    /// let mut batch = Batch::new();
    /// batch.put(b"alice", b"900")?.put(b"bob", b"100")?;
    /// let mut map = Map::<Sha256>::new();
    /// map.update(&batch);
    ///
    /// map.update_in_halves(&batch, |left, right| {
    ///     std::thread::scope(|threads| {
    ///         threads.spawn(left);
    ///         right();
    ///     });
    /// });
    /// # Ok::<(), merkle_core::KeyError>(())
    /// ```
    pub fn update_in_halves(
        &mut self,
        batch: &Batch<'_>,
        both: impl FnOnce(&mut (dyn FnMut() + Send), &mut (dyn FnMut() + Send)),
    ) {
        let len = core::mem::take(&mut self.len);
        let tally = self.tree.update_in_halves(batch, both);
        self.len = len + tally.added - tally.removed;
    }

    /// The map with `batch` applied; this one stays as it is.
    #[must_use]
    pub fn apply(&self, batch: &Batch<'_>) -> Self {
        let mut next = self.clone();
        next.update(batch);
        next
    }
}

#[cfg(test)]
mod tests;
