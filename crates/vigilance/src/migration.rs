//! Databases of earlier layouts are brought to the present one when they are opened.
//!
//! A layout is what `PRAGMA user_version` counts: tables, indexes, and how projections are encoded. Canonical
//! bytes, leaves and links are no part of it: they never change, so every proof that was given out stays one.

use rusqlite::Connection;

use crate::error::OpenError;
use crate::schema;

/// What makes a database of one layout one of the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The layout that it takes.
    pub(crate) from: i64,
    /// Changes tables, indexes and projections. Guards stand: drop and create those of what it changes.
    pub(crate) apply: fn(&Connection) -> rusqlite::Result<()>,
}

/// One step for every layout before [`schema::VERSION`], oldest first. 1 is the first layout that was ever
/// released.
pub(crate) const STEPS: &[Step] = &[Step {
    from: 1,
    apply: say_what_the_text_index_has,
}];

/// In layout 1 it had every record.
fn say_what_the_text_index_has(conn: &Connection) -> rusqlite::Result<()> {
    let text =
        "INSERT OR REPLACE INTO meta SELECT 'worded', coalesce(max(idx) + 1, 0) FROM records";
    conn.execute(text, []).map(drop)
}

/// Brings a database of the layout `found` to the present one, in one transaction: wholly, or not at all. What
/// comes out must be, object by object, what a new database has.
///
/// # Errors
///
/// [`OpenError::UnknownVersion`] where no steps lead from there; [`OpenError::Damaged`] where the outcome is
/// not the present layout. Nothing is changed then.
pub(crate) fn migrate(conn: &Connection, found: i64, steps: &[Step]) -> Result<(), OpenError> {
    let begin = steps.iter().position(|step| step.from == found);
    let begin = begin.ok_or(OpenError::UnknownVersion {
        found,
        known: schema::VERSION,
    })?;
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let migrated = apply(conn, &steps[begin..]);
    conn.execute_batch(if migrated.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    })?;
    migrated
}

fn apply(conn: &Connection, steps: &[Step]) -> Result<(), OpenError> {
    for step in steps {
        (step.apply)(conn)?;
    }
    if let Some(damage) = schema::check(conn)?.into_iter().next() {
        return Err(OpenError::Damaged(Box::new(damage)));
    }
    conn.pragma_update(None, "user_version", schema::VERSION)?;
    Ok(())
}

#[cfg(test)]
mod tests;
