//! Counts and the text index: filled in any batches, verified, tampered with, erased.

use rusqlite::Connection;

use super::*;
use crate::content::Contents;
use crate::record::*;
use crate::schema;
use crate::search::TextQuery;

fn database() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    schema::create(&conn).unwrap();
    Contents::create(&conn).unwrap();
    conn
}

fn salt(number: u64) -> Salt {
    let mut bytes = [1; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Salt::from_bytes(bytes)
}

/// Records of all kinds, a few minutes apart, some of them late.
fn records(count: u64) -> Vec<Record> {
    let record = |nth: u64| {
        let late = if nth.is_multiple_of(7) { 3_600 } else { 0 };
        let event_ns = (100_000 + nth * 13 - late) * 1_000_000_000;
        match nth % 4 {
            0 => {
                let mut it = Attack::new(
                    format!("a{nth}"),
                    "injection",
                    "code",
                    "input",
                    Severity::MAX,
                    event_ns,
                );
                let field = ErasableField::CodeSnippet;
                it.code_snippet = Some(Text::erasable(
                    field,
                    &format!("drop secret{nth} now"),
                    salt(nth),
                ));
                it.into()
            }
            1 => Metric::new("tx", "cpu", 1.5, event_ns).into(),
            2 => {
                let mut it = Event::new(EventKind::Note, event_ns);
                it.message = Some(Text::plain(format!("note {nth} taken")));
                it.into()
            }
            _ => {
                let mut it = Execution::new(
                    format!("t{nth}"),
                    "transfer",
                    ExecutionStatus::Failed,
                    event_ns,
                );
                it.elapsed_ns = Some(nth * 1_000);
                it.result = Some(Text::plain("{\"message\": \"no proof\"}"));
                Record::from(it)
            }
        }
    };
    (0..count).map(record).collect()
}

fn entries(records: &[Record], first: u64) -> Vec<Entry<'_>> {
    let entry = |(index, record)| Entry::new(index, record);
    (first..).zip(records).map(entry).collect()
}

/// Fills all tables that are made from records, in batches of `batch`.
fn fill(
    conn: &Connection,
    projections: &mut [Box<dyn Projection>],
    records: &[Record],
    batch: usize,
) {
    let mut contents = Contents::load(conn).unwrap();
    for (nth, chunk) in records.chunks(batch).enumerate() {
        let first = (nth * batch) as u64;
        for entry in entries(chunk, first) {
            let erasable = entry.record.encode().unwrap().erasable;
            contents
                .insert(conn, entry.index, entry.record, &erasable)
                .unwrap();
            let canonical = entry.record.encode().unwrap().canonical;
            let row = (entry.index.cast_signed(), canonical, [0_u8; 32]);
            conn.execute("INSERT INTO records VALUES (?, ?, ?)", row)
                .unwrap();
        }
        for projection in &mut *projections {
            projection.apply(conn, &entries(chunk, first)).unwrap();
            projection.committed();
        }
    }
}

fn verify(conn: &Connection, records: &[Record]) -> Vec<Damage> {
    let mut found = Vec::new();
    for projection in all() {
        let mut verifier = projection.verifier();
        for (nth, chunk) in records.chunks(10).enumerate() {
            let entries = entries(chunk, nth as u64 * 10);
            verifier.check(conn, &entries, &mut found).unwrap();
        }
        verifier.finish(conn, &mut found).unwrap();
    }
    found
}

fn dump(conn: &Connection) -> Vec<(i64, Vec<u8>)> {
    let mut select = conn
        .prepare("SELECT id, cell FROM rollups ORDER BY id")
        .unwrap();
    let rows = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn found(conn: &Connection, query: &str) -> Vec<i64> {
    let query: TextQuery = query.parse().unwrap();
    let mut select = conn
        .prepare("SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid")
        .unwrap();
    let rows = select.query_map([query.fts5()], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn whatever_stands_in_the_text_indexs_settings_it_merges_as_it_should() {
    let conn = database();
    let setting = || -> i64 {
        let text = "SELECT v FROM search_config WHERE k = 'automerge'";
        conn.query_row(text, [], |row| row.get(0)).unwrap()
    };
    text::TextIndex::default().load(&conn).unwrap();
    assert_eq!(setting(), 0);
    for changed in ["8", "'much'", "NULL"] {
        let text = format!("UPDATE search_config SET v = {changed} WHERE k = 'automerge'");
        conn.execute(&text, []).unwrap();
        text::TextIndex::default().load(&conn).unwrap();
        assert_eq!(setting(), 0, "{changed}");
    }
}

#[test]
fn ranges_of_words_sum_up_to_all_of_them() {
    let conn = database();
    let records = records(60);
    text::TextIndex::default()
        .apply(&conn, &entries(&records, 0))
        .unwrap();
    let verifier = text::TextVerifier::default();
    let all = verifier.stored(&conn, "", None).unwrap();
    assert_ne!(all, text::Sum::default());
    let cuts = ["", "0", "no", "note", "note1", "t", "\u{10ffff}"];
    let mut sum = text::Sum::default();
    for (at, from) in cuts.iter().enumerate() {
        let to = cuts.get(at + 1).copied();
        sum.add(verifier.stored(&conn, from, to).unwrap());
    }
    assert_eq!(sum, all);
}

#[test]
fn batches_make_no_difference_and_all_is_verified() {
    let records = records(120);
    let mut dumps = Vec::new();
    for batch in [1, 7, 120] {
        let conn = database();
        fill(&conn, &mut all(), &records, batch);
        assert_eq!(verify(&conn, &records), []);
        assert_eq!(found(&conn, "secret4"), [4]);
        assert_eq!(found(&conn, "\"no proof\"").len(), 30);
        dumps.push(dump(&conn));
    }
    assert_eq!(dumps[0], dumps[1]);
    assert_eq!(dumps[0], dumps[2]);
}

#[test]
fn a_transaction_that_was_rolled_back_counts_nothing() {
    let records = records(60);
    let conn = database();
    let mut projections = all();
    fill(&conn, &mut projections, &records, 10);
    conn.execute_batch("BEGIN").unwrap();
    for projection in &mut projections {
        projection
            .apply(&conn, &entries(&records[..20], 60))
            .unwrap();
    }
    conn.execute_batch("ROLLBACK").unwrap();
    for projection in &mut projections {
        projection.rolled_back(&conn).unwrap();
    }
    assert_eq!(verify(&conn, &records), []);
}

#[test]
fn cleared_and_filled_again_it_is_the_same() {
    let records = records(60);
    let conn = database();
    let mut projections = all();
    fill(&conn, &mut projections, &records, 10);
    let before = dump(&conn);
    conn.execute_batch("UPDATE rollups SET cell = x'00'")
        .unwrap();
    // The trail opens its gate for this.
    for table in ["executions", "attacks", "metrics", "events"] {
        conn.execute_batch(&format!("DROP TRIGGER {table}_no_delete"))
            .unwrap();
    }
    for projection in &mut projections {
        projection.clear(&conn).unwrap();
        projection.apply(&conn, &entries(&records, 0)).unwrap();
    }
    assert_eq!(dump(&conn), before);
    assert_eq!(verify(&conn, &records), []);
}

#[test]
fn every_change_of_counts_and_words_is_found() {
    let records = records(60);
    for (attack, table) in [
        (
            "DELETE FROM rollups WHERE id = (SELECT max(id) FROM rollups)",
            "rollups",
        ),
        (
            "INSERT INTO rollups SELECT max(id) + 1, cell FROM rollups",
            "rollups",
        ),
        ("INSERT INTO rollups VALUES (-1, x'00')", "rollups"),
        (
            "UPDATE rollups SET cell = (SELECT cell FROM rollups ORDER BY id DESC LIMIT 1) WHERE id = 0",
            "rollups",
        ),
        (
            "UPDATE rollups SET cell = zeroblob(length(cell)) WHERE id = 0",
            "rollups",
        ),
        (
            "INSERT INTO search (rowid, words) VALUES (1, 'innocent')",
            "search",
        ),
        (
            "INSERT INTO search (search, rowid, words) VALUES ('delete', 2, 'note 2 taken')",
            "search",
        ),
        (
            "INSERT INTO search (search) VALUES ('delete-all')",
            "search",
        ),
    ] {
        let conn = database();
        fill(&conn, &mut all(), &records, 10);
        conn.execute_batch(attack).unwrap();
        let found = verify(&conn, &records);
        let of_table =
            |it: &&Damage| matches!(it, Damage::Projection { table: it, .. } if it == table);
        assert!(found.iter().any(|it| of_table(&it)), "{attack}: {found:?}");
        assert_eq!(
            found.iter().filter(|it| !of_table(it)).count(),
            0,
            "{attack}: {found:?}"
        );
    }
}

#[test]
fn a_damaged_cell_stops_the_records_that_it_should_count() {
    let records = records(60);
    let conn = database();
    fill(&conn, &mut all(), &records, 10);
    conn.execute_batch("UPDATE rollups SET cell = zeroblob(length(cell)) WHERE id = 0")
        .unwrap();
    let mut rollups = rollups::Rollups::default();
    rollups.load(&conn).unwrap();
    let error = rollups
        .apply(&conn, &entries(&records[..4], 60))
        .unwrap_err();
    let code = error.sqlite_error_code();
    assert_eq!(code, Some(rusqlite::ErrorCode::DatabaseCorrupt));
}

#[test]
fn erased_words_are_gone_from_the_index_and_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail.db");
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "secure_delete", "ON").unwrap();
    schema::create(&conn).unwrap();
    Contents::create(&conn).unwrap();
    let mut records = records(80);
    let mut projections = all();
    fill(&conn, &mut projections, &records, 10);
    let holds = |word: &str| {
        let bytes = std::fs::read(&path).unwrap();
        bytes
            .windows(word.len())
            .any(|window| window == word.as_bytes())
    };
    // Words share their beginnings in the index, so a word that begins alone is looked for.
    assert_eq!(found(&conn, "secret40"), [40]);
    let range = [IndexRange {
        first: 0,
        count: 80,
    }];
    conn.execute_batch("BEGIN").unwrap();
    for projection in &mut projections {
        projection.erase(&conn, &range).unwrap();
    }
    let contents = Contents::load(&conn).unwrap();
    contents.erase(&conn, &range).unwrap();
    conn.execute_batch("COMMIT").unwrap();
    assert_eq!(found(&conn, "drop").len(), 0);
    assert!(!holds("secret") && !holds("ecret4") && !holds("drop"));
    assert!(holds("taken"));
    for record in &mut records {
        *record = Record::decode(&record.encode().unwrap().canonical).unwrap();
    }
    assert_eq!(verify(&conn, &records), []);
}

/// `VIGILANCE_MEASURE=1 cargo test --release -p vigilance --lib what_a_record_costs -- --nocapture`
#[test]
fn what_a_record_costs() {
    if std::env::var_os("VIGILANCE_MEASURE").is_none() {
        println!("skipped: set VIGILANCE_MEASURE");
        return;
    }
    let records = records(200_000);
    for (name, mut projection) in ["typed", "rollups", "text"].into_iter().zip(all()) {
        for batch in [64, 4_096] {
            let folder = tempfile::tempdir().unwrap();
            let conn = Connection::open(folder.path().join("trail.db")).unwrap();
            conn.execute_batch(
                "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;",
            )
            .unwrap();
            conn.pragma_update(None, "secure_delete", "ON").unwrap();
            schema::create(&conn).unwrap();
            let mut spent = std::time::Duration::ZERO;
            for (nth, chunk) in records.chunks(batch).enumerate() {
                let entries = entries(chunk, (nth * batch) as u64);
                let begin = std::time::Instant::now();
                conn.execute_batch("BEGIN").unwrap();
                projection.apply(&conn, &entries).unwrap();
                conn.execute_batch("COMMIT").unwrap();
                projection.committed();
                spent += begin.elapsed();
            }
            println!(
                "{name}, {batch} a batch: {:.2} us a record",
                spent.as_secs_f64() * 1e6 / 200_000.0
            );
        }
    }
}
