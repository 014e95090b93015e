//! The tree keeps to its limit of memory, whatever is committed and read.

use std::ops::ControlFlow;
use std::sync::RwLock;

use super::stages::Stage;
use crate::fault::{Effect, Faults, Then};
use crate::replay::{Roots, replay};
use crate::state::{self, Spilling};
use crate::volume::Volume;
use crate::{Backend, Batch, Damage, Depth, Options, RealityDb, WayOut};

/// A key that lies anywhere.
fn key(place: u64) -> [u8; 32] {
    blake3::derive_key("reality-db test", &place.to_le_bytes())
}

/// The value that `key` gets in a round.
fn value(round: u64) -> Vec<u8> {
    [&round.to_le_bytes()[..], &[7; 92]].concat()
}

/// Commits `count` changes of the keys that `place` says.
fn commit(db: &RealityDb, round: u64, count: u64, place: impl Fn(u64) -> u64) {
    let keys: Vec<_> = (0..count).map(|at| key(place(at))).collect();
    let value = value(round);
    let mut batch = Batch::with_capacity(keys.len());
    for key in &keys {
        batch.put(key, &value).unwrap();
    }
    db.commit(&batch).unwrap();
}

fn bytes(db: &RealityDb) -> u64 {
    state::read(&db.shared.head).unwrap().bytes()
}

/// Where the buckets lie that were let go since the last checkpoint: the numbers of the files.
fn spills(db: &RealityDb) -> Vec<u64> {
    let head = state::read(&db.shared.head).unwrap();
    let spills = head.places().spills().iter();
    spills.filter_map(|spill| spill.number()).collect()
}

/// The one of them that is written.
fn spill(db: &RealityDb) -> Option<u64> {
    spills(db).pop()
}

fn checkpoint(db: &RealityDb) {
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
}

/// A thousand changes may bring in a bucket of some twenty entries each.
const COMMIT_BYTES: u64 = 1_000 * 24 * 320;

#[test]
fn the_limit_holds_beside_checkpoints() {
    const LIMIT: u64 = 20 << 20;
    let options = Options::new().backend(Backend::Memory).cache_bytes(LIMIT);
    let db = RealityDb::open("", &options).unwrap();
    // All of it would take some 46 MB.
    const KEYS: u64 = 150_000;
    let mut most = 0;
    for round in 0..400 {
        // First all keys, then some of them, anywhere.
        commit(&db, round, 1_000, |at| match round * 1_000 + at {
            place if place < KEYS => place,
            place => place.wrapping_mul(7_919) % KEYS,
        });
        most = most.max(bytes(&db));
        for place in 0..20 {
            db.get(&key(place * 7_001 % KEYS.min((round + 1) * 1_000)))
                .unwrap();
        }
    }
    assert!(most < LIMIT + COMMIT_BYTES, "{most} bytes");
    assert!(db.counters().checkpoints > 0);
}

#[test]
fn the_limit_holds_between_checkpoints() {
    const LIMIT: u64 = 2 << 20;
    const KEYS: u64 = 30_000;
    let stage = Stage::memory();
    let options = Options::new().cache_bytes(LIMIT).background(false);
    let db = stage.open(&options).unwrap();
    let part = |round: u64| commit(&db, round, 1_000, |at| at * 30 + round % 30);
    for round in 0..60 {
        part(round);
        assert!(bytes(&db) <= LIMIT, "{} bytes", bytes(&db));
    }
    let before = db.snapshot().unwrap();
    let spilled = spills(&db);
    assert!(spilled.len() >= 10, "{spilled:?}");
    // Of so many rounds each key has the value of the last that was its.
    let whole = |rounds: u64, get: &dyn Fn(&[u8]) -> Option<Vec<u8>>| {
        for place in (0..KEYS).step_by(7) {
            let round = (0..rounds).rfind(|round| place % 30 == round % 30);
            assert_eq!(get(&key(place)), round.map(value), "{place}");
        }
    };
    whole(60, &|key| db.get(key).unwrap());

    let files_of_checkpoint = || {
        checkpoint(&db);
        let pointer = *db.shared.pointers().last().unwrap();
        db.shared.files.lock().unwrap()[&pointer.file].clone()
    };
    let files = files_of_checkpoint();
    let there = stage.checkpoints().list().unwrap().len();
    assert_eq!(there, files.len(), "what was written over is gone");
    let live_bytes = db.shared.pointers().last().unwrap().live_bytes;
    let file_bytes: u64 = files.values().sum();
    assert!(
        file_bytes < 3 * live_bytes,
        "{file_bytes} bytes for {live_bytes}"
    );
    part(60);
    let spilled = spill(&db).unwrap();
    let files = files_of_checkpoint();
    assert!(files.contains_key(&spilled), "it is all of use: {files:?}");

    whole(61, &|key| db.get(key).unwrap());
    whole(60, &|key| before.get(key).unwrap());
    let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()));
    assert_eq!(report.unwrap().damage, []);
    drop((db, before));
    let db = stage.open(&options).unwrap();
    assert_eq!(db.open_report().replayed_bytes, 0);
    whole(61, &|key| db.get(key).unwrap());
}

#[test]
fn what_is_as_it_was_before_the_last_checkpoint_is_found_after_the_next() {
    let options = Options::new().backend(Backend::Memory).cache_bytes(0);
    let db = RealityDb::open("", &options.background(false)).unwrap();
    commit(&db, 1, 12, |at| at);
    checkpoint(&db);
    // The one subtree becomes several, which this checkpoint has.
    commit(&db, 2, 25, |at| 100 + at);
    let mut calls = 0;
    let written = db.checkpoint(|_| {
        if !state::read(&db.shared.head).unwrap().is_held() {
            return ControlFlow::Continue(());
        }
        if calls == 0 {
            let keys: Vec<_> = (100..125).map(key).collect();
            let mut batch = Batch::new();
            for key in &keys {
                batch.delete(key).unwrap();
            }
            db.commit(&batch).unwrap();
        }
        calls += 1;
        // It is let go under its old name, which the checkpoint being written does not have.
        commit(&db, 1, 1, |_| 3);
        ControlFlow::Continue(())
    });
    written.unwrap();
    assert!(calls > 1);
    for place in 0..12 {
        assert_eq!(db.get(&key(place)).unwrap(), Some(value(1)));
    }
    checkpoint(&db);
    assert_eq!(db.get(&key(3)).unwrap(), Some(value(1)));
}

#[test]
fn nothing_is_written_while_a_version_is_held_that_can_be_before() {
    let options = Options::new().backend(Backend::Memory).cache_bytes(0);
    let db = RealityDb::open("", &options.background(false)).unwrap();
    commit(&db, 1, 3_000, |at| at);
    checkpoint(&db);
    // Most subtrees as a whole: of the file in which they lie, little is of use then.
    let places: Vec<u64> = (0..3_000).filter(|place| key(*place)[0] < 160).collect();
    let place = |at: u64| places[usize::try_from(at).unwrap()];
    commit(&db, 2, places.len() as u64, place);
    let mut calls = 0;
    let written = db.checkpoint(|_| {
        if calls == 0 {
            commit(&db, 3, 100, place); // let go to where the rest is moved
        }
        calls += 1;
        ControlFlow::Continue(())
    });
    written.unwrap();
    let pointer = *db.shared.pointers().last().unwrap();
    const HEADER_BYTES: u64 = 16;
    assert_eq!(pointer.catalogue_at, HEADER_BYTES);
    for (at, place) in places.iter().enumerate() {
        let round = if at < 100 { 3 } else { 2 };
        assert_eq!(db.get(&key(*place)).unwrap(), Some(value(round)));
    }
}

#[test]
fn the_limit_holds_after_a_way_out_of_panic_mode() {
    const LIMIT: u64 = 1 << 20;
    let options = Options::new().cache_bytes(LIMIT).background(false);
    let db = Stage::memory().open(&options).unwrap();
    commit(&db, 0, 10_000, |at| at);
    db.shared.panic(&Damage::Mark);
    db.take_way_out(&WayOut::Rebuild, "it was none").unwrap();
    for round in 1..10 {
        commit(&db, round, 1_000, |at| at * 10 + round);
        assert!(bytes(&db) <= LIMIT, "{} bytes", bytes(&db));
    }
}

/// Each version is made by itself, and most buckets change in each: there is no checkpoint to give room back.
#[test]
fn what_is_let_go_stays_bounded_while_many_versions_are_made_again() {
    const KEYS: u64 = 24_000;
    const ROUNDS: u64 = 150;
    let options = Options::new().backend(Backend::Memory).background(false);
    let db = RealityDb::open("", &options.cache_bytes(1 << 20)).unwrap();
    (0..ROUNDS).for_each(|round| {
        commit(&db, round, 1_000, |at| at * 24 + round % 24);
    });
    let journal = db.journal();
    let begin = || db.shared.begin(&journal, None);
    let replayed = replay(&journal, &begin, u64::MAX, Roots::Every).unwrap();
    let state = replayed.sound().unwrap();
    let spilled = state.places().spilled_bytes();
    assert!(spilled < 200 << 20, "{spilled} bytes");
    assert!(spills(&db).len() < 26, "{} files", spills(&db).len());
    let state = RwLock::new(state);
    for place in (0..KEYS).step_by(7) {
        let round = (0..ROUNDS).rfind(|round| place % 24 == round % 24);
        let found = state::get(&state, &key(place)).unwrap();
        assert_eq!(found, round.map(value), "{place}");
    }
}

/// A checkpoint refers to nothing that is not durable, however late it was let go.
#[test]
fn what_was_let_go_at_the_last_moment_is_durable_with_the_checkpoint() {
    let stage = Stage::memory();
    let options = Options::new().cache_bytes(0).background(false);
    let db = stage.open(&options).unwrap();
    commit(&db, 1, 3_000, |at| at);
    let mut round = 1;
    let written = db.checkpoint(|_| {
        if !state::read(&db.shared.head).unwrap().is_held() {
            round += 1;
            commit(&db, round, 3_000, |at| at);
        }
        ControlFlow::Continue(())
    });
    let version = written.unwrap();
    assert!(round > 2, "{round}");
    drop(db);
    stage.checkpoints().lose_power(0);
    let db = stage.open(&options).unwrap();
    assert_eq!(db.open_report().passed_over, []);
    assert_eq!(db.open_report().checkpoint, version.number);
    assert_eq!(db.get(&key(7)).unwrap(), Some(value(round)));
}

#[test]
fn what_a_process_let_go_is_removed_by_the_next() {
    let stage = Stage::memory();
    let checkpoints = stage.checkpoints();
    let options = Options::new().cache_bytes(0).background(false);
    let mut before = 0;
    for round in 0..4 {
        let db = stage.open(&options).unwrap();
        let files = checkpoints.list().unwrap().len();
        assert!(files <= before, "{files} files, {before} of checkpoints");
        commit(&db, round, 500, |at| at);
        if round == 1 {
            checkpoint(&db);
            before = checkpoints.list().unwrap().len();
            commit(&db, 10, 500, |at| at);
        }
        assert!(spill(&db).is_some());
        // Dropped as a process ends: nothing is written for it.
    }
    let db = stage.open(&options).unwrap();
    assert_eq!(db.get(&key(7)).unwrap(), Some(value(3)));
    assert_eq!(checkpoints.list().unwrap().len(), before);
}

/// What a process with plenty of memory leaves to replay does not fit the next one's.
#[test]
fn the_limit_holds_while_versions_are_made_again() {
    const LIMIT: u64 = 2 << 20;
    const ROUNDS: u64 = 12;
    let stage = Stage::memory();
    let generous = Options::new().background(false);
    let db = stage.open(&generous).unwrap();
    let round = |db: &RealityDb, round: u64| commit(db, round, 5_000, |at| at * 6 + round % 6);
    (0..6).for_each(|number| round(&db, number));
    checkpoint(&db);
    (6..ROUNDS).for_each(|number| round(&db, number));
    drop(db);
    let db = stage.open(&generous.cache_bytes(LIMIT)).unwrap();
    assert!(db.open_report().replayed_bytes > LIMIT);
    assert!(bytes(&db) <= LIMIT, "{} bytes", bytes(&db));
    let files = stage.checkpoints().list().unwrap();
    assert_eq!(files.len(), 1, "what was let go has no name: {files:?}");

    let old = db.at(ROUNDS - 2).unwrap();
    assert!(old.bytes() <= LIMIT, "{} bytes", old.bytes());
    let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()));
    assert_eq!(report.unwrap().damage, []);
    assert_eq!(
        stage.checkpoints().list().unwrap(),
        files,
        "nothing is left of old versions"
    );
    for place in (0..30_000).step_by(101) {
        let last = 6 + place % 6;
        assert_eq!(db.get(&key(place)).unwrap(), Some(value(last)));
        let before = if last < ROUNDS - 2 { last } else { last - 6 };
        assert_eq!(old.get(&key(place)).unwrap(), Some(value(before)));
    }
}

#[test]
fn what_cannot_be_written_stays_in_memory() {
    let stage = Stage::memory();
    let options = Options::new().cache_bytes(0).background(false);
    for nth in 0..4 {
        let db = stage.open(&options).unwrap();
        let faults = Faults::at(nth, Effect::Half, Then::GoOn);
        {
            let mut head = state::write(&db.shared.head).unwrap();
            head.spill_to(Spilling {
                volume: std::sync::Arc::new(faults.volume(stage.checkpoints().clone())),
                numbers: db.shared.numbers.clone(),
                counting: db.shared.counting.clone(),
            });
        }
        for round in 0..4 {
            commit(&db, round, 500, |at| at * 3 + round);
        }
        assert!(faults.fired());
        assert_eq!(db.counters().failed_spills, 1);
        for place in 0..1_500 {
            let round = if place % 3 == 0 && place >= 3 {
                3
            } else {
                place % 3
            };
            assert_eq!(db.get(&key(place)).unwrap(), Some(value(round)), "{place}");
        }
        checkpoint(&db);
        let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()));
        assert_eq!(report.unwrap().damage, []);
    }
}
