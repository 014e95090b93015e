//! Full tiles of the tree, read from the database and checked against what is above them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use merkle_core::{Hash, NodeId};
use rusqlite::{Connection, OptionalExtension};

use crate::edge::{Edge, FullTile, TILE_WIDTH, perfect_root, place_of};
use crate::error::ReadError;
use crate::health::{Damage, TileFault};

/// Tiles that were read and checked, the recently used ones.
#[derive(Debug, Default)]
pub(crate) struct TileCache {
    generations: Mutex<Generations>,
}

type Checked = HashMap<i64, Arc<Vec<Hash>>>;

#[derive(Debug, Default)]
struct Generations {
    young: Checked,
    old: Checked,
}

impl TileCache {
    fn get(&self, id: i64) -> Option<Arc<Vec<Hash>>> {
        let mut generations = self.lock();
        if let Some(tile) = generations.young.get(&id) {
            return Some(Arc::clone(tile));
        }
        let tile = generations.old.remove(&id)?;
        generations.put(id, Arc::clone(&tile));
        Some(tile)
    }

    fn put(&self, id: i64, tile: Arc<Vec<Hash>>) {
        self.lock().put(id, tile);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        // Whoever panicked with it held left a cache that is still right.
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn put(&mut self, id: i64, tile: Arc<Vec<Hash>>) {
        if self.young.len() == GENERATION_TILES {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, tile);
    }
}

/// Reads nodes of the log of `edge`'s size.
pub(crate) struct Nodes<'a> {
    pub(crate) conn: &'a Connection,
    /// The folder of the trail.
    pub(crate) folder: &'a std::path::Path,
    pub(crate) cache: &'a TileCache,
    pub(crate) edge: &'a Edge,
}

impl Nodes<'_> {
    /// The hash of a node, checked as far up as the edge, which is in memory.
    pub(crate) fn node(&self, node: NodeId) -> Result<Hash, ReadError> {
        if node.complete_at() > self.edge.size() {
            return Err(ReadError::OutOfRange {
                asked: node.complete_at(),
                size: self.edge.size(),
            });
        }
        if let Some(hash) = self.edge.node(node, self.edge.size()) {
            return Ok(hash);
        }
        let (level, place, begin, width) = place_of(node);
        let tile = self.tile(level, place)?;
        Ok(perfect_root(&tile[begin..begin + width]))
    }

    /// The hashes of a full tile.
    pub(crate) fn tile(&self, level: u8, place: u64) -> Result<Arc<Vec<Hash>>, ReadError> {
        let id = tile_id(level, place);
        if let Some(tile) = self.cache.get(id) {
            return Ok(tile);
        }
        let found = |found| Damage::Tile {
            level,
            tile: place,
            found,
        };
        let stored = read_tile(self.conn, id)?.ok_or_else(|| found(TileFault::Missing))?;
        let hashes = decode_hashes(&stored).ok_or_else(|| found(TileFault::WrongLength))?;
        // Levels end at 7, so this goes up seven times at most.
        let above = NodeId::new(8 * level + 8, place).ok_or_else(|| found(TileFault::Surplus))?;
        if self.node(above)? != perfect_root(&hashes) {
            return Err(found(TileFault::Changed).into());
        }
        let tile = Arc::new(hashes);
        self.cache.put(id, Arc::clone(&tile));
        Ok(tile)
    }
}

fn read_tile(conn: &Connection, id: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut select = conn.prepare_cached("SELECT hashes FROM tiles WHERE id = ?")?;
    select.query_row([id], |row| row.get(0)).optional()
}

/// The 256 hashes of a full tile.
pub(crate) fn decode_hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, []) = bytes.as_chunks::<32>() else {
        return None;
    };
    let hashes: Vec<Hash> = hashes.iter().copied().map(Hash::from_bytes).collect();
    (hashes.len() == TILE_WIDTH).then_some(hashes)
}

/// Where a tile lies in the table.
pub(crate) const fn tile_id(level: u8, place: u64) -> i64 {
    ((level as i64) << 56) | place.cast_signed()
}

/// Writes a full tile.
pub(crate) fn insert(conn: &Connection, tile: &FullTile) -> rusqlite::Result<()> {
    let bytes: Vec<u8> = (tile.hashes.iter())
        .flat_map(|hash| *hash.as_bytes())
        .collect();
    let mut insert =
        conn.prepare_cached("INSERT INTO tiles (id, root, hashes) VALUES (?, ?, ?)")?;
    insert.execute((tile_id(tile.level, tile.place), tile.root.as_bytes(), bytes))?;
    Ok(())
}

/// Tiles of a generation: 8 KiB each, two generations.
const GENERATION_TILES: usize = 512;
