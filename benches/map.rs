//! `map::…`: building, updating, reading and comparing maps of 100,000 entries.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use merkle_core::{Batch, Blake3, Hasher, Map, Sha256};

mod seeded;
use seeded::{ENTRIES, batch_of, keys, picks};

fn build(criterion: &mut Criterion) {
    fn one<H: Hasher + Default>(criterion: &mut Criterion, name: &str) {
        let keys = keys();
        let batch = batch_of(&keys, b"value");
        let mut group = criterion.benchmark_group(format!("map::build_{name}"));
        group
            .throughput(Throughput::Elements(ENTRIES as u64))
            .sample_size(10);
        group.bench_function(
            BenchmarkId::from_parameter(format!("size={ENTRIES}")),
            |bencher| {
                bencher.iter(|| {
                    let mut map = Map::<H>::new();
                    map.update(black_box(&batch));
                    map
                });
            },
        );
        group.finish();
    }
    one::<Sha256>(criterion, "sha256");
    one::<Blake3>(criterion, "blake3");
}

fn update(criterion: &mut Criterion) {
    let keys = keys();
    let mut map = Map::<Blake3>::new();
    map.update(&batch_of(&keys, b"value"));
    for changes in [1, 1000] {
        let mut group = criterion.benchmark_group("map::update_blake3");
        group.throughput(Throughput::Elements(changes as u64));
        let name = format!("size={ENTRIES}/batch={changes}");
        let mut round = 0;
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter_batched(
                || {
                    round += 1;
                    picks(&keys, round, changes)
                },
                |picks| map.update(&batch_of(&picks, b"other")),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn read(criterion: &mut Criterion) {
    let keys = keys();
    let mut map = Map::<Sha256>::new();
    map.update(&batch_of(&keys, b"value"));
    let wanted = picks(&keys, 1, 1000);
    let mut changes = Batch::new();
    for key in &wanted {
        changes.put(key, b"other").expect("keys have 32 bytes");
    }
    let after = map.apply(&changes);

    let mut group = criterion.benchmark_group("map::get");
    group.throughput(Throughput::Elements(wanted.len() as u64));
    group.bench_function(
        BenchmarkId::from_parameter(format!("size={ENTRIES}")),
        |bencher| {
            bencher.iter(|| {
                wanted
                    .iter()
                    .filter(|key| map.get(&key[..]).is_some())
                    .count()
            });
        },
    );
    group.finish();
    let mut group = criterion.benchmark_group("map::diff");
    group.throughput(Throughput::Elements(wanted.len() as u64));
    let name = format!("size={ENTRIES}/differences=1000");
    group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
        bencher.iter(|| map.diff(&after).count());
    });
    group.finish();
}

criterion_group!(benches, build, update, read);
criterion_main!(benches);
