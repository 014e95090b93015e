//! The right edge of the log's tree, from which it grows: in memory, and made again when the trail is
//! opened.

use merkle_core::{CompactRange, Hash, LogError, NodeId, TreeHead};

/// Hashes in a full tile.
pub(crate) const TILE_WIDTH: usize = 256;

/// The highest level that tiles can have.
pub(crate) const LEVEL_MAX: u8 = 7;

/// A tile that is full, and therefore never changes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FullTile {
    pub(crate) level: u8,
    pub(crate) place: u64,
    /// The node that the hashes lead to: the one of the tile above.
    pub(crate) root: Hash,
    pub(crate) hashes: Vec<Hash>,
}

/// The partial tiles of every level, and the compact range of the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    // INVARIANT: partial[l] has the last `size >> 8 l` modulo 256 nodes of level 8 l.
    partial: Vec<Vec<Hash>>,
    range: CompactRange,
}

impl Edge {
    /// The edge over partial tiles that were read from storage, level by level; `None` if they are not
    /// as many as a log of `size` records has.
    pub(crate) fn from_parts(size: u64, partial: Vec<Vec<Hash>>) -> Option<Self> {
        let width = |level: usize| (size >> (8 * level)) % 256;
        let complete = partial.len() == usize::from(LEVEL_MAX) + 1
            && (partial.iter().enumerate()).all(|(level, it)| it.len() as u64 == width(level));
        if !complete {
            return None;
        }
        let edge = Self {
            partial,
            range: CompactRange::new(),
        };
        let range = CompactRange::new();
        let nodes = CompactRange::from_parts(0, size, vec![Hash::default(); nodes(size)]).ok()?;
        let hashes = nodes.node_ids().map(|node| edge.node(node, size));
        let hashes: Option<Vec<_>> = hashes.collect();
        let range_of = CompactRange::from_parts(0, size, hashes?).ok();
        Some(Self {
            range: range_of.unwrap_or(range),
            ..edge
        })
    }

    /// How many records there are.
    pub(crate) const fn size(&self) -> u64 {
        self.range.end()
    }

    /// Size and root.
    pub(crate) fn head(&self) -> TreeHead {
        self.range.head().unwrap_or(TreeHead::EMPTY)
    }

    /// Appends a leaf, and gives each tile that is full from now on to `full`.
    pub(crate) fn push(
        &mut self,
        leaf: &Hash,
        mut full: impl FnMut(FullTile),
    ) -> Result<(), LogError> {
        let partial = &mut self.partial;
        self.range.append_with(leaf, |node, hash| {
            if node.level() % 8 != 0 {
                return;
            }
            let level = node.level() / 8;
            if let Some(below) = level.checked_sub(1) {
                // Its last hash came just before.
                let hashes = std::mem::take(&mut partial[usize::from(below)]);
                full(FullTile {
                    level: below,
                    place: node.index(),
                    root: *hash,
                    hashes,
                });
            }
            if partial.len() <= usize::from(level) {
                partial.resize(usize::from(level) + 1, Vec::new());
            }
            partial[usize::from(level)].push(*hash);
        })
    }

    /// The hash of a node that lies in a partial tile of the log of `size` records, which must be this
    /// edge's size.
    pub(crate) fn node(&self, node: NodeId, size: u64) -> Option<Hash> {
        let (level, place, begin, width) = place_of(node);
        let full = (size >> (8 * u32::from(level))) >> 8;
        if place != full {
            return None;
        }
        let partial = self.partial.get(usize::from(level))?;
        Some(perfect_root(partial.get(begin..begin + width)?))
    }
}

fn nodes(size: u64) -> usize {
    CompactRange::hash_count(0, size).unwrap_or(0)
}

/// In which tile a node lies, and over which of its hashes.
pub(crate) fn place_of(node: NodeId) -> (u8, u64, usize, usize) {
    let (level, height) = (node.level() / 8, node.level() % 8);
    let place = node.index() >> (8 - height);
    let begin = (node.index() << height) & 0xff;
    // Below 256, and a power of two up to 128.
    (
        level,
        place,
        usize::try_from(begin).unwrap_or(0),
        1 << height,
    )
}

/// Root over hashes whose number is a power of two.
pub(crate) fn perfect_root(hashes: &[Hash]) -> Hash {
    use merkle_core::{Hasher, Sha256};
    let mut nodes = hashes.to_vec();
    while nodes.len() > 1 {
        let (pairs, _) = nodes.as_chunks::<2>();
        let mut above = vec![Hash::default(); pairs.len()];
        // The log's inner nodes hash as the map's do: SHA-256(0x01 || left || right).
        Sha256.inner_many(pairs, &mut above);
        nodes = above;
    }
    nodes.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use merkle_core::{Log, TreeSize};

    use super::*;

    #[test]
    fn grows_as_the_log_does_and_is_made_again_from_its_parts() {
        let (mut log, mut edge) = (Log::new(), Edge::default());
        for at in 0..70_000_u32 {
            let entry = at.to_be_bytes();
            log.append(&entry);
            let leaf = merkle_core::log_leaf_hash(&entry);
            edge.push(&leaf, |tile| {
                assert_eq!(tile.hashes.len(), TILE_WIDTH);
                assert_eq!(perfect_root(&tile.hashes), tile.root);
                let above = NodeId::new(8 * tile.level + 8, tile.place).unwrap();
                assert_eq!(log.node(above), Some(&tile.root));
            })
            .unwrap();
            if at % 997 == 0 || (65_500..65_600).contains(&at) {
                assert_eq!(edge.head(), log.head());
                let mut parts = edge.partial.clone();
                parts.resize(usize::from(LEVEL_MAX) + 1, Vec::new());
                let again = Edge::from_parts(edge.size(), parts).unwrap();
                assert_eq!(again.head(), log.head());
                assert_eq!(
                    log.root_at(TreeSize::new(edge.size())).unwrap(),
                    again.head().root
                );
            }
        }
    }

    #[test]
    fn refuses_parts_of_another_size() {
        let mut parts = vec![Vec::new(); usize::from(LEVEL_MAX) + 1];
        assert!(Edge::from_parts(0, parts.clone()).is_some());
        assert!(Edge::from_parts(1, parts.clone()).is_none());
        parts[0].push(Hash::default());
        assert!(Edge::from_parts(1, parts.clone()).is_some());
        assert!(Edge::from_parts(0, parts).is_none());
    }
}
