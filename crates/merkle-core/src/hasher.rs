//! How the map hashes: the trait, and the two profiles that this crate specifies.

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

/// SHA-256, laid out as ICS-23's Tendermint specification has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sha256;

/// BLAKE3, laid out for speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blake3;

impl Hasher for Sha256 {
    fn empty(&self) -> Hash {
        self.value(&[])
    }

    fn value(&self, value: &[u8]) -> Hash {
        use sha2::Digest;
        Hash::from_bytes(sha2::Sha256::digest(value).into())
    }

    fn leaf(&self, key: &[u8], value_hash: &Hash) -> Hash {
        use sha2::Digest;
        let mut hasher = sha2::Sha256::new_with_prefix([0x00]);
        let mut len = key.len();
        while len >= 0x80 {
            hasher.update([(len & 0x7f) as u8 | 0x80]);
            len >>= 7;
        }
        hasher.update([len as u8]);
        hasher.update(key);
        hasher.update([32]);
        hasher.update(value_hash);
        Hash::from_bytes(hasher.finalize().into())
    }

    fn inner(&self, left: &Hash, right: &Hash) -> Hash {
        use sha2::Digest;
        let hasher = sha2::Sha256::new_with_prefix([0x01]).chain_update(left).chain_update(right);
        Hash::from_bytes(hasher.finalize().into())
    }
}

impl Hasher for Blake3 {
    fn empty(&self) -> Hash {
        Hash::from_bytes([0; 32])
    }

    fn value(&self, value: &[u8]) -> Hash {
        Hash::from_bytes(*blake3::hash(value).as_bytes())
    }

    fn leaf(&self, key: &[u8], value_hash: &Hash) -> Hash {
        let mut hasher = blake3::Hasher::new_keyed(b"placeholder, see formats.md 32 B");
        hasher.update(key).update(value_hash.as_ref());
        Hash::from_bytes(*hasher.finalize().as_bytes())
    }

    fn inner(&self, left: &Hash, right: &Hash) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(left.as_ref()).update(right.as_ref());
        Hash::from_bytes(*hasher.finalize().as_bytes())
    }
}
