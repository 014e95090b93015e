//! One large blob: put as a stream, and ranges of it.

use std::fs;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use truth_vault::{Durability, Options, PutOptions, Vault};

use super::floor;
use crate::random::Random;
use crate::report::Report;
use crate::row::{Goal, Row};

/// Bytes of a range.
const RANGE_BYTES: u64 = 64 << 10;

/// Ranges that are read.
const RANGES: usize = 2_000;

/// Reports the rows.
pub(super) fn rows(report: &mut Report) {
    let bytes = report.size(4 << 30, 256 << 20) as u64;
    let folder = tempfile::tempdir().expect("a folder to write to");
    let disk = floor::disk(folder.path(), bytes);
    let sha256 = floor::sha256(bytes.min(1 << 30));
    let vault = Vault::open(folder.path().join("vault"), &Options::new()).expect("a folder");

    let before = Memory::reset();
    let start = Instant::now();
    let options = PutOptions::new().durability(Durability::Each);
    let address = vault
        .put_reader(&mut Source::new(bytes), &options)
        .expect("room");
    let rate = bytes as f64 / start.elapsed().as_secs_f64();
    let memory = Memory::peak_bytes() - before;
    let name = |what: &str| format!("large::{what}/bytes={bytes}");
    let row = Row::new("vault", name("put"), "MB/s", rate / 1e6)
        .peer("disk floor", disk / 1e6)
        .peer("sha2", sha256 / 1e6);
    report.row(&row.goal(Goal::AtLeast(0.9 * disk.min(sha256) / 1e6)));
    let row = Row::new("vault", name("put_memory"), "MB", memory / 1e6);
    report.row(&row.goal(Goal::AtMost(64.0)));

    let mut random = Random::new(1);
    let mut range = || {
        let at = random.next() % (bytes - RANGE_BYTES);
        let start = Instant::now();
        let read = vault
            .get_range(&address, at..at + RANGE_BYTES)
            .expect("readable");
        assert_eq!(read.map(|read| read.len() as u64), Some(RANGE_BYTES));
        start.elapsed()
    };
    for _ in 0..RANGES / 10 {
        range(); // warm
    }
    let mut times: Vec<Duration> = (0..RANGES).map(|_| range()).collect();
    times.sort_unstable();
    let p99 = times[RANGES * 99 / 100].as_secs_f64() * 1e3;
    let row = Row::new("vault", name("range_64k_p99"), "ms", p99);
    report.row(&row.goal(Goal::AtMost(1.0)));
}

/// Bytes that cost nothing to make.
struct Source {
    left: u64,
    number: u64,
}

impl Source {
    fn new(bytes: u64) -> Self {
        Self {
            left: bytes,
            number: 0,
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        // Each page is another one, and only its first bytes are written.
        for page in buffer[..count].chunks_mut(4096) {
            self.number += 1;
            let number = self.number.to_le_bytes();
            let length = page.len().min(number.len());
            page[..length].copy_from_slice(&number[..length]);
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Memory of this process that is in use, as Linux counts it.
pub(super) struct Memory;

impl Memory {
    /// Forgets the peak; bytes in use now.
    pub(super) fn reset() -> f64 {
        fs::write("/proc/self/clear_refs", "5").expect("Linux");
        Self::field("VmRSS:")
    }

    /// Most bytes in use since.
    pub(super) fn peak_bytes() -> f64 {
        Self::field("VmHWM:")
    }

    fn field(name: &str) -> f64 {
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.expect("a number of kB") * 1024.0
    }
}
