//! The two hash functions of a log, on fixed SHA-256 blocks.
//!
//! An inner node always hashes 65 bytes, so its two blocks, padding included, are laid out here
//! and given to the compression function: no buffering, no length bookkeeping.

use sha2::block_api::compress256;

use crate::Hash;

/// Root hash of the log without leaves: `SHA-256("")`. RFC 9162, section 2.1.1.
pub const EMPTY_LOG_ROOT: Hash = Hash::from_bytes([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// Hash of the leaf that holds `entry`: `SHA-256(0x00 || entry)`. RFC 9162, section 2.1.1.
///
/// ```
/// let leaf = merkle_core::log_leaf_hash(b"one");
/// assert!(leaf.to_string().starts_with("d0d7360a"));
/// ```
#[must_use]
pub fn log_leaf_hash(entry: &[u8]) -> Hash {
    use sha2::Digest;
    let hasher = sha2::Sha256::new_with_prefix([LEAF_PREFIX]).chain_update(entry);
    Hash::from_bytes(hasher.finalize().into())
}

/// Hash of the inner node over two subtrees: `SHA-256(0x01 || left || right)`. RFC 9162,
/// section 2.1.1.
#[must_use]
pub fn log_inner_hash(left: &Hash, right: &Hash) -> Hash {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut blocks = [[0; 64]; 2];
    blocks[0][0] = INNER_PREFIX;
    blocks[0][1..33].copy_from_slice(left);
    blocks[0][33..].copy_from_slice(&right[..31]);
    blocks[1][0] = right[31];
    blocks[1][1] = 0x80;
    blocks[1][56..].copy_from_slice(&INNER_BITS.to_be_bytes());

    let mut state = SHA256_START;
    compress256(&mut state, &blocks);

    let mut bytes = [0; Hash::LEN];
    for (out, word) in bytes.chunks_exact_mut(4).zip(state) {
        out.copy_from_slice(&word.to_be_bytes());
    }
    Hash::from_bytes(bytes)
}

const LEAF_PREFIX: u8 = 0x00;
const INNER_PREFIX: u8 = 0x01;

/// Length in bits of what an inner node hashes, as SHA-256's padding states it.
const INNER_BITS: u64 = 8 * (1 + 2 * Hash::LEN as u64);

/// SHA-256's initial state. FIPS 180-4, section 5.3.3.
const SHA256_START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest;

    #[test]
    fn the_fixed_blocks_hash_as_the_plain_digest_does() {
        let mut left = [0; 32];
        let mut right = [0xff; 32];
        for round in 0..=255_u8 {
            left[usize::from(round % 32)] ^= round;
            right[usize::from(round / 8)] = round.wrapping_mul(7);
            let plain = sha2::Sha256::new_with_prefix([1])
                .chain_update(left)
                .chain_update(right);
            let ours = log_inner_hash(&Hash::from_bytes(left), &Hash::from_bytes(right));
            assert_eq!(ours.as_bytes()[..], plain.finalize()[..], "round {round}");
            left = *ours.as_bytes();
        }
    }

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(EMPTY_LOG_ROOT.as_bytes()[..], sha2::Sha256::digest([])[..]);
    }
}
