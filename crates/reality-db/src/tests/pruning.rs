//! Reading while what is older is pruned.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::{Backend, Batch, Health, Options, ReadError, RealityDb, Retention};

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
