//! The ordered authenticated map.

mod batch;
mod bit;
mod diff;
mod fragment;
mod many;
mod node;
mod page;
mod partial;
mod range;
mod subtree;
mod tree;
mod undo;
mod update;

pub use batch::{Batch, KeyError, Value};
pub use diff::{Difference, Differences};
pub use partial::{
    AssembleError, Fetched, IntoSubtrees, Missing, PartialMap, SubtreeEntries, SubtreeRef,
    Subtrees, SupplyError,
};
pub use range::Entries;
pub use subtree::{Subtree, SubtreeDecodeError};
pub use undo::Undo;
pub use update::Tally;

use alloc::vec::Vec;
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
///
/// The root depends on the entries alone, not on the order or grouping of the writes. Keys are 1 to
/// [`KEY_BYTES_MAX`] bytes long and stand in byte order; values are any bytes. Whoever lets others
/// choose keys should know that keys which share long prefixes make deep trees, up to
/// 9 × [`KEY_BYTES_MAX`] inner nodes: slower, never wrong.
///
/// A clone is O(1) and shares its memory with the original; writing to one copies only what the
/// write touches and leaves the other as it was. A map that shares nothing is changed in place.
///
/// ```
/// use merkle_core::{Batch, Map, Sha256, Value};
///
/// let mut batch = Batch::new();
/// batch.put(b"alice", b"900")?.put(b"bob", b"100")?;
/// let mut map = Map::<Sha256>::new();
/// map.update(&batch);
///
/// let mut transfer = Batch::new();
/// transfer.put(b"alice", b"800")?.put(b"bob", b"200")?;
/// let after = map.apply(&transfer);
///
/// assert_eq!(map.get(b"bob"), Some(Value::Bytes(b"100")));
/// assert_eq!(after.get(b"bob"), Some(Value::Bytes(b"200")));
/// assert_eq!(map.diff(&after).count(), 2);
/// # Ok::<(), merkle_core::KeyError>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "crit-bit")]
#[doc(alias = "patricia")]
#[doc(alias = "trie")]
pub struct Map<H = Sha256> {
    tree: Tree<H>,
    len: u64,
}

impl<H: Hasher + Default> Default for Map<H> {
    fn default() -> Self {
        Self::new()
    }
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

    /// The value of `key`. O(depth); hashes nothing.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value<'_>> {
        self.tree.get(key).ok()?
    }

    /// The values of `keys`, in the order in which they are asked for.
    ///
    /// The same as [`get`](Self::get) for each, but in a map larger than the processor's caches
    /// several times as fast: the searches do not wait for one another's cache misses.
    ///
    /// ```
    /// use merkle_core::{Batch, Map, Sha256, Value};
    ///
    /// let mut batch = Batch::new();
    /// batch.put(b"alice", b"900")?.put(b"bob", b"100")?;
    /// let mut map = Map::<Sha256>::new();
    /// map.update(&batch);
    ///
    /// let keys: [&[u8]; 3] = [b"bob", b"carol", b"alice"];
    /// let [bob, alice] = [b"100", b"900"].map(|bytes| Some(Value::Bytes(bytes)));
    /// assert_eq!(map.get_many(keys), [bob, None, alice]);
    /// # Ok::<(), merkle_core::KeyError>(())
    /// ```
    #[must_use]
    pub fn get_many<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) -> Vec<Option<Value<'_>>> {
        let keys = keys.into_iter();
        let mut values = Vec::with_capacity(keys.size_hint().0);
        self.tree
            .get_many(keys, |found| values.push(found.ok().flatten()));
        values
    }

    /// All entries in key order, from either end.
    #[must_use]
    pub fn iter(&self) -> Entries<'_> {
        self.range(..)
    }

    /// The entries whose keys lie in `keys`, in key order, from either end. A range that ends
    /// before it starts has none.
    #[must_use]
    pub fn range<'t>(&'t self, keys: impl RangeBounds<&'t [u8]>) -> Entries<'t> {
        Entries::new(self.tree.node(), KeyRange::new(&keys))
    }

    /// The entries whose keys begin with `prefix`, in key order, from either end.
    #[must_use]
    pub fn prefix<'t>(&'t self, prefix: &'t [u8]) -> Entries<'t> {
        Entries::new(self.tree.node(), KeyRange::prefix(prefix))
    }

    /// What differs between this map and `after`, in key order.
    ///
    /// Equal subtrees are skipped by their hash: O(difference × depth), whatever the maps' pasts.
    #[must_use]
    pub fn diff<'t>(&'t self, after: &'t Self) -> Differences<'t> {
        Differences::new(self.tree.node(), after.tree.node())
    }

    /// Proves the value of `key`, or its absence. O(depth), about 32 bytes for each inner node above
    /// the leaf; hashes nothing if the key is there.
    #[must_use]
    pub fn prove(&self, key: &[u8]) -> Proof {
        proof::prove_key(&self.tree.hasher, self.tree.node(), key).unwrap_or_default()
    }

    /// Proves all that `query` asks for, in one proof.
    #[must_use]
    pub fn prove_query(&self, query: &Query<'_>) -> Proof {
        proof::prove(&self.tree.hasher, self.tree.node(), query).unwrap_or_default()
    }

    /// Proves to what root `batch` leads: with it, [`View::apply`](crate::View::apply) computes the
    /// root after the batch from the root before it, without the map.
    ///
    /// ```
    /// use merkle_core::{Batch, Map, Sha256};
    ///
    /// let mut batch = Batch::new();
    /// batch.put(b"alice", b"900")?.put(b"bob", b"100")?;
    /// let mut map = Map::<Sha256>::new();
    /// map.update(&batch);
    ///
    /// let mut transfer = Batch::new();
    /// transfer.put(b"alice", b"800")?.put(b"bob", b"150")?.put(b"carol", b"50")?;
    /// let proof = map.prove_update(&transfer);
    ///
    /// let view = proof.verify(&Sha256, &map.root())?;
    /// assert_eq!(view.apply(&transfer)?, map.apply(&transfer).root());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn prove_update(&self, batch: &Batch<'_>) -> Proof {
        proof::prove_update(&self.tree.hasher, self.tree.node(), batch).unwrap_or_default()
    }

    /// Applies `batch` in place: O(changes × depth), hashing each changed node once and many at a
    /// time. Removing a key that is not there changes nothing.
    pub fn update(&mut self, batch: &Batch<'_>) {
        let tally = self.tree.update(batch, None);
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
        let tally = self.tree.update_in_halves(batch, None, both);
        self.len = len + tally.added - tally.removed;
    }

    /// The map with `batch` applied; this one stays as it is. The two share what did not change.
    #[must_use]
    pub fn apply(&self, batch: &Batch<'_>) -> Self {
        let mut next = self.clone();
        next.update(batch);
        next
    }
}

#[cfg(test)]
mod tests;
