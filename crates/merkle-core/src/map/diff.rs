//! What differs between two maps.

use alloc::vec::Vec;

use super::{
    batch::Value,
    bit::Bit,
    node::{Kind, Node},
};

/// A key whose value differs between two maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'t> {
    /// The key.
    pub key: &'t [u8],
    /// Its value in the first map; none if it is not there.
    pub before: Option<Value<'t>>,
    /// Its value in the second map; none if it is not there.
    pub after: Option<Value<'t>>,
}

/// Differences of two maps in key order; made by [`Map::diff`](super::Map::diff).
#[derive(Clone, Debug)]
pub struct Differences<'t> {
    /// Pairs of subtrees still to compare, nearest last. Both sides of a pair stand for the same
    /// stretch of keys.
    rest: Vec<[Option<Node<'t>>; 2]>,
}

impl<'t> Differences<'t> {
    pub(crate) fn new(before: Option<Node<'t>>, after: Option<Node<'t>>) -> Self {
        Self {
            rest: alloc::vec![[before, after]],
        }
    }
}

impl<'t> Iterator for Differences<'t> {
    type Item = Difference<'t>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let pair = self.rest.pop()?;
            match pair {
                [None, None] => {}
                [Some(before), Some(after)] if before.hash == after.hash => {}
                [Some(before), Some(after)] => match (before.kind(), after.kind()) {
                    (
                        Kind::Leaf { key, value: old },
                        Kind::Leaf {
                            key: other,
                            value: new,
                        },
                    ) if key == other => {
                        return Some(Difference {
                            key,
                            before: Some(old),
                            after: Some(new),
                        });
                    }
                    _ => self.rest.extend(split(before, after)),
                },
                [Some(node), None] | [None, Some(node)] => match node.kind() {
                    Kind::Leaf { key, value } => {
                        let [before, after] = pair.map(|side| side.map(|_| value));
                        return Some(Difference { key, before, after });
                    }
                    Kind::Inner { children, .. } => {
                        let [left, right] =
                            children.map(|child| pair.map(|side| side.map(|_| child)));
                        self.rest.extend([right, left]);
                    }
                    Kind::Stub { .. } => {}
                },
            }
        }
    }
}

impl core::iter::FusedIterator for Differences<'_> {}

/// Splits two subtrees that differ at the topmost bit at which either or both branch: the right
/// pair, then the left pair.
fn split<'t>(before: Node<'t>, after: Node<'t>) -> [[Option<Node<'t>>; 2]; 2] {
    let nodes = [before, after];
    let keys = nodes.map(|node| node.representative());
    let parting = Bit::between(keys[0], keys[1]).unwrap_or(Bit::END);
    let at = nodes
        .map(|node| node.bit())
        .into_iter()
        .chain([parting])
        .min()
        .unwrap_or(parting);
    // A subtree that branches here gives both its sides, another goes to the side of its keys.
    let sides = [0, 1].map(|of| match nodes[of].kind() {
        Kind::Inner { bit, children } if bit == at => children.map(Some),
        _ if at.of(keys[of]) => [None, Some(nodes[of])],
        _ => [Some(nodes[of]), None],
    });
    [1, 0].map(|side| [sides[0][side], sides[1][side]])
}
