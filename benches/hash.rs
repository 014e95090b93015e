//! `hash::…`: what one node costs, alone and in a batch. The floor under every other figure.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use merkle_core::{Blake3, Hash, Hasher, Sha256};

/// Nodes in a batch: one, as many as a vector register takes, and a level of a large tree.
const SIZES: [usize; 3] = [1, 16, 1024];

fn inner_nodes(criterion: &mut Criterion) {
    inner_nodes_of(criterion, "hash::inner_sha256", &Sha256);
    inner_nodes_of(criterion, "hash::inner_blake3", &Blake3);
}

fn inner_nodes_of(criterion: &mut Criterion, name: &str, hasher: &impl Hasher) {
    let mut group = criterion.benchmark_group(name);
    for size in SIZES {
        let nodes = vec![[Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32])]; size];
        let mut hashes = vec![Hash::default(); size];
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(
            BenchmarkId::from_parameter(format!("size={size}")),
            |bencher| {
                bencher.iter(|| hasher.inner_many(black_box(&nodes), black_box(&mut hashes)));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, inner_nodes);
criterion_main!(benches);
