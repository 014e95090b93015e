//! Each page of the database damaged in turn: whatever SQLite says of it, the check names damage.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/dice.rs"]
mod dice;
#[path = "common/samples.rs"]
mod samples;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;
use vigilance::{Depth, OpenError, Trail};

const PAGE: usize = 4096;

/// Ways to damage a page.
const WAYS: [fn(&mut [u8]); 4] = [
    // The kind of page that SQLite takes it for.
    |page| page[0] ^= 0x07,
    // How many cells it has.
    |page| page[4] ^= 0x55,
    // Where its first cells lie.
    |page| page[8..16].iter_mut().for_each(|byte| *byte = !*byte),
    <[u8]>::reverse,
];

#[test]
fn a_damaged_page_is_damage_and_no_failure_of_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::open(folder.path(), &samples::options()).unwrap();
    trail
        .append_all((0..300).map(samples::record).collect())
        .unwrap();
    drop(trail);
    let database = folder.path().join("trail.db");
    let files: Vec<_> = ["HEAD", "checkpoints"]
        .map(|name| folder.path().join(name))
        .into_iter()
        .map(|path| (fs::read(&path).unwrap(), path))
        .collect();
    let good = fs::read(&database).unwrap();
    let content = content(&database);
    let mut unread = 0;
    // The first page has the header too: a file without one is refused by name.
    for (page, way) in
        (1..good.len() / PAGE).flat_map(|page| (0..WAYS.len()).map(move |way| (page, way)))
    {
        let mut bad = good.clone();
        WAYS[way](&mut bad[page * PAGE..(page + 1) * PAGE]);
        for name in ["trail.db-wal", "trail.db-shm"] {
            // What the one before may have left.
            let _ = fs::remove_file(folder.path().join(name));
        }
        fs::write(&database, &bad).unwrap();
        for (bytes, path) in &files {
            fs::write(path, bytes).unwrap();
        }
        let trail = match Trail::open(folder.path(), &samples::options()) {
            Ok(trail) => trail,
            Err(OpenError::Damaged(_)) => continue,
            Err(error) => panic!("page {page}, way {way}: {error:?}"),
        };
        let report = trail.verify(Depth::Pages, |_| ControlFlow::Continue(()));
        let report = report.unwrap_or_else(|error| panic!("page {page}, way {way}: {error:?}"));
        let found = trail.open_report().damage.len() + report.damage.len();
        drop(trail);
        // A page that is free, or has room where something was changed, means nothing.
        if found == 0 {
            unread += 1;
            assert!(
                crate::content(&database) == content,
                "page {page}, way {way}"
            );
        }
    }
    assert!(unread < good.len() / PAGE, "{unread} did not matter");
}

/// All that the tables hold.
fn content(database: &Path) -> Vec<Vec<Value>> {
    let conn = Connection::open(database).unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'search'";
    let mut select = conn.prepare(tables).unwrap();
    let tables = select.query_map([], |row| row.get(0));
    let tables: Vec<String> = tables.unwrap().map(Result::unwrap).collect();
    let mut content = Vec::new();
    for table in tables {
        let mut select = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = select.column_count();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            content.push((0..columns).map(|at| row.get(at).unwrap()).collect());
        }
    }
    content
}
