//! `proof::…`: making, encoding and verifying proofs about a map of 100,000 entries.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use merkle_core::{Map, Proof, Query, Sha256};

mod seeded;
use seeded::{ENTRIES, batch_of, keys, picks};

fn proofs(criterion: &mut Criterion) {
    let keys = keys();
    let mut map = Map::<Sha256>::new();
    map.update(&batch_of(&keys, b"value"));
    let root = map.root();
    let one = &keys[ENTRIES / 2];
    let many = picks(&keys, 1, 1000);
    let query = || Query::new().keys(many.iter().map(|key| &key[..]));
    let changes = batch_of(&many, b"other");

    let id = || BenchmarkId::from_parameter(format!("size={ENTRIES}"));
    let mut group = criterion.benchmark_group("proof::prove");
    group.bench_function(id(), |bencher| bencher.iter(|| map.prove(black_box(one))));
    group.finish();
    let proof = map.prove(one);
    let mut group = criterion.benchmark_group("proof::verify");
    group.bench_function(id(), |bencher| {
        bencher.iter(|| black_box(&proof).verify(&Sha256, &root).is_ok());
    });
    group.finish();
    let bytes = proof.encode();
    let mut group = criterion.benchmark_group("proof::decode");
    group.bench_function(id(), |bencher| {
        bencher.iter(|| Proof::decode(black_box(&bytes)).is_ok());
    });
    group.finish();

    let id = || BenchmarkId::from_parameter(format!("size={ENTRIES}/keys=1000"));
    let mut group = criterion.benchmark_group("proof::prove_query");
    group.throughput(Throughput::Elements(1000));
    group.bench_function(id(), |bencher| bencher.iter(|| map.prove_query(&query())));
    group.finish();
    let proof = map.prove_query(&query());
    let mut group = criterion.benchmark_group("proof::verify");
    group.throughput(Throughput::Elements(1000));
    group.bench_function(id(), |bencher| {
        bencher.iter(|| black_box(&proof).verify(&Sha256, &root).is_ok());
    });
    group.finish();
    let proof = map.prove_update(&changes);
    let mut group = criterion.benchmark_group("proof::apply");
    group.throughput(Throughput::Elements(1000));
    let view = proof.verify(&Sha256, &root).expect("made for this root");
    group.bench_function(id(), |bencher| {
        bencher.iter(|| view.apply(black_box(&changes)).is_ok());
    });
    group.finish();
}

criterion_group!(benches, proofs);
criterion_main!(benches);
