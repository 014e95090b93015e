//! Where a tile lies below the log's prefix.

use core::fmt;
use core::str::FromStr;

use super::{Tile, TileKind};

/// The path below the log's prefix: `tile/<level>/<index>`, `tile/entries/<index>`, with
/// `.p/<width>` where the tile is partial. C2SP tlog-tiles, sections "Merkle Tree" and "Log
/// entries".
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Entries => f.write_str("tile/entries")?,
            TileKind::Hashes { level } => write!(f, "tile/{level}")?,
        }
        let mut unit = 1;
        while self.index / unit >= 1000 {
            unit *= 1000;
        }
        while unit > 1 {
            write!(f, "/x{:03}", self.index / unit % 1000)?;
            unit /= 1000;
        }
        write!(f, "/{:03}", self.index % 1000)?;
        if !self.is_full() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// Reads exactly the paths that [`Display`](Tile#impl-Display-for-Tile) writes.
///
/// Levels above 7, which the specification lets stand in a path, are refused: a log of at most
/// `u64::MAX` leaves has no such tile.
impl FromStr for Tile {
    type Err = TilePathError;

    fn from_str(path: &str) -> Result<Self, TilePathError> {
        let rest = path.strip_prefix("tile/").ok_or(TilePathError::NotATile)?;
        let (kind, rest) = rest.split_once('/').ok_or(TilePathError::NotATile)?;
        let kind = match kind.as_bytes() {
            b"entries" => TileKind::Entries,
            [level @ b'0'..=b'7'] => TileKind::Hashes {
                level: level - b'0',
            },
            _ => return Err(TilePathError::BadLevel),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, partial_width(width)?),
            None => (rest, Tile::WIDTH_MAX),
        };
        Self::new(kind, tile_index(index)?, width).ok_or(TilePathError::OutOfRange)
    }
}

fn partial_width(digits: &str) -> Result<u16, TilePathError> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let width = digits
        .parse()
        .ok()
        .filter(|width| plain && *width < Tile::WIDTH_MAX);
    width.ok_or(TilePathError::BadWidth)
}

fn tile_index(path: &str) -> Result<u64, TilePathError> {
    let (above, last) = match path.rsplit_once('/') {
        Some((above, last)) => (Some(above), last),
        None => (None, path),
    };
    // The shortest form only: an element more than needed would be a second path to the tile.
    if above.is_some_and(|above| above.starts_with("x000")) {
        return Err(TilePathError::BadIndex);
    }
    let above = above.into_iter().flat_map(|above| above.split('/'));
    let above = above.map(|element| element.strip_prefix('x'));
    above.chain([Some(last)]).try_fold(0_u64, |index, digits| {
        let [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] =
            *digits.ok_or(TilePathError::BadIndex)?.as_bytes()
        else {
            return Err(TilePathError::BadIndex);
        };
        let element = [a, b, c]
            .iter()
            .fold(0, |sum, digit| 10 * sum + u64::from(digit - b'0'));
        let index = index
            .checked_mul(1000)
            .and_then(|index| index.checked_add(element));
        index.ok_or(TilePathError::OutOfRange)
    })
}

/// Why a path was refused: it does not name a tile, or not in the one way it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TilePathError {
    /// It does not have the form `tile/<level>/<index>`.
    #[error("not the path of a tile")]
    NotATile,
    /// The level is neither `entries` nor a number from 0 to 7.
    #[error("not a tile level from 0 to 7")]
    BadLevel,
    /// The index is not in three-digit elements, all but the last with `x`, none of them needless.
    #[error("not a tile index")]
    BadIndex,
    /// The width of a partial tile is not a number from 1 to 255.
    #[error("not a width from 1 to 255")]
    BadWidth,
    /// No log of at most `u64::MAX` leaves has this tile.
    #[error("no log can have this tile")]
    OutOfRange,
}
