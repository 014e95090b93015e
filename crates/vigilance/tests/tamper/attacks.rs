//! What somebody with the files can do: each function is one way, and says what it did.

use std::fs;

use super::dice::Dice;
use super::{Place, RECORDS, Raw, Site, TABLES, erased};
use merkle_core::{Hash, log_inner_hash};
use rusqlite::Connection;
use rusqlite::types::Value;
use vigilance::Record;

pub(super) fn perfect_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [hash] => *hash,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            log_inner_hash(&perfect_root(left), &perfect_root(right))
        }
    }
}

fn any_record(dice: &mut Dice) -> u64 {
    dice.below(RECORDS)
}

fn any_row(raw: &Raw, dice: &mut Dice) -> (&'static str, u64) {
    let table = TABLES[dice.below(4) as usize];
    let at = dice.below(RECORDS);
    let text = format!("SELECT idx FROM {table} ORDER BY abs(idx - {at}) LIMIT 1");
    let index: i64 = raw.conn.query_row(&text, [], |row| row.get(0)).unwrap();
    (table, index.cast_unsigned())
}

fn columns(raw: &Raw, table: &str) -> Vec<(String, String)> {
    let text = format!("SELECT name, type FROM pragma_table_info('{table}')");
    let mut select = raw.conn.prepare(&text).unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// Another value of a column's type.
fn other(value: &Value, kind: &str, dice: &mut Dice) -> Value {
    match value {
        Value::Null => match kind {
            "INTEGER" => Value::Integer(7),
            "BLOB" => Value::Blob(vec![7; 32]),
            _ => Value::Text("forged".to_owned()),
        },
        Value::Integer(it) => Value::Integer(it ^ (1 << dice.below(20))),
        Value::Real(it) => Value::Real(it + 0.5),
        Value::Text(it) => Value::Text(format!("{it}!")),
        Value::Blob(it) => {
            let mut bytes = it.clone();
            match bytes.len() {
                0 => bytes.push(1),
                len => bytes[dice.below(len as u64) as usize] ^= 1 << dice.below(8),
            }
            Value::Blob(bytes)
        }
    }
}

/// Changes one value of one row.
fn change(raw: &Raw, table: &str, key: &str, column: &(String, String), dice: &mut Dice) {
    let (name, kind) = column;
    let text = format!("SELECT \"{name}\" FROM {table} WHERE {key}");
    let value: Value = raw.conn.query_row(&text, [], |row| row.get(0)).unwrap();
    let value = other(&value, kind, dice);
    let text = format!("UPDATE {table} SET \"{name}\" = ? WHERE {key}");
    assert_eq!(raw.conn.execute(&text, [value]).unwrap(), 1, "{text}");
}

pub(super) fn edit_column(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let (table, index) = any_row(&raw, dice);
    let columns = columns(&raw, table);
    let column = &columns[1 + dice.below(columns.len() as u64 - 1) as usize];
    change(&raw, table, &format!("idx = {index}"), column, dice);
    Some(Place::Record(index))
}

pub(super) fn edit_record(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let index = any_record(dice);
    let mut bytes = raw.canonical(index);
    let at = dice.below(bytes.len() as u64) as usize;
    bytes[at] ^= 1 << dice.below(8);
    raw.set_canonical(index, &bytes);
    Some(Place::Record(index))
}

/// Another record of the same kind, and the row to it.
fn alter(raw: &Raw, index: u64, to: impl Fn(&mut Record)) {
    let mut record = Record::decode(&raw.canonical(index)).unwrap();
    to(&mut record);
    raw.set_canonical(index, &record.encode().unwrap().canonical);
    let (table, event_ns) = (format!("{}s", record.kind()), record.event_ns());
    raw.run(&format!(
        "UPDATE {table} SET event_ns = {event_ns} WHERE idx = {index}"
    ));
}

fn set_time(record: &mut Record, event_ns: u64) {
    match record {
        Record::Execution(it) => it.event_ns = event_ns,
        Record::Attack(it) => it.event_ns = event_ns,
        Record::Metric(it) => it.event_ns = event_ns,
        Record::Event(it) => it.event_ns = event_ns,
        _ => unreachable!(),
    }
}

pub(super) fn edit_alike(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let index = any_record(dice);
    let by = 1 + dice.below(1000);
    alter(&raw, index, |it| set_time(it, it.event_ns() + by));
    Some(Place::Record(index))
}

pub(super) fn edit_link(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let index = any_record(dice);
    let column = ("link".to_owned(), "BLOB".to_owned());
    change(&raw, "records", &format!("idx = {index}"), &column, dice);
    Some(Place::Among(index, index + 2))
}

pub(super) fn delete_record(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let index = dice.below(RECORDS - 1);
    raw.run(&format!("DELETE FROM records WHERE idx = {index}"));
    if dice.below(2) == 0 {
        for table in TABLES {
            raw.run(&format!("DELETE FROM {table} WHERE idx = {index}"));
        }
    }
    Some(Place::Record(index))
}

pub(super) fn delete_row(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let (table, index) = any_row(&raw, dice);
    raw.run(&format!("DELETE FROM {table} WHERE idx = {index}"));
    Some(Place::Record(index))
}

fn swap(raw: &Raw, table: &str, one: u64, two: u64) {
    for (from, to) in [(one, 1 << 40), (two, one), (1 << 40, two)] {
        raw.run(&format!("UPDATE {table} SET idx = {to} WHERE idx = {from}"));
    }
}

pub(super) fn swap_records(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let one = dice.below(RECORDS - 1);
    let two = one + 1 + dice.below(RECORDS - one - 1);
    swap(&raw, "records", one, two);
    if dice.below(2) == 0 {
        for table in TABLES {
            swap(&raw, table, one, two);
        }
    }
    Some(Place::Record(one))
}

pub(super) fn swap_rows(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let ((table, one), (_, two)) = (any_row(&raw, dice), any_row(&raw, dice));
    if one == two {
        return None;
    }
    swap(&raw, table, one, two);
    Some(Place::Record(one))
}

pub(super) fn insert(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let at = any_record(dice);
    for table in ["records", "executions", "attacks", "metrics", "events"] {
        raw.run(&format!(
            "UPDATE {table} SET idx = -idx - 1 WHERE idx >= {at}"
        ));
        raw.run(&format!("UPDATE {table} SET idx = -idx WHERE idx < 0"));
    }
    raw.run(&format!(
        "UPDATE record_contents SET ref = -ref WHERE ref >= {}",
        8 * at
    ));
    raw.run("UPDATE record_contents SET ref = -ref + 8 WHERE ref < 0");
    forge(&raw, at);
    raw.rehash();
    Some(Place::Log)
}

/// A row and a record of one's own.
fn forge(raw: &Raw, index: u64) {
    let it = vigilance::Metric::new("forged", "forged", 1.0, 1_770_000_000_000_000_000);
    let canonical = Record::from(it).encode().unwrap().canonical;
    let text = "INSERT INTO records VALUES (?, ?, zeroblob(32))";
    raw.conn.execute(text, (index as i64, canonical)).unwrap();
    raw.run(&format!(
        "INSERT INTO metrics VALUES ({index}, 'forged', 'forged', 1.0, 1770000000000000000, 1770000000000000000)"
    ));
}

pub(super) fn forge_end(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    for _ in 0..=dice.below(3) {
        forge(&raw, total(&raw));
    }
    raw.rehash();
    Some(Place::Log)
}

fn total(raw: &Raw) -> u64 {
    let text = "SELECT max(idx) + 1 FROM records";
    raw.conn
        .query_row(text, [], |row| row.get::<_, i64>(0))
        .unwrap()
        .cast_unsigned()
}

pub(super) fn backdate(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let index = any_record(dice);
    let by = 1 + dice.below(1 << 40);
    alter(&raw, index, |it| set_time(it, it.event_ns() - by));
    raw.rehash();
    Some(Place::Log)
}

pub(super) fn cut_tail(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let size = total(&raw) - 1 - dice.below(RECORDS / 2);
    cut(&raw, size);
    Some(Place::Log)
}

fn cut(raw: &Raw, size: u64) {
    for table in [
        "records",
        "executions",
        "attacks",
        "metrics",
        "events",
        "subjects",
    ] {
        raw.run(&format!("DELETE FROM {table} WHERE idx >= {size}"));
    }
    raw.run(&format!(
        "DELETE FROM record_contents WHERE ref >= {}",
        8 * size
    ));
    raw.run(&format!("DELETE FROM checkpoints WHERE size > {size}"));
    raw.rehash();
}

pub(super) fn wipe(site: &Site, dice: &mut Dice) -> Option<Place> {
    match dice.below(4) {
        0 => fs::remove_file(site.database()).unwrap(),
        1 => fs::write(site.database(), b"").unwrap(),
        2 => {
            let bytes = fs::read(site.database()).unwrap();
            let pages = bytes.len() as u64 / 4096;
            let keep = dice.below(pages) * 4096;
            fs::write(site.database(), &bytes[..keep as usize]).unwrap();
        }
        _ => cut(&site.open(), 0),
    }
    Some(Place::Log)
}

pub(super) fn edit_rollup(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let columns = columns(&raw, "rollups");
    let text = format!(
        "SELECT id FROM rollups ORDER BY id LIMIT 1 OFFSET {}",
        dice.below(
            raw.conn
                .query_row("SELECT count(*) FROM rollups", [], |row| row
                    .get::<_, i64>(0))
                .unwrap() as u64
        )
    );
    let id: i64 = raw.conn.query_row(&text, [], |row| row.get(0)).unwrap();
    match dice.below(3) {
        0 => drop(raw.run(&format!("DELETE FROM rollups WHERE id = {id}"))),
        _ => change(&raw, "rollups", &format!("id = {id}"), &columns[1], dice),
    }
    Some(Place::Named("rollups".to_owned()))
}

pub(super) fn edit_tile(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let tile = dice.below(RECORDS / 256);
    match dice.below(5) {
        0 => drop(raw.run(&format!("DELETE FROM tiles WHERE id = {tile}"))),
        1 => drop(raw.run("INSERT INTO tiles VALUES (77, zeroblob(32), zeroblob(8192))")),
        it => {
            let name = if it == 2 { "root" } else { "hashes" };
            let column = (name.to_owned(), "BLOB".to_owned());
            change(&raw, "tiles", &format!("id = {tile}"), &column, dice);
        }
    }
    Some(Place::Named("tile".to_owned()))
}

pub(super) fn edit_checkpoint(site: &Site, dice: &mut Dice) -> Option<Place> {
    let outside = ["HEAD", "checkpoints"][dice.below(2) as usize];
    match dice.below(6) {
        0 => {
            let raw = site.open();
            raw.run("DELETE FROM checkpoints WHERE size = (SELECT min(size) FROM checkpoints)");
        }
        1 => {
            let raw = site.open();
            raw.run("UPDATE checkpoints SET size = size + 1 WHERE size = (SELECT max(size) FROM checkpoints)");
        }
        2 => {
            let raw = site.open();
            let key = "size = (SELECT max(size) FROM checkpoints)";
            let column = ("note".to_owned(), "TEXT".to_owned());
            change(&raw, "checkpoints", key, &column, dice);
        }
        3 => fs::remove_file(site.folder.join("HEAD")).unwrap(),
        4 => fs::write(site.folder.join("HEAD"), b"").unwrap(),
        _ => {
            // A digit of a size, a letter of a root or a signature.
            let path = site.folder.join(outside);
            let mut bytes = fs::read(&path).unwrap();
            let letters: Vec<usize> = (0..bytes.len())
                .filter(|at| bytes[*at].is_ascii_alphanumeric())
                .collect();
            if outside == "HEAD" {
                // Both slots, or the other one is believed, as it should be.
                for slot in [0, 2048] {
                    let at = slot + 30 + dice.below(100) as usize;
                    bytes[at] ^= 1;
                }
            } else {
                let at = letters[dice.below(letters.len() as u64) as usize];
                bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
            }
            fs::write(&path, bytes).unwrap();
        }
    }
    Some(Place::Anywhere)
}

pub(super) fn restore_older(site: &Site, _: &mut Dice) -> Option<Place> {
    fs::copy(site.older.join("trail.db"), site.database()).unwrap();
    Some(Place::Log)
}

pub(super) fn drop_object(site: &Site, dice: &mut Dice) -> Option<Place> {
    let conn = Connection::open(site.database()).unwrap();
    let text = "SELECT type, name FROM sqlite_schema
        WHERE type IN ('trigger', 'index') AND sql IS NOT NULL ORDER BY name";
    let mut select = conn.prepare(text).unwrap();
    let objects = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let objects: Vec<(String, String)> = objects.unwrap().map(Result::unwrap).collect();
    drop(select);
    let (kind, name) = dice.choose(&objects);
    match dice.below(3) {
        0 => conn
            .execute_batch(
                "CREATE TRIGGER evil AFTER INSERT ON events BEGIN DELETE FROM staged; END",
            )
            .unwrap(),
        _ => conn.execute_batch(&format!("DROP {kind} {name}")).unwrap(),
    }
    Some(Place::Named("database is".to_owned()))
}

pub(super) fn insert_or_replace(site: &Site, dice: &mut Dice) -> Option<Place> {
    // The guards are there: they do not see what REPLACE deletes.
    let conn = Connection::open(site.database()).unwrap();
    let index = any_record(dice);
    if dice.below(2) == 0 {
        let it = vigilance::Metric::new("forged", "forged", 1.0, 1);
        let canonical = Record::from(it).encode().unwrap().canonical;
        let text = "INSERT OR REPLACE INTO records SELECT idx, ?, link FROM records WHERE idx = ?";
        conn.execute(text, (canonical, index as i64)).unwrap();
        return Some(Place::Record(index));
    }
    let text = format!("SELECT idx FROM attacks ORDER BY abs(idx - {index}) LIMIT 1");
    let index: i64 = conn.query_row(&text, [], |row| row.get(0)).unwrap();
    let text = "INSERT OR REPLACE INTO attacks SELECT idx, attack_id, event_ns, observed_ns,
        attack_type, category, blocked_by_layer, severity_micros + 1, code_snippet,
        detection_method, metadata, tx_id, bundle_hash FROM attacks WHERE idx = ?";
    conn.execute(text, [index]).unwrap();
    Some(Place::Record(index.cast_unsigned()))
}

pub(super) fn edit_content(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let text = "SELECT r.ref, r.content FROM record_contents r JOIN contents c ON c.id = r.content
        WHERE c.salt <> zeroblob(32) ORDER BY r.ref";
    let mut select = raw.conn.prepare(text).unwrap();
    let texts = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let texts: Vec<(i64, i64)> = texts.unwrap().map(Result::unwrap).collect();
    drop(select);
    let (at, id) = *dice.choose(&texts);
    match dice.below(6) {
        0 => drop(raw.run(&format!("DELETE FROM contents WHERE id = {id}"))),
        1 => drop(raw.run(&format!("DELETE FROM record_contents WHERE ref = {at}"))),
        2 => drop(raw.run(&format!(
            "UPDATE contents SET salt = zeroblob(32) WHERE id = {id}"
        ))),
        3 => {
            raw.run(&format!(
                "UPDATE record_contents SET content = content + 1 WHERE ref = {at}"
            ));
            return Some(Place::Among(at.cast_unsigned() >> 3, RECORDS + 10));
        }
        it => {
            let name = if it == 4 { "salt" } else { "content" };
            let column = (name.to_owned(), "BLOB".to_owned());
            change(&raw, "contents", &format!("id = {id}"), &column, dice);
        }
    }
    Some(Place::Record(at.cast_unsigned() >> 3))
}

pub(super) fn bring_back(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let older = Connection::open(site.older.join("trail.db")).unwrap();
    let index = erased()[dice.below(3) as usize];
    let text = format!(
        "SELECT r.content, c.salt, c.content FROM record_contents r
        JOIN contents c ON c.id = r.content WHERE r.ref >> 3 = {index}"
    );
    let mut select = older.prepare(&text).unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = rows.unwrap().map(Result::unwrap).collect();
    assert!(!rows.is_empty());
    for (id, salt, content) in rows {
        let text = format!("UPDATE contents SET salt = ?, content = ? WHERE id = {id}");
        raw.conn.execute(&text, (salt, content)).unwrap();
    }
    Some(Place::Record(index))
}

pub(super) fn edit_meta(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    match dice.below(5) {
        0 => drop(raw.run("UPDATE meta SET value = randomblob(32) WHERE name = 'subject_key'")),
        1 => drop(raw.run(&format!(
            "UPDATE meta SET value = {} WHERE name = 'pruned'",
            256 * (1 + dice.below(2))
        ))),
        2 => drop(raw.run("DELETE FROM subjects WHERE idx = (SELECT max(idx) FROM subjects)")),
        3 => drop(raw.run("INSERT INTO subjects VALUES (randomblob(16), 3)")),
        _ => drop(
            raw.run("INSERT INTO contents VALUES (1000000, randomblob(32), x'706c616e746564')"),
        ),
    }
    Some(Place::Anywhere)
}

pub(super) fn edit_search(site: &Site, dice: &mut Dice) -> Option<Place> {
    let raw = site.open();
    let mut select = raw
        .conn
        .prepare("SELECT id FROM search_data WHERE id > 10 ORDER BY id")
        .unwrap();
    let ids: Vec<i64> = select
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    drop(select);
    let id = *dice.choose(&ids);
    let column = ("block".to_owned(), "BLOB".to_owned());
    change(&raw, "search_data", &format!("id = {id}"), &column, dice);
    Some(Place::Anywhere)
}

pub(super) fn flip_bit(site: &Site, dice: &mut Dice) -> Option<Place> {
    let mut bytes = fs::read(site.database()).unwrap();
    let at = dice.below(bytes.len() as u64) as usize;
    bytes[at] ^= 1 << dice.below(8);
    fs::write(site.database(), bytes).unwrap();
    Some(Place::Anywhere)
}
