//! Fragments: runs of the trie under reconstruction, before they are cut into pages.

use alloc::{vec, vec::Vec};

use super::{
    bit::Bit,
    page::{ITEMS_MAX, ITEMS_MIN},
};
use crate::Hash;

/// A run of pieces in key order, and between each two of them the inner node that parts them.
#[derive(Debug, Default)]
pub(crate) struct Fragment {
    pub(crate) pieces: Vec<Piece>,
    /// `gaps[i]` parts `pieces[i]` from `pieces[i + 1]`.
    pub(crate) gaps: Vec<Gap>,
    /// What is known of inner nodes from before the update.
    known: Vec<Known>,
}

/// One item to be.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) part: Part,
    /// Its hash; meaningless for an open page, whose hash comes last of all.
    pub(crate) hash: Hash,
    /// Whether it differs from what stood here before the update.
    pub(crate) dirty: bool,
}

/// What a piece is made of. Texts stay where they are until the piece is laid into a page.
#[derive(Debug)]
pub(crate) enum Part {
    /// An item of the open page with this number, where it stays until it is laid.
    Old { page: u32, item: u8 },
    /// The leaf that this change writes.
    New { change: u32 },
    /// A subtree of which only the hash is known: its number in a tree under assembly.
    Stub { subtree: u32 },
    /// An open page.
    Open(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    pub(crate) bit: Bit,
    /// Place in `known`, or `UNKNOWN`.
    known: u32,
}

const UNKNOWN: u32 = u32::MAX;

/// An inner node as it was: its hash, and how many pieces it had on either side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) hash: Hash,
    pub(crate) left: u32,
    pub(crate) right: u32,
}

impl Fragment {
    pub(crate) fn with_capacity(pieces: usize) -> Self {
        Self {
            pieces: Vec::with_capacity(pieces),
            gaps: Vec::with_capacity(pieces),
            known: Vec::with_capacity(pieces.min(super::page::ITEMS_MAX)),
        }
    }

    pub(crate) fn push(&mut self, piece: Piece) {
        self.pieces.push(piece);
    }

    pub(crate) fn push_gap(&mut self, bit: Bit, known: Option<Known>) {
        let known = known.map_or(UNKNOWN, |known| {
            self.known.push(known);
            index(self.known.len() - 1)
        });
        self.gaps.push(Gap { bit, known });
    }

    /// Adds all of `other` behind the last gap.
    pub(crate) fn append(&mut self, other: Self) {
        let Self {
            pieces,
            gaps,
            known,
        } = other;
        self.pieces.extend(pieces);
        for gap in gaps {
            let known = known.get(gap.known as usize).copied();
            self.push_gap(gap.bit, known);
        }
    }

    /// What is left at its top once its lower parts are pages: a smaller self.
    pub(crate) fn into_top(mut self, shape: &Shape) -> Self {
        let mut top = Self::default();
        shape.walk(shape.root, |child| match child {
            Child::Fork(fork) => {
                let node = shape.nodes[fork];
                let known = self.known(fork).filter(|_| node.clean).map(|known| Known {
                    hash: known.hash,
                    left: u32::from(shape.weight(shape.child(fork, 0))),
                    right: u32::from(shape.weight(shape.child(fork, 1))),
                });
                top.push_gap(self.gaps[fork].bit, known);
            }
            Child::Piece(piece) => {
                let Piece { part, hash, dirty } = &mut self.pieces[piece];
                let part = core::mem::replace(part, Part::Open(NONE));
                top.push(Piece {
                    part,
                    hash: *hash,
                    dirty: *dirty,
                });
            }
            Child::Cut { page, .. } => {
                let hash = shape.hash(&self, child);
                let dirty = hash.is_none();
                top.push(Piece {
                    part: Part::Open(page),
                    hash: hash.unwrap_or_default(),
                    dirty,
                });
            }
        });
        top
    }

    fn known(&self, gap: usize) -> Option<Known> {
        self.known.get(self.gaps[gap].known as usize).copied()
    }
}

/// The shape of a fragment: its gaps as a Cartesian tree, and where it is cut into pages.
#[derive(Debug)]
pub(crate) struct Shape {
    nodes: Vec<Node>,
    pub(crate) root: usize,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    left: u32,
    right: u32,
    /// First piece below.
    start: u32,
    /// Items that a page starting here would have.
    weight: u8,
    /// Whether the subtree is as it was before the update.
    clean: bool,
    /// The page that starts here, or `NONE`.
    page: u32,
}

const NONE: u32 = u32::MAX;

/// A child of an inner node within a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    /// A piece.
    Piece(usize),
    /// An inner node of the same page.
    Fork(usize),
    /// The inner node on top of an open page.
    Cut { fork: usize, page: u32 },
}

impl Shape {
    /// Links the gaps of `fragment` to a tree, from left to right, and calls `cut` for each
    /// subtree that becomes a page of its own, lower ones first; `cut` answers with its number.
    ///
    /// A fragment that fits a page is not cut. Otherwise pages hold `ITEMS_MIN` to `ITEMS_MAX`
    /// items, and what is left over at the top has fewer than `ITEMS_MAX`.
    ///
    /// # Panics
    ///
    /// Never: the fragment has a gap (its callers see to fragments of one piece).
    pub(crate) fn link(fragment: &Fragment, mut cut: impl FnMut(&Self, usize) -> u32) -> Self {
        let fresh = Node {
            left: NONE,
            right: NONE,
            start: 0,
            weight: 0,
            clean: false,
            page: NONE,
        };
        let mut shape = Self {
            nodes: vec![fresh; fragment.gaps.len()],
            root: 0,
        };
        // The right spine of what is linked so far, top first.
        let mut spine: Vec<usize> = Vec::new();
        for (at, gap) in fragment.gaps.iter().enumerate() {
            let mut last = None;
            while let Some(top) = spine.pop_if(|top| fragment.gaps[*top].bit > gap.bit) {
                shape.close(fragment, top, at, &mut cut);
                last = Some(top);
            }
            if let Some(child) = last {
                shape.nodes[at].left = index(child);
                shape.nodes[at].start = shape.nodes[child].start;
            } else {
                shape.nodes[at].start = index(at);
            }
            if let Some(&parent) = spine.last() {
                shape.nodes[parent].right = index(at);
            }
            spine.push(at);
        }
        while let Some(top) = spine.pop() {
            shape.close(fragment, top, fragment.gaps.len(), &mut cut);
            shape.root = top;
        }
        shape
    }

    /// Settles a node whose subtrees are complete and end with the piece `end`.
    fn close(
        &mut self,
        fragment: &Fragment,
        at: usize,
        end: usize,
        cut: &mut impl FnMut(&Self, usize) -> u32,
    ) {
        let node = self.nodes[at];
        let (left, right) = (self.child(at, 0), self.child(at, 1));
        let as_before = fragment.known(at).is_some_and(|known| {
            known.left as usize == at - node.start as usize + 1 && known.right as usize == end - at
        });
        self.nodes[at].clean =
            as_before && self.is_clean(fragment, left) && self.is_clean(fragment, right);
        let mut weights = [self.weight(left), self.weight(right)];
        if usize::from(weights[0] + weights[1]) > ITEMS_MAX {
            for (child, weight) in [left, right].into_iter().zip(&mut weights) {
                if let Child::Fork(fork) = child
                    && usize::from(*weight) >= ITEMS_MIN
                {
                    self.nodes[fork].page = cut(self, fork);
                    *weight = 1;
                }
            }
        }
        self.nodes[at].weight = weights[0] + weights[1];
    }

    pub(crate) fn child(&self, at: usize, side: usize) -> Child {
        let (fork, piece) = match side {
            0 => (self.nodes[at].left, at),
            _ => (self.nodes[at].right, at + 1),
        };
        if fork == NONE {
            return Child::Piece(piece);
        }
        let fork = fork as usize;
        match self.nodes[fork].page {
            NONE => Child::Fork(fork),
            page => Child::Cut { fork, page },
        }
    }

    pub(crate) fn is_clean(&self, fragment: &Fragment, child: Child) -> bool {
        match child {
            Child::Piece(piece) => !fragment.pieces[piece].dirty,
            Child::Fork(fork) | Child::Cut { fork, .. } => self.nodes[fork].clean,
        }
    }

    /// Items of the page that starts at `child`, or would.
    pub(crate) fn weight(&self, child: Child) -> u8 {
        match child {
            Child::Fork(fork) => self.nodes[fork].weight,
            Child::Piece(_) | Child::Cut { .. } => 1,
        }
    }

    /// The hash of `child` where it is known already.
    pub(crate) fn hash(&self, fragment: &Fragment, child: Child) -> Option<Hash> {
        match child {
            Child::Piece(piece) => Some(fragment.pieces[piece].hash),
            Child::Fork(fork) | Child::Cut { fork, .. } if self.nodes[fork].clean => {
                fragment.known(fork).map(|known| known.hash)
            }
            _ => None,
        }
    }

    /// Walks the page that starts at the fork `top`: its items and forks in key order.
    pub(crate) fn walk(&self, top: usize, mut visit: impl FnMut(Child)) {
        let mut path: Vec<usize> = Vec::new();
        let mut next = Child::Fork(top);
        loop {
            while let Child::Fork(fork) = next {
                path.push(fork);
                next = self.child(fork, 0);
            }
            visit(next);
            let Some(fork) = path.pop() else { return };
            visit(Child::Fork(fork));
            next = self.child(fork, 1);
        }
    }
}

/// INVARIANT: a fragment has fewer pieces than the process has bytes of address space for them;
/// [`Update`](super::update::Update) refuses batches of 2^32 - 1 changes and more.
#[expect(clippy::cast_possible_truncation, reason = "see the invariant")]
fn index(place: usize) -> u32 {
    debug_assert!(place < u32::MAX as usize);
    place as u32
}
