//! Reading nodes from tiles that nobody vouches for.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::{Tile, TileError, TileKind};
use crate::log::{NodeId, RangeNodes, path::fold_nodes};
use crate::{Hash, TreeHead, TreeSize, log_inner_hash};

/// Which tiles hold some nodes of a log, and which others are needed to check those.
///
/// Tiles may come from anywhere: none is believed until it is tied to the head. The partial tiles
/// on the right edge fold into its root; each full tile is stated, as a hash, by the tile above.
/// A proof needs at most 16 tiles, of at most 8 KiB each.
///
/// ```
/// use merkle_core::{InclusionPlan, LeafIndex, Log, TilePlan};
///
/// let log: Log = (0..1000_u32).map(u32::to_be_bytes).collect();
/// let plan = InclusionPlan::new(LeafIndex::new(300), log.size())?;
///
/// let tiles = TilePlan::new(log.head(), plan.node_ids())?;
/// let names: Vec<_> = tiles.tiles().iter().map(ToString::to_string).collect();
/// assert_eq!(names, ["tile/1/000.p/3", "tile/0/001", "tile/0/003.p/232"]);
///
/// // Here they come from the log in memory; in life, from files or over HTTP.
/// let read = |tile: &merkle_core::Tile| tile.encode(|id| log.node(id).copied().ok_or(()));
/// let contents: Vec<_> = tiles.tiles().iter().map(|tile| read(tile).unwrap()).collect();
///
/// let verified = tiles.finish(&contents)?;
/// let proof = plan.resolve(|id| verified.node(id))?;
/// assert!(proof.verify_entry(&300_u32.to_be_bytes(), &log.head()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TilePlan {
    // INVARIANT: sorted by `order`, without duplicates, all of the head's size; with each full
    // tile the one above it; with the head's partial tiles.
    head: TreeHead,
    tiles: Vec<Tile>,
}

impl TilePlan {
    /// Plans how to read `nodes` of the log with head `head`.
    ///
    /// # Errors
    ///
    /// [`TileError::NodeOutOfRange`].
    pub fn new(head: TreeHead, nodes: impl IntoIterator<Item = NodeId>) -> Result<Self, TileError> {
        let size = head.size;
        let out_of_range = |complete_at| TileError::NodeOutOfRange {
            complete_at,
            size: size.get(),
        };
        let mut tiles: Vec<Tile> = edge_nodes(size)
            .filter_map(|id| tile_of(id, size))
            .collect();
        for node in nodes {
            if node.complete_at() > size.get() {
                return Err(out_of_range(node.complete_at()));
            }
            let mut next = tile_of(node, size);
            while let Some(tile) = next {
                tiles.push(tile);
                // Above a partial tile there are only partial ones, which are in anyway.
                next = parent(tile)
                    .filter(|_| tile.is_full())
                    .and_then(|id| tile_of(id, size));
            }
        }
        tiles.sort_unstable_by_key(order);
        tiles.dedup();
        Ok(Self { head, tiles })
    }

    /// The tiles to be read, from the highest level down.
    ///
    /// A log may have dropped a partial tile whose full tile exists by now: the beginning of the
    /// full one, 32 bytes for each of the width, is the partial one.
    #[must_use]
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// Checks the contents of [`tiles`](Self::tiles), given in their order, against the head.
    ///
    /// Hashes each tile once: at most 255 nodes a tile.
    ///
    /// # Errors
    ///
    /// [`TileError::WrongTileCount`], [`TileError::WrongLength`], [`TileError::RootMismatch`] or
    /// [`TileError::Tampered`].
    pub fn finish<B: AsRef<[u8]>>(&self, contents: &[B]) -> Result<VerifiedTiles, TileError> {
        if contents.len() != self.tiles.len() {
            let (expected, found) = (self.tiles.len(), contents.len());
            return Err(TileError::WrongTileCount { expected, found });
        }
        let mut tiles = Vec::with_capacity(self.tiles.len());
        for (tile, content) in self.tiles.iter().zip(contents) {
            tiles.push((*tile, tile.decode(content.as_ref())?));
        }
        let tiles = VerifiedTiles {
            head: self.head,
            tiles,
        };
        tiles.check_root()?;
        tiles.check_full()?;
        Ok(tiles)
    }
}

/// Tiles that were checked against a head: only [`TilePlan::finish`] makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTiles {
    head: TreeHead,
    // INVARIANT: sorted by `order`; a tile has as many hashes as it is wide.
    tiles: Vec<(Tile, Vec<Hash>)>,
}

impl VerifiedTiles {
    /// The hash of one of the nodes that the plan was made for. Hashes at most 127 nodes.
    ///
    /// # Errors
    ///
    /// [`TileError::NotPlanned`].
    pub fn node(&self, id: NodeId) -> Result<Hash, TileError> {
        self.find(id).ok_or(TileError::NotPlanned {
            level: id.level(),
            index: id.index(),
        })
    }

    /// The head that the tiles were checked against.
    #[must_use]
    pub const fn head(&self) -> TreeHead {
        self.head
    }

    fn find(&self, id: NodeId) -> Option<Hash> {
        let tile = tile_of(id, self.head.size)?;
        let place = self
            .tiles
            .binary_search_by_key(&order(&tile), |(tile, _)| order(tile))
            .ok()?;
        let (_, hashes) = self.tiles.get(place)?;
        let height = id.level() % 8;
        let begin = usize::try_from((id.index() << height) & 0xff).ok()?;
        Some(perfect_root(hashes.get(begin..begin + (1 << height))?))
    }

    /// The partial tiles hold exactly the subtrees that fold into the root.
    fn check_root(&self) -> Result<(), TileError> {
        let computed = fold_nodes(edge_nodes(self.head.size), |id| self.node(id))?;
        if computed != self.head.root {
            return Err(TileError::RootMismatch {
                computed,
                expected: self.head.root,
            });
        }
        Ok(())
    }

    /// From the top down, so that what a tile is checked against was checked before.
    fn check_full(&self) -> Result<(), TileError> {
        for (tile, hashes) in self.tiles.iter().filter(|(tile, _)| tile.is_full()) {
            let stated = parent(*tile).and_then(|id| self.find(id));
            if stated != Some(perfect_root(hashes)) {
                return Err(TileError::Tampered { tile: *tile });
            }
        }
        Ok(())
    }
}

/// The perfect subtrees on the edge of the tree; those of one tile level lie in one partial tile
/// and cover it.
fn edge_nodes(size: TreeSize) -> RangeNodes {
    RangeNodes::new(0, size.get())
}

/// The tile that holds a node, or what it is hashed from.
fn tile_of(id: NodeId, size: TreeSize) -> Option<Tile> {
    Tile::at(id.level() / 8, id.index() >> (8 - id.level() % 8), size)
}

/// The node that a full tile hashes to.
fn parent(tile: Tile) -> Option<NodeId> {
    NodeId::new(8 * (tile.level() + 1), tile.index())
}

fn order(tile: &Tile) -> (Reverse<TileKind>, u64) {
    (Reverse(tile.kind()), tile.index())
}

/// Root over hashes whose number is a power of two.
fn perfect_root(hashes: &[Hash]) -> Hash {
    let mut nodes = hashes.to_vec();
    let mut count = nodes.len();
    while count > 1 {
        count /= 2;
        for at in 0..count {
            nodes[at] = log_inner_hash(&nodes[2 * at], &nodes[2 * at + 1]);
        }
    }
    nodes.first().copied().unwrap_or_default()
}
