//! The one proof: a pruned tree.

mod codec;
#[cfg(feature = "ics23")]
mod ics23;
mod prove;
mod query;
#[cfg(feature = "serde")]
mod serde_form;
mod transition;
mod view;

use alloc::vec::Vec;

pub use codec::ProofDecodeError;
#[cfg(feature = "ics23")]
pub use ics23::Ics23Error;
pub use query::Query;
pub use transition::TransitionError;
pub use view::{Lookup, NotCovered, Revealed, View};

pub(crate) use prove::{prove, prove_key, prove_update};

use crate::{Hash, Hasher, map::Value};

/// A map with everything irrelevant replaced by its hash.
///
/// Whatever is proved, the proof is the same thing: inner nodes down to what was asked for, leaves
/// where something is revealed, and hashes where nothing is. A revealed leaf proves that its entry
/// is in the map (inclusion). Two revealed leaves with nothing between them prove that no key lies
/// between (exclusion), and a run of them proves that a range is complete. Keys that share a path
/// share it in the proof (multiproof). And since a batch that touches only revealed places can be
/// applied to the pruned tree, it proves what root the batch leads to (transition).
///
/// A proof says nothing until [`verify`](Self::verify) has held it against a root.
///
/// ```
/// use merkle_core::{Batch, Lookup, Map, Proof, Sha256};
///
/// let mut batch = Batch::new();
/// batch.put(b"alice", b"900")?.put(b"bob", b"100")?.put(b"dave", b"7")?;
/// let mut map = Map::<Sha256>::new();
/// map.update(&batch);
///
/// let bytes = map.prove(b"carol").encode();
///
/// // Elsewhere, with nothing but the bytes and a root that is trusted:
/// let proof = Proof::decode(&bytes)?;
/// let view = proof.verify(&Sha256, &map.root())?;
/// assert_eq!(view.get(b"carol"), Lookup::Absent);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[doc(alias = "multiproof")]
#[doc(alias = "non-membership")]
pub struct Proof {
    /// The nodes in pre-order. INVARIANT: none, or exactly one full binary tree.
    nodes: Vec<Node>,
    /// Hashes of the pruned subtrees, in order.
    pruned: Vec<Hash>,
    /// The revealed leaves. INVARIANT: in strict key order; keys have a length that maps hold.
    leaves: Vec<Leaf>,
    /// Keys and values of the leaves.
    text: Vec<u8>,
}

/// What stands at a place of the pruned tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Pruned,
    /// A leaf with its value's digest.
    Digest,
    /// A leaf with its value.
    Value,
    Inner,
}

/// A revealed leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leaf {
    /// Its place among leaves and pruned subtrees, counted from 0.
    place: usize,
    /// Where its key starts in the text, where that ends and the value starts, where that ends.
    key: usize,
    value: usize,
    end: usize,
    /// Digest of the value; meaningless if the value itself is there.
    digest: Hash,
    shown: bool,
}

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The proof is of another map, of another state of it, under another hash profile, or forged.
    #[error("the proof leads to the root {computed}, not to {expected}")]
    RootMismatch {
        /// The root that was trusted.
        expected: Hash,
        /// The root that the proof has.
        computed: Hash,
    },
}

impl Proof {
    /// Holds the proof against `root`, which the caller trusts.
    ///
    /// Hashes each node of the proof once: for one key in a map of a million entries about 20
    /// inner nodes and a leaf.
    ///
    /// # Errors
    ///
    /// [`ProofError::RootMismatch`]. Never panics, whatever bytes the proof came from.
    pub fn verify<H: Hasher>(&self, hasher: &H, root: &Hash) -> Result<View<'_, H>, ProofError> {
        let computed = self.root(hasher);
        if computed != *root {
            return Err(ProofError::RootMismatch {
                expected: *root,
                computed,
            });
        }
        Ok(View::new(self, hasher.clone(), computed))
    }

    /// An empty proof with room for so many pruned subtrees and leaves.
    fn with_capacity(pruned: usize, leaves: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(2 * (pruned + leaves)),
            pruned: Vec::with_capacity(pruned),
            leaves: Vec::with_capacity(leaves),
            text: Vec::with_capacity(192 * leaves),
        }
    }

    /// Leaves and pruned subtrees.
    fn places(&self) -> usize {
        self.pruned.len() + self.leaves.len()
    }

    fn key<'p>(&'p self, leaf: &Leaf) -> &'p [u8] {
        &self.text[leaf.key..leaf.value]
    }

    fn value<'p>(&'p self, leaf: &Leaf) -> Value<'p> {
        if leaf.shown {
            Value::Bytes(&self.text[leaf.value..leaf.end])
        } else {
            Value::Digest {
                hash: leaf.digest,
                reference: &[],
            }
        }
    }

    /// Adds a pruned subtree.
    fn push_pruned(&mut self, hash: Hash) {
        self.nodes.push(Node::Pruned);
        self.pruned.push(hash);
    }

    /// Adds a leaf.
    fn push_leaf(&mut self, key: &[u8], value: Value<'_>) {
        let place = self.places();
        let start = self.text.len();
        self.text.extend_from_slice(key);
        let middle = self.text.len();
        let (node, digest) = match value {
            Value::Bytes(bytes) => {
                self.text.extend_from_slice(bytes);
                (Node::Value, Hash::default())
            }
            Value::Digest { hash, .. } => (Node::Digest, hash),
        };
        self.nodes.push(node);
        let shown = node == Node::Value;
        let end = self.text.len();
        self.leaves.push(Leaf {
            place,
            key: start,
            value: middle,
            end,
            digest,
            shown,
        });
    }

    /// Hashes of the leaves and pruned subtrees, in order.
    fn hashes<H: Hasher>(&self, hasher: &H) -> Vec<Hash> {
        let mut leaves = self.leaf_hashes(hasher).into_iter();
        let mut pruned = self.pruned.iter().copied();
        let mut hashes = Vec::with_capacity(self.places());
        hashes.extend(self.nodes.iter().filter_map(|node| match node {
            Node::Inner => None,
            Node::Pruned => pruned.next(),
            Node::Digest | Node::Value => leaves.next(),
        }));
        hashes
    }

    fn leaf_hashes<H: Hasher>(&self, hasher: &H) -> Vec<Hash> {
        if let [leaf] = &self.leaves[..] {
            return alloc::vec![hasher.leaf(self.key(leaf), &self.value(leaf).hash(hasher))];
        }
        let values: Vec<&[u8]> = self
            .leaves
            .iter()
            .map(|leaf| &self.text[leaf.value..leaf.end])
            .collect();
        let mut hashes = alloc::vec![Hash::default(); self.leaves.len()];
        hasher.value_many(&values, &mut hashes);
        let leaves: Vec<(&[u8], Hash)> = (self.leaves.iter().zip(&hashes))
            .map(|(leaf, hash)| (self.key(leaf), if leaf.shown { *hash } else { leaf.digest }))
            .collect();
        hasher.leaf_many(&leaves, &mut hashes);
        hashes
    }

    /// The root of the pruned tree.
    ///
    /// From the last node to the first, the children of a node come before it, the left one last.
    fn root<H: Hasher>(&self, hasher: &H) -> Hash {
        if self.places() >= PLACES_BATCHED {
            return self.root_batched(hasher);
        }
        let mut hashes = self.hashes(hasher).into_iter().rev();
        let mut done: Vec<Hash> = Vec::with_capacity(self.places());
        for node in self.nodes.iter().rev() {
            let hash = match node {
                // INVARIANT: the nodes are one full binary tree, so both children are there.
                Node::Inner => match (done.pop(), done.pop()) {
                    (Some(left), Some(right)) => hasher.inner(&left, &right),
                    _ => hasher.empty(),
                },
                _ => hashes.next().unwrap_or_default(),
            };
            done.push(hash);
        }
        done.pop().unwrap_or_else(|| hasher.empty())
    }

    /// The same, many nodes at a time: all those whose subtrees have the same height.
    fn root_batched<H: Hasher>(&self, hasher: &H) -> Hash {
        // The hashes of all nodes, those of the inner ones still to come.
        let mut hashes = alloc::vec![Hash::default(); self.nodes.len()];
        // Inner nodes by the height of their subtrees: the node and its right child; the left
        // child follows the node.
        let mut levels: Vec<Vec<[usize; 2]>> = Vec::new();
        let mut places = self.hashes(hasher).into_iter().rev();
        let mut done: Vec<(usize, usize)> = Vec::new();
        for (at, node) in self.nodes.iter().enumerate().rev() {
            let height = match (node, &mut done) {
                (Node::Inner, done) => {
                    let (Some(left), Some(right)) = (done.pop(), done.pop()) else {
                        continue;
                    };
                    let height = left.1.max(right.1);
                    if levels.len() <= height {
                        levels.resize_with(height + 1, Vec::new);
                    }
                    levels[height].push([at, right.0]);
                    height + 1
                }
                _ => {
                    hashes[at] = places.next().unwrap_or_default();
                    0
                }
            };
            done.push((at, height));
        }
        let mut nodes: Vec<[Hash; 2]> = Vec::new();
        let mut hashed: Vec<Hash> = Vec::new();
        for level in levels {
            nodes.clear();
            nodes.extend(
                level
                    .iter()
                    .map(|[at, right]| [hashes[at + 1], hashes[*right]]),
            );
            hashed.resize(nodes.len(), Hash::default());
            hasher.inner_many(&nodes, &mut hashed);
            for ([at, _], hash) in level.iter().zip(&hashed) {
                hashes[*at] = *hash;
            }
        }
        hashes.first().copied().unwrap_or_else(|| hasher.empty())
    }
}

/// From so many leaves and pruned subtrees on, nodes are hashed many at a time.
const PLACES_BATCHED: usize = 128;

#[cfg(test)]
mod tests;
