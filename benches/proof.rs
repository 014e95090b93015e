//! `proof::…`: making and verifying proofs of the map.

mod entries;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use merkle_core::{Blake3, Hasher, Map, Proof, Query, Sha256};

use entries::Entries;

/// Entries of the map.
const SIZE: usize = 100_000;

/// Keys of a multiproof and of a transition.
const MANY: usize = 1_000;

/// Entries of a range.
const RANGE: usize = 10_000;

fn proofs(criterion: &mut Criterion) {
    let entries = Entries::new(SIZE);
    proofs_of::<Blake3>(criterion, &entries, "blake3");
    proofs_of::<Sha256>(criterion, &entries, "sha256");
}

fn proofs_of<H: Hasher + Default>(criterion: &mut Criterion, entries: &Entries, profile: &str) {
    let map = entries::map::<H>(&entries.batch(0..SIZE, 0));
    let places: Vec<_> = entries::places(1, MANY, SIZE).collect();
    let keys: Vec<_> = places.iter().map(|place| entries.key(*place)).collect();

    let mut next = keys.iter().cycle();
    let mut one = || *next.next().expect("a cycle has no end");
    let mut group = criterion.benchmark_group(format!("proof::prove_{profile}"));
    group.throughput(Throughput::Elements(1));
    group.bench_function(size(SIZE), |bencher| bencher.iter(|| map.prove(one())));
    group.finish();

    let single = map.prove(keys[0]);
    verify(
        criterion,
        &map,
        &single,
        &format!("proof::verify_{profile}"),
        1,
    );
    let mut group = criterion.benchmark_group(format!("proof::decode_{profile}"));
    let bytes = single.encode();
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function(size(SIZE), |bencher| {
        bencher.iter(|| Proof::decode(black_box(&bytes)));
    });
    group.finish();

    let (from, to) = (entries.key(SIZE / 3), entries.key(SIZE / 3 + RANGE));
    for (name, count, query) in [
        ("many", MANY, Query::new().keys(keys.iter().copied())),
        ("range", RANGE, Query::new().range(from..to)),
    ] {
        let mut group = criterion.benchmark_group(format!("proof::prove_{name}_{profile}"));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(size(count), |bencher| {
            bencher.iter_with_large_drop(|| map.prove_query(black_box(&query)));
        });
        group.finish();
        let proof = map.prove_query(&query);
        verify(
            criterion,
            &map,
            &proof,
            &format!("proof::verify_{name}_{profile}"),
            count,
        );
    }
    transition(criterion, entries, &map, profile);
}

fn verify<H: Hasher + Default>(
    criterion: &mut Criterion,
    map: &Map<H>,
    proof: &Proof,
    name: &str,
    count: usize,
) {
    let root = map.root();
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function(size(count), |bencher| {
        bencher.iter(|| black_box(proof).verify(&H::default(), &root).is_ok());
    });
    group.finish();
}

fn transition<H: Hasher + Default>(
    criterion: &mut Criterion,
    entries: &Entries,
    map: &Map<H>,
    profile: &str,
) {
    let batch = entries.batch(entries::places(2, MANY, SIZE), 1);
    let proof = map.prove_update(&batch);
    let mut group = criterion.benchmark_group(format!("proof::prove_update_{profile}"));
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function(size(MANY), |bencher| {
        bencher.iter_with_large_drop(|| map.prove_update(black_box(&batch)));
    });
    group.finish();

    let mut group = criterion.benchmark_group(format!("proof::apply_{profile}"));
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function(size(MANY), |bencher| {
        bencher.iter(|| {
            let view = black_box(&proof).verify(&H::default(), &map.root());
            view.map(|view| view.apply(&batch).is_ok())
        });
    });
    group.finish();
}

fn size(size: usize) -> BenchmarkId {
    BenchmarkId::from_parameter(format!("size={size}"))
}

criterion_group!(benches, proofs);
criterion_main!(benches);
