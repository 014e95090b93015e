//! A trail that is tampered with, by SQL and by bytes: it is found, and found where it is.
//!
//! `VIGILANCE_ATTACKS` says how many attacks; `VIGILANCE_SEED` where the chances begin.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test; numbers are drawn below small bounds"
)]

#[path = "tamper/attacks.rs"]
mod attacks;
#[path = "common/dice.rs"]
mod dice;
#[path = "common/samples.rs"]
mod samples;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use attacks::{
    backdate, bring_back, cut_tail, delete_record, delete_row, drop_object, edit_alike,
    edit_checkpoint, edit_column, edit_content, edit_link, edit_meta, edit_record, edit_rollup,
    edit_search, edit_tile, flip_bit, forge_end, insert, insert_or_replace, perfect_root,
    restore_older, swap_records, swap_rows, wipe,
};
use dice::{Dice, number};
use merkle_core::{EMPTY_LOG_ROOT, log_inner_hash, log_leaf_hash};
use rusqlite::Connection;
use rusqlite::types::Value;
use vigilance::{Appended, Damage, Depth, Erasure, Health, OpenError, Record, Trail, VerifyReport};

/// Records of the trail that is attacked.
const RECORDS: u64 = 700;

/// Records of the older copy of it.
const OLDER: u64 = 400;

/// The records whose texts were erased: three attacks.
fn erased() -> [u64; 3] {
    let mut attacks = (0..OLDER).filter(|at| matches!(samples::record(*at), Record::Attack(_)));
    [0, 3, 40].map(|skip| attacks.nth(skip).unwrap())
}

const TABLES: [&str; 4] = ["executions", "attacks", "metrics", "events"];

/// A class of attacks. Does it in a folder, and says where it should be found; nothing where chance hit
/// what does not matter, which is then checked.
type Class = fn(&Site, &mut Dice) -> Option<Place>;

/// Where an attack should be found.
#[derive(Debug)]
enum Place {
    /// In a record, or what belongs to it.
    Record(u64),
    /// In one of some records.
    Among(u64, u64),
    /// In a table, a file, an object: what the damage's text names.
    Named(String),
    /// The whole log, or its end.
    Log,
    /// Somewhere, if anything changed at all.
    Anywhere,
}

const CLASSES: [(&str, Class); 24] = [
    ("edit a column of a row", edit_column),
    ("edit the bytes of a record", edit_record),
    ("edit a record and its row alike", edit_alike),
    ("edit the chain", edit_link),
    ("delete a record", delete_record),
    ("delete a row", delete_row),
    ("swap two records", swap_records),
    ("swap two rows", swap_rows),
    ("insert in the middle, chain and tiles made anew", insert),
    ("append a record of one's own", forge_end),
    ("backdate, chain and tiles made anew", backdate),
    ("cut the tail off", cut_tail),
    ("wipe", wipe),
    ("edit a statistic", edit_rollup),
    ("edit a tile", edit_tile),
    ("edit a checkpoint", edit_checkpoint),
    ("restore an older file", restore_older),
    ("drop a guard or an index", drop_object),
    ("insert or replace", insert_or_replace),
    ("edit an erasable text", edit_content),
    ("bring an erased text back", bring_back),
    ("edit the settings", edit_meta),
    ("edit the text index", edit_search),
    ("flip a bit of the file", flip_bit),
];

/// The folder that is attacked, and the older one.
struct Site {
    folder: PathBuf,
    older: PathBuf,
}

impl Site {
    fn database(&self) -> PathBuf {
        self.folder.join("trail.db")
    }

    /// A connection without guards: they are dropped, and put back with [`close`].
    fn open(&self) -> Raw {
        let conn = Connection::open(self.database()).unwrap();
        let text = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
        let mut select = conn.prepare(text).unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let guards: Vec<(String, String)> = rows.unwrap().map(Result::unwrap).collect();
        drop(select);
        for (name, _) in &guards {
            conn.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
        }
        Raw { conn, guards }
    }
}

/// A connection of an attacker.
struct Raw {
    conn: Connection,
    guards: Vec<(String, String)>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        for (_, text) in &self.guards {
            self.conn.execute_batch(text).unwrap();
        }
    }
}

impl Raw {
    fn run(&self, text: &str) -> usize {
        self.conn.execute(text, []).unwrap()
    }

    fn canonical(&self, index: u64) -> Vec<u8> {
        let text = format!("SELECT canonical FROM records WHERE idx = {index}");
        self.conn.query_row(&text, [], |row| row.get(0)).unwrap()
    }

    fn set_canonical(&self, index: u64, bytes: &[u8]) {
        let text = format!("UPDATE records SET canonical = ? WHERE idx = {index}");
        assert_eq!(self.conn.execute(&text, [bytes]).unwrap(), 1);
    }

    /// Makes chain and tiles anew, as whoever knows the format can.
    fn rehash(&self) {
        let mut select = self
            .conn
            .prepare("SELECT idx, canonical FROM records ORDER BY idx")
            .unwrap();
        let rows = select.query_map([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        });
        let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
        let mut link = EMPTY_LOG_ROOT;
        let mut leaves = Vec::new();
        for (index, canonical) in &rows {
            let leaf = log_leaf_hash(canonical);
            link = log_inner_hash(&link, &leaf);
            leaves.push(leaf);
            let text = format!("UPDATE records SET link = ? WHERE idx = {index}");
            self.conn.execute(&text, [link.as_bytes()]).unwrap();
        }
        self.run("DELETE FROM tiles");
        for (tile, hashes) in leaves.chunks_exact(256).enumerate() {
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
            let text = format!("INSERT INTO tiles VALUES ({tile}, ?, ?)");
            let root = perfect_root(hashes);
            self.conn.execute(&text, (root.as_bytes(), bytes)).unwrap();
        }
    }
}

/// Builds the trail, and keeps an older copy.
fn build(folder: &Path, older: &Path) {
    let trail = Trail::open(folder, &samples::options()).unwrap();
    for first in (0..OLDER).step_by(50) {
        trail
            .append_all((first..first + 50).map(samples::record).collect())
            .unwrap();
    }
    drop(trail);
    copy(folder, older);
    let trail = Trail::open(folder, &samples::options()).unwrap();
    let mut next = OLDER;
    let erased = Erasure::Records(erased().into());
    trail.erase(&erased, 1_770_000_000_000_000_000).unwrap();
    while trail.size() < RECORDS {
        let appended = trail.append(samples::record(next)).unwrap();
        assert!(matches!(appended, Appended::At { .. }));
        next += 1;
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(to).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn check(folder: &Path, context: &str) -> Result<(Vec<Damage>, VerifyReport), OpenError> {
    let trail = Trail::open(folder, &samples::options().create(false))?;
    let report = trail.verify(Depth::Pages, |_| ControlFlow::Continue(()));
    let report = report.unwrap_or_else(|error| panic!("{context}: {error:?}"));
    assert_eq!(
        report.damage.is_empty() && trail.open_report().damage.is_empty(),
        trail.health() == Health::Sound
    );
    let damage = trail.open_report().damage.iter().chain(&report.damage);
    Ok((damage.cloned().collect(), report))
}

/// All that the tables hold.
fn content(folder: &Path) -> Vec<Vec<Value>> {
    let conn = Connection::open(folder.join("trail.db")).unwrap();
    let mut rows = Vec::new();
    for table in [
        "records",
        "tiles",
        "contents",
        "record_contents",
        "subjects",
        "checkpoints",
        "meta",
        "executions",
        "attacks",
        "metrics",
        "events",
        "rollups",
    ] {
        let mut select = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = select.column_count();
        let mut stored = select.query([]).unwrap();
        while let Some(row) = stored.next().unwrap() {
            rows.push((0..columns).map(|at| row.get(at).unwrap()).collect());
        }
    }
    // What is found by words, all of it and word by word.
    conn.execute_batch(
        "CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'search', 'instance')",
    )
    .unwrap();
    let mut select = conn
        .prepare("SELECT term, doc, offset FROM temp.words")
        .unwrap();
    let all = select.query_map([], |row| Ok(vec![row.get(0)?, row.get(1)?, row.get(2)?]));
    let all: Vec<Vec<Value>> = all.unwrap().map(Result::unwrap).collect();
    let mut search = conn
        .prepare("SELECT rowid FROM search WHERE search MATCH ?")
        .unwrap();
    let mut last = Value::Null;
    for row in &all {
        if row[0] == last {
            continue;
        }
        last = row[0].clone();
        let Value::Text(word) = &last else {
            panic!("{last:?}")
        };
        let found = search
            .query_map([format!("\"{word}\"")], |row| row.get(0))
            .unwrap();
        rows.push(found.map(Result::unwrap).collect());
    }
    rows.extend(all);
    rows
}

fn is_found(place: &Place, damage: &[Damage]) -> bool {
    match place {
        Place::Record(index) => damage.iter().any(|it| it.index() == Some(*index)),
        Place::Among(first, end) => {
            let within = |index: u64| *first <= index && index < *end;
            damage.iter().any(|it| it.index().is_some_and(within))
        }
        Place::Named(name) => damage
            .iter()
            .any(|it| it.to_string().contains(name.as_str())),
        Place::Log => damage.iter().any(|it| {
            matches!(
                it,
                Damage::TailLost { .. }
                    | Damage::OtherRoot { .. }
                    | Damage::Unmarked { .. }
                    | Damage::DatabaseLost { .. }
                    | Damage::Page { .. }
                    | Damage::Missing { .. }
                    | Damage::Tile { .. }
                    | Damage::Schema { .. }
            )
        }),
        Place::Anywhere => !damage.is_empty(),
    }
}

#[test]
fn whatever_is_tampered_with_is_found() {
    let attacks = number("VIGILANCE_ATTACKS", 144);
    let seed = number("VIGILANCE_SEED", 1);
    let folder = tempfile::tempdir().unwrap();
    let [good, older, bad] = ["good", "older", "bad"].map(|name| folder.path().join(name));
    build(&good, &older);
    let (damage, report) = check(&good, "untouched").unwrap();
    assert_eq!(damage, [], "a false alarm");
    assert!(report.is_complete && report.erased > 0);
    let original = content(&good);
    let mut tally: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for at in 0..attacks {
        let (name, class) = CLASSES[(at % CLASSES.len() as u64) as usize];
        let mut dice = Dice(seed.wrapping_mul(1_000_003) ^ at);
        copy(&good, &bad);
        let site = Site {
            folder: bad.clone(),
            older: older.clone(),
        };
        let Some(place) = class(&site, &mut dice) else {
            continue;
        };
        let context = format!("attack {at} ({name}), seed {seed}, {place:?}");
        let counts = tally.entry(name).or_default();
        counts[0] += 1;
        let damage = match check(&bad, &context) {
            Ok((damage, _)) => damage,
            Err(OpenError::Damaged(damage)) => vec![*damage],
            Err(
                OpenError::NotATrail { .. }
                | OpenError::UnknownVersion { .. }
                | OpenError::NotFound { .. },
            ) => {
                // The header of the file: refused by name.
                counts[1] += 1;
                continue;
            }
            Err(error) => panic!("{context}: {error:?}"),
        };
        if damage.is_empty() && matches!(place, Place::Anywhere) {
            // Nothing depends on it: the content is what it was.
            assert!(
                ["bit", "checkpoint", "text index"]
                    .iter()
                    .any(|it| name.contains(it)),
                "{context}: not found"
            );
            assert!(content(&bad) == original, "{context}: not found");
            counts[2] += 1;
            continue;
        }
        assert!(is_found(&place, &damage), "{context}: found {damage:?}");
        counts[1] += 1;
    }
    println!("attacks, found, without effect:");
    for (name, counts) in &tally {
        println!("{counts:?} {name}");
    }
    let (damage, _) = check(&good, "untouched").unwrap();
    assert_eq!(damage, [], "a false alarm");
}
