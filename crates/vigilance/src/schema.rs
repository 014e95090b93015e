//! The tables, what guards them, and whether they are as they were created.
//!
//! The guards (triggers here, the authorizer in `connection.rs`) are rails against mistakes. The
//! evidence is the log.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::health::{Damage, SchemaFault};
use crate::projection::{self, Projection};

/// Marks the file as ours: `PRAGMA application_id`.
pub(crate) const APPLICATION_ID: i64 = 0x5669_6769;

/// The layout: `PRAGMA user_version`.
pub(crate) const VERSION: i64 = 2;

/// Tables of the log itself that nothing updates, and nothing deletes from but retention.
pub(crate) const APPEND_ONLY: [&str; 6] = [
    "records",
    "tiles",
    "executions",
    "attacks",
    "metrics",
    "events",
];

/// Creates everything, in an empty database.
pub(crate) fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(TABLES)?;
    for projection in projection::all() {
        projection.create(conn)?;
    }
    create_guards(conn)?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", VERSION)
}

/// Creates the triggers.
pub(crate) fn create_guards(conn: &Connection) -> rusqlite::Result<()> {
    for table in APPEND_ONLY {
        conn.execute_batch(&guards(table))?;
    }
    Ok(())
}

/// Drops the triggers, whichever are there.
pub(crate) fn drop_guards(conn: &Connection) -> rusqlite::Result<()> {
    for table in APPEND_ONLY {
        conn.execute_batch(&format!(
            "DROP TRIGGER IF EXISTS {table}_no_update; DROP TRIGGER IF EXISTS {table}_no_delete;"
        ))?;
    }
    Ok(())
}

/// Drops triggers and views that are not ours, and creates indexes that are missing.
pub(crate) fn restore(conn: &Connection) -> rusqlite::Result<()> {
    let fresh = Connection::open_in_memory()?;
    create(&fresh)?;
    let (expected, found) = (objects(&fresh)?, objects(conn)?);
    for object in found.keys().filter(|it| !expected.contains_key(*it)) {
        if let Some((kind @ ("trigger" | "view" | "index"), name)) = object.split_once(' ') {
            let name = name.replace('"', "\"\"");
            conn.execute_batch(&format!("DROP {kind} \"{name}\""))?;
        }
    }
    for (object, text) in &expected {
        let text = text.as_ref().and_then(|text| text.split_once(": "));
        if let Some((_, text)) = text
            && object.starts_with("index ")
            && !found.contains_key(object)
        {
            conn.execute_batch(text)?;
        }
    }
    Ok(())
}

const TABLES: &str = "
-- The log: canonical bytes, and the hash that chains them.
CREATE TABLE records (
    idx INTEGER PRIMARY KEY,
    canonical BLOB NOT NULL,
    link BLOB NOT NULL
) STRICT;
-- The full tiles of the tree: (level << 56) + place, the 256 hashes, and the node they hash to.
CREATE TABLE tiles (
    id INTEGER PRIMARY KEY,
    root BLOB NOT NULL,
    hashes BLOB NOT NULL
) STRICT;
-- Erasable texts. Overwritten in place when erased, never moved: no copy stays behind in a page.
CREATE TABLE contents (
    id INTEGER PRIMARY KEY,
    salt BLOB NOT NULL,
    content BLOB NOT NULL
) STRICT;
-- Which text belongs to which record: ref is 8 * idx + field.
CREATE TABLE record_contents (
    ref INTEGER PRIMARY KEY,
    content INTEGER NOT NULL
) STRICT;
-- Texts that came before their record.
CREATE TABLE staged (
    commitment BLOB PRIMARY KEY,
    content INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Keyed hashes of subjects, to find all records about one.
CREATE TABLE subjects (
    tag BLOB NOT NULL,
    idx INTEGER NOT NULL,
    PRIMARY KEY (tag, idx)
) STRICT, WITHOUT ROWID;
-- Copies of the signed checkpoints.
CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
) STRICT;
-- Segments that were moved out.
CREATE TABLE segments (
    first INTEGER PRIMARY KEY,
    past INTEGER NOT NULL,
    digest BLOB NOT NULL
) STRICT;
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('pruned', 0);
";

/// Triggers that keep a table append-only, apart from what retention moved out.
fn guards(table: &str) -> String {
    let kept = match table {
        "tiles" => "",
        _ => "WHEN OLD.idx >= (SELECT value FROM meta WHERE name = 'pruned')",
    };
    format!(
        "CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
         BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END;
         CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {kept}
         BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END;"
    )
}

/// What differs from what [`create`] creates.
pub(crate) fn check(conn: &Connection) -> rusqlite::Result<Vec<Damage>> {
    let fresh = Connection::open_in_memory()?;
    create(&fresh)?;
    let (expected, found) = (objects(&fresh)?, objects(conn)?);
    let mut damage = Vec::new();
    for (object, text) in &expected {
        let fault = match found.get(object) {
            None => SchemaFault::Missing,
            Some(found) if found != text => SchemaFault::Changed,
            Some(_) => continue,
        };
        damage.push(schema_damage(object, fault));
    }
    for object in found.keys().filter(|it| !expected.contains_key(*it)) {
        damage.push(schema_damage(object, SchemaFault::Surplus));
    }
    Ok(damage)
}

fn schema_damage(object: &str, found: SchemaFault) -> Damage {
    Damage::Schema {
        object: object.to_owned(),
        found,
    }
}

/// The text of every object, by kind and name.
fn objects(conn: &Connection) -> rusqlite::Result<BTreeMap<String, Option<String>>> {
    let mut statement = conn.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")?;
    let rows = statement.query_map([], |row| {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        let (table, text): (String, Option<String>) = (row.get(2)?, row.get(3)?);
        let text = text.map(|text| format!("{table}: {text}"));
        Ok((format!("{kind} {name}"), text))
    })?;
    // Statistics that ANALYZE makes are the planner's.
    let ours = |name: &String| !name.starts_with("table sqlite_stat");
    rows.filter(|row| row.as_ref().map_or(true, |(name, _)| ours(name)))
        .collect()
}

/// Whether the trail itself may update rows of a table, or delete them.
pub(crate) fn may_change(table: &str, projections: &[Box<dyn Projection>]) -> bool {
    let own = [
        "contents",
        "staged",
        "subjects",
        "checkpoints",
        "segments",
        "meta",
        "record_contents",
    ];
    own.contains(&table) || projections.iter().any(|it| it.may_change(table))
}
