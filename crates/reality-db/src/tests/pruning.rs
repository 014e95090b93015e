//! What is pruned, and reading meanwhile.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::{
    Backend, Batch, CommitOptions, Depth, Health, Options, ReadError, RealityDb, Retention,
};

/// Versions that stay.
const RETAINED: u64 = 4;

#[test]
fn a_version_that_stays_is_read_while_older_ones_are_pruned() {
    let options = Options::new()
        .backend(Backend::Memory)
        .background(false)
        .retention(Retention::Last(RETAINED));
    let db = RealityDb::open("unused", &options).unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            for number in 1..=600_u64 {
                let mut batch = Batch::new();
                let key = (number % 50).to_be_bytes();
                let value = number.to_be_bytes();
                batch.put(&key, &value).unwrap();
                db.commit(&batch).unwrap();
                if number % 3 == 0 {
                    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
                }
            }
            is_done.store(true, Ordering::Release);
        });
        while !is_done.load(Ordering::Acquire) {
            let newest = db.version().number;
            for version in newest.saturating_sub(2 * RETAINED)..=newest {
                match db.at(version) {
                    Ok(snapshot) => assert_eq!(snapshot.version().number, version),
                    Err(ReadError::Pruned { oldest, .. }) => {
                        assert!(version < oldest, "{version} is not below {oldest}");
                    }
                    Err(error) => panic!("version {version}: {error:?}"),
                }
            }
        }
    });
    assert_eq!(db.health(), Health::Sound);
}

fn memory(retention: Retention) -> RealityDb {
    let options = Options::new()
        .backend(Backend::Memory)
        .background(false)
        .retention(retention);
    RealityDb::open("unused", &options).unwrap()
}

fn commit(db: &RealityDb, options: &CommitOptions<'_>) -> u64 {
    let mut batch = Batch::new();
    batch.put(b"key", b"value").unwrap();
    db.commit_with(&batch, options).unwrap().number
}

fn checkpoint(db: &RealityDb) {
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
}

#[test]
fn the_last_versions_stay_whatever_their_numbers() {
    let db = memory(Retention::Last(5));
    let numbers = (100..=1000).step_by(100).chain(1001..=1010);
    let mut versions = vec![0];
    for number in numbers.chain([5000, 5001, 9000]) {
        versions.push(commit(&db, &CommitOptions::new().number(number)));
        checkpoint(&db);
        let oldest = versions[versions.len().saturating_sub(5)];
        assert_eq!(db.oldest().unwrap(), oldest, "at {number}");
    }
}

#[test]
fn a_pruned_history_keeps_its_beginning_whatever_is_asked_for_later() {
    let db = memory(Retention::Last(1));
    let change_all = |round: u8| {
        let keys: Vec<_> = (0..3000_u32).map(u32::to_be_bytes).collect();
        let value = [round; 100];
        let mut batch = Batch::new();
        for key in &keys {
            batch.put(key, &value).unwrap();
        }
        db.commit(&batch).unwrap();
        checkpoint(&db);
    };
    change_all(1);
    let oldest = db.oldest().unwrap();
    assert_eq!(oldest, 1);
    // From here on its checkpoint costs more than the journal up to it is worth.
    db.set_retention(Retention::All);
    for round in 2..8 {
        change_all(round);
        assert_eq!(db.oldest().unwrap(), oldest);
        for version in oldest..=u64::from(round) {
            let value = db.at(version).unwrap().get(&[0; 4]).unwrap().unwrap();
            assert_eq!(u64::from(value[0]), version);
        }
    }
    let go_on = |_| ControlFlow::Continue(());
    let report = db.verify_integrity(Depth::Roots, go_on).unwrap();
    assert_eq!(report.damage, []);
}

#[test]
fn versions_that_state_no_time_are_not_taken_for_old() {
    let db = memory(Retention::Since(1000));
    for _ in 0..9 {
        commit(&db, &CommitOptions::new());
        checkpoint(&db);
    }
    assert_eq!(db.oldest().unwrap(), 0);
    // What came before the tenth is as old as it at least.
    for (time_ns, oldest) in [(999, 10), (0, 11), (0, 11), (1000, 11), (1, 11)] {
        commit(&db, &CommitOptions::new().time_ns(time_ns));
        checkpoint(&db);
        assert_eq!(db.oldest().unwrap(), oldest);
    }
}

#[test]
fn what_a_new_retention_lets_go_goes_with_the_next_checkpoint() {
    let db = memory(Retention::All);
    for time_ns in 1..=20 {
        commit(&db, &CommitOptions::new().time_ns(time_ns));
        checkpoint(&db);
    }
    for (retention, oldest) in [
        (Retention::Last(15), 6),
        (Retention::All, 6),
        (Retention::Since(9), 9),
        (Retention::Since(7), 9),
        (Retention::Since(12), 12),
        (Retention::Last(2), 19),
    ] {
        let before = db.oldest().unwrap();
        db.set_retention(retention);
        assert_eq!(db.oldest().unwrap(), before);
        checkpoint(&db);
        assert_eq!(db.oldest().unwrap(), oldest, "{retention:?}");
    }
}
