//! `log::…`: appending to the log, and its proofs.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use merkle_core::{
    CompactRange, Hash, InclusionPlan, LeafIndex, Log, Tile, TilePlan, TreeSize, log_leaf_hash,
};

/// Leaves of the log.
const SIZE: u32 = 100_000;

/// The leaf that is proved; the size of the tree that is proved to be a prefix.
const PROVED: u64 = 77_777;

fn append(criterion: &mut Criterion) {
    let leaves = leaves();
    let mut group = criterion.benchmark_group("log::append");
    group.throughput(Throughput::Elements(u64::from(SIZE)));
    group.bench_function(size(), |bencher| {
        bencher.iter_with_large_drop(|| log(black_box(&leaves)));
    });
    group.finish();

    let mut group = criterion.benchmark_group("log::append_compact");
    group.throughput(Throughput::Elements(u64::from(SIZE)));
    group.bench_function(size(), |bencher| {
        bencher.iter(|| CompactRange::new().append_all(black_box(&leaves)));
    });
    group.finish();
}

fn proofs(criterion: &mut Criterion) {
    let log = log(&leaves());
    let (index, old, new) = (LeafIndex::new(PROVED), TreeSize::new(PROVED), log.size());
    let (leaf, head) = (log.leaf(index).copied().unwrap_or_default(), log.head());
    let old_head = log
        .root_at(old)
        .map(|root| merkle_core::TreeHead::new(old, root));
    let old_head = old_head.expect("a size that the log had");
    let inclusion = log.prove_inclusion(index, new).expect("in the log");
    let consistency = log.prove_consistency(old, new).expect("in the log");

    one(criterion, "log::prove_inclusion", || {
        log.prove_inclusion(index, new).is_ok()
    });
    one(criterion, "log::verify_inclusion", || {
        black_box(&inclusion).verify(&leaf, &head).is_ok()
    });
    one(criterion, "log::prove_consistency", || {
        log.prove_consistency(old, new).is_ok()
    });
    one(criterion, "log::verify_consistency", || {
        black_box(&consistency).verify(&old_head, &head).is_ok()
    });

    let plan = InclusionPlan::new(index, new).expect("in the log");
    let tiles = TilePlan::new(head, plan.node_ids()).expect("in the log");
    let read = |tile: &Tile| tile.encode(|id| log.node(id).copied().ok_or(()));
    let contents: Result<Vec<_>, ()> = tiles.tiles().iter().map(read).collect();
    let contents = contents.expect("the log has the nodes of its tiles");
    one(criterion, "log::prove_inclusion_from_tiles", || {
        let verified = tiles.finish(black_box(&contents));
        verified
            .and_then(|tiles| plan.resolve(|id| tiles.node(id)))
            .is_ok()
    });
}

fn one(criterion: &mut Criterion, name: &str, mut proof: impl FnMut() -> bool) {
    assert!(proof(), "{name} fails");
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    group.bench_function(size(), |bencher| bencher.iter(&mut proof));
    group.finish();
}

fn leaves() -> Vec<Hash> {
    (0..SIZE)
        .map(|number| log_leaf_hash(&number.to_be_bytes()))
        .collect()
}

fn log(leaves: &[Hash]) -> Log {
    let mut log = Log::new();
    for leaf in leaves {
        log.append_leaf(leaf);
    }
    log
}

fn size() -> BenchmarkId {
    BenchmarkId::from_parameter(format!("size={SIZE}"))
}

criterion_group!(benches, append, proofs);
criterion_main!(benches);
