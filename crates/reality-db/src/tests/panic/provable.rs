//! What can be proved in panic mode: no more is promised than is kept.

use std::ops::{ControlFlow, RangeInclusive};

use super::{ENTRIES, Stage, check, filled, flip, harm_record, options};
use crate::volume::Volume;
use crate::{Damage, Depth, IntegrityReport, Options, RealityDb, Retention, checkpoints};

/// How many values of all retained versions are promised, and how many are not; each that is promised is
/// read, from a handle of its own.
fn kept(stage: &Stage, report: &IntegrityReport, oldest: u64) -> (usize, usize) {
    let options = options().accept_damage(true);
    let (mut promised, mut others) = (0, 0);
    for version in oldest..=10 {
        let db = stage.open(&options).unwrap();
        let snapshot = db.at(version);
        for key in (0..ENTRIES).map(u32::to_be_bytes) {
            if !report.provable.proves(version, &key) {
                others += 1;
                continue;
            }
            promised += 1;
            let snapshot = snapshot.as_ref().unwrap();
            let expected = (version > 0).then_some(&key[..]);
            assert_eq!(
                snapshot.get(&key).unwrap().as_deref(),
                expected,
                "{version}"
            );
        }
    }
    (promised, others)
}

fn versions(report: &IntegrityReport) -> Vec<(u64, u64, usize)> {
    let versions = report.provable.versions.iter();
    versions
        .map(|versions| {
            let (from, to) = versions.numbers.clone().into_inner();
            (from, to, versions.except.len())
        })
        .collect()
}

#[test]
fn a_sound_database_is_provable_in_all() {
    let stage = Stage::memory();
    let report = check(&filled(&stage));
    assert_eq!(versions(&report), [(0, 10, 0)]);
    assert_eq!(kept(&stage, &report, 0).1, 0);
}

#[test]
fn a_check_that_is_ended_promises_nothing() {
    let db = filled(&Stage::memory());
    let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Break(()));
    assert_eq!(versions(&report.unwrap()), []);
}

#[test]
fn one_damaged_bucket_takes_its_keys_alone() {
    let stage = Stage::memory();
    drop(filled(&stage));
    flip(&stage, 100);
    for depth in [Depth::Stored, Depth::Roots] {
        let db = stage.open(&options()).unwrap();
        let report = db.verify_integrity(depth, |_| ControlFlow::Continue(()));
        let report = report.unwrap();
        assert!(report.buckets > 8, "{} buckets", report.buckets);
        assert_eq!(report.damage.len(), 1);
        // The newest was made from the beginning when it was opened: its records met the damage.
        assert_eq!(versions(&report), [(0, 4, 0), (5, 9, 1), (10, 10, 0)]);
        drop(db);
        let (promised, others) = kept(&stage, &report, 0);
        assert!(others > 0 && others < promised / 8, "{promised} {others}");
        // What is not promised of the checkpoint's own version is lost to it.
        let db = stage.open(&options()).unwrap();
        let fifth = db.at(5).unwrap();
        let lost = (0..ENTRIES)
            .map(u32::to_be_bytes)
            .filter(|key| !report.provable.proves(5, key));
        for key in lost {
            assert!(fifth.get(&key).is_err());
        }
    }
}

#[test]
fn one_damaged_bucket_of_the_newest_checkpoint_takes_its_keys_from_the_newest_version() {
    let stage = Stage::memory();
    let db = filled(&stage);
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
    drop(db);
    // The newest checkpoint has most of its entries where the one before has them.
    flip(&stage, 100);
    let db = stage.open(&options()).unwrap();
    let report = check(&db);
    assert_eq!(versions(&report), [(0, 4, 0), (5, 10, 1)]);
    let keys = || (0..ENTRIES).map(u32::to_be_bytes);
    let (kept_keys, lost): (Vec<_>, Vec<_>) =
        keys().partition(|key| report.provable.proves(10, key));
    assert!(!lost.is_empty() && lost.len() < kept_keys.len() / 8);
    for key in kept_keys {
        assert_eq!(db.get(&key).unwrap().as_deref(), Some(&key[..]));
    }
    for key in lost {
        assert!(db.get(&key).is_err());
    }
    drop(db);
    kept(&stage, &report, 0);
}

#[test]
fn a_damaged_record_takes_the_versions_up_to_the_next_checkpoint() {
    let stage = Stage::memory();
    drop(filled(&stage));
    harm_record(&stage, 3);
    let report = check(&stage.open(&options()).unwrap());
    assert_eq!(versions(&report), [(5, 10, 0)]);
    kept(&stage, &report, 0);
}

#[test]
fn a_damaged_record_behind_the_checkpoint_leaves_what_was_opened() {
    let stage = Stage::memory();
    drop(filled(&stage));
    harm_record(&stage, 8);
    let db = stage.open(&options().accept_damage(true)).unwrap();
    assert_eq!(versions(&check(&db)), [(0, 7, 0)]);
}

#[test]
fn a_damaged_bucket_at_the_beginning_of_a_pruned_history_takes_what_is_made_from_it() {
    let stage = Stage::memory();
    drop(filled(&stage));
    let pruning = options().retention(Retention::Last(5));
    let db: RealityDb = stage.open(&pruning).unwrap();
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
    let oldest = db.oldest().unwrap();
    assert_eq!(oldest, 5);
    drop(db);
    flip(&stage, 100);
    let report = check(&stage.open(&options()).unwrap());
    let found = versions(&report);
    assert_eq!(found[0], (5, 5, 1), "{found:?}");
    assert_eq!(found[1].0, 10, "{found:?}");
    kept(&stage, &report, oldest);
}

/// Versions of the same two keys up to `newest`, with a checkpoint after each of `checkpoints`.
fn long(stage: &Stage, options: &Options, newest: u64, checkpoints: &[u64]) -> RealityDb {
    let db = stage.open(options).unwrap();
    for version in 1..=newest {
        let key = if version % 2 == 0 { 0x10 } else { 0x20 };
        db.put(&[key], &version.to_be_bytes()).unwrap();
        if checkpoints.contains(&version) {
            db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        }
    }
    db
}

/// Takes records away, or all but the first bytes of them, behind the database's back.
fn lose(stage: &Stage, versions: RangeInclusive<u64>, left: Option<usize>) {
    for version in versions {
        match left {
            Some(left) => stage.edit_record(version, |record| record.truncate(left)),
            None => stage.remove_record(version),
        }
    }
}

/// Changes a byte of the checkpoint of `version` behind the database's back, so far behind where its
/// catalogue begins.
fn damage_checkpoint(stage: &Stage, version: u64, behind: i64) {
    let pointers = checkpoints::list(stage.engine()).unwrap();
    let pointer = pointers.iter().find(|pointer| pointer.version == version);
    let pointer = pointer.unwrap();
    let at = pointer.catalogue_at.checked_add_signed(behind).unwrap();
    let name = format!("{:020}.checkpoint", pointer.file);
    let (volume, mut byte) = (stage.checkpoints(), [0]);
    let file = volume.open(&name).unwrap();
    file.read_at(at, &mut byte).unwrap();
    volume.overwrite(&name, at, &[byte[0] ^ 1]).unwrap();
}

/// What a check promises, each version of it read.
fn promised(db: &RealityDb, depth: Depth) -> (Vec<(u64, u64)>, Vec<Damage>) {
    let report = db.verify_integrity(depth, |_| ControlFlow::Continue(()));
    let report = report.unwrap();
    let ranges = versions(&report);
    for &(from, to, _) in &ranges {
        for version in from..=to {
            let snapshot = db.at(version);
            let snapshot =
                snapshot.unwrap_or_else(|error| panic!("{version} of {ranges:?}: {error}"));
            for key in [[0x10], [0x20]] {
                if report.provable.proves(version, &key) {
                    let value = snapshot.get(&key);
                    assert!(value.is_ok(), "{version}: {value:?}");
                }
            }
        }
    }
    let ranges = ranges.into_iter().map(|(from, to, _)| (from, to)).collect();
    (ranges, report.damage)
}

/// A store whose newest checkpoint lies beyond the newest version and is damaged there: what is promised,
/// and that the damage is what `is_known` says, and the record.
fn is_cut_off(behind: i64, is_known: fn(&Damage) -> bool) {
    for depth in [Depth::Stored, Depth::Roots] {
        let stage = Stage::memory();
        drop(long(&stage, &options(), 22, &[10, 20]));
        damage_checkpoint(&stage, 20, behind);
        lose(&stage, 15..=15, Some(20));
        let db = stage.open(&options().accept_damage(true)).unwrap();
        assert_eq!(db.version().number, 14);
        let (ranges, damage) = promised(&db, depth);
        assert_eq!(ranges, [(0, 10), (14, 14)]);
        assert_eq!(damage.len(), 2, "{damage:?}");
        assert!(is_known(&damage[0]), "{damage:?}");
        assert_eq!(damage[1], Damage::Record { version: 15 });
    }
}

#[test]
fn a_damaged_checkpoint_beyond_the_newest_version_leaves_the_one_before_it() {
    is_cut_off(0, |damage| matches!(damage, Damage::Checkpoint { .. }));
}

#[test]
fn a_sound_root_of_a_checkpoint_beyond_the_newest_version_is_no_evidence_against_that() {
    is_cut_off(-1, |damage| matches!(damage, Damage::Bucket { .. }));
}

#[test]
fn records_that_the_journal_lost_behind_the_only_checkpoint_leave_that() {
    for depth in [Depth::Stored, Depth::Roots] {
        let stage = Stage::memory();
        let options = options().retention(Retention::Last(1));
        let db = long(&stage, &options, 20, &[20]);
        assert_eq!(db.oldest().unwrap(), 20);
        for version in 21..=25_u64 {
            db.put(b"k", &version.to_be_bytes()).unwrap();
        }
        drop(db);
        lose(&stage, 20..=22, None);
        let db = stage.open(&options.accept_damage(true)).unwrap();
        assert_eq!(db.version().number, 20);
        let (ranges, damage) = promised(&db, depth);
        assert_eq!(ranges, [(20, 20)]);
        assert!(!damage.is_empty());
    }
}

#[test]
fn records_that_are_gone_take_what_is_made_from_them_and_the_checkpoint_among_them() {
    for depth in [Depth::Stored, Depth::Roots] {
        let stage = Stage::memory();
        drop(long(&stage, &options(), 22, &[10, 13, 20]));
        lose(&stage, 12..=14, None);
        let (ranges, _) = promised(&stage.open(&options()).unwrap(), depth);
        assert_eq!(ranges, [(0, 10), (20, 22)]);
    }
}

#[test]
fn what_is_gone_before_a_damaged_record_is_not_promised() {
    let stage = Stage::memory();
    drop(long(&stage, &options(), 22, &[10, 13, 20]));
    lose(&stage, 12..=14, None);
    lose(&stage, 15..=15, Some(20));
    let (ranges, _) = promised(&stage.open(&options()).unwrap(), Depth::Stored);
    assert_eq!(ranges, [(0, 10), (20, 22)]);
}

#[test]
fn what_is_gone_before_the_newest_version_is_not_promised() {
    let stage = Stage::memory();
    let db = long(&stage, &options(), 20, &[10, 13]);
    lose(&stage, 12..=20, None);
    let (ranges, _) = promised(&db, Depth::Stored);
    assert_eq!(ranges, [(0, 10), (20, 20)]);
}

#[test]
fn what_lies_behind_the_last_record_that_was_looked_at_is_not_promised() {
    let stage = Stage::memory();
    let db = long(&stage, &options(), 1400, &[100, 1250, 1300]);
    lose(&stage, 200..=1399, Some(20));
    let (ranges, damage) = promised(&db, Depth::Stored);
    // The records of the newest checkpoint are looked at apart from the others.
    assert!(damage.contains(&Damage::Record { version: 1301 }));
    assert_eq!(ranges, [(0, 100), (1400, 1400)]);
}

#[test]
fn a_newest_version_is_not_promised_if_its_checkpoint_is_not_known_any_more() {
    let stage = Stage::memory();
    drop(long(&stage, &options(), 20, &[10, 20]));
    let db = stage.open(&options()).unwrap();
    damage_checkpoint(&stage, 20, -1);
    stage.write(&checkpoints::key(20), None);
    let (ranges, _) = promised(&db, Depth::Stored);
    assert_eq!(ranges, [(0, 19)]);
}

#[test]
fn the_checkpoint_that_the_newest_version_is_read_from_is_checked() {
    let stage = Stage::memory();
    drop(long(&stage, &options(), 22, &[5, 10, 20]));
    damage_checkpoint(&stage, 20, 0);
    let db = stage.open(&options()).unwrap();
    assert_eq!(db.open_report().checkpoint, 10);
    damage_checkpoint(&stage, 10, -1);
    let (_, damage) = promised(&db, Depth::Stored);
    let is_bucket = |damage: &Damage| matches!(damage, Damage::Bucket { .. });
    assert!(damage.iter().any(is_bucket), "{damage:?}");
}

#[test]
fn what_is_gone_at_the_beginning_is_named_and_not_promised() {
    let stage = Stage::memory();
    let db = long(&stage, &options(), 12, &[4, 10]);
    lose(&stage, 0..=5, None);
    let (ranges, damage) = promised(&db, Depth::Stored);
    assert_eq!(ranges, [(10, 12)]);
    assert_eq!(damage, [Damage::Record { version: 0 }]);
}
