//! C2SP tlog-tiles: a log as static files of 256 hashes or entries.

mod bundle;
mod path;
mod verified;

use alloc::vec::Vec;

pub use bundle::EntryBundle;
pub use path::TilePathError;
pub use verified::{TilePlan, VerifiedTiles};

use crate::log::NodeId;
use crate::{Hash, TreeSize};

/// Name of a tile: which hashes or entries it holds, and how many.
///
/// A tile of hashes at level *l* holds nodes of level 8 *l*: 256 of them, or fewer where the log
/// ends. Its [path](Tile#impl-Display-for-Tile) is where clients look for it, below the log's
/// prefix.
///
/// ```
/// use merkle_core::{Tile, TreeSize};
///
/// let tile: Tile = "tile/0/x001/067.p/8".parse()?;
/// assert_eq!((tile.index(), tile.width()), (1067, 8));
/// assert_eq!(Tile::at(0, 1067, TreeSize::new(1067 * 256 + 8)), Some(tile));
/// assert_eq!(tile.to_string(), "tile/0/x001/067.p/8");
/// # Ok::<(), merkle_core::TilePathError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    // INVARIANT: level <= 7, 1 <= width <= 256, and a log can be large enough to have the tile.
    kind: TileKind,
    index: u64,
    width: u16,
}

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TileKind {
    /// Log entries, as an [`EntryBundle`].
    Entries,
    /// Hashes of the nodes at eight times this tile level.
    Hashes {
        /// The tile level, 0 to 7.
        level: u8,
    },
}

impl Tile {
    /// Most hashes or entries in a tile. A tile with fewer is *partial*.
    pub const WIDTH_MAX: u16 = 256;

    /// The highest level that a log of at most `u64::MAX` leaves has.
    pub const LEVEL_MAX: u8 = 7;

    /// The tile of hashes or entries at `index` from the left, with `width` of them; `None` where
    /// no log can have it.
    #[must_use]
    pub fn new(kind: TileKind, index: u64, width: u16) -> Option<Self> {
        let tile = Self { kind, index, width };
        if width == 0 || width > Self::WIDTH_MAX || tile.level() > Self::LEVEL_MAX {
            return None;
        }
        let last = index.checked_mul(256)?.checked_add(u64::from(width - 1))?;
        NodeId::new(8 * tile.level(), last).map(|_| tile)
    }

    /// The tile of hashes at `level` and `index` as the log of `size` leaves has it: full, partial
    /// or, as `None`, not at all.
    #[must_use]
    pub fn at(level: u8, index: u64, size: TreeSize) -> Option<Self> {
        if level > Self::LEVEL_MAX {
            return None;
        }
        let nodes = size.get() >> (8 * level);
        let width = nodes.checked_sub(index.checked_mul(256)?)?.min(256);
        Self::new(
            TileKind::Hashes { level },
            index,
            u16::try_from(width).ok()?,
        )
    }

    /// The tiles of hashes to be written when the log grows from `old` to `new` leaves, partial
    /// ones included: level by level upwards, from left to right.
    ///
    /// The [entry bundles](Self::entries) to be written are those of the tiles at level 0.
    pub fn grown(old: TreeSize, new: TreeSize) -> impl Iterator<Item = Self> + Clone {
        (0..=Self::LEVEL_MAX).flat_map(move |level| {
            let [old, new] = [old, new].map(|size| size.get() >> (8 * level));
            let first = old / 256;
            let end = if old < new { new.div_ceil(256) } else { first };
            (first..end).filter_map(move |index| {
                let width = u16::try_from((new - index * 256).min(256)).ok()?;
                Self::new(TileKind::Hashes { level }, index, width)
            })
        })
    }

    /// The entry bundle over the same places as this tile of level 0.
    #[must_use]
    pub const fn entries(self) -> Option<Self> {
        match self.kind {
            TileKind::Entries | TileKind::Hashes { level: 0 } => Some(Self {
                kind: TileKind::Entries,
                index: self.index,
                width: self.width,
            }),
            TileKind::Hashes { .. } => None,
        }
    }

    /// What the tile holds.
    #[must_use]
    pub const fn kind(self) -> TileKind {
        self.kind
    }

    /// The tile level, 0 to 7; 0 for entries.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self.kind {
            TileKind::Entries => 0,
            TileKind::Hashes { level } => level,
        }
    }

    /// Place from the left within the level, counted from 0.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.index
    }

    /// Number of hashes or entries, 1 to 256.
    #[must_use]
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Whether all 256 are there.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.width == Self::WIDTH_MAX
    }

    /// The nodes whose hashes the tile holds, or the leaves of its entries, from left to right.
    pub fn node_ids(self) -> impl Iterator<Item = NodeId> + Clone {
        let level = u32::from(8 * self.level());
        let first = self.index * 256;
        (0..u64::from(self.width)).map(move |offset| NodeId::known(level, first + offset))
    }

    /// The bytes of a tile of hashes: 32 for each of [`node_ids`](Self::node_ids), which `fetch`
    /// is asked for in their order. (For entries see [`EntryBundle::encode`].)
    ///
    /// # Errors
    ///
    /// The first that `fetch` returns.
    pub fn encode<E>(self, mut fetch: impl FnMut(NodeId) -> Result<Hash, E>) -> Result<Vec<u8>, E> {
        let mut bytes = Vec::with_capacity(usize::from(self.width) * Hash::LEN);
        for node in self.node_ids() {
            bytes.extend_from_slice(fetch(node)?.as_bytes());
        }
        Ok(bytes)
    }

    /// The hashes in the bytes of a tile of hashes.
    ///
    /// They are whatever the bytes say; [`TilePlan`] checks tiles against a head.
    ///
    /// # Errors
    ///
    /// [`TileError::WrongLength`].
    pub fn decode(self, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
        let expected = usize::from(self.width) * Hash::LEN;
        if bytes.len() != expected {
            return Err(TileError::WrongLength {
                tile: self,
                expected,
                found: bytes.len(),
            });
        }
        let (hashes, _) = bytes.as_chunks();
        Ok(hashes.iter().map(|hash| Hash::from_bytes(*hash)).collect())
    }
}

/// Why tiles or bundles were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// Misuse: a node was asked for that the log does not have at the head's size.
    #[error("a node that is complete at tree size {complete_at} is not in a log of {size} leaves")]
    NodeOutOfRange {
        /// The size from which on the node exists.
        complete_at: u64,
        /// The size of the log.
        size: u64,
    },
    /// Misuse: the tiles do not hold this node, because the plan was not made for it.
    #[error("the tiles do not hold node {index} of level {level}")]
    NotPlanned {
        /// Level of the node.
        level: u8,
        /// Index of the node.
        index: u64,
    },
    /// Misuse: not one content for each tile of the plan.
    #[error("the plan needs {expected} tiles and got {found}")]
    WrongTileCount {
        /// How many the plan named.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// Misuse: an entry does not fit a bundle's 16-bit length.
    #[error("an entry of {bytes} bytes does not fit a bundle")]
    EntryTooLong {
        /// Its length.
        bytes: usize,
    },
    /// Refused input: the content is not as long as the tile's width says.
    #[error("{tile} has {expected} bytes, not {found}")]
    WrongLength {
        /// The tile.
        tile: Tile,
        /// 32 times its width.
        expected: usize,
        /// The content's length.
        found: usize,
    },
    /// Refused input: the partial tiles do not fold into the head's root, so that one of them, or
    /// the head, is not genuine.
    #[error("the tiles lead to root {computed}, not {expected}")]
    RootMismatch {
        /// The root that the tiles lead to.
        computed: Hash,
        /// The root of the head.
        expected: Hash,
    },
    /// Refused input: this tile's content does not have the hash that the tile above states.
    #[error("the content of {tile} is not what the tile above it commits to")]
    Tampered {
        /// The tile.
        tile: Tile,
    },
    /// Refused input: a bundle ends within an entry or has too few.
    #[error("the bundle ends within entry {entry}")]
    BundleTruncated {
        /// Place of the entry in the bundle.
        entry: u16,
    },
    /// Refused input: more follows after a bundle's last entry.
    #[error("{count} bytes too many after the bundle's last entry")]
    BundleTrailingBytes {
        /// How many.
        count: usize,
    },
    /// Misuse: a bundle holds 1 to 256 entries, as many as its tile is wide.
    #[error("{found} entries do not make a bundle")]
    WrongEntryCount {
        /// How many were given.
        found: usize,
    },
    /// Misuse: the tile holds hashes where entries are meant, or entries where hashes are.
    #[error("{tile} holds something else")]
    WrongKind {
        /// The tile.
        tile: Tile,
    },
    /// Refused input: an entry's hash is not in the log at its place.
    #[error("the entry at {index} is not the one that the log commits to")]
    EntryMismatch {
        /// The leaf index.
        index: u64,
    },
}

#[cfg(test)]
mod tests;
