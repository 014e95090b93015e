//! The entries of a log in tile-sized files.

use alloc::vec::Vec;

use super::{Tile, TileError, TileKind, VerifiedTiles};
use crate::log::log_leaf_hash;

/// Up to 256 entries, each after its length in two bytes, big-endian. C2SP tlog-tiles, section
/// "Log entries".
///
/// ```
/// use merkle_core::{EntryBundle, Tile};
///
/// let tile: Tile = "tile/entries/000.p/2".parse()?;
/// let bytes = EntryBundle::encode(&["one", "two"])?;
/// assert_eq!(bytes, b"\0\x03one\0\x03two");
/// assert_eq!(EntryBundle::decode(tile, &bytes)?.entries(), [b"one", b"two"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryBundle<'b> {
    // INVARIANT: as many entries as the tile is wide.
    tile: Tile,
    entries: Vec<&'b [u8]>,
}

impl<'b> EntryBundle<'b> {
    /// Most bytes of an entry: what two bytes can say.
    pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

    /// The bundle of these entries, 1 to 256 of them.
    ///
    /// # Errors
    ///
    /// [`TileError::WrongEntryCount`] or [`TileError::EntryTooLong`].
    pub fn encode<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, TileError> {
        if entries.is_empty() || entries.len() > usize::from(Tile::WIDTH_MAX) {
            return Err(TileError::WrongEntryCount {
                found: entries.len(),
            });
        }
        let mut bytes = Vec::new();
        for entry in entries {
            let entry = entry.as_ref();
            let length = u16::try_from(entry.len())
                .map_err(|_| TileError::EntryTooLong { bytes: entry.len() })?;
            bytes.extend(length.to_be_bytes());
            bytes.extend_from_slice(entry);
        }
        Ok(bytes)
    }

    /// The entries in the content of `tile`, which must be there exactly. They are not copied.
    ///
    /// # Errors
    ///
    /// [`TileError::WrongKind`], [`TileError::BundleTruncated`] or
    /// [`TileError::BundleTrailingBytes`].
    pub fn decode(tile: Tile, bytes: &'b [u8]) -> Result<Self, TileError> {
        if tile.kind() != TileKind::Entries {
            return Err(TileError::WrongKind { tile });
        }
        let mut rest = bytes;
        let mut entries = Vec::with_capacity(usize::from(tile.width()));
        for entry in 0..tile.width() {
            let taken = rest.split_first_chunk().and_then(|(length, after)| {
                after.split_at_checked(usize::from(u16::from_be_bytes(*length)))
            });
            let (bytes, after) = taken.ok_or(TileError::BundleTruncated { entry })?;
            entries.push(bytes);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(TileError::BundleTrailingBytes { count: rest.len() });
        }
        Ok(Self { tile, entries })
    }

    /// The entries, unchecked until [`verify`](Self::verify) says that the log commits to them.
    #[must_use]
    pub fn entries(&self) -> &[&'b [u8]] {
        &self.entries
    }

    /// The name that the bundle was decoded under.
    #[must_use]
    pub const fn tile(&self) -> Tile {
        self.tile
    }

    /// Checks each entry against the leaf hash at its place. The tiles must be of a plan made for
    /// the bundle's [nodes](Tile::node_ids).
    ///
    /// # Errors
    ///
    /// [`TileError::EntryMismatch`] for the first that differs, or [`TileError::NotPlanned`].
    pub fn verify(&self, tiles: &VerifiedTiles) -> Result<(), TileError> {
        for (node, entry) in self.tile.node_ids().zip(&self.entries) {
            if tiles.node(node)? != log_leaf_hash(entry) {
                return Err(TileError::EntryMismatch {
                    index: node.index(),
                });
            }
        }
        Ok(())
    }
}
