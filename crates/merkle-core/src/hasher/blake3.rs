//! The profile `Blake3`: see `docs/formats/hash-profiles.md`.

use super::Hasher;
use crate::Hash;

/// The profile for speed: BLAKE3, one compression for an inner node and for the leaf of a key of
/// up to 32 bytes.
///
/// | | |
/// |---|---|
/// | value | `BLAKE3(value)` |
/// | leaf | `BLAKE3(LEAF_KEY, key ‖ value_hash)`, the keyed hash |
/// | inner | `BLAKE3(left ‖ right)` |
/// | empty | a constant |
///
/// With feature `std`, the `_many` methods hash up to 16 nodes at once in the processor's vectors.
///
/// ```
/// use merkle_core::{Blake3, Hasher};
///
/// let (left, right) = (Blake3.value(b"l"), Blake3.value(b"r"));
/// let mut out = [Blake3.empty(); 2];
/// Blake3.inner_many(&[[left, right], [right, left]], &mut out);
/// assert_eq!(out, [Blake3.inner(&left, &right), Blake3.inner(&right, &left)]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blake3;

impl Hasher for Blake3 {
    fn empty(&self) -> Hash {
        Hash::from_bytes(EMPTY)
    }

    fn value(&self, value: &[u8]) -> Hash {
        digest(value)
    }

    fn leaf(&self, key: &[u8], value_hash: &Hash) -> Hash {
        let mut message = [0; LEAF_ROOM];
        if let Some(len) = leaf_message(key, value_hash, &mut message) {
            return leaf_digest(&message[..len]);
        }
        let mut hasher = ::blake3::Hasher::new_keyed(&LEAF_KEY);
        hasher.update(key).update(value_hash.as_ref());
        Hash::from_bytes(*hasher.finalize().as_bytes())
    }

    fn inner(&self, left: &Hash, right: &Hash) -> Hash {
        let mut message = [0; 2 * Hash::LEN];
        message[..Hash::LEN].copy_from_slice(left.as_bytes());
        message[Hash::LEN..].copy_from_slice(right.as_bytes());
        digest(&message)
    }

    #[cfg(feature = "std")]
    fn inner_many(&self, nodes: &[[Hash; 2]], out: &mut [Hash]) {
        super::lanes::inner_many(self, super::lanes::Blake3::HASH, nodes, out);
    }

    #[cfg(feature = "std")]
    fn value_many(&self, values: &[&[u8]], out: &mut [Hash]) {
        super::lanes::message_many(super::lanes::Blake3::HASH, values, out);
    }

    #[cfg(feature = "std")]
    fn leaf_many(&self, leaves: &[(&[u8], Hash)], out: &mut [Hash]) {
        super::lanes::leaf_many(self, super::lanes::Blake3::LEAF, leaf_message, leaves, out);
    }
}

/// Key of the keyed hash of leaves: BLAKE3's `derive_key` of nothing in the context
/// `DIOTEC360 merkle-core 2026 map leaf`.
pub(super) const LEAF_KEY: [u8; 32] = [
    0xcb, 0x65, 0x4e, 0xe1, 0x59, 0x52, 0x0d, 0xfc, 0xf1, 0x48, 0x26, 0xf9, 0x20, 0x3e, 0x33, 0x05,
    0xbb, 0xcb, 0x47, 0xc4, 0xb2, 0x1c, 0x81, 0x17, 0xbf, 0x51, 0xc5, 0x44, 0x2e, 0x39, 0xba, 0x21,
];

/// Root of the map without entries: `derive_key` of nothing in the context
/// `DIOTEC360 merkle-core 2026 map empty`.
const EMPTY: [u8; 32] = [
    0x77, 0xb2, 0x6c, 0xa8, 0xb6, 0x31, 0xd4, 0x75, 0x17, 0x4f, 0xa5, 0x79, 0x44, 0x41, 0x49, 0x90,
    0x27, 0xd1, 0xbb, 0xfa, 0x8e, 0x32, 0x77, 0x3f, 0xb3, 0x65, 0x1c, 0xb1, 0x76, 0x53, 0x10, 0xa1,
];

/// Room for the message of a leaf: 160 bytes of key, and the value's digest.
pub(super) const LEAF_ROOM: usize = 192;

/// BLAKE3 of `message`.
pub(super) fn digest(message: &[u8]) -> Hash {
    Hash::from_bytes(*::blake3::hash(message).as_bytes())
}

/// BLAKE3 of `message`, keyed for leaves.
pub(super) fn leaf_digest(message: &[u8]) -> Hash {
    Hash::from_bytes(*::blake3::keyed_hash(&LEAF_KEY, message).as_bytes())
}

/// Writes what a leaf hashes and gives its length; `None` if the key leaves too little room.
///
/// No length is needed to separate key and digest: the digest is the last 32 bytes.
fn leaf_message(key: &[u8], value_hash: &Hash, out: &mut [u8; LEAF_ROOM]) -> Option<usize> {
    let len = key.len() + Hash::LEN;
    out.get_mut(key.len()..len)?
        .copy_from_slice(value_hash.as_bytes());
    out[..key.len()].copy_from_slice(key);
    Some(len)
}
