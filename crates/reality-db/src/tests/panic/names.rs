//! Names that a way out cannot keep.

use super::{Damage, Health, Options, Stage, WayOut, check, filled, harm_record, options};
use crate::{OpenError, RealityDb};

fn edit_name(stage: &Stage, name: &str) {
    let key = [b"s", name.as_bytes()].concat();
    stage.edit(&key, |record| record[5] ^= 1);
}

fn names(db: &RealityDb) -> Vec<String> {
    let names = db.named_snapshots().unwrap();
    names.into_iter().map(|named| named.name).collect()
}

#[test]
fn names_that_cannot_be_read_are_dropped_and_told() {
    let stage = Stage::memory();
    let db = filled(&stage);
    for (name, version) in [("bad", 3), ("good", 7), ("worse", 9)] {
        db.name_snapshot(name, version).unwrap();
    }
    drop(db);
    edit_name(&stage, "bad");
    edit_name(&stage, "worse");
    let db = stage.open(&options()).unwrap();
    assert!(db.named_snapshots().is_err());
    assert!(matches!(db.health(), Health::Panic(Damage::Named { .. })));
    let report = db.take_way_out(&WayOut::Rebuild, "bad names").unwrap();
    assert_eq!(report.damage, []);
    assert_eq!(db.health(), Health::Sound);
    let incident = db.incidents().unwrap().remove(0);
    assert!(
        incident.contains("\"bad\"") && incident.contains("\"worse\""),
        "{incident}"
    );
    assert!(!incident.contains("\"good\""), "{incident}");
    assert_eq!(names(&db), ["good"]);
    assert!(db.forget_snapshot("good").unwrap());
    db.name_snapshot("bad", 3).unwrap();
    drop(db);
    let db = stage.open(&options()).unwrap();
    assert_eq!(check(&db).damage, []);
    assert_eq!(names(&db), ["bad"]);
}

#[test]
fn names_of_versions_that_are_given_up_are_dropped() {
    let stage = Stage::memory();
    let db = filled(&stage);
    for (name, version) in [("kept", 6), ("given up", 9)] {
        db.name_snapshot(name, version).unwrap();
    }
    drop(db);
    harm_record(&stage, 8);
    let accepting: Options = options().accept_damage(true);
    assert!(matches!(stage.open(&options()), Err(OpenError::Damaged(_))));
    let db = stage.open(&accepting).unwrap();
    let way = db.ways_out().unwrap().remove(0);
    assert!(matches!(way, WayOut::GoBack { .. }));
    db.take_way_out(&way, "the eighth is gone").unwrap();
    assert_eq!(names(&db), ["kept"]);
    // Other versions get these numbers now: the name must not be theirs.
    for value in 0..5 {
        db.put(b"other", &[value]).unwrap();
    }
    assert!(db.open_snapshot("given up").unwrap().is_none());
    assert_eq!(db.health(), Health::Sound);
}

#[test]
fn names_of_versions_before_those_that_are_left_are_dropped() {
    let stage = Stage::memory();
    filled(&stage).name_snapshot("early", 1).unwrap();
    harm_record(&stage, 2);
    let db = stage.open(&options()).unwrap();
    assert!(!check(&db).damage.is_empty());
    let way = WayOut::ForgetHistory { before: 5 };
    db.take_way_out(&way, "the second is gone").unwrap();
    assert!(names(&db).is_empty());
    assert!(db.incidents().unwrap()[0].contains("\"early\""));
}

#[test]
fn a_long_reason_leaves_room_for_the_names() {
    let stage = Stage::memory();
    let db = filled(&stage);
    db.name_snapshot("lost", 9).unwrap();
    harm_record(&stage, 8);
    assert!(!check(&db).damage.is_empty());
    let way = db.ways_out().unwrap().remove(0);
    db.take_way_out(&way, &"because ".repeat(1000)).unwrap();
    let incident = db.incidents().unwrap().remove(0);
    assert!(incident.contains("reason: because "), "{incident}");
    assert!(incident.contains("\"lost\""), "{incident}");
}
