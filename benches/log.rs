//! `log::…`: appending to a log, and its proofs.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use merkle_core::{Hash, LeafIndex, Log, TreeSize};

const LEAVES: u64 = 100_000;

fn leaf(index: u64) -> Hash {
    let mut bytes = [0x5a; 32];
    bytes[..8].copy_from_slice(&index.to_le_bytes());
    Hash::from_bytes(bytes)
}

fn log(criterion: &mut Criterion) {
    let leaves: Vec<Hash> = (0..LEAVES).map(leaf).collect();
    let fill = || {
        let mut log = Log::new();
        for leaf in &leaves {
            log.append_leaf(leaf);
        }
        log
    };
    let id = || BenchmarkId::from_parameter(format!("size={LEAVES}"));
    let mut group = criterion.benchmark_group("log::append");
    group
        .throughput(Throughput::Elements(LEAVES))
        .sample_size(20);
    group.bench_function(id(), |bencher| bencher.iter(fill));
    group.finish();

    let log = fill();
    let head = log.head();
    let index = LeafIndex::new(LEAVES / 3);
    let mut group = criterion.benchmark_group("log::prove_inclusion");
    group.bench_function(id(), |bencher| {
        bencher.iter(|| log.prove_inclusion(black_box(index), head.size).is_ok());
    });
    group.finish();
    let proof = log
        .prove_inclusion(index, head.size)
        .expect("the leaf is there");
    let mut group = criterion.benchmark_group("log::verify_inclusion");
    group.bench_function(id(), |bencher| {
        bencher.iter(|| black_box(&proof).verify(&leaf(LEAVES / 3), &head).is_ok());
    });
    group.finish();
    let mut group = criterion.benchmark_group("log::prove_consistency");
    group.bench_function(id(), |bencher| {
        let old = TreeSize::new(LEAVES / 3);
        bencher.iter(|| log.prove_consistency(black_box(old), head.size).is_ok());
    });
    group.finish();
}

criterion_group!(benches, log);
criterion_main!(benches);
