//! What can be proved in panic mode: no more is promised than is kept.

use std::ops::ControlFlow;

use super::{ENTRIES, Stage, check, edit_record, filled, flip, options};
use crate::{Depth, IntegrityReport, RealityDb, Retention};

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
    edit_record(&stage, 3);
    let report = check(&stage.open(&options()).unwrap());
    assert_eq!(versions(&report), [(5, 10, 0)]);
    kept(&stage, &report, 0);
}

#[test]
fn a_damaged_record_behind_the_checkpoint_leaves_what_was_opened() {
    let stage = Stage::memory();
    drop(filled(&stage));
    edit_record(&stage, 8);
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
