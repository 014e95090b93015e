//! The newest records, which the text index has not taken up yet: they are looked through one by one.

use rusqlite::Connection;

use super::Found;
use crate::content;
use crate::cursor::Place;
use crate::filter::Filter;

/// Adds to `found` what is found among the records from `taken` on and before `size`.
pub(super) fn look(
    conn: &Connection,
    filter: &Filter,
    (taken, size): (u64, u64),
    is_upwards: bool,
    place: Option<Place>,
    found: &mut Found,
) -> rusqlite::Result<()> {
    let (mut first, mut past) = (taken.cast_signed(), size.cast_signed());
    match place {
        Some(place) if is_upwards => first = first.max(place.index.saturating_add(1)),
        Some(place) => past = past.min(place.index),
        None => {}
    }
    let order = if is_upwards { "ASC" } else { "DESC" };
    let mut select = conn.prepare_cached(&format!(
        "SELECT idx, canonical FROM records WHERE idx >= ? AND idx < ? ORDER BY idx {order}"
    ))?;
    let mut rows = select.query((first, past))?;
    while found.is_wanted() {
        let Some(row) = rows.next()? else {
            found.is_over = true;
            return Ok(());
        };
        let index: i64 = row.get(0)?;
        // What is not a record is found by whoever reads it; it has no words.
        let canonical = row.get_ref(1)?.as_blob()?;
        let record = content::filled(conn, index.cast_unsigned(), canonical)?;
        let matches = record.is_some_and(|record| filter.matches(&record));
        found.see(Place { event_ns: 0, index }, matches);
    }
    Ok(())
}
