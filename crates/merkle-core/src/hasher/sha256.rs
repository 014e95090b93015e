//! The profile `Sha256`: see `docs/formats/hash-profiles.md`.

use sha2::Digest;

use super::Hasher;
use crate::Hash;

/// The profile for universal verification: SHA-256, laid out as ICS-23's Tendermint
/// specification has it, so that its proofs can be given to existing ICS-23 verifiers.
///
/// | | |
/// |---|---|
/// | value | `SHA-256(value)` |
/// | leaf | `SHA-256(0x00 ‖ uvarint(len key) ‖ key ‖ 0x20 ‖ value_hash)` |
/// | inner | `SHA-256(0x01 ‖ left ‖ right)` |
/// | empty | `SHA-256("")` |
///
/// With feature `std`, the `_many` methods hash up to 16 nodes at once where that is faster than one
/// after another: on x86, with AVX-512 or without instructions for SHA-256.
///
/// ```
/// use merkle_core::{Hasher, Sha256};
///
/// let (left, right) = (Sha256.value(b"l"), Sha256.value(b"r"));
/// let mut out = [Sha256.empty(); 2];
/// Sha256.inner_many(&[[left, right], [right, left]], &mut out);
/// assert_eq!(out, [Sha256.inner(&left, &right), Sha256.inner(&right, &left)]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sha256;

impl Hasher for Sha256 {
    fn empty(&self) -> Hash {
        self.value(&[])
    }

    fn value(&self, value: &[u8]) -> Hash {
        digest(value)
    }

    fn leaf(&self, key: &[u8], value_hash: &Hash) -> Hash {
        let mut message = [0; LEAF_ROOM];
        if let Some(len) = leaf_message(key, value_hash, &mut message) {
            return digest(&message[..len]);
        }
        let (prefix, prefix_len) = leaf_prefix(key);
        let hasher = sha2::Sha256::new_with_prefix(&prefix[..prefix_len])
            .chain_update(key)
            .chain_update([VALUE_HASH_LEN])
            .chain_update(value_hash);
        Hash::from_bytes(hasher.finalize().into())
    }

    fn inner(&self, left: &Hash, right: &Hash) -> Hash {
        let mut message = [0; 65];
        message[0] = INNER;
        message[1..33].copy_from_slice(left.as_bytes());
        message[33..].copy_from_slice(right.as_bytes());
        digest(&message)
    }

    #[cfg(feature = "std")]
    fn inner_many(&self, nodes: &[[Hash; 2]], out: &mut [Hash]) {
        super::lanes::inner_many(self, super::lanes::Sha256, nodes, out);
    }

    #[cfg(feature = "std")]
    fn value_many(&self, values: &[&[u8]], out: &mut [Hash]) {
        super::lanes::message_many(super::lanes::Sha256, values, out);
    }

    #[cfg(feature = "std")]
    fn leaf_many(&self, leaves: &[(&[u8], Hash)], out: &mut [Hash]) {
        super::lanes::leaf_many(self, super::lanes::Sha256, leaf_message, leaves, out);
    }
}

/// First byte of what a leaf hashes.
const LEAF: u8 = 0x00;

/// First byte of what an inner node hashes.
const INNER: u8 = 0x01;

/// The length of a value's digest, as ICS-23 has it before the digest: a varint of one byte.
const VALUE_HASH_LEN: u8 = 32;

/// Room for the message of a leaf: 148 bytes of key, and the rest.
pub(super) const LEAF_ROOM: usize = 192;

/// State before the first block: FIPS 180-4, section 5.3.3.
pub(super) const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// SHA-256 of `message`; up to two blocks without the buffering of [`Digest`], which costs a
/// fifth of the time of an inner node.
pub(super) fn digest(message: &[u8]) -> Hash {
    let len = message.len();
    let blocks = (len + 8) / 64 + 1;
    if blocks > 2 {
        return Hash::from_bytes(sha2::Sha256::digest(message).into());
    }
    let mut padded = [[0; 64]; 2];
    let bytes = padded.as_flattened_mut();
    bytes[..len].copy_from_slice(message);
    bytes[len] = 0x80;
    bytes[blocks * 64 - 8..blocks * 64].copy_from_slice(&(len as u64 * 8).to_be_bytes());

    let mut state = START;
    sha2::block_api::compress256(&mut state, &padded[..blocks]);
    let mut hash = [0; Hash::LEN];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    Hash::from_bytes(hash)
}

/// What comes before the key in a leaf, and its length.
fn leaf_prefix(key: &[u8]) -> ([u8; 11], usize) {
    let mut prefix = [LEAF; 11];
    let mut at = 1;
    let mut rest = key.len();
    while rest >= 0x80 {
        prefix[at] = low_seven_bits(rest) | 0x80;
        rest >>= 7;
        at += 1;
    }
    prefix[at] = low_seven_bits(rest);
    (prefix, at + 1)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the mask leaves seven bits"
)]
const fn low_seven_bits(len: usize) -> u8 {
    (len & 0x7f) as u8
}

/// Writes what a leaf hashes and gives its length; `None` if the key leaves too little room.
fn leaf_message(key: &[u8], value_hash: &Hash, out: &mut [u8; LEAF_ROOM]) -> Option<usize> {
    let (prefix, prefix_len) = leaf_prefix(key);
    let key_end = prefix_len + key.len();
    let len = key_end + 1 + Hash::LEN;
    out.get_mut(key_end + 1..len)?
        .copy_from_slice(value_hash.as_bytes());
    out[..prefix_len].copy_from_slice(&prefix[..prefix_len]);
    out[prefix_len..key_end].copy_from_slice(key);
    out[key_end] = VALUE_HASH_LEN;
    Some(len)
}
