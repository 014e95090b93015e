//! The pruned tree that a proof's bytes describe, taken apart by code of its own.

use arbitrary::Arbitrary;
use merkle_core::{Hash, Hasher};

use crate::{Content, Key};

/// How every proof begins: kind and version.
const PREFIX: [u8; 2] = *b"M\x01";

/// The nodes of a proof, in pre-order.
#[derive(Clone, Debug)]
pub struct PrunedTree {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Pruned(Hash),
    Digest(Vec<u8>, Hash),
    Value(Vec<u8>, Vec<u8>),
    Inner,
}

/// One change to a tree. Places count modulo the number of nodes.
#[derive(Arbitrary, Clone, Debug)]
pub enum Edit {
    /// Prunes the subtree at `node`, which leaves the root as it is.
    Prune {
        node: u16,
    },
    /// Shows the digest of a value in its place, which leaves the root as it is.
    Hide {
        node: u16,
    },
    Swap {
        a: u16,
        b: u16,
    },
    Remove {
        node: u16,
    },
    Repeat {
        node: u16,
    },
    /// Makes the node a leaf of this key and value, or gives the leaf another value.
    Reveal {
        node: u16,
        key: Option<Key>,
        value: Content,
    },
    Flip {
        node: u16,
        bit: u8,
    },
}

impl Edit {
    /// Whether the root stays as it is.
    pub fn keeps_root(&self) -> bool {
        matches!(self, Self::Prune { .. } | Self::Hide { .. })
    }
}

impl PrunedTree {
    /// Takes bytes apart that `Proof::encode` wrote.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut reader = Reader(&bytes[PREFIX.len()..]);
        let count = reader.number();
        let kinds = reader.take(count.div_ceil(4)).to_vec();
        let nodes = (0..count).map(|node| match kinds[node / 4] >> (2 * (node % 4)) & 3 {
            0 => Node::Pruned(reader.hash()),
            1 => Node::Digest(reader.text(), reader.hash()),
            2 => Node::Value(reader.text(), reader.text()),
            _ => Node::Inner,
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// The bytes of a proof with these nodes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = PREFIX.to_vec();
        number(&mut bytes, self.nodes.len());
        for nodes in self.nodes.chunks(4) {
            bytes.push(
                nodes
                    .iter()
                    .rev()
                    .fold(0, |packed, node| packed << 2 | node.kind()),
            );
        }
        for node in &self.nodes {
            match node {
                Node::Pruned(hash) => bytes.extend(hash.as_bytes()),
                Node::Digest(key, hash) => {
                    text(&mut bytes, key);
                    bytes.extend(hash.as_bytes());
                }
                Node::Value(key, value) => {
                    text(&mut bytes, key);
                    text(&mut bytes, value);
                }
                Node::Inner => {}
            }
        }
        bytes
    }

    /// Makes one change.
    pub fn edit<H: Hasher>(&mut self, hasher: &H, edit: &Edit) {
        if self.nodes.is_empty() {
            return;
        }
        let place = |node: u16| usize::from(node) % self.nodes.len();
        match edit {
            Edit::Prune { node } => {
                let subtree = self.subtree(place(*node));
                let hash = self.hash(hasher, subtree.clone());
                self.nodes.splice(subtree, hash.map(Node::Pruned));
            }
            Edit::Hide { node } => {
                let node = place(*node);
                if let Node::Value(key, value) = &self.nodes[node] {
                    self.nodes[node] = Node::Digest(key.clone(), hasher.value(value));
                }
            }
            Edit::Swap { a, b } => {
                let (a, b) = (place(*a), place(*b));
                self.nodes.swap(a, b);
            }
            Edit::Remove { node } => {
                self.nodes.remove(place(*node));
            }
            Edit::Repeat { node } => {
                let node = place(*node);
                self.nodes.insert(node, self.nodes[node].clone());
            }
            Edit::Reveal { node, key, value } => {
                let node = place(*node);
                let key = match (key, &self.nodes[node]) {
                    (Some(key), _) => key.bytes(),
                    (None, Node::Digest(key, _) | Node::Value(key, _)) => key.clone(),
                    (None, _) => return,
                };
                self.nodes[node] = Node::Value(key, value.bytes());
            }
            Edit::Flip { node, bit } => {
                let node = place(*node);
                if let Node::Pruned(hash) | Node::Digest(_, hash) = &mut self.nodes[node] {
                    let mut bytes = *hash.as_bytes();
                    bytes[usize::from(bit / 8)] ^= 1 << (bit % 8);
                    *hash = Hash::from_bytes(bytes);
                }
            }
        }
    }

    /// The nodes of the subtree that begins at `node`, as far as there are any.
    fn subtree(&self, node: usize) -> std::ops::Range<usize> {
        let (mut end, mut open) = (node, 1);
        while open > 0 && end < self.nodes.len() {
            open = if matches!(self.nodes[end], Node::Inner) {
                open + 1
            } else {
                open - 1
            };
            end += 1;
        }
        node..end
    }

    /// The hash of a subtree; none if it is incomplete.
    fn hash<H: Hasher>(&self, hasher: &H, subtree: std::ops::Range<usize>) -> Option<Hash> {
        let mut done = Vec::new();
        for node in self.nodes[subtree].iter().rev() {
            let hash = match node {
                Node::Pruned(hash) => *hash,
                Node::Digest(key, hash) => hasher.leaf(key, hash),
                Node::Value(key, value) => hasher.leaf(key, &hasher.value(value)),
                Node::Inner => hasher.inner(&done.pop()?, &done.pop()?),
            };
            done.push(hash);
        }
        done.pop()
    }
}

impl Node {
    fn kind(&self) -> u8 {
        match self {
            Self::Pruned(_) => 0,
            Self::Digest(..) => 1,
            Self::Value(..) => 2,
            Self::Inner => 3,
        }
    }
}

fn text(bytes: &mut Vec<u8>, text: &[u8]) {
    number(bytes, text.len());
    bytes.extend_from_slice(text);
}

fn number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> usize {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let [byte] = *self.take(1) else { break };
            number |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    fn text(&mut self) -> Vec<u8> {
        let len = self.number();
        self.take(len).to_vec()
    }

    fn hash(&mut self) -> Hash {
        Hash::from_bytes(self.take(32).try_into().expect("32 bytes were taken"))
    }
}
