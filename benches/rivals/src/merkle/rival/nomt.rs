//! nomt-core: it builds tries and verifies proofs, but updates no trie in memory and makes no
//! proofs: both belong to an engine with files. So here its trie keeps all its nodes by hash, and
//! proofs are gathered from there, untimed.

use std::collections::HashMap;

use nomt_core::hasher::{NodeHasher, ValueHasher};
use nomt_core::proof::{MultiProof, PathProof, PathProofTerminal};
use nomt_core::trie::{InternalData, KeyPath, LeafData, Node, ValueHash, is_internal};
use nomt_core::update::{WriteNode, build_trie};

/// A trie with all its nodes.
pub(crate) struct Nomt {
    pub(crate) root: Node,
    inner: HashMap<Node, InternalData>,
    leaves: HashMap<Node, LeafData>,
}

impl Nomt {
    pub(crate) fn new<H: NodeHasher + ValueHasher>(
        entries: impl Iterator<Item = (KeyPath, ValueHash)>,
    ) -> Self {
        let mut inner = HashMap::new();
        let mut leaves = HashMap::new();
        let root = build_trie::<H>(0, entries, |write| match write {
            WriteNode::Leaf {
                leaf_data, node, ..
            } => {
                leaves.insert(node, leaf_data);
            }
            WriteNode::Internal {
                internal_data,
                node,
            } => {
                inner.insert(node, internal_data);
            }
            WriteNode::Terminator => {}
        });
        Self {
            root,
            inner,
            leaves,
        }
    }

    /// Proves a key that is there.
    pub(crate) fn prove<H: NodeHasher>(&self, key: &KeyPath) -> PathProof {
        let mut siblings = Vec::new();
        let mut node = self.root;
        while is_internal::<H>(&node) {
            let InternalData { left, right } = &self.inner[&node];
            let bit = siblings.len();
            let is_right = key[bit / 8] >> (7 - bit % 8) & 1 == 1;
            let (next, sibling) = if is_right {
                (right, left)
            } else {
                (left, right)
            };
            siblings.push(*sibling);
            node = *next;
        }
        let terminal = PathProofTerminal::Leaf(self.leaves[&node].clone());
        PathProof { terminal, siblings }
    }

    /// Proves keys that are there and in order.
    pub(crate) fn prove_many<H: NodeHasher>(&self, keys: &[KeyPath]) -> MultiProof {
        MultiProof::from_path_proofs(keys.iter().map(|key| self.prove::<H>(key)).collect())
    }
}

/// The root over `entries`, with no node kept.
pub(crate) fn build<'a, H: NodeHasher + ValueHasher>(
    entries: impl Iterator<Item = (&'a [u8; 32], &'a [u8])>,
) -> Node {
    let entries = entries.map(|(key, value)| (*key, H::hash_value(value)));
    build_trie::<H>(0, entries, |_| {})
}
