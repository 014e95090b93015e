//! What the machine does without a store: the disk, and SHA-256 on one core.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use sha2::{Digest, Sha256};

/// What is written or hashed at a time.
const STEP_BYTES: usize = 1 << 20;

/// Bytes a second of writing a file of `bytes` bytes and syncing it.
pub(super) fn disk(folder: &Path, bytes: u64) -> f64 {
    let path = folder.join("floor");
    let start = Instant::now();
    let mut file = File::create(&path).expect("a file");
    let step = vec![7; STEP_BYTES];
    for _ in 0..bytes / STEP_BYTES as u64 {
        file.write_all(&step).expect("room");
    }
    file.sync_all().expect("a disk that syncs");
    let rate = bytes as f64 / start.elapsed().as_secs_f64();
    std::fs::remove_file(path).expect("it was made");
    rate
}

/// Bytes a second of SHA-256 on one core.
pub(super) fn sha256(bytes: u64) -> f64 {
    let step = vec![7; STEP_BYTES];
    let start = Instant::now();
    let mut hasher = Sha256::new();
    for _ in 0..bytes / STEP_BYTES as u64 {
        hasher.update(&step);
    }
    std::hint::black_box(hasher.finalize());
    bytes as f64 / start.elapsed().as_secs_f64()
}
