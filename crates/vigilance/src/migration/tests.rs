//! Migrations from a layout that only these tests have: as layout 1, without an index and with a column more.
//! It stands for earlier ones until there are any.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use super::*;
use crate::tests::basics::{open, options, some_record};
use crate::{Damage, Depth, Health, Trail};

const OLDER: i64 = 0;

/// A trail of the older layout.
fn older(folder: &Path) {
    let trail = open(folder);
    trail
        .append_all((0..700).map(some_record).collect())
        .unwrap();
    drop(trail);
    let conn = raw(folder);
    conn.execute_batch(&format!(
        "DROP INDEX attacks_severe; ALTER TABLE subjects ADD COLUMN surplus INTEGER;
         PRAGMA user_version = {OLDER};"
    ))
    .unwrap();
}

fn raw(folder: &Path) -> Connection {
    Connection::open(folder.join("trail.db")).unwrap()
}

fn version(folder: &Path) -> i64 {
    let conn = raw(folder);
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

fn objects(folder: &Path) -> Vec<(String, Option<String>)> {
    let conn = raw(folder);
    let mut select = conn
        .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")
        .unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// The real step.
const STEP: Step = Step {
    from: OLDER,
    apply: |conn| {
        add_index(conn)?;
        // What `ALTER TABLE` leaves of the text of a table is not what creates it: the table is made anew.
        conn.execute_batch(
            "CREATE TABLE kept AS SELECT tag, idx FROM subjects;
             DROP TABLE subjects;",
        )?;
        let text: String = fresh()?.query_row(
            "SELECT sql FROM sqlite_schema WHERE name = 'subjects'",
            [],
            |row| row.get(0),
        )?;
        conn.execute_batch(&text)?;
        conn.execute_batch("INSERT INTO subjects SELECT tag, idx FROM kept; DROP TABLE kept;")
    },
};

fn fresh() -> rusqlite::Result<Connection> {
    let fresh = Connection::open_in_memory()?;
    schema::create(&fresh)?;
    Ok(fresh)
}

fn add_index(conn: &Connection) -> rusqlite::Result<()> {
    let text: String = fresh()?.query_row(
        "SELECT sql FROM sqlite_schema WHERE name = 'attacks_severe'",
        [],
        |row| row.get(0),
    )?;
    conn.execute_batch(&text)
}

fn is_whole(trail: &Trail) {
    assert_eq!(trail.health(), Health::Sound);
    let report = trail.verify(Depth::Pages, |_| std::ops::ControlFlow::Continue(()));
    let report = report.unwrap();
    assert_eq!((report.damage, report.size), (vec![], 700));
}

#[test]
fn an_older_layout_is_migrated_and_its_log_is_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    older(folder.path());
    let trail = Trail::open_with(folder.path(), &options(), &[STEP]).unwrap();
    assert_eq!(trail.open_report().migrated_from, Some(OLDER));
    is_whole(&trail);
    trail.append(some_record(700)).unwrap();
    drop(trail);
    assert_eq!(version(folder.path()), schema::VERSION);
    let trail = open(folder.path());
    assert_eq!(trail.open_report().migrated_from, None);
    assert_eq!(trail.size(), 701);
}

#[test]
fn in_layout_1_the_text_index_had_every_record() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    let records = (0..700).map(some_record).collect();
    trail.append_all(records).unwrap();
    drop(trail);
    let conn = raw(folder.path());
    conn.execute_batch("DELETE FROM meta WHERE name = 'worded'; PRAGMA user_version = 1;")
        .unwrap();
    drop(conn);
    let trail = open(folder.path());
    assert_eq!(trail.open_report().migrated_from, Some(1));
    is_whole(&trail);
    trail.append(some_record(702)).unwrap();
    let found = |query: &str| {
        let filter = crate::Filter::attacks().text(query.parse().unwrap());
        let page = trail.page(&filter, crate::PageFrom::Newest, 1_000).unwrap();
        page.records.len()
    };
    assert_eq!((found("table"), found("702"), found("698")), (176, 1, 1));
}

#[test]
fn a_layout_from_which_no_step_leads_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    older(folder.path());
    let before = objects(folder.path());
    for (found, steps) in [
        (OLDER, &[][..]),
        (schema::VERSION + 1, &[STEP]),
        (-3, &[STEP]),
    ] {
        let conn = raw(folder.path());
        conn.pragma_update(None, "user_version", found).unwrap();
        drop(conn);
        let known = schema::VERSION;
        match Trail::open_with(folder.path(), &options(), steps).unwrap_err() {
            OpenError::UnknownVersion {
                found: it,
                known: of,
            } => {
                assert_eq!((it, of), (found, known));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(version(folder.path()), found);
        assert_eq!(objects(folder.path()), before);
    }
}

#[test]
fn a_step_that_fails_or_falls_short_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    older(folder.path());
    let before = objects(folder.path());
    let fails = Step {
        from: OLDER,
        apply: |conn| {
            add_index(conn)?;
            conn.execute_batch("INSERT INTO nowhere VALUES (1)")
        },
    };
    let falls_short = Step {
        from: OLDER,
        apply: add_index,
    };
    let error = Trail::open_with(folder.path(), &options(), &[fails]).unwrap_err();
    assert!(matches!(error, OpenError::Storage(_)), "{error:?}");
    assert_eq!(
        (objects(folder.path()), version(folder.path())),
        (before.clone(), OLDER)
    );
    let error = Trail::open_with(folder.path(), &options(), &[falls_short]).unwrap_err();
    match error {
        OpenError::Damaged(damage) => {
            assert!(matches!(*damage, Damage::Schema { .. }), "{damage:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        (objects(folder.path()), version(folder.path())),
        (before, OLDER)
    );
    is_whole(&Trail::open_with(folder.path(), &options(), &[STEP]).unwrap());
}

/// The name of the test that is the child.
const CHILD: &str = "migration::tests::migrates_until_it_is_killed";

/// Not a test by itself: a process that is killed while it migrates.
#[test]
fn migrates_until_it_is_killed() {
    let Some(folder) = env::var_os("VIGILANCE_MIGRATED_FOLDER") else {
        return;
    };
    let step = Step {
        from: OLDER,
        apply: |conn| {
            // In the middle: some of it is done, also in the file, as the cache has no room for it.
            conn.pragma_update(None, "cache_size", 1)?;
            add_index(conn)?;
            conn.execute_batch("CREATE TABLE kept AS SELECT * FROM records; DROP TABLE subjects;")?;
            println!("half-way");
            thread::sleep(Duration::from_secs(60));
            Ok(())
        },
    };
    let _ = Trail::open_with(Path::new(&folder), &options(), &[step]);
}

#[test]
fn killed_half_way_it_is_as_before_and_migrated_later() {
    let folder = tempfile::tempdir().unwrap();
    older(folder.path());
    let before = objects(folder.path());
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env("VIGILANCE_MIGRATED_FOLDER", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("half-way")));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        (objects(folder.path()), version(folder.path())),
        (before, OLDER)
    );
    let trail = Trail::open_with(folder.path(), &options(), &[STEP]).unwrap();
    assert_eq!(trail.open_report().migrated_from, Some(OLDER));
    is_whole(&trail);
}
