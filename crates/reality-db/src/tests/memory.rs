//! The tree keeps to its limit of memory, whatever is committed and read.

use std::ops::ControlFlow;

use crate::{Backend, Batch, Options, RealityDb, state};

/// A key that lies anywhere.
fn key(place: u64) -> [u8; 32] {
    blake3::derive_key("reality-db test", &place.to_le_bytes())
}

#[test]
fn commits_wait_for_checkpoints_rather_than_take_more_memory() {
    const LIMIT: u64 = 20 << 20;
    let options = Options::new().backend(Backend::Memory).cache_bytes(LIMIT);
    let db = RealityDb::open("", &options).unwrap();
    let bytes = || state::read(&db.shared.head).unwrap().bytes();
    // All of it would take some 74 MB.
    const KEYS: u64 = 150_000;
    let mut most = 0;
    for round in 0..400 {
        // First all keys, then some of them, anywhere.
        let place = |at: u64| match round * 1_000 + at {
            place if place < KEYS => place,
            place => place.wrapping_mul(7_919) % KEYS,
        };
        let entries: Vec<_> = (0..1_000)
            .map(|at| {
                (
                    key(place(at)),
                    [&round.to_le_bytes()[..], &[7; 92]].concat(),
                )
            })
            .collect();
        let mut batch = Batch::with_capacity(entries.len());
        for (key, value) in &entries {
            batch.put(key, value).unwrap();
        }
        db.commit(&batch).unwrap();
        most = most.max(bytes());
        for place in 0..20 {
            db.get(&key(place * 7_001 % KEYS.min((round + 1) * 1_000)))
                .unwrap();
        }
    }
    // One commit may bring in a bucket of some twenty entries for each change.
    let commit = 1_000 * 24 * 500;
    assert!(most < LIMIT + commit, "{most} bytes");
    assert!(db.counters().checkpoints > 3);
    drop(db);
}

#[test]
fn what_is_written_again_and_again_is_not_remembered_each_time() {
    let options = Options::new().backend(Backend::Memory).background(false);
    let db = RealityDb::open("", &options).unwrap();
    let mut buckets = 0;
    for round in 0..20_u64 {
        let mut batch = Batch::new();
        let entries: Vec<_> = (0..2_000)
            .map(|at| (key(at), round.to_le_bytes()))
            .collect();
        for (key, value) in &entries {
            batch.put(key, value).unwrap();
        }
        db.commit(&batch).unwrap();
        db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        let head = state::read(&db.shared.head).unwrap();
        buckets = head.catalogue().unwrap().len();
        assert!(head.waiting() <= buckets, "{} of {buckets}", head.waiting());
    }
    assert!(buckets > 50);
}
