//! Faults at every change of a store: the nth fails, everything is checked, n + 1, until a run
//! completes.

mod reads;
mod ways_out;

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use merkle_core::{Batch, Hash, Map};

use crate::engine::memory::MemoryEngine;
use crate::engine::wal::{WalEngine, WalOptions};
use crate::fault::{Effect, Faults, Then};
use crate::format;
use crate::storage::{Reopen, Storage};
use crate::volume::Volume;
use crate::volume::memory::MemoryVolume;
use crate::{
    CommitError, CommitOptions, Health, OpenError, Options, Profile, RealityDb, Retention,
    RollbackError,
};

type Content = BTreeMap<Vec<u8>, Vec<u8>>;
type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Versions that stay readable.
const RETAINED: u64 = 4;

/// Bytes of the log's files: a few commits, so that it turns now and then.
const LOG_BYTES: u64 = 3_000;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A commit of so many changes.
    Commit(usize),
    /// Commits that share a sync.
    CommitAll(&'static [usize]),
    Checkpoint,
    Name(&'static str),
    Forget(&'static str),
    /// Back to the content of so many versions before.
    Rollback(u64),
    Reopen,
}

/// Something of everything.
const WORKLOAD: &[Step] = &[
    Step::Commit(40),
    Step::CommitAll(&[3, 0, 5]),
    Step::Checkpoint,
    Step::Name("kept"),
    Step::Commit(9),
    Step::Checkpoint,
    Step::Rollback(2),
    Step::Reopen,
    Step::Commit(12),
    Step::Checkpoint,
    Step::Forget("kept"),
    Step::CommitAll(&[1, 1]),
    Step::Checkpoint,
    Step::Name("late"),
    Step::Commit(30),
    Step::Checkpoint,
    Step::Reopen,
    Step::Commit(2),
];

/// Each checkpoint is asked for twice: where the first failed, the second is of the same version.
const CHECKPOINTS: &[Step] = &[
    Step::Commit(20),
    Step::Checkpoint,
    Step::Checkpoint,
    Step::Commit(7),
    Step::Checkpoint,
    Step::Checkpoint,
    Step::CommitAll(&[3, 2]),
    Step::Checkpoint,
    Step::Checkpoint,
    Step::CommitAll(&[1, 4, 1, 2, 1]),
    Step::Checkpoint,
    Step::Checkpoint,
    Step::CommitAll(&[1, 4, 1, 2, 1]),
    Step::Checkpoint,
    Step::Checkpoint,
];

/// What is done after a crash.
const RECOVERY: &[Step] = &[
    Step::Commit(3),
    Step::Checkpoint,
    Step::Rollback(1),
    Step::Reopen,
    Step::Commit(1),
];

/// A store in memory, while nobody has it open.
#[derive(Default)]
struct Store {
    engine: MemoryEngine,
    log: MemoryVolume,
    folder: MemoryVolume,
    checkpoints: MemoryVolume,
}

impl Store {
    fn open(&self, faults: &Faults) -> Result<RealityDb, OpenError> {
        self.open_with(faults, &options())
    }

    fn open_with(&self, faults: &Faults, options: &Options) -> Result<RealityDb, OpenError> {
        RealityDb::start(self.storage(faults)?, format::read(&self.folder)?, options)
    }

    fn storage(&self, faults: &Faults) -> Result<Storage, OpenError> {
        let (engine, faulty) = (self.engine.clone(), faults.clone());
        let log: Arc<dyn Volume> = Arc::new(faults.volume(self.log.clone()));
        let options = WalOptions {
            file_bytes: LOG_BYTES,
            thread: false,
        };
        let open = move || {
            let engine = Box::new(faulty.engine(engine.clone()));
            Ok(Box::new(WalEngine::open(log.clone(), engine, options)?) as _)
        };
        Ok(Storage {
            engine: Arc::new(Reopen::new(Box::new(open))?),
            folder: Arc::new(faults.volume(self.folder.clone())),
            checkpoints: Arc::new(faults.volume(self.checkpoints.clone())),
            _lock: None,
        })
    }

    fn lose_power(&self, seed: u64) {
        let unsynced = self.engine.unsynced() as u64;
        let kept = usize::try_from(seed % (unsynced + 1)).unwrap();
        self.engine.lose_power(kept);
        self.log.lose_power(seed);
        self.folder.lose_power(seed);
        self.checkpoints.lose_power(seed);
    }
}

fn options() -> Options {
    Options::new()
        .profile(Profile::Blake3)
        .retention(Retention::Last(RETAINED))
        .cache_bytes(0)
        .background(false)
}

/// What the store must hold.
#[derive(Clone)]
struct Model {
    /// Every acknowledged version with its content.
    versions: BTreeMap<u64, Content>,
    /// Versions, all or none of them, that may be there behind those.
    in_flight: Vec<Content>,
    /// Names that are there.
    names: BTreeMap<&'static str, u64>,
    /// Names that may be there or not.
    perhaps: Vec<&'static str>,
    steps: u64,
}

impl Model {
    fn new() -> Self {
        Self {
            versions: BTreeMap::from([(0, Content::new())]),
            in_flight: Vec::new(),
            names: BTreeMap::new(),
            perhaps: Vec::new(),
            steps: 0,
        }
    }

    fn newest(&self) -> (u64, &Content) {
        let (number, content) = self.versions.last_key_value().unwrap();
        (*number, content)
    }

    fn push(&mut self, content: Content) {
        self.versions.insert(self.newest().0 + 1, content);
    }

    /// Takes what was in flight for committed if `newest` is beyond what was acknowledged.
    fn settle(&mut self, newest: u64) {
        if newest > self.newest().0 {
            for content in std::mem::take(&mut self.in_flight) {
                self.push(content);
            }
        }
        assert_eq!(
            newest,
            self.newest().0,
            "neither acknowledged nor in flight"
        );
    }

    /// The contents after commits of so many changes each.
    fn next(&self, sizes: &[usize]) -> (Vec<Changes>, Vec<Content>) {
        let mut content = self.newest().1.clone();
        let changes: Vec<Changes> = (0u64..)
            .zip(sizes)
            .map(|(at, size)| changes(self.steps * 100 + at, *size))
            .collect();
        let contents = changes.iter().map(|changes| {
            for (key, value) in changes {
                match value {
                    Some(value) => content.insert(key.clone(), value.clone()),
                    None => content.remove(key),
                };
            }
            content.clone()
        });
        let contents = contents.collect();
        (changes, contents)
    }

    fn step(&mut self, store: &Store, faults: &Faults, db: &mut RealityDb, step: Step) -> Told {
        self.steps += 1;
        self.settle(db.version().number);
        match step {
            Step::Commit(size) => self.commit(db, &[size]),
            Step::CommitAll(sizes) => self.commit(db, sizes),
            Step::Checkpoint => {
                db.checkpoint(|_| ControlFlow::Continue(()))?;
                Ok(())
            }
            Step::Name(name) => {
                self.perhaps.push(name);
                let number = self.newest().0;
                db.name_snapshot(name, number)?;
                self.names.insert(name, number);
                Ok(())
            }
            Step::Forget(name) => {
                self.names.remove(name);
                db.forget_snapshot(name)?;
                self.perhaps.retain(|perhaps| *perhaps != name);
                Ok(())
            }
            Step::Rollback(back) => self.rollback(db, back),
            Step::Reopen => {
                *db = nothing();
                let told = match store.open(faults) {
                    Err(error) if !faults.stopped() => {
                        *db = store.open(faults)?;
                        Err(error.into())
                    }
                    opened => {
                        *db = opened?;
                        Ok(())
                    }
                };
                self.settle(db.version().number);
                told
            }
        }
    }

    fn commit(&mut self, db: &RealityDb, sizes: &[usize]) -> Told {
        let (changes, contents) = self.next(sizes);
        let batches: Vec<_> = changes.iter().map(batch).collect();
        let commits: Vec<_> = (batches.iter())
            .map(|batch| (batch, CommitOptions::new()))
            .collect();
        match db.commit_all(&commits) {
            Ok(versions) => {
                let before = versions[0].number - 1;
                if before > self.newest().0 {
                    // What was in flight has come in, and this stands on it.
                    self.settle(before);
                    let (_, contents) = self.next(sizes);
                    contents.into_iter().for_each(|content| self.push(content));
                } else {
                    self.in_flight.clear();
                    contents.into_iter().for_each(|content| self.push(content));
                }
                for version in versions {
                    assert_eq!(version.root, root(&self.versions[&version.number]));
                }
                Ok(())
            }
            Err(error) => self.failed(db, error, contents),
        }
    }

    fn rollback(&mut self, db: &RealityDb, back: u64) -> Told {
        let content = self.versions[&(self.newest().0 - back)].clone();
        match db.rollback(self.newest().0 - back, &CommitOptions::new()) {
            Ok(version) => {
                self.in_flight.clear();
                self.push(content);
                assert_eq!(version.number, self.newest().0);
                Ok(())
            }
            Err(RollbackError::Commit(error)) => self.failed(db, error, vec![content]),
            Err(error) => Err(error.into()),
        }
    }

    /// After a commit that failed: it is not in, or not known to be.
    fn failed(&mut self, db: &RealityDb, error: CommitError, contents: Vec<Content>) -> Told {
        self.settle(db.version().number);
        if matches!(error, CommitError::Unknown(_)) {
            self.in_flight = contents;
        }
        Err(error.into())
    }

    /// Reads everything.
    fn check(&mut self, db: &RealityDb) {
        assert_eq!(db.health(), Health::Sound);
        assert_eq!(db.open_report().passed_over, []);
        self.settle(db.version().number);
        let named = db.named_snapshots().unwrap();
        for (name, number) in &self.names {
            let found = named.iter().find(|named| named.name == *name);
            assert_eq!(found.unwrap().version.number, *number);
        }
        for named in &named {
            assert!(self.perhaps.contains(&&*named.name));
        }
        let (newest, _) = self.newest();
        let oldest = db.oldest().unwrap();
        let must_stay = (newest + 1).saturating_sub(RETAINED);
        let must_stay = self.names.values().copied().fold(must_stay, u64::min);
        assert!(oldest <= must_stay, "{oldest} is above {must_stay}");
        for (number, content) in self.versions.range(oldest..) {
            let snapshot = db.at(*number).unwrap();
            assert_eq!(snapshot.version().root, root(content));
            let found: Content = snapshot.iter().unwrap().map(Result::unwrap).collect();
            assert_eq!(&found, content);
            let info = db.info(*number).unwrap();
            assert_eq!(info.version, snapshot.version());
        }
    }
}

/// What a caller is told.
type Told = Result<(), Box<dyn Error>>;

/// Goes through `steps` until the process stops; how many of them failed.
fn run(store: &Store, faults: &Faults, model: &mut Model, steps: &[Step]) -> usize {
    let mut failures = 0;
    let mut db = match store.open(faults) {
        Ok(db) => db,
        Err(_) if faults.stopped() => return 1,
        Err(error) => {
            failures += 1;
            assert!(faults.fired(), "{error}");
            store.open(faults).unwrap()
        }
    };
    model.settle(db.version().number);
    for step in steps {
        let told = model.step(store, faults, &mut db, *step);
        if faults.stopped() {
            return 1;
        }
        let Err(error) = told else { continue };
        assert!(faults.fired(), "{step:?}: {error}");
        // What was in flight came in before this was to be committed: the caller looks again.
        if !error.to_string().starts_with("the root is") {
            failures += 1;
        }
        let (number, content) = model.newest();
        assert_eq!(db.version().number, number);
        for (key, value) in content {
            assert_eq!(db.get(key).unwrap().as_ref(), Some(value));
        }
    }
    // Making old versions writes, too: where a fault is the last, somebody else looks.
    if !faults.is_last() {
        model.check(&db);
    }
    failures
}

/// A handle to put in the place of one that is closed before the next is opened.
fn nothing() -> RealityDb {
    let options = Options::new().backend(crate::Backend::Memory);
    RealityDb::open("nowhere", &options.background(false)).unwrap()
}

fn changes(salt: u64, size: usize) -> Changes {
    let mut dice = salt;
    let mut below = |sides: u64| {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u8::try_from((dice >> 33) % sides).unwrap()
    };
    (0..size)
        .map(|_| {
            let key = vec![below(3), below(9)];
            let value = match below(9) {
                0 | 1 => None,
                2 => Some(vec![below(200); 5000]), // more than one entry of the engine
                _ => Some(vec![below(200), below(200)]),
            };
            (key, value)
        })
        .collect()
}

fn batch(changes: &Changes) -> Batch<'_> {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key, value).unwrap(),
            None => batch.delete(key).unwrap(),
        };
    }
    batch
}

fn root(content: &Content) -> Hash {
    let mut batch = Batch::new();
    for (key, value) in content {
        batch.put(key, value).unwrap();
    }
    let mut map = Map::with_hasher(Profile::Blake3);
    map.update(&batch);
    map.root()
}

const EFFECTS: [Effect; 3] = [Effect::None, Effect::Half, Effect::Full];

/// Runs with a fault at the nth change until one completes; with more seeds, by a factor, if
/// `REALITY_DB_SEEDS` says so.
fn for_each_fault(then: Then, seeds: u64, mut check: impl FnMut(&Store, &Faults, u64)) {
    let times = std::env::var("REALITY_DB_SEEDS").map_or(1, |times| times.parse().unwrap());
    let mut faults = 0;
    for nth in 0.. {
        let mut fired = false;
        for effect in EFFECTS {
            for seed in 0..seeds * times {
                println!("fault {nth}, {effect:?}, then {then:?}, seed {seed}");
                let fault = Faults::at(nth, effect, then);
                check(&Store::default(), &fault, seed);
                fired |= fault.fired();
            }
        }
        if !fired {
            break;
        }
        faults += 1;
    }
    assert!(faults > 50, "{faults} changes");
    println!("{faults} changes, each failed");
}

#[test]
fn no_loss_of_power_loses_an_acknowledged_commit() {
    for_each_fault(Then::Stop, 5, |store, faults, seed| {
        let mut model = Model::new();
        run(store, faults, &mut model, WORKLOAD);
        store.lose_power(seed);
        let db = store.open(&Faults::none()).unwrap();
        model.check(&db);
        drop(db);
        assert_eq!(run(store, &Faults::none(), &mut model, RECOVERY), 0);
    });
}

#[test]
fn no_end_of_the_process_loses_an_acknowledged_commit() {
    for_each_fault(Then::Stop, 1, |store, faults, _| {
        let mut model = Model::new();
        run(store, faults, &mut model, WORKLOAD);
        let db = store.open(&Faults::none()).unwrap();
        model.check(&db);
        drop(db);
        assert_eq!(run(store, &Faults::none(), &mut model, RECOVERY), 0);
    });
}

#[test]
fn a_handle_goes_on_after_a_passing_fault() {
    for_each_fault(Then::GoOn, 3, |store, faults, seed| {
        let mut model = Model::new();
        let failures = run(store, faults, &mut model, WORKLOAD);
        assert!(failures <= 1, "{failures} failures after one fault");
        store.lose_power(seed);
        model.check(&store.open(&Faults::none()).unwrap());
    });
}

#[test]
fn a_checkpoint_that_is_tried_again_is_one() {
    for_each_fault(Then::GoOn, 1, |store, faults, _| {
        let mut model = Model::new();
        run(store, faults, &mut model, CHECKPOINTS);
        model.check(&store.open(&Faults::none()).unwrap());
    });
}

#[test]
fn a_fault_during_recovery_loses_nothing_either() {
    for_each_fault(Then::Stop, 1, |store, first, _| {
        run(store, first, &mut Model::new(), WORKLOAD);
        for nth in 0.. {
            let store = Store::default();
            let mut model = Model::new();
            let again = first.again();
            run(&store, &again, &mut model, WORKLOAD);
            println!("then fault {nth} of recovery");
            store.lose_power(nth);
            let second = Faults::at(
                nth,
                EFFECTS[usize::try_from(nth).unwrap() % EFFECTS.len()],
                Then::Stop,
            );
            run(&store, &second, &mut model, RECOVERY);
            store.lose_power(nth + 1);
            model.check(&store.open(&Faults::none()).unwrap());
            if !second.fired() {
                break;
            }
        }
    });
}
