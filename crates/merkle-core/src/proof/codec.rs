//! The bytes of a proof. Specified in `docs/formats/map.md`.

use alloc::vec::Vec;

use super::{Node, Proof};
use crate::{
    Hash,
    map::{KEY_BYTES_MAX, Value},
    uvarint::{self, Read},
};

/// First byte of an encoded proof of the map; those of the log begin with other letters.
const KIND: u8 = b'M';

/// Second byte.
const VERSION: u8 = 1;

/// Nodes that one byte of the encoding holds, two bits each.
const NODES_PER_BYTE: usize = 4;

/// Bytes that are no proof: damaged, hostile, or of another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofDecodeError {
    /// The bytes are something else than a proof of the map.
    #[error("no proof of a map: it would begin with the byte {KIND:#04x}")]
    NotAProof,
    /// The bytes are of a version that this release does not read.
    #[error("proof of version {found}; this release reads version {VERSION}")]
    UnknownVersion {
        /// The version found.
        found: u8,
    },
    /// The bytes end too early.
    #[error("the proof ends in the middle, after {len} bytes")]
    Truncated {
        /// How many bytes there are.
        len: usize,
    },
    /// Something follows the proof.
    #[error("{surplus} bytes follow the proof")]
    TrailingBytes {
        /// How many.
        surplus: usize,
    },
    /// A number is too large, or not written in the shortest way.
    #[error("no canonical number at byte {offset}")]
    Number {
        /// Where it starts.
        offset: usize,
    },
    /// The nodes are not one full binary tree, or bits after the last are set.
    #[error("the nodes of the proof are not one tree")]
    Shape,
    /// A key is empty or longer than [`KEY_BYTES_MAX`].
    #[error("key of {len} bytes: keys have 1 to {KEY_BYTES_MAX} bytes")]
    KeyLength {
        /// Length of the key, in bytes.
        len: usize,
    },
    /// A key does not come behind the one before it.
    #[error("the keys of the proof are not in order at leaf {leaf}")]
    KeyOrder {
        /// The leaf, counted from 0.
        leaf: usize,
    },
}

impl Proof {
    /// The proof as bytes: one byte string for one proof.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let text = self.text.len() + 8 * self.leaves.len();
        let hashes = Hash::LEN * self.places();
        let mut bytes = Vec::with_capacity(16 + self.nodes.len() / NODES_PER_BYTE + text + hashes);
        bytes.extend([KIND, VERSION]);
        push_number(&mut bytes, self.nodes.len());
        for nodes in self.nodes.chunks(NODES_PER_BYTE) {
            let packed = nodes
                .iter()
                .rev()
                .fold(0, |packed, &node| packed << 2 | node as u8);
            bytes.push(packed);
        }
        let mut pruned = self.pruned.iter();
        let mut leaves = self.leaves.iter();
        for node in &self.nodes {
            match node {
                Node::Inner => {}
                Node::Pruned => {
                    bytes.extend_from_slice(pruned.next().map_or(&[], Hash::as_ref));
                }
                Node::Digest | Node::Value => {
                    let Some(leaf) = leaves.next() else { continue };
                    push_number(&mut bytes, leaf.value - leaf.key);
                    bytes.extend_from_slice(self.key(leaf));
                    match self.value(leaf) {
                        Value::Digest { hash, .. } => bytes.extend_from_slice(hash.as_bytes()),
                        Value::Bytes(value) => {
                            push_number(&mut bytes, value.len());
                            bytes.extend_from_slice(value);
                        }
                    }
                }
            }
        }
        bytes
    }

    /// Reads a proof from bytes that anybody may have made.
    ///
    /// Takes time and memory in proportion to the bytes.
    ///
    /// # Errors
    ///
    /// [`ProofDecodeError`]. Never panics.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofDecodeError> {
        let mut reader = Reader { bytes, at: 0 };
        let [kind, found] = *reader.array()?;
        if kind != KIND {
            return Err(ProofDecodeError::NotAProof);
        }
        if found != VERSION {
            return Err(ProofDecodeError::UnknownVersion { found });
        }
        let nodes = reader.nodes()?;
        let mut proof = Self::default();
        for node in nodes {
            match node {
                Node::Inner => proof.nodes.push(node),
                Node::Pruned => proof.push_pruned(Hash::from_bytes(*reader.array()?)),
                Node::Digest | Node::Value => {
                    let len = reader.number()?;
                    if len == 0 || len > KEY_BYTES_MAX {
                        return Err(ProofDecodeError::KeyLength { len });
                    }
                    let key = reader.take(len)?;
                    if proof
                        .leaves
                        .last()
                        .is_some_and(|last| proof.key(last) >= key)
                    {
                        return Err(ProofDecodeError::KeyOrder {
                            leaf: proof.leaves.len(),
                        });
                    }
                    let value = if node == Node::Value {
                        let len = reader.number()?;
                        Value::Bytes(reader.take(len)?)
                    } else {
                        let hash = Hash::from_bytes(*reader.array()?);
                        Value::Digest {
                            hash,
                            reference: &[],
                        }
                    };
                    proof.push_leaf(key, value);
                }
            }
        }
        match bytes.len() - reader.at {
            0 => Ok(proof),
            surplus => Err(ProofDecodeError::TrailingBytes { surplus }),
        }
    }
}

fn push_number(bytes: &mut Vec<u8>, number: usize) {
    uvarint::push(bytes, number as u64);
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize) -> Result<&'b [u8], ProofDecodeError> {
        let taken = self.bytes[self.at..]
            .get(..len)
            .ok_or(ProofDecodeError::Truncated {
                len: self.bytes.len(),
            })?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<&'b [u8; N], ProofDecodeError> {
        let taken = self.take(N)?;
        taken.as_array().ok_or(ProofDecodeError::Truncated {
            len: self.bytes.len(),
        })
    }

    fn number(&mut self) -> Result<usize, ProofDecodeError> {
        match uvarint::read(&self.bytes[self.at..]) {
            Read::Value(value, len) => {
                let number = usize::try_from(value);
                let number = number.map_err(|_| ProofDecodeError::Number { offset: self.at })?;
                self.at += len;
                Ok(number)
            }
            Read::Truncated => Err(ProofDecodeError::Truncated {
                len: self.bytes.len(),
            }),
            Read::Bad => Err(ProofDecodeError::Number { offset: self.at }),
        }
    }

    /// The nodes of one full binary tree, or of none.
    fn nodes(&mut self) -> Result<Vec<Node>, ProofDecodeError> {
        let count = self.number()?;
        let packed = self.take(count.div_ceil(NODES_PER_BYTE))?;
        let mut nodes = Vec::with_capacity(count);
        // Places in the tree that are still to be filled.
        let mut places = usize::from(count > 0);
        for place in 0..packed.len() * NODES_PER_BYTE {
            let node = packed[place / NODES_PER_BYTE] >> (place % NODES_PER_BYTE * 2) & 3;
            if place >= count {
                if node != 0 {
                    return Err(ProofDecodeError::Shape);
                }
                continue;
            }
            let node = [Node::Pruned, Node::Digest, Node::Value, Node::Inner][usize::from(node)];
            places = places.checked_sub(1).ok_or(ProofDecodeError::Shape)?;
            if node == Node::Inner {
                places += 2;
            }
            nodes.push(node);
        }
        if places == 0 {
            Ok(nodes)
        } else {
            Err(ProofDecodeError::Shape)
        }
    }
}
