//! A check of everything: that it says what it did, no more, and that it can be ended anywhere.

use std::ops::ControlFlow;
use std::sync::Mutex;

use super::stages::{Stage, flip_last, options};
use crate::{Damage, Depth, IntegrityProgress, IntegrityReport, RealityDb};

/// So many versions, of few keys, with a checkpoint after each of `checkpoints`.
fn filled(stage: &Stage, versions: u64, checkpoints: &[u64]) -> RealityDb {
    let db = stage.open(&options()).unwrap();
    for version in 1..=versions {
        let [.., high, low] = version.to_be_bytes();
        db.put(&[high, low % 100], &[low; 40]).unwrap();
        if checkpoints.contains(&version) {
            db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        }
    }
    db
}

fn check(db: &RealityDb, depth: Depth) -> IntegrityReport {
    db.verify_integrity(depth, |_| ControlFlow::Continue(()))
        .unwrap()
}

#[test]
fn every_damaged_record_is_named() {
    for depth in [Depth::Stored, Depth::Roots] {
        let stage = Stage::memory();
        drop(filled(&stage, 20, &[10, 15]));
        stage.edit_record(2, |record| flip_last(record));
        stage.edit_record(5, |record| record.truncate(20));
        stage.edit_record(9, |record| flip_last(record));
        let db = stage.open(&options()).unwrap();
        let report = check(&db, depth);
        let chain = |version| Damage::Chain {
            version,
            follows: version - 1,
        };
        for damage in [chain(3), Damage::Record { version: 5 }, chain(10)] {
            assert!(report.damage.contains(&damage), "{damage:?}: {report:?}");
        }
        assert_eq!(report.versions, 18, "all but the three");
        // From the newest checkpoint on everything could be made again, from the beginning not.
        assert_eq!(report.complete, depth == Depth::Stored);
    }
}

#[test]
fn a_gap_behind_a_damaged_record_is_found() {
    let stage = Stage::memory();
    drop(filled(&stage, 20, &[10]));
    stage.edit_record(5, |record| record.truncate(20));
    stage.remove_record(6);
    let report = check(&stage.open(&options()).unwrap(), Depth::Stored);
    let gap = Damage::Chain {
        version: 7,
        follows: 5,
    };
    assert_eq!(report.damage, [Damage::Record { version: 5 }, gap]);
}

#[test]
fn more_damaged_records_than_are_named_are_not_a_complete_check() {
    let stage = Stage::memory();
    drop(filled(&stage, 1200, &[1200]));
    for version in 2..1200 {
        stage.edit_record(version, |record| record.truncate(20));
    }
    let report = check(&stage.open(&options()).unwrap(), Depth::Stored);
    assert_eq!(report.damage.len(), 1000);
    assert!(!report.complete);
}

#[test]
fn a_check_can_be_ended_at_every_call_and_its_progress_never_goes_back() {
    let stage = Stage::memory();
    let db = filled(&stage, 600, &[200, 500]);
    for depth in [Depth::Stored, Depth::Roots] {
        for nth in 1.. {
            let calls = Mutex::new(Vec::new());
            let control = |progress: IntegrityProgress| {
                let mut calls = calls.lock().unwrap();
                calls.push(progress);
                match calls.len() == nth {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            };
            let report = db.verify_integrity(depth, control).unwrap();
            assert_eq!(report.damage, []);
            let calls = calls.into_inner().unwrap();
            assert!(
                calls.len() <= nth,
                "{} calls after an end",
                calls.len() - nth
            );
            assert_eq!(report.complete, calls.len() < nth, "{depth:?} {nth}");
            let pairs = |progress: &IntegrityProgress| {
                [
                    (progress.buckets, progress.buckets_total),
                    (progress.versions, progress.versions_total),
                    (progress.replayed, progress.replayed_total),
                ]
            };
            for calls in calls.windows(2) {
                for (before, after) in pairs(&calls[0]).into_iter().zip(pairs(&calls[1])) {
                    assert!(before.0 <= after.0 && before.1 <= after.1, "{calls:?}");
                }
            }
            for (done, total) in calls.iter().flat_map(pairs) {
                assert!(done <= total);
            }
            if report.complete {
                let last = pairs(calls.last().unwrap());
                for (done, total) in last {
                    assert!(done == total && total > 0, "{last:?}");
                }
                let least = if depth == Depth::Roots { 10 } else { 7 };
                assert!(nth > least, "{nth} calls");
                break;
            }
        }
    }
}
