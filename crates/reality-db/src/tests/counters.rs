//! What is counted.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::stages::Stage;
use crate::fault::{Effect, Faults, Then};
use crate::{Backend, Batch, CommitOptions, Depth, Hash, Options, RealityDb};

fn batch(key: &[u8]) -> Batch<'_> {
    let mut batch = Batch::new();
    batch.put(key, b"value").unwrap();
    batch
}

#[test]
fn counts_what_was_committed_refused_and_checkpointed() {
    let options = Options::new().backend(Backend::Memory).background(false);
    let db = RealityDb::open("", &options).unwrap();
    db.put(b"one", b"value").unwrap();
    let counted = db.counters();
    assert_eq!((counted.versions, counted.syncs), (1, 1));
    assert!(counted.record_bytes > 0);

    let (two, three) = (batch(b"two"), batch(b"three"));
    db.commit_all(&[(&two, CommitOptions::new()), (&three, CommitOptions::new())])
        .unwrap();
    let stale = CommitOptions::new().expect_root(Hash::default());
    db.commit_with(&batch(b"four"), &stale).unwrap_err();
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
    let counted = db.clone().counters();
    assert_eq!((counted.versions, counted.syncs), (3, 2));
    assert_eq!((counted.failed_commits, counted.checkpoints), (1, 1));
    assert_eq!((counted.failed_checkpoints, counted.failed_spills), (0, 0));
}

#[test]
fn counts_checkpoints_that_could_not_be_written_but_none_that_was_cancelled() {
    let options = Options::new().backend(Backend::Memory).background(false);
    let faults = Faults::at(0, Effect::None, Then::GoOn);
    let stage = Stage::memory();
    let (mut storage, format) = stage.storage(&options).unwrap();
    storage.checkpoints = Arc::new(faults.volume(stage.checkpoints().clone()));
    let db = RealityDb::start(storage, format, &options).unwrap();
    db.put(b"one", b"value").unwrap();
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap_err();
    db.checkpoint(|_| ControlFlow::Break(())).unwrap_err();
    let counted = db.counters();
    assert_eq!((counted.checkpoints, counted.failed_checkpoints), (0, 1));
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
    let counted = db.counters();
    assert_eq!((counted.checkpoints, counted.failed_checkpoints), (1, 1));
}

#[test]
fn counts_checks_that_went_to_their_end() {
    let options = Options::new().backend(Backend::Memory).background(false);
    let db = RealityDb::open("", &options).unwrap();
    db.put(b"one", b"value").unwrap();
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
    let cut_short = db.verify_integrity(Depth::Stored, |_| ControlFlow::Break(()));
    assert!(!cut_short.unwrap().complete);
    assert_eq!((db.counters().checks, db.last_checked()), (0, None));
    for checks in 1..3 {
        db.verify_integrity(Depth::Stored, |_| ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(db.counters().checks, checks);
        assert!(db.last_checked().is_some());
    }
}

#[test]
fn counts_checks_in_the_background() {
    let options = Options::new()
        .backend(Backend::Memory)
        .scrub_every(Duration::from_millis(1));
    let db = RealityDb::open("", &options).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while db.counters().checks < 2 {
        assert!(Instant::now() < deadline, "{:?}", db.counters());
        thread::sleep(Duration::from_millis(1));
    }
    assert!(db.last_checked().is_some());
}

#[test]
fn counts_buckets_that_are_loaded_at_the_head_and_in_the_past() {
    let stage = Stage::memory();
    let options = Options::new().background(false);
    {
        let db = stage.open(&options).unwrap();
        db.put(b"one", b"value").unwrap();
        db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        assert_eq!(db.counters().buckets_loaded, 0);
    }
    let db = stage.open(&options).unwrap();
    for _ in 0..2 {
        db.get(b"one").unwrap();
        assert_eq!(db.counters().buckets_loaded, 1);
    }
    db.put(b"two", b"value").unwrap();
    db.at(1).unwrap().get(b"one").unwrap();
    assert_eq!(db.counters().buckets_loaded, 2);
}
