//! The log as a folder of static files: C2SP tlog-tiles.

use std::fs;
use std::io;
use std::path::Path;

use merkle_core::{EntryBundle, Tile, TileKind, TreeHead, TreeSize};

use crate::error::{CheckpointError, ReadError, StorageError};
use crate::read;
use crate::trail::Trail;

/// Why a log was not exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TileExportError {
    /// There is no checkpoint to publish with it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A record or a tile cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file was not written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<io::Error> for TileExportError {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Trail {
    /// Writes the log into a folder that any web server can publish: `checkpoint`, `tile/...` with the
    /// hashes and `tile/entries/...` with the canonical bytes of the records. Into the same folder again,
    /// only what is new is written. Erasable texts are not in it.
    ///
    /// # Errors
    ///
    /// [`TileExportError`].
    pub fn export_tiles(&self, folder: &Path) -> Result<TreeHead, TileExportError> {
        let note = self.checkpoint()?;
        let head = note.text().parse::<merkle_core::Checkpoint>();
        let head = head.map_err(|_| StorageError::other("a checkpoint of ours cannot be read"))?;
        let head = head.head();
        for tile in Tile::grown(TreeSize::EMPTY, head.size) {
            let path = folder.join(tile.to_string());
            if !path.exists() {
                write(&path, &self.tile(tile)?)?;
            }
            let Some(entries) = tile.entries() else {
                continue;
            };
            let path = folder.join(entries.to_string());
            if !path.exists() {
                write(&path, &self.tile(entries)?)?;
            }
        }
        write(&folder.join("checkpoint"), note.to_string().as_bytes())?;
        Ok(head)
    }

    /// One file of the log, as whoever serves it sends it: 32 bytes for each hash of a tile, or an entry
    /// bundle with the canonical bytes of records. Erasable texts are not in it.
    ///
    /// A tile that is full never changes; of one that is not, what was there stays.
    ///
    /// ```
    /// # use merkle_core::Tile;
    /// # use vigilance::{Attack, Options, Severity, Trail};
    /// # let folder = tempfile::tempdir()?;
    /// # let trail = Trail::open(folder.path(), &Options::new())?;
    /// # let attack = Attack::new("a1", "injection", "code", "sanitizer", Severity::from_f64(0.5)?, 1);
    /// trail.append(attack)?;
    /// let tile: Tile = "tile/0/000.p/1".parse()?;
    /// assert_eq!(trail.tile(tile)?, trail.head().root.as_bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TileExportError::Read`] with [`ReadError::OutOfRange`] where the log does not reach so far.
    pub fn tile(&self, tile: Tile) -> Result<Vec<u8>, TileExportError> {
        if tile.kind() != TileKind::Entries {
            let read = self
                .shared()
                .nodes(|nodes| tile.encode(|id| nodes.node(id)));
            return Ok(self.noticed(read)?);
        }
        let read = self.shared().nodes(|nodes| {
            let records = tile
                .node_ids()
                .map(|node| read::record(nodes, node.index()));
            records.collect::<Result<Vec<_>, ReadError>>()
        });
        let records = self.noticed(read)?;
        let entries: Vec<_> = records.iter().map(|record| &record.canonical).collect();
        let bundle = EntryBundle::encode(&entries);
        Ok(bundle.map_err(|_| StorageError::other("a record is too long"))?)
    }
}

/// Writes a file so that it is there whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension("partial");
    fs::write(&partial, bytes)?;
    fs::rename(&partial, path)
}
