//! What was read from before a way out was taken.

use std::ops::ControlFlow;

use merkle_core::Batch;

use super::{ENTRIES, Health, Stage, WayOut, check, filled, flip, flip_in, options};

#[test]
fn damage_that_a_snapshot_from_before_a_way_out_meets_is_none_of_the_store() {
    let stage = Stage::memory();
    let db = filled(&stage);
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
    drop(db);
    let db = stage.open(&options()).unwrap();
    let mut batch = Batch::new();
    batch.put(b"version", b"none").unwrap();
    let (before, prepared) = (db.snapshot().unwrap(), db.prepare(&batch).unwrap());
    flip(&stage, 100);
    assert_ne!(check(&db).damage, []);
    let report = db.take_way_out(&WayOut::Rebuild, "the test").unwrap();
    assert_eq!(report.damage, []);

    let mut failures = [0; 3];
    for key in (0..ENTRIES).map(u32::to_be_bytes) {
        let mut batch = Batch::new();
        batch.put(&key, b"value").unwrap();
        failures[0] += u32::from(before.get(&key).is_err());
        failures[1] += u32::from(prepared.get(&key).is_err());
        failures[2] += u32::from(prepared.prepare(&batch).is_err());
    }
    assert!(!failures.contains(&0), "{failures:?}");
    assert_eq!(db.health(), Health::Sound);
    db.put(b"version", b"next").unwrap();

    // What is there now is minded as ever.
    let last = *db.shared.pointers().last().unwrap();
    flip_in(&stage, &last, last.catalogue_at);
    assert_ne!(check(&db).damage, []);
    assert_ne!(db.health(), Health::Sound);
}
