//! The binary encodings of proofs and ranges. `docs/formats/log.md` has the specification.
//!
//! All have one shape: kind, version, two integers, hashes. The integers determine how many
//! hashes there are, so there is one encoding of a value, and its length is known before anything
//! is allocated.

use alloc::vec::Vec;

use super::{CompactRange, ConsistencyProof, InclusionProof, LeafIndex, TreeSize};
use super::{LogDecodeError, LogProofError};
use crate::{
    Hash,
    uvarint::{self, Read},
};

impl InclusionProof {
    /// The proof as bytes: at most 2,070, and about 40 bytes for each doubling of the log.
    ///
    /// Layout: `'I' || 0x01 || uvarint(index) || uvarint(size) || hashes`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(
            INCLUSION,
            self.index().get(),
            self.size().get(),
            self.hashes(),
        )
    }

    /// Reads what [`encode`](Self::encode) wrote: exactly, to the last byte.
    ///
    /// # Errors
    ///
    /// [`LogDecodeError`], whatever the bytes. Allocates no more than they are long.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogDecodeError> {
        let (index, size, hashes) = decode(INCLUSION, bytes, |index, size| {
            Self::hash_count(LeafIndex::new(index), TreeSize::new(size))
        })?;
        Ok(Self::from_parts(
            LeafIndex::new(index),
            TreeSize::new(size),
            hashes,
        )?)
    }
}

impl ConsistencyProof {
    /// The proof as bytes: at most 2,102.
    ///
    /// Layout: `'C' || 0x01 || uvarint(old size) || uvarint(new size) || hashes`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(
            CONSISTENCY,
            self.old_size().get(),
            self.new_size().get(),
            self.hashes(),
        )
    }

    /// Reads what [`encode`](Self::encode) wrote: exactly, to the last byte.
    ///
    /// # Errors
    ///
    /// [`LogDecodeError`], whatever the bytes. Allocates no more than they are long.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogDecodeError> {
        let (old, new, hashes) = decode(CONSISTENCY, bytes, |old, new| {
            Self::hash_count(TreeSize::new(old), TreeSize::new(new))
        })?;
        Ok(Self::from_parts(
            TreeSize::new(old),
            TreeSize::new(new),
            hashes,
        )?)
    }
}

impl CompactRange {
    /// The range as bytes: at most 4,054, and 2,061 where it begins at 0.
    ///
    /// Layout: `'R' || 0x01 || uvarint(begin) || uvarint(end) || hashes`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(RANGE, self.begin(), self.end(), self.hashes())
    }

    /// Reads what [`encode`](Self::encode) wrote: exactly, to the last byte.
    ///
    /// The hashes may still be wrong: see [`from_parts`](Self::from_parts).
    ///
    /// # Errors
    ///
    /// [`LogDecodeError`], whatever the bytes. Allocates no more than they are long.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogDecodeError> {
        let (begin, end, hashes) = decode(RANGE, bytes, Self::hash_count)?;
        Ok(Self::from_parts(begin, end, hashes)?)
    }
}

fn encode(kind: u8, first: u64, second: u64, hashes: &[Hash]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 + 2 * UVARINT_BYTES_MAX + hashes.len() * Hash::LEN);
    bytes.extend([kind, VERSION]);
    uvarint::push(&mut bytes, first);
    uvarint::push(&mut bytes, second);
    for hash in hashes {
        bytes.extend_from_slice(hash.as_bytes());
    }
    bytes
}

fn decode(
    kind: u8,
    bytes: &[u8],
    hash_count: impl FnOnce(u64, u64) -> Result<usize, LogProofError>,
) -> Result<(u64, u64, Vec<Hash>), LogDecodeError> {
    let mut reader = Reader { bytes, offset: 0 };
    match reader.byte()? {
        found if found != kind => {
            return Err(LogDecodeError::WrongKind {
                expected: kind,
                found,
            });
        }
        _ => {}
    }
    match reader.byte()? {
        VERSION => {}
        version => return Err(LogDecodeError::UnknownVersion { version }),
    }
    let first = reader.uvarint()?;
    let second = reader.uvarint()?;
    let count = hash_count(first, second)?;
    Ok((first, second, reader.hashes(count)?))
}

struct Reader<'b> {
    bytes: &'b [u8],
    offset: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, LogDecodeError> {
        let byte = self
            .bytes
            .get(self.offset)
            .ok_or(LogDecodeError::Truncated { missing: 1 })?;
        self.offset += 1;
        Ok(*byte)
    }

    fn uvarint(&mut self) -> Result<u64, LogDecodeError> {
        match uvarint::read(&self.bytes[self.offset..]) {
            Read::Value(value, len) => {
                self.offset += len;
                Ok(value)
            }
            Read::Truncated => Err(LogDecodeError::Truncated { missing: 1 }),
            Read::Bad => Err(LogDecodeError::BadInteger {
                offset: self.offset,
            }),
        }
    }

    /// The rest, which must be `count` hashes.
    fn hashes(self, count: usize) -> Result<Vec<Hash>, LogDecodeError> {
        let rest = &self.bytes[self.offset..];
        // At most 126 hashes, so this cannot overflow.
        let expected = count * Hash::LEN;
        if rest.len() < expected {
            return Err(LogDecodeError::Truncated {
                missing: expected - rest.len(),
            });
        }
        if rest.len() > expected {
            return Err(LogDecodeError::TrailingBytes {
                count: rest.len() - expected,
            });
        }
        let (hashes, _) = rest.as_chunks();
        Ok(hashes.iter().map(|hash| Hash::from_bytes(*hash)).collect())
    }
}

const INCLUSION: u8 = b'I';
const CONSISTENCY: u8 = b'C';
const RANGE: u8 = b'R';
const VERSION: u8 = 1;
const UVARINT_BYTES_MAX: usize = 10;
