//! Ways out of panic mode, with every change of the store failing in turn: a way out removes what it gives
//! up, and must remove nothing else.

use std::error::Error;
use std::ops::ControlFlow;

use super::{Effect, Faults, Health, Model, RealityDb, Step, Store, Then, options, root, run};
use crate::engine::{Engine, EngineBatch};
use crate::journal::chunk_key;
use crate::tests::stages::flip_last;
use crate::volume::Volume;
use crate::{Depth, WayOut};

/// Versions with checkpoints between, and some behind; those before the fifth may be given up.
const FILLED: &[Step] = &[
    Step::Commit(60),
    Step::Checkpoint,
    Step::CommitAll(&[9, 0, 8]),
    Step::Name("kept"),
    Step::Commit(12),
    Step::Checkpoint,
    Step::Name("late"),
    Step::CommitAll(&[9, 5, 3]),
];

/// Damage, and the version that is left as the newest.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Bucket,
    Mark,
    OldRecord,
    LateRecord,
}

impl Harm {
    fn newest(self) -> u64 {
        match self {
            Self::LateRecord => 6,
            _ => 8,
        }
    }

    fn is_its_way(self, way: &WayOut) -> bool {
        match self {
            Self::Bucket | Self::Mark => *way == WayOut::Rebuild,
            Self::OldRecord => *way == WayOut::ForgetHistory { before: 5 },
            Self::LateRecord => matches!(way, WayOut::GoBack { to } if to.number == 6),
        }
    }
}

fn harmed(harm: Harm) -> (Store, Model) {
    let (store, mut model) = (Store::default(), Model::new());
    assert_eq!(run(&store, &Faults::none(), &mut model, FILLED), 0);
    let edit_record = |version: u64| {
        let engine = store.storage(&Faults::none()).unwrap().engine;
        let key = chunk_key(version, 0).to_vec();
        let mut record = engine.get(&key).unwrap().unwrap();
        flip_last(&mut record);
        let changes = vec![(key, Some(record))];
        engine.write(EngineBatch { changes }).unwrap();
        engine.sync().unwrap();
    };
    match harm {
        Harm::Bucket => {
            // Where the newest checkpoint has its entries.
            let name = store.checkpoints.list().unwrap().remove(2);
            let file = store.checkpoints.open(&name).unwrap();
            let mut edit = store.checkpoints.edit(&name).unwrap();
            for at in (60..file.len().unwrap()).step_by(500) {
                let mut byte = [0];
                file.read_at(at, &mut byte).unwrap();
                edit.write_at(at, &[byte[0] ^ 1]).unwrap();
            }
            edit.sync().unwrap();
        }
        Harm::Mark => {
            store.folder.remove("HEAD").unwrap();
            store.folder.sync().unwrap();
        }
        Harm::OldRecord => edit_record(3),
        Harm::LateRecord => edit_record(7),
    }
    (store, model)
}

fn open(store: &Store, faults: &Faults) -> Result<RealityDb, Box<dyn Error>> {
    Ok(store.open_with(faults, &options().accept_damage(true))?)
}

/// Takes the way out that costs least, if one is needed.
fn take(db: &RealityDb, harm: Harm) -> Result<(), Box<dyn Error>> {
    let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()))?;
    if report.damage.is_empty() {
        return Ok(());
    }
    let way = db.ways_out()?.remove(0);
    // Where the mark is made again already, what it marks is the newest.
    assert!(
        harm.is_its_way(&way) || way == WayOut::Rebuild,
        "{way:?} {report:?}"
    );
    let report = db.take_way_out(&way, "the test")?;
    assert_eq!(report.damage, []);
    Ok(())
}

fn check(store: &Store, model: &Model, harm: Harm) {
    let db = store.open(&Faults::none()).unwrap();
    let content = &model.versions[&harm.newest()];
    assert_eq!(db.version().number, harm.newest());
    assert_eq!(db.version().root, root(content));
    for (key, value) in content {
        assert_eq!(db.get(key).unwrap().as_ref(), Some(value));
    }
    let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()));
    assert_eq!(report.unwrap().damage, []);
    assert_eq!(db.health(), Health::Sound);
    assert!(!db.incidents().unwrap().is_empty());
    let late = db.named_snapshots().unwrap();
    assert!(late.iter().any(|named| named.name == "late"), "{late:?}");
    let oldest = match harm {
        Harm::OldRecord => 5,
        _ => 4,
    };
    for version in oldest..=harm.newest() {
        assert_eq!(
            db.at(version).unwrap().version().root,
            root(&model.versions[&version])
        );
    }
    db.put(b"key", b"value").unwrap();
    drop(db);
    let db = store.open(&Faults::none()).unwrap();
    assert_eq!(db.version().number, harm.newest() + 1);
}

fn for_each_fault(harm: Harm, then: Then) {
    for nth in 0.. {
        let mut fired = false;
        for effect in [Effect::None, Effect::Half, Effect::Full] {
            println!("{harm:?}: fault {nth}, {effect:?}, then {then:?}");
            let (store, model) = harmed(harm);
            let faults = Faults::at(nth, effect, then);
            let mut told = open(&store, &faults).and_then(|db| {
                let told = take(&db, harm);
                if let (Err(error), Then::GoOn) = (&told, then) {
                    println!("{error}: {:?}", std::error::Error::source(&**error));
                    take(&db, harm).unwrap();
                    return Ok(());
                }
                told
            });
            fired |= faults.fired();
            if told.is_err() {
                assert!(faults.fired(), "{told:?}");
                store.lose_power(nth);
                let db = open(&store, &Faults::none()).unwrap();
                told = take(&db, harm);
            }
            told.unwrap();
            store.lose_power(nth + 1);
            check(&store, &model, harm);
        }
        if !fired {
            assert!(nth > 8, "{nth} changes");
            break;
        }
    }
}

#[test]
fn an_end_of_the_process_leaves_the_way_out_open_or_taken() {
    for harm in [Harm::Bucket, Harm::Mark, Harm::OldRecord, Harm::LateRecord] {
        for_each_fault(harm, Then::Stop);
    }
}

#[test]
fn a_handle_takes_the_way_out_after_a_passing_fault() {
    for harm in [Harm::Bucket, Harm::Mark, Harm::OldRecord, Harm::LateRecord] {
        for_each_fault(harm, Then::GoOn);
    }
}
