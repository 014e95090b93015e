//! Subtrees that are kept outside memory.

use alloc::{boxed::Box, vec::Vec};

use super::{KEY_BYTES_MAX, bit::Bit};
use crate::Hash;

/// A subtree of a map: which keys belong to it, and its hash.
///
/// Its keys are exactly those of the map that share certain first bits, which name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtree {
    prefix: Box<[u8]>,
    pub(crate) bit: Bit,
    hash: Hash,
}

/// Bytes that are no encoded [`Subtree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes that are no encoded subtree")]
#[non_exhaustive]
pub struct SubtreeDecodeError {
    /// How many bytes there were.
    pub len: usize,
}

impl Subtree {
    pub(crate) fn new(prefix: &[u8], bit: Bit, hash: Hash) -> Self {
        Self {
            prefix: prefix.into(),
            bit,
            hash,
        }
    }

    /// The bytes that begin all its keys, in whole or, for the last byte, in part.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Whether `key` belongs to it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        Bit::between(key, &self.prefix).is_none_or(|apart| apart >= self.bit)
    }

    /// Its name and hash as bytes: 34 bytes and the prefix.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [
            &self.bit.to_be_bytes()[..],
            self.hash.as_ref(),
            &self.prefix,
        ]
        .concat()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// [`SubtreeDecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SubtreeDecodeError> {
        let error = SubtreeDecodeError { len: bytes.len() };
        let (bit, rest) = bytes.split_first_chunk().ok_or(error)?;
        let (hash, prefix) = rest.split_first_chunk().ok_or(error)?;
        let bit = Bit::from_be_bytes(*bit).ok_or(error)?;
        let len_fits = match bit {
            Bit::END => (1..=KEY_BYTES_MAX).contains(&prefix.len()),
            bit => prefix.len() == bit.bytes_before(),
        };
        if !len_fits {
            return Err(error);
        }
        Ok(Self::new(prefix, bit, Hash::from_bytes(*hash)))
    }
}
