//! Making proofs.

use alloc::{borrow::Cow, vec::Vec};
use core::ops::Bound;

use super::{Node, Proof, Query};
use crate::{
    Hasher,
    map::{self, Batch, KeyRange, Kind, Standing, Value},
};

/// What to reveal: stretches of leaves, from the leaf with the first key to the leaf with the last.
type Stretch<'t> = [&'t [u8]; 2];

/// Answers `query` about the map whose topmost node is `top`.
///
/// # Errors
///
/// The stubs that would have to be looked into.
pub(crate) fn prove<'t, H: Hasher>(
    hasher: &H,
    top: Option<map::Node<'t>>,
    query: &Query<'_>,
) -> Result<Proof, Vec<map::Node<'t>>> {
    if let ([range], false) = (&query.ranges[..], query.digests)
        && let (Some(top), Some(key)) = (top, range.as_point())
        && let Some(proof) = prove_present(top, key)
    {
        return Ok(proof);
    }
    answer(hasher, top, query)
}

/// Proves the value of `key`, or its absence.
///
/// # Errors
///
/// The stubs that would have to be looked into.
pub(crate) fn prove_key<'t, H: Hasher>(
    hasher: &H,
    top: Option<map::Node<'t>>,
    key: &[u8],
) -> Result<Proof, Vec<map::Node<'t>>> {
    match top.and_then(|top| prove_present(top, key)) {
        Some(proof) => Ok(proof),
        None => answer(hasher, top, &Query::new().key(key)),
    }
}

/// Answers any query, in several walks.
fn answer<'t, H: Hasher>(
    hasher: &H,
    top: Option<map::Node<'t>>,
    query: &Query<'_>,
) -> Result<Proof, Vec<map::Node<'t>>> {
    let Some(top) = top else {
        return Ok(Proof::default());
    };
    let mut missing = Vec::new();
    let mut stretches = Vec::with_capacity(query.ranges.len());
    for range in query.ranges.iter().filter(|range| !range.is_empty()) {
        stretches.extend(stretch(top, range, &mut missing));
    }
    let everything = KeyRange::new(&..);
    let mut shown: Vec<&KeyRange<'_>> = Vec::new();
    match (query.digests, query.neighbours) {
        (true, _) => {}
        (false, true) => shown.push(&everything),
        (false, false) => shown.extend(&query.ranges),
    }
    reveal(hasher, top, stretches, shown, missing)
}

/// Proves the value of one key that is there, in one walk down.
fn prove_present(top: map::Node<'_>, key: &[u8]) -> Option<Proof> {
    let mut proof = Proof::with_capacity(DEPTH_EXPECTED, 1);
    let mut behind = Vec::with_capacity(DEPTH_EXPECTED);
    let leaf = top.descend(key, |side, sibling| {
        proof.nodes.push(Node::Inner);
        if side == 0 {
            behind.push(*sibling);
        } else {
            proof.push_pruned(*sibling);
        }
    });
    match leaf.kind() {
        Kind::Leaf { key: found, value } if found == key => proof.push_leaf(key, value),
        _ => return None,
    }
    for hash in behind.into_iter().rev() {
        proof.push_pruned(hash);
    }
    Some(proof)
}

/// Inner nodes above a leaf for which room is made: enough for a thousand million entries.
const DEPTH_EXPECTED: usize = 32;

/// Proves what root `batch` leads to.
///
/// # Errors
///
/// The stubs that would have to be looked into.
pub(crate) fn prove_update<'t, H: Hasher>(
    hasher: &H,
    top: Option<map::Node<'t>>,
    batch: &Batch<'_>,
) -> Result<Proof, Vec<map::Node<'t>>> {
    let Some(top) = top else {
        return Ok(Proof::default());
    };
    let mut missing = Vec::new();
    let mut nodes = Vec::new();
    for &(key, change) in batch.sorted().iter() {
        let standing = Standing::of(key, top);
        nodes.extend(standing.neighbours(key).into_iter().flatten());
        if let (Some(apart), Some(_)) = (standing.apart, change) {
            nodes.extend(witnesses(&standing, apart.of(key)).into_iter().flatten());
        }
    }
    let mut stretches = Vec::with_capacity(nodes.len());
    for node in nodes {
        match node.kind() {
            Kind::Leaf { key, .. } => stretches.push([key; 2]),
            _ => missing.push(node),
        }
    }
    reveal(hasher, top, stretches, Vec::new(), missing)
}

/// Leaves that, with the neighbours of a new leaf, show where the inner nodes right above and
/// right below it branch: each of them needs a leaf on either side.
fn witnesses<'t>(standing: &Standing<'t>, behind: bool) -> [Option<map::Node<'t>>; 2] {
    // The leaf of the sibling nearest to the new one: often a neighbour, which is revealed already.
    let above = standing
        .sibling
        .map(|(sibling, side)| sibling.outermost(1 - side));
    let below = match standing.nearest.kind() {
        Kind::Inner {
            children: [left, _],
            ..
        } if behind => Some(left.outermost(1)),
        Kind::Inner {
            children: [_, right],
            ..
        } => Some(right.outermost(0)),
        _ => None,
    };
    [above, below]
}

/// The leaves that show what lies in `range`, all of it: those in it and one on either side.
fn stretch<'t>(
    top: map::Node<'t>,
    range: &KeyRange<'_>,
    missing: &mut Vec<map::Node<'t>>,
) -> Option<Stretch<'t>> {
    let find = |bound: &Bound<Cow<'_, [u8]>>, side: usize| match bound {
        Bound::Included(key) | Bound::Excluded(key) => Standing::of(key, top).neighbours(key)[side],
        Bound::Unbounded => None,
    };
    // Where there is no leaf before the range, the first one of all shows that.
    let ends = [
        find(&range.start, 0).unwrap_or_else(|| top.outermost(0)),
        find(&range.end, 1).unwrap_or_else(|| top.outermost(1)),
    ];
    let mut keys = ends.iter().filter_map(|end| match end.kind() {
        Kind::Leaf { key, .. } => Some(key),
        _ => {
            missing.push(*end);
            None
        }
    });
    Some([keys.next()?, keys.next()?]).filter(|[first, last]| first <= last)
}

/// Prunes the tree to the leaves in `stretches`; those in `shown` come with their values.
fn reveal<'t, H: Hasher>(
    hasher: &H,
    top: map::Node<'t>,
    mut stretches: Vec<Stretch<'t>>,
    shown: Vec<&KeyRange<'_>>,
    mut missing: Vec<map::Node<'t>>,
) -> Result<Proof, Vec<map::Node<'t>>> {
    stretches.sort_unstable();
    // The ends of the stretches, joined where they overlap: an odd number of ends before a place
    // says that it lies inside one.
    let mut ends: Vec<&[u8]> = Vec::with_capacity(2 * stretches.len());
    for [first, last] in stretches {
        match ends.last_mut() {
            Some(end) if first <= *end => *end = last.max(*end),
            _ => ends.extend([first, last]),
        }
    }
    let mut shown = Shown::new(shown);
    let mut proof = Proof::with_capacity(DEPTH_EXPECTED, ends.len());
    let mut rest = Vec::with_capacity(DEPTH_EXPECTED);
    rest.push((top, 0, ends.len()));
    while let Some((node, from, to)) = rest.pop() {
        if from == to && from % 2 == 0 {
            proof.push_pruned(*node.hash);
            continue;
        }
        match node.kind() {
            Kind::Inner {
                bit,
                children: [left, right],
            } => {
                proof.nodes.push(Node::Inner);
                let middle = from + ends[from..to].partition_point(|end| !bit.of(end));
                rest.push((right, middle, to));
                rest.push((left, from, middle));
            }
            Kind::Leaf { key, value } => {
                let value = match value {
                    Value::Bytes(_) if !shown.contains(key) => Value::Digest {
                        hash: value.hash(hasher),
                        reference: &[],
                    },
                    value => value,
                };
                proof.push_leaf(key, value);
            }
            Kind::Stub { .. } => missing.push(node),
        }
    }
    if missing.is_empty() {
        Ok(proof)
    } else {
        Err(missing)
    }
}

/// Ranges against which keys are held in ascending order.
struct Shown<'q> {
    /// By their start, last first.
    ranges: Vec<&'q KeyRange<'q>>,
    /// Of those that have started, the one that ends last.
    open: Option<&'q KeyRange<'q>>,
}

impl<'q> Shown<'q> {
    fn new(mut ranges: Vec<&'q KeyRange<'q>>) -> Self {
        ranges.sort_unstable_by(|a, b| b.start_order().cmp(&a.start_order()));
        Self { ranges, open: None }
    }

    /// Whether `key`, which is behind all keys asked before, lies in one of the ranges.
    fn contains(&mut self, key: &[u8]) -> bool {
        while let Some(range) = self.ranges.pop_if(|range| !range.starts_after(key)) {
            if self
                .open
                .is_none_or(|open| open.end_order() < range.end_order())
            {
                self.open = Some(range);
            }
        }
        self.open.is_some_and(|range| !range.ends_before(key))
    }
}
