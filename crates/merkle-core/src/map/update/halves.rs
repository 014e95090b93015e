//! Taking a tree apart at its topmost inner node, and putting it together again.

use super::{Top, Update, unique};
use crate::{
    Hasher,
    map::{
        bit::Bit,
        fragment::{Fragment, Part, Piece},
        subtree::Subtree,
    },
};

/// Two trees of the entries left and right of the topmost inner node; none if there is no such
/// node.
pub(crate) fn split<H: Hasher>(hasher: &H, top: Top) -> Result<[Top; 2], Top> {
    let (Some(page), root) = top else {
        return Err(top);
    };
    if page.len() < 2 {
        return Err((Some(page), root));
    }
    let middle = page.root();
    let mut update = Update::new(hasher, &[], &[]);
    update.open(unique(page), Some(root), None, None);
    let left = update.rebuild(0, 0..middle + 1);
    let right = update.rebuild(0, middle + 1..update.open[0].page().len());
    let halves = [update.settle(left, true), update.settle(right, true)];
    update.hash_all();
    Ok(halves.map(|half| update.take(&half)))
}

/// The tree of the entries of both halves.
///
/// INVARIANT: the keys of the halves part at a bit before which all keys of each half agree.
pub(crate) fn join<H: Hasher>(hasher: &H, halves: [Top; 2]) -> Top {
    let mut update = Update::new(hasher, &[], &[]);
    let mut fragment = Fragment::default();
    for (page, root) in halves {
        let Some(page) = page else { continue };
        let at = update.open(unique(page), Some(root), None, None) as usize;
        let half = update.rebuild(at, 0..update.open[at].page().len());
        if let (Some(last), Some(first)) = (fragment.pieces.last(), half.pieces.first()) {
            let bit = update.parting(last, first);
            fragment.push_gap(bit, None);
        }
        fragment.append(half);
    }
    let top = update.settle(fragment, true);
    update.hash_all();
    update.take(&top)
}

/// The tree of `subtrees`, which are in order and do not overlap, none of them in memory.
pub(crate) fn assemble<H: Hasher>(hasher: &H, subtrees: &[Subtree]) -> Top {
    let mut update = Update::new(hasher, &[], subtrees);
    let mut fragment = Fragment::with_capacity(subtrees.len());
    let mut last: Option<&Subtree> = None;
    for (number, subtree) in (0_u32..).zip(subtrees) {
        if let Some(last) = last.replace(subtree) {
            let bit = Bit::between(last.prefix(), subtree.prefix()).unwrap_or(Bit::END);
            fragment.push_gap(bit, None);
        }
        let part = Part::Stub { subtree: number };
        fragment.push(Piece {
            part,
            hash: subtree.hash(),
            dirty: true,
        });
    }
    let top = update.settle(fragment, true);
    update.hash_all();
    update.take(&top)
}
