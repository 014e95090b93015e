//! Who waits for whom.

use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use super::stages::Stage;
use crate::engine::memory::MemoryEngine;
use crate::engine::{End, Engine, EngineBatch, EngineError, Entry};
use crate::storage::Reopen;
use crate::{Batch, Options, RealityDb};

/// How long something that should not wait is waited for: only a test that fails takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gate at which syncs wait while it is closed.
#[derive(Default)]
struct Gate {
    state: Mutex<(bool, u64)>,
    changed: Condvar,
}

impl Gate {
    fn set_closed(&self, closed: bool) {
        self.state.lock().unwrap().0 = closed;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        drop((self.changed).wait_while(state, |(closed, _)| *closed));
    }

    /// Waits until somebody has come to the gate since it was passed so many times; whether somebody has.
    fn wait_beyond(&self, passes: u64) -> bool {
        let state = self.state.lock().unwrap();
        let waited =
            (self.changed).wait_timeout_while(state, PATIENCE, |(_, came)| *came <= passes);
        !waited.unwrap().1.timed_out()
    }

    fn passes(&self) -> u64 {
        self.state.lock().unwrap().1
    }
}

/// An engine whose syncs go through a gate.
struct Gated {
    engine: MemoryEngine,
    gate: Arc<Gate>,
}

impl Engine for Gated {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.engine.get(key)
    }

    fn edge(&self, end: End, from: &[u8], to: &[u8]) -> Result<Option<Entry>, EngineError> {
        self.engine.edge(end, from, to)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, EngineError> {
        self.engine.scan(from, to, limit)
    }

    fn write(&self, batch: EngineBatch) -> Result<(), EngineError> {
        self.engine.write(batch)
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.gate.pass();
        self.engine.sync()
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        self.engine.disk_bytes()
    }
}

fn key(number: u16) -> [u8; 2] {
    number.to_be_bytes()
}

/// A database of `entries` entries, nothing of which stays in memory that can be let go.
fn filled(gate: &Arc<Gate>, entries: u16) -> RealityDb {
    let options = Options::new().background(false).cache_bytes(0);
    let (mut storage, format) = Stage::memory().storage(&options).unwrap();
    let (engine, gate) = (MemoryEngine::default(), gate.clone());
    let open = move || -> Result<Box<dyn Engine>, EngineError> {
        let (engine, gate) = (engine.clone(), gate.clone());
        Ok(Box::new(Gated { engine, gate }))
    };
    storage.engine = Arc::new(Reopen::new(Box::new(open)).unwrap());
    let db = RealityDb::start(storage, format, &options).unwrap();
    let keys: Vec<_> = (0..entries).map(key).collect();
    let mut batch = Batch::new();
    for key in &keys {
        batch.put(key, b"before").unwrap();
    }
    db.commit(&batch).unwrap();
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
    db
}

#[test]
fn what_was_taken_is_read_while_the_sync_of_a_commit_hangs() {
    let gate = Arc::new(Gate::default());
    let db = filled(&gate, 3000);
    let (snapshot, before) = (db.snapshot().unwrap(), db.version());
    let (changed, mut batch) = (key(7), Batch::new());
    batch.put(&changed, b"prepared").unwrap();
    let prepared = db.prepare(&batch).unwrap();

    let (passes, (tell, told)) = (gate.passes(), mpsc::channel());
    gate.set_closed(true);
    let outcome = thread::scope(|threads| {
        let commit = threads.spawn(|| db.put(&key(7), b"after"));
        let has_come = gate.wait_beyond(passes);
        threads.spawn(|| {
            assert_eq!(snapshot.get(&key(7)).unwrap(), Some(b"before".to_vec()));
            assert_eq!(snapshot.iter().unwrap().count(), 3000);
            let proof = snapshot.prove(&key(2999)).unwrap();
            assert!(proof.verify(&db.profile(), &before.root).is_ok());
            assert_eq!(prepared.get(&key(7)).unwrap(), Some(b"prepared".to_vec()));
            assert_eq!(prepared.prefix(&[1]).unwrap().count(), 256);
            assert_eq!(db.version(), before);
            assert_eq!(db.counters().versions, 1);
            tell.send(()).unwrap();
        });
        let outcome = told.recv_timeout(PATIENCE);
        let is_waiting = has_come && !commit.is_finished();
        gate.set_closed(false);
        assert!(is_waiting);
        assert_eq!(commit.join().unwrap().unwrap(), db.version());
        outcome
    });
    outcome.expect("nothing of it waits for the commit");
    assert_eq!(db.version().number, before.number + 1);
    assert_eq!(db.get(&key(7)).unwrap(), Some(b"after".to_vec()));
}

#[test]
fn commits_and_checkpoints_go_on_while_a_scan_is_open() {
    let db = filled(&Arc::default(), 6000);
    let mut found = 0;
    for entry in db.snapshot().unwrap().iter().unwrap() {
        assert_eq!(entry.unwrap(), (key(found).to_vec(), b"before".to_vec()));
        found += 1;
        if found % 500 == 0 {
            // What the scan has passed, and what it has yet to come to.
            let keys = [key(found - 1), key(found + 300), key(9000 + found)];
            let mut batch = Batch::new();
            batch.put(&keys[0], b"after").unwrap();
            batch.delete(&keys[1]).unwrap();
            batch.put(&keys[2], b"after").unwrap();
            let version = db.commit(&batch).unwrap();
            assert_eq!(version.number, 1 + u64::from(found) / 500);
            if found % 2000 == 0 {
                db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
            }
        }
    }
    assert_eq!(found, 6000);
    assert_eq!(db.get(&key(5800)).unwrap(), None);
    assert_eq!(db.get(&key(5999)).unwrap(), Some(b"after".to_vec()));
}

#[cfg(feature = "sled")]
#[test]
fn a_folder_is_in_use_as_long_as_something_taken_from_it_lives() {
    let stage = Stage::disk(crate::Backend::Sled);
    let options = Options::new().background(false);
    let db = stage.open(&options).unwrap();
    db.put(b"key", b"value").unwrap();
    let snapshot = db.snapshot().unwrap();
    drop(db);
    let refused = stage.open(&options).err().unwrap();
    assert!(
        matches!(refused, crate::OpenError::Locked { .. }),
        "{refused}"
    );
    assert_eq!(snapshot.get(b"key").unwrap(), Some(b"value".to_vec()));
    drop(snapshot);
    assert_eq!(stage.open(&options).unwrap().version().number, 1);
}
