//! The parts of a large blob, hashed so that each can be checked without the others.
//!
//! A part is 64 KiB, a whole subtree of BLAKE3's own tree: the list of their chaining values gives
//! the BLAKE3 hash of the blob, the one that `b3sum` prints.

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

/// Bytes of a part; the last one may have fewer.
pub(crate) const PART_BYTES: u64 = 64 << 10;

/// The same, to cut memory with.
pub(crate) const PART_LEN: usize = 64 << 10;

const MAGIC: &[u8; 8] = b"d360prt\x01";

/// The hashes of all parts of a blob.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    values: Vec<ChainingValue>,
}

impl Parts {
    /// Adds the next part: `PART_BYTES`, or fewer if it is the last.
    pub(crate) fn push(&mut self, part: &[u8]) {
        let value = chaining_value(self.values.len() as u64, part);
        self.values.push(value);
    }

    /// The BLAKE3 hash of a blob of two parts or more.
    pub(crate) fn root(&self) -> Option<blake3::Hash> {
        if self.values.len() < 2 {
            return None;
        }
        let (left, right) = halves(&self.values);
        Some(merge_subtrees_root(&merge(left), &merge(right), Mode::Hash))
    }

    /// Whether `part` is the part of this number.
    pub(crate) fn check(&self, number: u64, part: &[u8]) -> bool {
        let value = usize::try_from(number)
            .ok()
            .and_then(|at| self.values.get(at));
        !part.is_empty() && value.is_some_and(|value| *value == chaining_value(number, part))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let values = self.values.iter().flatten();
        MAGIC.iter().chain(values).copied().collect()
    }

    /// The parts of a blob of `bytes` bytes whose BLAKE3 hash is `root`.
    pub(crate) fn decode(encoded: &[u8], bytes: u64, root: &blake3::Hash) -> Option<Self> {
        let (values, rest) = encoded.strip_prefix(MAGIC)?.as_chunks();
        let parts = Self {
            values: values.to_vec(),
        };
        let whole = rest.is_empty() && parts.values.len() as u64 == count(bytes);
        (whole && parts.root().as_ref() == Some(root)).then_some(parts)
    }

    /// Bytes of the encoding for a blob of `bytes` bytes.
    pub(crate) fn encoded_bytes(bytes: u64) -> u64 {
        MAGIC.len() as u64 + count(bytes) * 32
    }
}

/// How many parts a blob of `bytes` bytes has.
fn count(bytes: u64) -> u64 {
    bytes.div_ceil(PART_BYTES)
}

fn chaining_value(number: u64, part: &[u8]) -> ChainingValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(number * PART_BYTES);
    hasher.update(part);
    hasher.finalize_non_root()
}

/// As deep as the logarithm of the number of parts.
fn merge(values: &[ChainingValue]) -> ChainingValue {
    if let [value] = values {
        return *value;
    }
    let (left, right) = halves(values);
    merge_subtrees_non_root(&merge(left), &merge(right), Mode::Hash)
}

/// BLAKE3 paper, section 2.1: the left subtree is the largest complete one that leaves something.
fn halves(values: &[ChainingValue]) -> (&[ChainingValue], &[ChainingValue]) {
    values.split_at(values.len().next_power_of_two() / 2)
}

#[cfg(test)]
mod tests {
    use super::{PART_LEN, Parts};

    #[test]
    fn the_root_is_the_hash_of_blake3() {
        for bytes in [65_537_usize, 131_072, 131_073, 1_000_000, 1_048_577] {
            let blob: Vec<u8> = (0..=250).cycle().take(bytes).collect();
            let mut parts = Parts::default();
            blob.chunks(PART_LEN).for_each(|part| parts.push(part));
            let root = blake3::hash(&blob);
            assert_eq!(parts.root(), Some(root));
            let encoded = parts.encode();
            assert_eq!(encoded.len() as u64, Parts::encoded_bytes(bytes as u64));
            assert_eq!(
                Parts::decode(&encoded, bytes as u64, &root),
                Some(parts.clone())
            );
            assert!(parts.check(1, &blob[65_536..bytes.min(131_072)]));
            assert!(!parts.check(0, &blob[65_536..bytes.min(131_072)]));
            let mut other = encoded;
            other[20] ^= 1;
            assert_eq!(Parts::decode(&other, bytes as u64, &root), None);
        }
    }
}
