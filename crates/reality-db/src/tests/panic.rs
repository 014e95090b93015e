//! Damage: that it is found, that reads go on, and that there is a way out.

mod earlier;
mod ended;
mod names;
mod provable;
mod sector;
mod starts;

use std::ops::ControlFlow;
use std::time::Duration;

use merkle_core::Batch;

use super::stages::{Stage, flip_last, options};
use crate::checkpoint::Pointer;
use crate::volume::Volume;
use crate::{
    CommitError, Damage, Depth, Health, OpenError, Options, RealityDb, RecoveryError, WayOut,
};

const ENTRIES: u32 = 400;

/// Ten versions with a checkpoint after the fifth.
fn filled(stage: &Stage) -> RealityDb {
    let db = stage.open(&options()).unwrap();
    for version in 0_u32..10 {
        let keys: Vec<_> = (0..ENTRIES).map(u32::to_be_bytes).collect();
        let mut batch = Batch::new();
        for key in keys
            .iter()
            .filter(|key| version == 0 || key[3] % 10 == u8::try_from(version).unwrap())
        {
            batch.put(key, key).unwrap();
        }
        batch
            .put(b"version", if version % 2 == 0 { b"even" } else { b"odd" })
            .unwrap();
        db.commit(&batch).unwrap();
        if version == 4 {
            db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        }
    }
    db
}

/// Changes a byte of the first checkpoint file behind the database's back.
fn flip(stage: &Stage, at: u64) {
    let (checkpoints, mut byte) = (stage.checkpoints(), [0]);
    let name = checkpoints.list().unwrap().remove(0);
    let file = checkpoints.open(&name).unwrap();
    file.read_at(at, &mut byte).unwrap();
    checkpoints.overwrite(&name, at, &[byte[0] ^ 1]).unwrap();
}

/// The name of the file that was written for a checkpoint.
fn file_of(stage: &Stage, pointer: &Pointer) -> String {
    let checkpoints = stage.checkpoints();
    let mut names = checkpoints.list().unwrap().into_iter();
    let has_its_length = |name: &String| {
        let file = checkpoints.open(name).unwrap();
        file.len().unwrap() == pointer.file_bytes()
    };
    names.find(has_its_length).unwrap()
}

/// Changes a byte of the file of a checkpoint behind the database's back.
fn flip_in(stage: &Stage, pointer: &Pointer, at: u64) {
    let (checkpoints, mut byte) = (stage.checkpoints(), [0]);
    let name = file_of(stage, pointer);
    let file = checkpoints.open(&name).unwrap();
    file.read_at(at, &mut byte).unwrap();
    checkpoints.overwrite(&name, at, &[byte[0] ^ 1]).unwrap();
}

/// Changes a byte of the record of `version` behind the database's back.
fn harm_record(stage: &Stage, version: u64) {
    stage.edit_record(version, |record| flip_last(record));
}

fn check(db: &RealityDb) -> crate::IntegrityReport {
    db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()))
        .unwrap()
}

#[test]
fn damage_behind_the_newest_provable_version_is_reported() {
    let stage = Stage::memory();
    drop(filled(&stage));
    harm_record(&stage, 10);
    let db = stage.open(&options().accept_damage(true)).unwrap();
    assert_eq!(db.version().number, 9);
    let Health::Panic(damage) = db.health() else {
        panic!("the tenth version is gone");
    };
    assert_eq!(check(&db).damage, [damage]);
}

#[test]
fn a_sound_database_has_nothing_to_report() {
    let stage = Stage::memory();
    let db = filled(&stage);
    let report = check(&db);
    assert!(report.complete && report.damage.is_empty(), "{report:?}");
    assert_eq!(
        (report.version, report.versions, report.checkpoints),
        (10, 11, 1)
    );
    assert_eq!(report.entries, u64::from(ENTRIES) + 1);
    assert_eq!(report.replayed, 10);
    assert_eq!(db.ways_out().unwrap(), []);
    assert!(matches!(
        db.take_way_out(&WayOut::Rebuild, ""),
        Err(RecoveryError::NotOpen)
    ));
}

#[test]
fn a_damaged_bucket_is_found_and_made_again() {
    let stage = Stage::memory();
    let root = filled(&stage).version();
    flip(&stage, 100);
    let db = stage.open(&options()).unwrap();
    let report = check(&db);
    assert!(
        matches!(report.damage[..], [Damage::Bucket { .. }]),
        "{report:?}"
    );
    let Health::Panic(damage) = db.health() else {
        panic!("not in panic mode");
    };
    assert!(matches!(db.put(b"k", b"v"), Err(CommitError::Panic(found)) if found == damage));
    let last = (ENTRIES - 1).to_be_bytes();
    assert_eq!(db.get(&last).unwrap().as_deref(), Some(&last[..]));

    assert_eq!(db.ways_out().unwrap()[0], WayOut::Rebuild);
    let report = db.take_way_out(&WayOut::Rebuild, "a bad sector").unwrap();
    assert!(report.damage.is_empty(), "{report:?}");
    assert_eq!((db.version(), db.health()), (root, Health::Sound));
    assert!(db.incidents().unwrap()[0].contains("a bad sector"));
    db.put(b"k", b"v").unwrap();
    drop(db);
    assert_eq!(check(&stage.open(&options()).unwrap()).damage, []);
}

#[test]
fn a_damaged_record_behind_the_checkpoint_ends_what_can_be_proved() {
    let stage = Stage::memory();
    let seventh = {
        let db = filled(&stage);
        db.info(7).unwrap().version
    };
    harm_record(&stage, 8);
    let refused = stage.open(&options()).err().unwrap();
    assert!(
        matches!(
            refused,
            OpenError::Damaged(Damage::Root { version: 8, .. } | Damage::Chain { version: 9, .. })
        ),
        "{refused}"
    );
    let db = stage.open(&options().accept_damage(true)).unwrap();
    assert!(matches!(db.health(), Health::Panic(_)));
    assert_eq!(db.version(), seventh);
    assert_eq!(db.get(b"version").unwrap().as_deref(), Some(&b"even"[..]));
    let way = WayOut::GoBack { to: seventh };
    assert_eq!(db.ways_out().unwrap(), std::slice::from_ref(&way));
    let report = db.take_way_out(&way, "agreed with the auditor").unwrap();
    assert_eq!(report.damage, []);
    db.put(b"k", b"v").unwrap();
    assert_eq!(db.version().number, 8);
    drop(db);
    assert_eq!(check(&stage.open(&options()).unwrap()).damage, []);
}

#[test]
fn a_running_database_goes_back_too() {
    let stage = Stage::memory();
    let db = filled(&stage);
    harm_record(&stage, 8);
    assert_ne!(check(&db).damage, []);
    assert_eq!(db.version().number, 10);
    let ways = db.ways_out().unwrap();
    let [way @ WayOut::GoBack { to }] = &ways[..] else {
        panic!("{ways:?}");
    };
    db.take_way_out(way, "agreed with the auditor").unwrap();
    assert_eq!((db.version(), to.number), (*to, 7));
    assert_eq!(db.snapshot().unwrap().version(), *to);
}

#[test]
fn a_damaged_record_before_the_checkpoint_costs_only_history() {
    let stage = Stage::memory();
    let version = filled(&stage).version();
    harm_record(&stage, 2);
    let db = stage.open(&options()).unwrap();
    assert_eq!(db.version(), version);
    assert!(db.at(1).is_err());
    assert!(matches!(db.health(), Health::Panic(_)));
    assert!(db.at(6).is_ok());
    let way = WayOut::ForgetHistory { before: 5 };
    assert_eq!(db.ways_out().unwrap()[0], way);
    let report = db.take_way_out(&way, "restored elsewhere").unwrap();
    assert_eq!(report.damage, []);
    assert_eq!((db.version(), db.oldest().unwrap()), (version, 5));
}

#[test]
fn an_older_copy_of_the_journal_is_known_by_the_mark() {
    let stage = Stage::memory();
    drop(filled(&stage));
    stage.remove_record(10);
    let refused = stage.open(&options()).err().unwrap();
    let lost = Damage::TailLost {
        acknowledged: 10,
        found: Some(9),
    };
    assert!(matches!(refused, OpenError::Damaged(damage) if damage == lost));
}

#[test]
fn a_check_in_the_background_finds_damage_that_nobody_reads() {
    let stage = Stage::memory();
    drop(filled(&stage));
    flip(&stage, 100);
    let options = Options::new().scrub_every(Duration::from_millis(1));
    let db = stage.open(&options).unwrap();
    let found = (0..10_000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        matches!(db.health(), Health::Panic(Damage::Bucket { .. }))
    });
    assert!(found);
}
