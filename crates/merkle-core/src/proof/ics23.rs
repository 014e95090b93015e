//! Proofs for those who verify ICS-23.
//!
//! Written by hand: the four messages are a page of Protocol Buffers, and the crate that verifies
//! them would bring its own hash functions and a code generator along. It judges what is written
//! here in `tests/ics23.rs`.

use alloc::vec::Vec;

use super::{Leaf, Node, View};
use crate::{Hash, Hasher, Sha256, uvarint};

/// Most inner nodes above a leaf that all verifiers of ICS-23 take.
const DEPTH_MAX: usize = 128;

/// `LeafOp` of the Tendermint spec: hash SHA-256, value hashed with SHA-256 before, lengths as
/// varints, prefix 0x00.
const LEAF_OP: [u8; 9] = [0x08, 1, 0x18, 1, 0x20, 1, 0x2a, 1, 0];

/// Why what a proof shows cannot be said in ICS-23.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ics23Error {
    /// The proof says nothing of the key.
    #[error("the proof does not cover the key")]
    NotCovered,
    /// ICS-23 proves absence by a neighbour; where the map is empty there is none.
    #[error("an empty map has no neighbours to prove an absence by")]
    EmptyMap,
    /// ICS-23 needs the value of each leaf, and the proof has its digest alone. Ask with
    /// [`Query::with_neighbours`](crate::Query::with_neighbours) for an absent key.
    #[error("the proof does not show the value of leaf {leaf}")]
    ValueNotShown {
        /// The revealed leaf, counted from 0.
        leaf: usize,
    },
    /// ICS-23 knows no empty values.
    #[error("the value of leaf {leaf} is empty, which ICS-23 cannot express")]
    EmptyValue {
        /// The revealed leaf, counted from 0.
        leaf: usize,
    },
    /// Verifiers of ICS-23 may refuse paths of more than 128 inner nodes.
    #[error("leaf {leaf} lies {depth} inner nodes deep, more than {DEPTH_MAX}")]
    TooDeep {
        /// The revealed leaf, counted from 0.
        leaf: usize,
        /// How many inner nodes are above it.
        depth: usize,
    },
}

/// An inner node on the way from a leaf to the root: its other child, and on which side that is.
#[derive(Clone, Copy)]
enum Step {
    Left(Hash),
    Right(Hash),
}

impl View<'_, Sha256> {
    /// What the proof shows of `key`, as a `CommitmentProof` of ICS-23 in Protocol Buffers: an
    /// existence proof of a key that is there, a non-existence proof of one that is not.
    ///
    /// Any verifier of ICS-23 takes it with its built-in Tendermint spec, against the map's root.
    /// Hashes each node of the proof once or twice. Only for `Sha256`: other profiles are none that
    /// ICS-23 verifiers know.
    ///
    /// Verifiers of ICS-23 promise less than [`Proof::verify`](crate::Proof::verify). Some take a
    /// leaf whose prefix is longer than in the spec, as the `ics23` crate 0.12 does. The end of a
    /// key with a length before it, as in `m\x01c`, then passes for a key of its own: `c` for one
    /// that is there, and `m\x01c` itself, behind that neighbour, for one that is not. Where others
    /// choose the keys, refuse proofs that have any leaf prefix but `[0]`.
    ///
    /// ```
    /// use merkle_core::{Batch, Map, Query, Sha256};
    ///
    /// let mut batch = Batch::new();
    /// batch.put(b"alice", b"900")?.put(b"bob", b"100")?;
    /// let mut map = Map::<Sha256>::new();
    /// map.update(&batch);
    ///
    /// let proof = map.prove_query(&Query::new().key(b"alfred").with_neighbours());
    /// let view = proof.verify(&Sha256, &map.root())?;
    /// let commitment_proof = view.to_ics23(b"alfred")?;
    /// assert_eq!(commitment_proof[0], 0x12); // field 2, a non-existence proof
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Ics23Error`], which says what cannot be expressed, or what the proof would have to show.
    pub fn to_ics23(&self, key: &[u8]) -> Result<Vec<u8>, Ics23Error> {
        let leaves = &self.proof.leaves;
        let mut bytes = Vec::new();
        match leaves.binary_search_by(|leaf| self.proof.key(leaf).cmp(key)) {
            Ok(leaf) => write_field(&mut bytes, 1, &self.existence(leaf)?),
            Err(_) if leaves.is_empty() && self.proof.nodes.is_empty() => {
                return Err(Ics23Error::EmptyMap);
            }
            Err(next) if self.is_unbroken(next, next) => {
                let mut absence = Vec::new();
                if !key.is_empty() {
                    write_field(&mut absence, 1, key);
                }
                if let Some(before) = next.checked_sub(1) {
                    write_field(&mut absence, 2, &self.existence(before)?);
                }
                if next < leaves.len() {
                    write_field(&mut absence, 3, &self.existence(next)?);
                }
                write_field(&mut bytes, 2, &absence);
            }
            Err(_) => return Err(Ics23Error::NotCovered),
        }
        Ok(bytes)
    }

    /// `ExistenceProof` of the revealed leaf `at`.
    fn existence(&self, at: usize) -> Result<Vec<u8>, Ics23Error> {
        let leaf = &self.proof.leaves[at];
        let value = self.proof.value(leaf).bytes();
        let value = value.ok_or(Ics23Error::ValueNotShown { leaf: at })?;
        if value.is_empty() {
            return Err(Ics23Error::EmptyValue { leaf: at });
        }
        let path = self.path(leaf);
        if path.len() > DEPTH_MAX {
            let depth = path.len();
            return Err(Ics23Error::TooDeep { leaf: at, depth });
        }
        let mut bytes = Vec::new();
        write_field(&mut bytes, 1, self.proof.key(leaf));
        write_field(&mut bytes, 2, value);
        write_field(&mut bytes, 3, &LEAF_OP);
        for step in path {
            // Field 1, hash: SHA-256.
            let mut inner = alloc::vec![0x08, 1];
            match step {
                Step::Left(left) => {
                    let mut prefix = [1; 1 + Hash::LEN];
                    prefix[1..].copy_from_slice(left.as_bytes());
                    write_field(&mut inner, 2, &prefix);
                }
                Step::Right(right) => {
                    write_field(&mut inner, 2, &[1]);
                    write_field(&mut inner, 3, right.as_bytes());
                }
            }
            write_field(&mut bytes, 4, &inner);
        }
        Ok(bytes)
    }

    /// The inner nodes above `leaf`, the lowest first.
    fn path(&self, leaf: &Leaf) -> Vec<Step> {
        let hashes = self.proof.hashes(&self.hasher);
        let mut outermost = hashes.into_iter().enumerate().rev();
        let mut path = Vec::new();
        // As in `Proof::root`; each hash with whether the leaf is below it.
        let mut done: Vec<(Hash, bool)> = Vec::new();
        for node in self.proof.nodes.iter().rev() {
            let top = match node {
                Node::Inner => {
                    let (left, on_left) = done.pop().unwrap_or_default();
                    let (right, on_right) = done.pop().unwrap_or_default();
                    if on_left {
                        path.push(Step::Right(right));
                    } else if on_right {
                        path.push(Step::Left(left));
                    }
                    (self.hasher.inner(&left, &right), on_left || on_right)
                }
                _ => outermost
                    .next()
                    .map(|(place, hash)| (hash, place == leaf.place))
                    .unwrap_or_default(),
            };
            done.push(top);
        }
        path
    }
}

/// Writes a field of Protocol Buffers that holds bytes or a message.
fn write_field(bytes: &mut Vec<u8>, field: u8, content: &[u8]) {
    bytes.push(field << 3 | 2);
    uvarint::push(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}
