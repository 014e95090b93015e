//! Reading while what is older is pruned.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::stages::Stage;
use crate::{Backend, Batch, Depth, Health, Options, ReadError, RealityDb, Retention};

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

#[cfg(feature = "sled")]
#[test]
fn the_room_of_what_was_pruned_is_given_back() {
    let stage = Stage::disk(Backend::Sled);
    let options = Options::new()
        .background(false)
        .retention(Retention::Last(1));
    let value = |number: u64| vec![number.to_be_bytes()[7]; 60_000];
    let commits = 400_u64;
    {
        let db = stage.open(&options).unwrap();
        for number in 1..=commits {
            db.put(&(number % 7).to_be_bytes(), &value(number)).unwrap();
        }
        let before = db.stats().unwrap().journal_disk_bytes;
        assert!(before > 24 << 20, "{before}");
        db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        // Twice the size of its file has the log, which is written over and over.
        let after = db.stats().unwrap().journal_disk_bytes;
        assert!(after < before / 2, "{after} of {before}");
        db.put(b"another", b"value").unwrap();
    }
    let db = stage.open(&options).unwrap();
    assert_eq!(db.version().number, commits + 1);
    for number in commits - 6..=commits {
        let found = db.get(&(number % 7).to_be_bytes()).unwrap();
        assert_eq!(found, Some(value(number)));
    }
    let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()));
    assert_eq!(report.unwrap().damage, []);
}
