//! A chunk: the entries of a complete range of keys, as a proof.

use std::ops::Bound;

use merkle_core::{NotCovered, Proof, ProofDecodeError, ProofError, Value};

use super::ExportHeader;
use crate::VALUE_BYTES_MAX;

/// Most entries of a chunk.
pub(super) const ENTRIES_MAX: usize = 1 << 15;

/// Most bytes of keys and values at which a chunk takes one more entry.
pub(super) const CONTENT_BYTES_MAX: usize = 16 << 20;

/// Most bytes of a chunk behind its length. The last entry may be one of the largest.
pub(super) const CHUNK_BYTES_MAX: usize = CONTENT_BYTES_MAX + VALUE_BYTES_MAX + (1 << 20);

/// Most nodes of a proof: twice its entries, with its two edges 9 × 1,024 siblings each at most.
const NODES_MAX: u64 = 1 << 17;

/// What is wrong with a chunk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkFault {
    /// No chunk begins there.
    #[error("no chunk begins with the byte {found:#04x}")]
    Kind {
        /// Its first byte.
        found: u8,
    },
    /// Longer than chunks are.
    #[error("{len} bytes, chunks have at most {CHUNK_BYTES_MAX}")]
    TooLong {
        /// Its length in bytes, as it says.
        len: usize,
    },
    /// What it says of its keys runs past its end, or it ends before it begins.
    #[error("it ends within its keys, or they are not in order")]
    Keys,
    /// It does not begin where the one before it ends.
    #[error("it begins after key {found:02x?}")]
    NotNext {
        /// Where it begins.
        found: Vec<u8>,
    },
    /// Its proof has more nodes than a chunk needs.
    #[error("its proof has too many nodes")]
    TooManyNodes,
    /// It is no proof.
    #[error(transparent)]
    Decode(#[from] ProofDecodeError),
    /// The root does not vouch for it.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// It does not show that there are no other entries.
    #[error(transparent)]
    Incomplete(#[from] NotCovered),
    /// An entry comes without its value, or with more than a value has.
    #[error("the value of key {key:02x?} is not there or too long")]
    Value {
        /// The key.
        key: Vec<u8>,
    },
    /// Its last entry is not the one with which it says to end.
    #[error("it does not end with its last key")]
    End,
}

/// A key and its value.
pub(super) type Proved<'p> = (&'p [u8], &'p [u8]);

/// A chunk as it stands in the file, which anybody may have made.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    /// What follows the length.
    bytes: Vec<u8>,
    /// Where the keys and the proof begin.
    to_at: usize,
    proof_at: usize,
}

/// Bytes before a key.
const KEY_LEN_BYTES: usize = 2;

impl Chunk {
    /// The chunk of the entries whose keys are behind `after`, if it is not empty, up to and with
    /// `to`; to the last one if that is empty.
    pub(super) fn new(after: &[u8], to: &[u8], proof: &Proof) -> Self {
        let mut bytes = Vec::new();
        for key in [after, to] {
            let len = u16::try_from(key.len()).unwrap_or(u16::MAX);
            bytes.extend(len.to_be_bytes());
            bytes.extend(key);
        }
        let to_at = KEY_LEN_BYTES + after.len();
        let proof_at = bytes.len();
        bytes.append(&mut proof.encode());
        Self {
            bytes,
            to_at,
            proof_at,
        }
    }

    /// Reads where the keys are.
    pub(super) fn decode(bytes: Vec<u8>) -> Result<Self, ChunkFault> {
        let end = |at: usize| {
            let len = bytes.get(at..at + KEY_LEN_BYTES)?;
            let end = at + KEY_LEN_BYTES + usize::from(u16::from_be_bytes([len[0], len[1]]));
            (end <= bytes.len()).then_some(end)
        };
        let to_at = end(0).ok_or(ChunkFault::Keys)?;
        let proof_at = end(to_at).ok_or(ChunkFault::Keys)?;
        let chunk = Self {
            bytes,
            to_at,
            proof_at,
        };
        if chunk.is_last() || chunk.after() < chunk.to() {
            return Ok(chunk);
        }
        Err(ChunkFault::Keys)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key after which it begins; empty if it is the first.
    pub(super) fn after(&self) -> &[u8] {
        &self.bytes[KEY_LEN_BYTES..self.to_at]
    }

    /// Its last key; empty if it is the last chunk.
    pub(super) fn to(&self) -> &[u8] {
        &self.bytes[self.to_at + KEY_LEN_BYTES..self.proof_at]
    }

    pub(super) fn is_last(&self) -> bool {
        self.to().is_empty()
    }

    /// The proof, not yet held against anything.
    pub(super) fn proof(&self) -> Result<Proof, ChunkFault> {
        let bytes = &self.bytes[self.proof_at..];
        if nodes(bytes) > NODES_MAX {
            return Err(ChunkFault::TooManyNodes);
        }
        Ok(Proof::decode(bytes)?)
    }

    /// The entries that `proof`, which is that of this chunk, proves against the root in `header`:
    /// all in the chunk's range, in order.
    pub(super) fn verify<'p>(
        &self,
        proof: &'p Proof,
        header: &ExportHeader,
    ) -> Result<Vec<Proved<'p>>, ChunkFault> {
        let view = proof.verify(&header.profile, &header.version.root)?;
        let mut entries = Vec::new();
        for (key, value) in view.range(range(self.after(), self.to()))? {
            match value {
                Value::Bytes(value) if value.len() <= VALUE_BYTES_MAX => entries.push((key, value)),
                _ => return Err(ChunkFault::Value { key: key.to_vec() }),
            }
        }
        // So each chunk but the last has an entry, and there are no more chunks than entries.
        let ends_right = self.is_last() || entries.last().map(|(key, _)| *key) == Some(self.to());
        ends_right.then_some(entries).ok_or(ChunkFault::End)
    }
}

/// The keys behind `after` up to and with `to`; empty keys stand for the ends.
pub(super) fn range<'k>(after: &'k [u8], to: &'k [u8]) -> (Bound<&'k [u8]>, Bound<&'k [u8]>) {
    let bound = |key: &'k [u8], bound: fn(&'k [u8]) -> Bound<&'k [u8]>| match key {
        [] => Bound::Unbounded,
        key => bound(key),
    };
    (bound(after, Bound::Excluded), bound(to, Bound::Included))
}

/// How many nodes an encoded proof says to have, before memory is taken for them.
pub(super) fn nodes(proof: &[u8]) -> u64 {
    // Kind and version, then the number, seven bits a byte; what is wrong with it decoding says.
    let digits = proof.iter().skip(2).take(9);
    let mut nodes = 0;
    for (place, byte) in digits.enumerate() {
        nodes |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return nodes;
        }
    }
    u64::MAX
}
