//! Names for the nodes of a log that never change: the roots of its perfect subtrees.

use core::iter::FusedIterator;

/// A node whose subtree is perfect: `2^level` leaves, beginning at leaf `index * 2^level`.
///
/// Such a node never changes once its leaves are there, whatever is appended later, so it may be
/// stored and cached for ever. All other nodes are computed from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    // INVARIANT: level < 64, and the node's last leaf has an index below u64::MAX.
    level: u8,
    index: u64,
}

impl NodeId {
    /// The node at `level` (0 for leaves) and `index` from the left, counted from 0; `None` where
    /// no log can have it, because its leaves would lie beyond the largest size.
    #[must_use]
    pub const fn new(level: u8, index: u64) -> Option<Self> {
        // The last index of each level would end at 2^64, one leaf more than a log can hold.
        if level > 63 || index >= (u64::MAX >> level) {
            return None;
        }
        Some(Self { level, index })
    }

    /// Height above the leaves; at most 63.
    #[must_use]
    pub const fn level(self) -> u8 {
        self.level
    }

    /// Place from the left within the level, counted from 0.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.index
    }

    /// Index of the first leaf below this node.
    #[must_use]
    pub const fn first_leaf(self) -> u64 {
        self.index << self.level
    }

    /// Smallest size of a log that has this node: one more than its last leaf's index.
    #[must_use]
    pub const fn complete_at(self) -> u64 {
        self.first_leaf() + (1 << self.level)
    }

    /// A node that exists because the caller's own leaves are below it.
    pub(crate) const fn known(level: u32, index: u64) -> Self {
        debug_assert!(level < 64);
        #[expect(clippy::cast_possible_truncation, reason = "levels are below 64")]
        Self {
            level: level as u8,
            index,
        }
    }
}

/// The fewest perfect subtrees that together hold the leaves `[begin, end)`, from left to right.
///
/// At most 126. These are the nodes of a compact range, and with `begin` 0 those that fold into
/// the root.
///
/// ```
/// use merkle_core::RangeNodes;
///
/// let nodes = RangeNodes::new(3, 13).map(|node| (node.level(), node.index()));
/// assert_eq!(nodes.collect::<Vec<_>>(), [(0, 3), (2, 1), (2, 2), (0, 12)]);
/// ```
#[derive(Clone, Debug)]
pub struct RangeNodes {
    begin: u64,
    end: u64,
}

impl RangeNodes {
    /// The nodes over the leaves `[begin, end)`; none where `end` is not above `begin`.
    #[must_use]
    pub const fn new(begin: u64, end: u64) -> Self {
        Self { begin, end }
    }
}

impl Iterator for RangeNodes {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let left = self.end.checked_sub(self.begin).filter(|left| *left > 0)?;
        // The subtree may not reach back before `begin` nor beyond `end`.
        let level = self.begin.trailing_zeros().min(left.ilog2());
        let node = NodeId::known(level, self.begin >> level);
        self.begin += 1 << level;
        Some(node)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.clone().count_nodes();
        (count, Some(count))
    }
}

impl RangeNodes {
    fn count_nodes(self) -> usize {
        let (begin, end) = (self.begin, self.end);
        if begin >= end {
            return 0;
        }
        // Subtrees grow up to the highest bit in which both ends differ, then shrink: the rising
        // ones are the zero bits of `begin - 1` below it, the falling ones the one bits of `end`.
        let top = 63 - (begin ^ end).leading_zeros();
        let below = (1_u64 << top) - 1;
        let rising = (begin.wrapping_neg() & below).count_ones();
        // A begin on the boundary itself takes the whole left half as one falling subtree.
        let whole = u32::from(begin & below == 0);
        let falling = (end & below).count_ones();
        (rising + whole + falling) as usize
    }
}

impl ExactSizeIterator for RangeNodes {}
impl FusedIterator for RangeNodes {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_of_a_range_tile_it_and_are_fewest() {
        for begin in 0..70 {
            for end in begin..140 {
                let nodes: alloc::vec::Vec<_> = RangeNodes::new(begin, end).collect();
                assert_eq!(
                    RangeNodes::new(begin, end).len(),
                    nodes.len(),
                    "[{begin}, {end})"
                );
                let mut at = begin;
                for node in &nodes {
                    assert_eq!(node.first_leaf(), at);
                    at = node.complete_at();
                }
                assert_eq!(at, end);
                for pair in nodes.windows(2) {
                    let siblings = pair[0].level() == pair[1].level() && pair[0].index() % 2 == 0;
                    assert!(!siblings, "[{begin}, {end}) could be one node shorter");
                }
            }
        }
    }

    #[test]
    fn the_largest_ranges_do_not_overflow() {
        for (begin, end, count) in [
            (0, u64::MAX, 64),
            (1, u64::MAX, 126),
            (u64::MAX, u64::MAX, 0),
        ] {
            assert_eq!(RangeNodes::new(begin, end).len(), count);
            assert_eq!(RangeNodes::new(begin, end).count(), count);
        }
        assert_eq!(RangeNodes::new(9, 3).len(), 0);
    }

    #[test]
    fn refuses_names_of_nodes_that_no_log_can_have() {
        assert!(NodeId::new(64, 0).is_none());
        assert!(NodeId::new(63, 1).is_none());
        assert!(NodeId::new(0, u64::MAX).is_none());
        assert_eq!(NodeId::new(63, 0).map(NodeId::complete_at), Some(1 << 63));
        assert_eq!(
            NodeId::new(0, u64::MAX - 1).map(NodeId::complete_at),
            Some(u64::MAX)
        );
    }
}
