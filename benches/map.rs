//! `map::…`: building, changing and reading the ordered map.

mod entries;

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use merkle_core::{Batch, Blake3, Hasher, Map, Sha256};

use entries::Entries;

/// Entries of the map.
const SIZE: usize = 100_000;

/// Changes in a batch: one alone, the size that goals are set for, and a tenth of the map.
const BATCHES: [usize; 3] = [1, 1_000, 10_000];

fn maps(criterion: &mut Criterion) {
    let entries = Entries::new(SIZE);
    maps_of::<Blake3>(criterion, &entries, "blake3");
    maps_of::<Sha256>(criterion, &entries, "sha256");
    reads(criterion, &entries);
}

fn maps_of<H: Hasher + Default>(criterion: &mut Criterion, entries: &Entries, profile: &str) {
    let all = entries.batch(0..SIZE, 0);
    let mut group = criterion.benchmark_group(format!("map::build_{profile}"));
    group
        .sample_size(10)
        .throughput(Throughput::Elements(SIZE as u64));
    group.bench_function(size(SIZE), |bencher| {
        bencher.iter_with_large_drop(|| entries::map::<H>(black_box(&all)));
    });
    group.finish();

    let mut map = entries::map::<H>(&all);
    for operation in ["update", "apply"] {
        let mut group = criterion.benchmark_group(format!("map::{operation}_{profile}"));
        for count in BATCHES {
            let mut rounds = 0..;
            let mut next = || {
                let round = rounds.next().unwrap_or_default();
                entries.batch(entries::places(round, count, SIZE), 1 + round)
            };
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(size(count), |bencher| {
                bencher.iter_batched(
                    &mut next,
                    |batch| change(&mut map, operation == "apply", &batch),
                    BatchSize::LargeInput,
                );
            });
        }
        group.finish();
    }
}

/// In place, or with the old version there until the new one is.
fn change<H: Hasher>(map: &mut Map<H>, keeps_old: bool, batch: &Batch<'_>) {
    if keeps_old {
        *map = map.apply(black_box(batch));
    } else {
        map.update(black_box(batch));
    }
}

fn reads(criterion: &mut Criterion, entries: &Entries) {
    let map = entries::map::<Blake3>(&entries.batch(0..SIZE, 0));
    let mut group = criterion.benchmark_group("map::get");
    let places: Vec<_> = entries::places(7, 1_000, SIZE).collect();
    group.throughput(Throughput::Elements(places.len() as u64));
    group.bench_function(size(SIZE), |bencher| {
        bencher.iter(|| {
            let found = places
                .iter()
                .map(|place| map.get(black_box(entries.key(*place))));
            found.flatten().count()
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("map::iterate");
    group.throughput(Throughput::Elements(SIZE as u64));
    group.bench_function(size(SIZE), |bencher| {
        bencher.iter(|| {
            black_box(&map)
                .iter()
                .map(|(key, _)| usize::from(key[0]))
                .sum::<usize>()
        });
    });
    group.finish();
}

fn size(size: usize) -> BenchmarkId {
    BenchmarkId::from_parameter(format!("size={size}"))
}

criterion_group!(benches, maps);
criterion_main!(benches);
