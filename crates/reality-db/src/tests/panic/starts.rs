//! What a way out begins with must be sound itself.

use std::ops::ControlFlow;

use super::{
    Health, Options, RealityDb, Stage, WayOut, check, filled, flip_in, harm_record, options,
};
use crate::Retention;

fn checkpoint(db: &RealityDb) {
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
}

fn retaining() -> Options {
    options().retention(Retention::Last(1))
}

/// Begins with a checkpoint of the tenth version; four more behind it.
fn pruned(stage: &Stage) -> RealityDb {
    drop(filled(stage));
    let db = stage.open(&retaining()).unwrap();
    checkpoint(&db);
    assert_eq!(db.oldest().unwrap(), 10);
    for value in 11..=14 {
        db.put(b"late", &[value]).unwrap();
    }
    db
}

/// Takes the first way out, and finds nothing damaged any more.
fn take_first(db: &RealityDb) {
    let way = db.ways_out().unwrap().remove(0);
    let report = db.take_way_out(&way, "the test").unwrap();
    assert_eq!((report.damage, db.health()), (vec![], Health::Sound));
}

#[test]
fn a_damaged_record_of_the_newest_checkpoint_costs_its_version_and_no_history() {
    let stage = Stage::memory();
    let db = filled(&stage);
    let ninth = db.info(9).unwrap().version;
    checkpoint(&db);
    harm_record(&stage, 10);
    assert_ne!(check(&db).damage, []);
    assert_eq!(db.ways_out().unwrap(), [WayOut::GoBack { to: ninth }]);
    take_first(&db);
    assert_eq!((db.version(), db.oldest().unwrap()), (ninth, 0));
}

#[test]
fn a_damaged_record_that_the_history_begins_with_is_forgotten_where_a_later_checkpoint_is_sound() {
    let stage = Stage::memory();
    let db = pruned(&stage);
    // The tenth version stays for its name.
    db.name_snapshot("tenth", 10).unwrap();
    checkpoint(&db);
    db.put(b"late", b"er").unwrap();
    assert_eq!(db.oldest().unwrap(), 10);
    harm_record(&stage, 10);
    assert_ne!(check(&db).damage, []);
    let way = WayOut::ForgetHistory { before: 14 };
    assert_eq!(db.ways_out().unwrap(), [way]);
    take_first(&db);
    assert_eq!(db.version().number, 15);
    assert_eq!(db.get(b"late").unwrap().as_deref(), Some(&b"er"[..]));
}

#[test]
fn a_damaged_record_that_the_only_checkpoint_stands_on_leaves_no_way_out() {
    let stage = Stage::memory();
    let db = pruned(&stage);
    harm_record(&stage, 10);
    assert_ne!(check(&db).damage, []);
    assert_eq!(db.ways_out().unwrap(), []);
    assert_eq!(db.get(b"late").unwrap(), Some(vec![14]));
}

#[test]
fn names_of_versions_before_the_first_sound_checkpoint_are_dropped_in_going_back() {
    let stage = Stage::memory();
    let db = pruned(&stage);
    db.name_snapshot("between", 12).unwrap();
    checkpoint(&db);
    db.put(b"late", b"er").unwrap();
    db.put(b"late", b"st").unwrap();
    assert_eq!(db.oldest().unwrap(), 10);
    // The catalogue of the first checkpoint: its buckets may be the second's too.
    let first = db.shared.pointers()[0];
    flip_in(&stage, &first, first.catalogue_at + 1);
    harm_record(&stage, 15);
    assert_ne!(check(&db).damage, []);
    let ways = db.ways_out().unwrap();
    assert!(
        matches!(ways[..], [WayOut::GoBack { to }] if to.number == 14),
        "{ways:?}"
    );
    take_first(&db);
    assert_eq!((db.version().number, db.oldest().unwrap()), (14, 14));
    assert_eq!(db.named_snapshots().unwrap(), []);
    assert!(db.incidents().unwrap()[0].contains("\"between\""));
}
