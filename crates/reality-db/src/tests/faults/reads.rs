//! Reads that fail, each in turn: an error of the storage is none of the data.

use std::ops::ControlFlow;

use super::{Faults, Health, Model, OpenError, RealityDb, Step, Store, run};
use crate::{Damage, Depth, ReadError};

/// Versions with checkpoints between, and some behind.
const FILLED: &[Step] = &[
    Step::Commit(60),
    Step::Checkpoint,
    Step::CommitAll(&[9, 0, 8]),
    Step::Name("kept"),
    Step::Checkpoint,
    Step::Commit(9),
    Step::Checkpoint,
    Step::CommitAll(&[5, 3]),
];

fn filled() -> (Store, Model) {
    let (store, mut model) = (Store::default(), Model::new());
    assert_eq!(run(&store, &Faults::none(), &mut model, FILLED), 0);
    (store, model)
}

/// Opens, and after a fault that passed opens again.
fn opened(store: &Store, faults: &Faults) -> RealityDb {
    match store.open(faults) {
        Ok(db) => db,
        Err(OpenError::Storage(_)) if faults.fired() => store.open(faults).unwrap(),
        Err(error) => panic!("{error:?}"),
    }
}

/// Whether it worked; it did, or the storage failed.
fn told<T>(outcome: Result<T, ReadError>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(ReadError::Storage(_)) => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// How many reads of everything that is there failed.
fn read_all(db: &RealityDb, model: &Model) -> usize {
    let mut failures = 0;
    let mut count = |works: bool| failures += usize::from(!works);
    for key in model.newest().1.keys() {
        count(told(db.get(key)));
    }
    count(told(db.named_snapshots()));
    let oldest = db.oldest();
    let first = *oldest.as_ref().unwrap_or(&model.newest().0);
    count(told(oldest));
    for version in first..=model.newest().0 {
        count(told(db.info(version)));
        count(told(
            db.at(version).and_then(|snapshot| snapshot.get(b"key")),
        ));
    }
    for depth in [Depth::Stored, Depth::Roots] {
        let report = db.verify_integrity(depth, |_| ControlFlow::Continue(()));
        if let Ok(report) = &report {
            assert!(report.complete, "{report:?}");
            assert_eq!(report.damage, Vec::<Damage>::new());
        }
        count(told(report));
    }
    failures
}

#[test]
fn a_read_that_fails_while_opening_is_no_damage() {
    let (store, mut model) = filled();
    let counted = Faults::none();
    drop(store.open(&counted).unwrap());
    assert!(counted.reads() > 20, "{} reads", counted.reads());
    for nth in 0..counted.reads() {
        println!("read {nth} fails");
        let faults = Faults::at_read(nth);
        let db = opened(&store, &faults);
        assert!(faults.fired());
        model.check(&db);
    }
}

#[test]
fn a_read_that_fails_is_told_and_the_next_works() {
    let (store, mut model) = filled();
    let counted = Faults::none();
    drop(store.open(&counted).unwrap());
    let (mut faults_told, mut all) = (0, 0);
    for nth in counted.reads().. {
        println!("read {nth} fails");
        let faults = Faults::at_read(nth);
        let db = store.open(&faults).unwrap();
        let failures = read_all(&db, &model);
        assert_eq!(db.health(), Health::Sound);
        if !faults.fired() {
            assert_eq!(failures, 0);
            assert!(nth > 100 + counted.reads(), "{nth} reads");
            break;
        }
        // Not told where something is read twice: of a run of buckets that cannot be read, each is
        // read again by itself.
        assert!(failures <= 1, "{failures} failures after one fault");
        faults_told += failures;
        all += 1;
        assert_eq!(read_all(&db, &model), 0);
        model.check(&db);
    }
    assert!(4 * faults_told > 3 * all, "{faults_told} of {all} told");
}
