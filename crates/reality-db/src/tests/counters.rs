use std::ops::ControlFlow;

use crate::{Backend, Batch, CommitOptions, Hash, Options, RealityDb};

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
}
