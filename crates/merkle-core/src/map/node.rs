//! Nodes of the trie, whatever page they lie in: how everything but updates walks it.

use core::hint::black_box;

use super::{
    batch::Value,
    bit::Bit,
    page::{Item, Page},
};
use crate::Hash;

/// An inner node, a leaf, or a subtree known only by its hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'t> {
    page: &'t Page,
    /// The fork, unless `low == high`.
    at: usize,
    /// First and last item below.
    low: usize,
    high: usize,
    pub(crate) hash: &'t Hash,
}

/// What a node is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'t> {
    Inner { bit: Bit, children: [Node<'t>; 2] },
    Leaf { key: &'t [u8], value: Value<'t> },
    Stub { prefix: &'t [u8], bit: Bit },
}

impl<'t> Node<'t> {
    /// The topmost node of `page`, which has the hash `hash`.
    pub(crate) fn top(page: &'t Page, hash: &'t Hash) -> Self {
        Self::new(page, page.root(), 0, page.len() - 1, hash)
    }

    fn new(page: &'t Page, at: usize, low: usize, high: usize, hash: &'t Hash) -> Self {
        let mut node = Self {
            page,
            at,
            low,
            high,
            hash,
        };
        while node.low == node.high
            && let Some(page) = node.page.page(node.low)
        {
            node = Self {
                page,
                at: page.root(),
                low: 0,
                high: page.len() - 1,
                hash,
            };
        }
        node
    }

    /// Branch position of an inner node; the end for a leaf.
    pub(crate) fn bit(&self) -> Bit {
        if self.low < self.high {
            return self.page.fork(self.at).bit;
        }
        match self.page.item(self.low) {
            Item::Stub { bit, .. } => bit,
            _ => Bit::END,
        }
    }

    /// The left (0) or right (1) child of an inner node.
    fn child(&self, side: usize) -> Self {
        let fork = self.page.fork(self.at);
        let hash = &self.page.children(self.at)[side];
        match side {
            0 => Self::new(self.page, usize::from(fork.left), self.low, self.at, hash),
            _ => Self::new(
                self.page,
                usize::from(fork.right),
                self.at + 1,
                self.high,
                hash,
            ),
        }
    }

    /// The leaf or stub to which `key` leads from the topmost node of a page. `visit` gets, from the top on,
    /// the side on which it lies below each inner node, and the hash of the other side.
    ///
    /// Which way a key goes cannot be foretold: a page is searched first, without a branch that depends on
    /// it, and the next one is on its way from memory while the hashes of this one are visited.
    pub(crate) fn descend(self, key: &[u8], mut visit: impl FnMut(usize, &'t Hash)) -> Self {
        let (mut page, mut hash) = (self.page, self.hash);
        loop {
            let item = page.find(key);
            let below = page.below(item);
            black_box(below.map(Page::first_touch));
            page.path(item, |fork, side| {
                let children = page.children(fork);
                hash = &children[side];
                visit(side, &children[1 - side]);
            });
            match below {
                Some(below) => page = below,
                None => {
                    return Self {
                        page,
                        at: 0,
                        low: item,
                        high: item,
                        hash,
                    };
                }
            }
        }
    }

    pub(crate) fn kind(&self) -> Kind<'t> {
        if self.low < self.high {
            let bit = self.page.fork(self.at).bit;
            return Kind::Inner {
                bit,
                children: [self.child(0), self.child(1)],
            };
        }
        match (self.page.item(self.low), self.page.value(self.low)) {
            (Item::Leaf { key, .. }, Some(value)) => Kind::Leaf {
                key: self.page.text(key),
                value,
            },
            (Item::Stub { prefix, bit }, _) => Kind::Stub {
                prefix: self.page.text(prefix),
                bit,
            },
            _ => unreachable!("pages are entered, and none is open outside an update"),
        }
    }

    /// A key below, or as much of it as all keys below share.
    pub(crate) fn representative(&self) -> &'t [u8] {
        self.page.representative(self.low).unwrap_or_default()
    }

    /// The outermost leaf or stub on one side: the first (0) or the last (1).
    pub(crate) fn outermost(self, side: usize) -> Self {
        let mut node = self;
        while node.low < node.high {
            node = node.child(side);
        }
        node
    }
}

/// Where a key stands between the leaves of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing<'t> {
    /// The subtree that shares most bits with the key: its leaf, or what it would be a sibling of.
    pub(crate) nearest: Node<'t>,
    /// Where the key parts from all of `nearest`; none if `nearest` is its leaf, or a stub below
    /// which it belongs.
    pub(crate) apart: Option<Bit>,
    /// The sibling of `nearest`, and on which side of it that stands.
    pub(crate) sibling: Option<(Node<'t>, usize)>,
    /// The subtrees right before and right after `nearest`.
    pub(crate) before: Option<Node<'t>>,
    pub(crate) after: Option<Node<'t>>,
}

impl<'t> Standing<'t> {
    /// Finds the place of `key` below `top`. Two searches, O(depth).
    pub(crate) fn of(key: &[u8], top: Node<'t>) -> Self {
        let mut end = top;
        while end.low < end.high {
            end = end.child(usize::from(end.bit().of(key)));
        }
        let apart = Bit::between(key, end.representative()).filter(|&apart| apart < end.bit());
        let mut found = Self {
            nearest: top,
            apart,
            sibling: None,
            before: None,
            after: None,
        };
        while found.nearest.low < found.nearest.high
            && apart.is_none_or(|apart| found.nearest.bit() < apart)
        {
            let node = found.nearest;
            let side = usize::from(node.bit().of(key));
            let sibling = node.child(1 - side);
            found.nearest = node.child(side);
            found.sibling = Some((sibling, 1 - side));
            match side {
                0 => found.after = Some(sibling),
                _ => found.before = Some(sibling),
            }
        }
        found
    }

    /// The outermost nodes next to where `key` stands: the last one before it and the first one
    /// after it. Both are its leaf if it has one.
    pub(crate) fn neighbours(&self, key: &[u8]) -> [Option<Node<'t>>; 2] {
        let before = self.before.map(|node| node.outermost(1));
        let after = self.after.map(|node| node.outermost(0));
        match self.apart {
            None => [Some(self.nearest); 2],
            Some(bit) if bit.of(key) => [Some(self.nearest.outermost(1)), after],
            Some(_) => [before, Some(self.nearest.outermost(0))],
        }
    }
}
