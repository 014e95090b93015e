//! How the map hashes: the trait, and the two profiles that this crate specifies.

mod blake3;
#[cfg(feature = "std")]
mod lanes;
mod sha256;
#[cfg(test)]
mod tests;

pub use self::{blake3::Blake3, sha256::Sha256};

use crate::Hash;

/// A hash profile of the ordered map: how values, leaves, inner nodes and the empty map hash.
///
/// The single-node methods are the specification; the `_many` methods are entry points that may
/// hash many independent nodes at once and must give the same results.
pub trait Hasher: Clone + Send + Sync + 'static {
    /// Root of the map without entries.
    fn empty(&self) -> Hash;

    /// Digest of a value, which the leaf commits to.
    fn value(&self, value: &[u8]) -> Hash;

    /// Hash of the leaf that binds `key` to the value with digest `value_hash`.
    fn leaf(&self, key: &[u8], value_hash: &Hash) -> Hash;

    /// Hash of the inner node over two subtrees.
    fn inner(&self, left: &Hash, right: &Hash) -> Hash;

    /// [`value`](Self::value) of each of `values`, written to `out`. Both have one length.
    fn value_many(&self, values: &[&[u8]], out: &mut [Hash]) {
        for (out, value) in out.iter_mut().zip(values) {
            *out = self.value(value);
        }
    }

    /// [`leaf`](Self::leaf) of each of `leaves`, written to `out`. Both have one length.
    fn leaf_many(&self, leaves: &[(&[u8], Hash)], out: &mut [Hash]) {
        for (out, (key, value_hash)) in out.iter_mut().zip(leaves) {
            *out = self.leaf(key, value_hash);
        }
    }

    /// [`inner`](Self::inner) of each of `nodes`, written to `out`. Both have one length.
    fn inner_many(&self, nodes: &[[Hash; 2]], out: &mut [Hash]) {
        for (out, [left, right]) in out.iter_mut().zip(nodes) {
            *out = self.inner(left, right);
        }
    }
}
