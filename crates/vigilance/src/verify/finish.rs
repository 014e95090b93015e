//! What can be said once every record was seen.

use rusqlite::Connection;

use super::chunk::{Worker, orphan, read_tile, tile_damage, unreadable};
use super::order::InOrder;
use super::{DAMAGES_MAX, Depth, Found};
use crate::edge::{LEVEL_MAX, TILE_WIDTH};
use crate::error::{Known, ReadError, StorageError};
use crate::health::{Damage, TileFault, Witness};
use crate::schema;
use crate::segment;
use crate::tiles::tile_id;
use crate::trail::Trail;

pub(super) fn finish(
    trail: &Trail,
    conn: &Connection,
    depth: Depth,
    check: &mut InOrder<'_>,
    workers: &mut [Worker],
    found: &mut Found,
) -> Result<(), ReadError> {
    let step = schema::check(conn).map(|damage| found.add(damage));
    found.take(step.map_err(ReadError::from))?;
    let step = outside_the_log(conn, check, found);
    found.take(step.map_err(ReadError::from))?;
    let step = upper_tiles(conn, check.size(), found);
    found.take(step.map_err(ReadError::from))?;
    check.texts_against_redactions(found);
    let step = unowned(conn, check, found);
    found.take(step.map_err(ReadError::from))?;
    let step = check.finish_projections(workers, found);
    found.take(step.map_err(ReadError::from))?;
    let head = check.edge.head();
    if let Some(root) = check.root()
        && root != head.root
        && found.count == 0
    {
        // Everything agrees with everything but the root that was vouched for.
        found.add([Damage::OtherRoot {
            size: check.size(),
            marked: head.root,
            found: root,
            by: Witness::Mark,
        }]);
    }
    let step = segments(trail, conn, check.pruned(), found);
    found.take(step.map_err(ReadError::from))?;
    let step = vouched(trail, conn, found);
    found.take(step)?;
    if depth == Depth::Pages {
        let step = pages(conn, found);
        found.take(step.map_err(ReadError::from))?;
    }
    Ok(())
}

/// Rows of records that the log does not have.
fn outside_the_log(
    conn: &Connection,
    check: &InOrder<'_>,
    found: &mut Found,
) -> Result<(), StorageError> {
    let mut select =
        conn.prepare("SELECT idx FROM records WHERE idx < ? OR idx >= ? LIMIT 1000")?;
    let bounds = [check.pruned().cast_signed(), check.size().cast_signed()];
    let rows = select.query_map(bounds, |row| row.get(0))?;
    for index in rows {
        found.add([Damage::Surplus { index: index? }]);
    }
    Ok(())
}

/// The files of what was moved out, and whether they follow one another.
fn segments(
    trail: &Trail,
    conn: &Connection,
    pruned: u64,
    found: &mut Found,
) -> Result<(), StorageError> {
    let mut next = 0;
    for it in segment::list(conn)? {
        if it.first != next || it.past <= it.first {
            found.add([segment_damage(it.first, it.past)]);
        }
        found.add(segment::check(trail.shared().folder(), it)?);
        next = it.past;
    }
    if next != pruned {
        found.add([segment_damage(next, pruned)]);
    }
    Ok(())
}

fn segment_damage(first: u64, past: u64) -> Damage {
    Damage::Segment {
        segment: segment::name(first, past),
        why: "it does not follow the one before".to_owned(),
        index: None,
    }
}

/// The tiles above the lowest against those below them, and tiles that should not be there.
fn upper_tiles(conn: &Connection, size: u64, found: &mut Found) -> Result<(), StorageError> {
    let mut expected = 0_u64;
    for level in 0..=LEVEL_MAX {
        let full = (size >> (8 * u32::from(level))) / TILE_WIDTH as u64;
        expected += full;
        if level == 0 {
            continue;
        }
        for place in 0..full {
            let (tile, damage) = read_tile(conn, level, place)?;
            found.add(damage);
            let Some(hashes) = tile else { continue };
            for (at, hash) in hashes.iter().enumerate() {
                let below = place * TILE_WIDTH as u64 + at as u64;
                let mut select = conn.prepare_cached("SELECT root FROM tiles WHERE id = ?")?;
                let root =
                    select.query_row([tile_id(level - 1, below)], |row| row.get::<_, Vec<u8>>(0));
                if root.is_ok_and(|root| root != hash.as_bytes()) {
                    found.add([tile_damage(level, place, TileFault::Changed)]);
                    break;
                }
            }
        }
    }
    let stored: i64 = conn.query_row("SELECT count(*) FROM tiles", [], |row| row.get(0))?;
    if stored.cast_unsigned() > expected {
        surplus_tiles(conn, size, found)?;
    }
    Ok(())
}

fn surplus_tiles(conn: &Connection, size: u64, found: &mut Found) -> Result<(), StorageError> {
    let mut select = conn.prepare("SELECT id FROM tiles ORDER BY id")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let level = u8::try_from(id >> 56)
            .ok()
            .filter(|level| *level <= LEVEL_MAX);
        let place = (id & ((1 << 56) - 1)).cast_unsigned();
        let full = level.map_or(0, |level| (size >> (8 * u32::from(level))) / 256);
        if place >= full {
            let level = level.unwrap_or(u8::MAX);
            found.add([tile_damage(level, place, TileFault::Surplus)]);
        }
    }
    Ok(())
}

/// Texts and subjects that belong to no record.
fn unowned(conn: &Connection, check: &InOrder<'_>, found: &mut Found) -> Result<(), StorageError> {
    let mut staged = conn.prepare("SELECT content FROM staged")?;
    let staged = staged.query_map([], |row| row.get::<_, i64>(0))?;
    let staged: std::collections::BTreeSet<i64> = staged.collect::<rusqlite::Result<_>>()?;
    let mut select = conn.prepare("SELECT id, salt = zeroblob(32) FROM contents")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (id, is_erased): (i64, bool) = (row.get(0)?, row.get(1)?);
        if !is_erased && !check.has_row(id) && !staged.contains(&id) {
            found.add([orphan("contents", id)]);
        }
    }
    let end = check.size().cast_signed() << 3;
    let mut select =
        conn.prepare("SELECT ref FROM record_contents WHERE ref < 0 OR ref >= ? LIMIT 1000")?;
    for at in select.query_map([end], |row| row.get(0))? {
        found.add([orphan("record_contents", at?)]);
    }
    let subjects: i64 = conn.query_row("SELECT count(*) FROM subjects", [], |row| row.get(0))?;
    if subjects.cast_unsigned() > check.subjects() {
        found.add([Damage::Projection {
            table: "subjects".to_owned(),
            row: format!("{subjects} rows"),
            column: "*".to_owned(),
            index: None,
        }]);
    }
    Ok(())
}

/// The log against everybody who vouches for it: the marks and checkpoints outside, and the copies of
/// checkpoints in the database.
fn vouched(trail: &Trail, conn: &Connection, found: &mut Found) -> Result<(), ReadError> {
    let origin = &trail.options().origin;
    let outside = trail.run(|writer| writer.outside.again())??;
    found.add(outside.damage);
    let mut known: Vec<(Witness, Known)> = outside.known;
    let mut inside = std::collections::BTreeMap::new();
    let mut select = conn.prepare("SELECT size, note FROM checkpoints ORDER BY size")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let size = row.get::<_, i64>(0)?.cast_unsigned();
        let note = row.get_ref(1)?.as_bytes().unwrap_or_default();
        let note = String::from_utf8_lossy(note).into_owned();
        inside.insert(size, note.clone());
        match crate::outside::known(&note, origin, &outside.keys) {
            Ok(it) if it.size == size => known.push((Witness::Checkpoint, it)),
            Ok(it) => found.add([checkpoint(size, format!("says {}", it.size))]),
            Err(why) => found.add([checkpoint(size, format!("is not one: {why}"))]),
        }
    }
    // Of several of one size, the newest counts.
    let kept: std::collections::BTreeMap<_, _> = outside.checkpoints.into_iter().collect();
    for (size, text) in &kept {
        match inside.get(size) {
            Some(stored) if stored == text => {}
            Some(_) => found.add([checkpoint(*size, "is not the one outside".to_owned())]),
            None => found.add([checkpoint(*size, "is missing".to_owned())]),
        }
    }
    for (by, known) in known {
        found.add(crate::open::against(trail.shared(), by, known)?);
    }
    Ok(())
}

fn checkpoint(size: u64, why: String) -> Damage {
    Damage::Checkpoint { size, why }
}

/// SQLite's own check of every page and index.
fn pages(conn: &Connection, found: &mut Found) -> Result<(), StorageError> {
    let mut select = conn.prepare(&format!("PRAGMA integrity_check({DAMAGES_MAX})"))?;
    let mut rows = select.query([])?;
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                let what: String = row.get(0)?;
                if what != "ok" {
                    found.add([Damage::Page { what }]);
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                found.add([unreadable(error, "pages", 0, 0)?]);
                return Ok(());
            }
        }
    }
}
