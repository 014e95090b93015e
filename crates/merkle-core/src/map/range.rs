//! Walking entries in key order.

use alloc::{borrow::Cow, vec::Vec};
use core::ops::{Bound, RangeBounds};

use super::{
    batch::Value,
    node::{Kind, Node, Standing},
};

/// A range of keys, both ends as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange<'k> {
    pub(crate) start: Bound<Cow<'k, [u8]>>,
    pub(crate) end: Bound<Cow<'k, [u8]>>,
}

impl<'k> KeyRange<'k> {
    pub(crate) fn new(range: &impl RangeBounds<&'k [u8]>) -> Self {
        Self {
            start: range.start_bound().map(|key| Cow::Borrowed(*key)),
            end: range.end_bound().map(|key| Cow::Borrowed(*key)),
        }
    }

    pub(crate) fn point(key: &'k [u8]) -> Self {
        Self::new(&(Bound::Included(key), Bound::Included(key)))
    }

    /// The only key of the range, if it was made by `point`.
    pub(crate) fn as_point(&self) -> Option<&[u8]> {
        match (&self.start, &self.end) {
            (Bound::Included(start), Bound::Included(end)) if start == end => Some(start),
            _ => None,
        }
    }

    /// All keys that begin with `prefix`.
    pub(crate) fn prefix(prefix: &'k [u8]) -> Self {
        // The first key after all of them: the prefix counted up by one, if it can be.
        let ones = prefix
            .iter()
            .rev()
            .take_while(|&&byte| byte == 0xff)
            .count();
        let mut end = prefix[..prefix.len() - ones].to_vec();
        let end = end.pop().map_or(Bound::Unbounded, |last| {
            end.push(last + 1);
            Bound::Excluded(Cow::Owned(end))
        });
        Self {
            start: Bound::Included(Cow::Borrowed(prefix)),
            end,
        }
    }

    /// Whether `key` lies before the range.
    pub(crate) fn starts_after(&self, key: &[u8]) -> bool {
        match &self.start {
            Bound::Included(start) => key < &**start,
            Bound::Excluded(start) => key <= &**start,
            Bound::Unbounded => false,
        }
    }

    /// Whether `key` lies behind the range.
    pub(crate) fn ends_before(&self, key: &[u8]) -> bool {
        match &self.end {
            Bound::Included(end) => key > &**end,
            Bound::Excluded(end) => key >= &**end,
            Bound::Unbounded => false,
        }
    }

    /// Whether no key at all can lie in the range.
    pub(crate) fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (
                Bound::Included(start) | Bound::Excluded(start),
                Bound::Included(end) | Bound::Excluded(end),
            ) => start >= end,
        }
    }

    /// Sorts as the starts of ranges do.
    pub(crate) fn start_order(&self) -> (Option<&[u8]>, bool) {
        match &self.start {
            Bound::Included(key) => (Some(key), false),
            Bound::Excluded(key) => (Some(key), true),
            Bound::Unbounded => (None, false),
        }
    }

    /// Sorts as the ends of ranges do.
    pub(crate) fn end_order(&self) -> (bool, &[u8], bool) {
        match &self.end {
            Bound::Included(key) => (false, key, true),
            Bound::Excluded(key) => (false, key, false),
            Bound::Unbounded => (true, &[], false),
        }
    }
}

/// Outermost nodes (leaves and stubs) in key order, from both ends.
#[derive(Clone, Debug)]
pub(crate) struct Walk<'t> {
    /// What is still to come, nearest last: from the front and from the back. The two overlap;
    /// they have met when one yields what the other has yielded.
    ends: [Vec<Node<'t>>; 2],
    /// What each end has yielded last.
    last: [Option<Node<'t>>; 2],
}

impl<'t> Walk<'t> {
    /// All below `top` that can lie in `range`; a stub may lie there in part.
    pub(crate) fn new(top: Option<Node<'t>>, range: &KeyRange<'_>) -> Self {
        let front = top.map_or_else(Vec::new, |top| seek(top, &range.start, 0));
        let back = top.map_or_else(Vec::new, |top| seek(top, &range.end, 1));
        Self {
            ends: [front, back],
            last: [None; 2],
        }
    }

    pub(crate) fn step(&mut self, end: usize, range: &KeyRange<'_>) -> Option<Node<'t>> {
        loop {
            let node = self.ends[end].pop()?;
            if let Kind::Inner { children, .. } = node.kind() {
                self.ends[end].extend([children[1 - end], children[end]]);
                continue;
            }
            let key = node.representative();
            let beyond = match end {
                0 => range.ends_before(key),
                _ => range.starts_after(key) && !matches!(node.kind(), Kind::Stub { .. }),
            };
            let met = self.last[1 - end].is_some_and(|other| match end {
                0 => key >= other.representative(),
                _ => key <= other.representative(),
            });
            if beyond || met {
                self.ends[end].clear();
                return None;
            }
            self.last[end] = Some(node);
            return Some(node);
        }
    }
}

/// The nodes from `bound` on, nearest last, seen from the front (0) or the back (1).
fn seek<'t>(top: Node<'t>, bound: &Bound<Cow<'_, [u8]>>, end: usize) -> Vec<Node<'t>> {
    let (Bound::Included(key) | Bound::Excluded(key)) = bound else {
        return alloc::vec![top];
    };
    let mut rest = Vec::new();
    let standing = Standing::of(key, top);
    let mut node = top;
    while let Kind::Inner { bit, children } = node.kind() {
        if standing.apart.is_some_and(|apart| bit > apart) {
            break;
        }
        let side = usize::from(bit.of(key));
        if side == end {
            rest.push(children[1 - side]);
        }
        node = children[side];
    }
    let wanted = match standing.apart {
        // The leaf of the key itself, or a stub around it.
        None => matches!(bound, Bound::Included(_)) || matches!(node.kind(), Kind::Stub { .. }),
        Some(apart) => usize::from(apart.of(key)) == end,
    };
    if wanted {
        rest.push(node);
    }
    rest
}

/// Entries of a map in key order; made by `iter`, `range` and `prefix`.
///
/// Walks from either end. A step costs amortised O(1); the first costs O(depth).
#[derive(Clone, Debug)]
pub struct Entries<'t> {
    walk: Walk<'t>,
    range: KeyRange<'t>,
}

impl<'t> Entries<'t> {
    pub(crate) fn new(top: Option<Node<'t>>, range: KeyRange<'t>) -> Self {
        Self {
            walk: Walk::new(top, &range),
            range,
        }
    }

    fn step(&mut self, end: usize) -> Option<(&'t [u8], Value<'t>)> {
        match self.walk.step(end, &self.range)?.kind() {
            Kind::Leaf { key, value } => Some((key, value)),
            _ => None,
        }
    }
}

impl<'t> Iterator for Entries<'t> {
    type Item = (&'t [u8], Value<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        self.step(0)
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(1)
    }
}

impl core::iter::FusedIterator for Entries<'_> {}
