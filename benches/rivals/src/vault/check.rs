//! Checking and collecting all of a vault.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use truth_vault::{Durability, GcOptions, Options, ScrubOptions, Vault};

use super::{blob, floor};
use crate::measure::median;
use crate::report::Report;
use crate::row::{Goal, Row};

/// Bytes of a blob.
const BLOB_BYTES: usize = 50_000;

/// Blobs that are made at a time, to bound what this program holds.
const CHUNK: usize = 1_000;

/// Times that each is done; the middle one counts.
const TIMES: usize = 3;

/// Reports the rows.
pub(super) fn rows(report: &mut Report) {
    let count = report.size(40_000, 4_000);
    let folder = tempfile::tempdir().expect("a folder to write to");
    let path = folder.path().join("vault");
    let vault = Vault::open(&path, &Options::new()).expect("a folder");
    for (seed, _) in (0..).zip((0..count).step_by(CHUNK)) {
        for (at, blob) in (0..).zip(blob::blobs(seed, CHUNK, BLOB_BYTES)) {
            let address = vault.put(&blob, Durability::None).expect("room");
            // One in two is needed by somebody.
            if at % 2 == 0 {
                vault.pin(&[address]).expect("room");
            }
        }
    }
    vault.sync().expect("a disk that syncs");
    let bytes = (count * BLOB_BYTES) as f64;

    // Both read from memory what was just written: what is left is hashing, on two cores.
    let hashed = on_two_cores(|| floor::sha256(1 << 30));
    let read = read_floor(&path.join("segments"));
    let goal = 0.9 * hashed.min(read) / 1e6;
    let mut times = Vec::new();
    for now_ns in 1..=TIMES as u64 {
        let start = Instant::now();
        let options = ScrubOptions::new(now_ns);
        let checked = vault.scrub(&options, &mut |_| ControlFlow::Continue(()));
        let checked = checked.expect("readable");
        times.push(start.elapsed().as_secs_f64());
        assert!(checked.complete && checked.bad.is_empty() && checked.bytes as f64 >= bytes);
    }
    rate(report, "scrub", bytes, &mut times, (hashed, read), goal);
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let start = Instant::now();
        let checked = vault.verify(&mut |_| ControlFlow::Continue(()));
        times.push(start.elapsed().as_secs_f64());
        assert!(checked.expect("readable").bad.is_empty());
    }
    rate(report, "verify", bytes, &mut times, (hashed, read), goal);
    collect(report, &vault, count);
}

fn rate(
    report: &mut Report,
    name: &str,
    bytes: f64,
    times: &mut [f64],
    (hashed, read): (f64, f64),
    goal: f64,
) {
    let name = format!("{name}/bytes={bytes}");
    let row = Row::new("vault", name, "MB/s", bytes / median(times) / 1e6)
        .peer("sha2 on two cores", hashed / 1e6)
        .peer("reading the files", read / 1e6);
    report.row(&row.goal(Goal::AtLeast(goal)));
}

/// A collection that condemns what nobody needs, and the one after the grace that removes it.
fn collect(report: &mut Report, vault: &Vault, count: usize) {
    let hour = Duration::from_secs(3600);
    let start = Instant::now();
    for nth in 0..2 {
        let now_ns = 1_770_000_000_000_000_000 + nth * 7_200_000_000_000;
        let options = GcOptions::new(now_ns).grace(hour).dead_percent(0);
        vault
            .collect(&options, &mut |_| ControlFlow::Continue(()))
            .expect("nobody else collects");
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(vault.len(), count as u64 / 2);
    let name = format!("collect/blobs={count}/needed=half");
    report.row(&Row::new("vault", name, "blobs/s", count as f64 / seconds));
}

/// The rates of two threads at once, together.
fn on_two_cores(rate: impl Fn() -> f64 + Sync) -> f64 {
    thread::scope(|scope| {
        let other = scope.spawn(&rate);
        rate() + other.join().expect("no panic")
    })
}

/// Bytes a second of reading the files of a folder to their ends.
fn read_floor(folder: &Path) -> f64 {
    let mut buffer = vec![0; 1 << 20];
    let (start, mut bytes) = (Instant::now(), 0);
    for entry in folder.read_dir().expect("a folder") {
        let mut file = File::open(entry.expect("readable").path()).expect("readable");
        loop {
            match file.read(&mut buffer).expect("readable") {
                0 => break,
                read => bytes += read,
            }
        }
    }
    bytes as f64 / start.elapsed().as_secs_f64()
}
