//! Looking at a damaged store changes nothing of it: what was refused before is refused afterwards.

use std::ops::ControlFlow;

use super::stages::{Stage, flip_last, options};
use crate::volume::Volume;
use crate::{Damage, Depth, Health, OpenError, RealityDb, WayOut};

/// What is done to a store behind the database's back.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// The mark is gone.
    NoMark,
    /// Both places of the mark are spoilt.
    BadMark,
    /// The newest record is gone.
    NoTail,
    /// The newest record is gone, and with it the mark that would tell.
    NoTailNoMark,
    /// A byte of the newest record is another one.
    BadTail,
    /// The same, and one of the two places of the mark is spoilt.
    BadTailTornMark,
    /// How many small records there were is forgotten.
    NoSmall,
}

const HARMS: [Harm; 7] = [
    Harm::NoMark,
    Harm::BadMark,
    Harm::NoTail,
    Harm::NoTailNoMark,
    Harm::BadTail,
    Harm::BadTailTornMark,
    Harm::NoSmall,
];

/// Six versions with a checkpoint after the third, and a name.
fn filled() -> Stage {
    let stage = Stage::memory();
    let db = stage.open(&options()).unwrap();
    for version in 1_u8..=6 {
        db.put(&[version % 4], &[version; 30]).unwrap();
        if version == 3 {
            db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        }
    }
    db.name_snapshot("fifth", 5).unwrap();
    stage
}

fn harm(stage: &Stage, harm: Harm) {
    let Stage::Memory { folder, .. } = stage else {
        panic!("a stage in memory");
    };
    let bad_tail = || stage.edit_record(6, |record| flip_last(record));
    match harm {
        Harm::NoMark => folder.remove("HEAD").unwrap(),
        Harm::BadMark => {
            folder.overwrite("HEAD", 20, &[0xff]).unwrap();
            folder.overwrite("HEAD", 512 + 20, &[0xff]).unwrap();
        }
        Harm::NoTail => stage.remove_record(6),
        Harm::NoTailNoMark => {
            stage.remove_record(6);
            folder.remove("HEAD").unwrap();
        }
        Harm::BadTail => bad_tail(),
        Harm::BadTailTornMark => {
            bad_tail();
            folder.overwrite("HEAD", 20, &[0xff]).unwrap();
        }
        Harm::NoSmall => stage.write(b"n", None),
    }
}

fn refused(stage: &Stage) -> Damage {
    match stage.open(&options()).err() {
        Some(OpenError::Damaged(damage)) => damage,
        other => panic!("{other:?}"),
    }
}

/// All that somebody does who looks at a store and takes no way out.
fn look(db: &RealityDb) {
    assert!(matches!(db.health(), Health::Panic(_)));
    for key in 0..5 {
        db.get(&[key]).unwrap();
    }
    assert!(db.put(b"key", b"value").is_err());
    assert!(db.sync().is_err());
    assert!(db.recover().is_err());
    assert!(db.checkpoint(|_| ControlFlow::Continue(())).is_err());
    assert!(db.forget_snapshot("fifth").is_err());
    assert_eq!(db.named_snapshots().unwrap().len(), 1);
    let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()));
    assert!(!report.unwrap().damage.is_empty());
    assert!(!db.ways_out().unwrap().is_empty());
}

#[test]
fn what_was_refused_is_refused_until_a_way_out_is_taken() {
    for what in HARMS {
        println!("{what:?}");
        let stage = filled();
        harm(&stage, what);
        let damage = refused(&stage);
        for _ in 0..2 {
            look(&stage.open(&options().accept_damage(true)).unwrap());
            assert_eq!(refused(&stage), damage);
        }
        let db = stage.open(&options().accept_damage(true)).unwrap();
        let way = db.ways_out().unwrap().remove(0);
        assert_eq!(db.take_way_out(&way, "looked at").unwrap().damage, []);
        assert_eq!(db.incidents().unwrap().len(), 1);
        let version = db.put(b"key", b"value").unwrap();
        drop(db);
        let db = stage.open(&options()).unwrap();
        assert_eq!((db.version(), db.health()), (version, Health::Sound));
    }
}

#[test]
fn a_damaged_newest_record_is_given_up_by_going_back_alone() {
    for place in [0, 512] {
        let stage = filled();
        let sixth = stage.open(&options()).unwrap().version();
        let db = stage.open(&options()).unwrap();
        db.put(b"key", b"value").unwrap();
        drop(db);
        let Stage::Memory { folder, .. } = &stage else {
            panic!("a stage in memory");
        };
        stage.edit_record(7, |record| flip_last(record));
        // What is left of the mark may say that the sixth version was the last.
        folder.overwrite("HEAD", place + 20, &[0xff]).unwrap();
        let db = stage.open(&options().accept_damage(true)).unwrap();
        assert_eq!(db.ways_out().unwrap(), [WayOut::GoBack { to: sixth }]);
    }
}

#[cfg(feature = "sled")]
#[test]
fn a_mark_that_is_gone_from_a_folder_is_missed_until_a_way_out_is_taken() {
    let stage = Stage::disk(crate::Backend::Sled);
    let version = {
        let db = stage.open(&options()).unwrap();
        db.put(b"key", b"value").unwrap()
    };
    let mark = stage.folder().join("HEAD");
    std::fs::remove_file(&mark).unwrap();
    assert_eq!(refused(&stage), Damage::Mark);
    let db = stage.open(&options().accept_damage(true)).unwrap();
    assert_eq!(db.version(), version);
    drop(db);
    assert!(!mark.exists());
    assert_eq!(refused(&stage), Damage::Mark);
    let db = stage.open(&options().accept_damage(true)).unwrap();
    let way = db.ways_out().unwrap().remove(0);
    db.take_way_out(&way, "the mark was removed").unwrap();
    drop(db);
    assert_eq!(stage.open(&options()).unwrap().version(), version);
}
