//! Building a map from sorted entries, beside the hashing of its nodes alone.

use std::any::Any;
use std::hint::black_box;

use merkle_core::{Batch, Hash, Map};

use super::entries::Entries;
use super::profile::Profile;
use super::rival::{jmt::Jmt, nomt};
use crate::measure::{rates, timed};
use crate::report::Report;
use crate::row::{Goal, Row};

/// How many nodes are hashed at once where nothing but hashing is measured.
const FLOOR_BATCH: usize = 512;

/// Entries that jmt takes at once: its updates hold all that they change in hash maps.
const JMT_BATCH: usize = 10_000;

/// Reports the rows; returns the map, and jmt's with the same entries where that is a peer.
pub(super) fn rows<H: Profile>(report: &mut Report, entries: &Entries) -> (Map<H>, Option<Jmt>) {
    let size = entries.len();
    let batch = entries.batch();
    if !H::IS_SHA256 {
        memory::<H>(report, &batch);
    }

    let floor = Floor::<H>::new(entries);
    let [ours, floor, nomt] = rates([
        (size, &mut || {
            let mut map = Map::<H>::new();
            map.update(black_box(&batch));
            Box::new(map)
        }),
        (size, &mut || floor.hash()),
        (size, &mut || {
            Box::new(nomt::build::<H::Nomt>(black_box(entries).iter()))
        }),
    ]);
    let jmt = H::IS_SHA256.then(|| build_jmt(entries));

    // Of the peers here only jmt keeps what it builds; nomt-core's is hashing and nothing else.
    let name = format!("map::build_{}/size={size}", H::NAME);
    let mut row = Row::new("merkle", name, "entries/s", ours)
        .peer("hash floor", floor)
        .peer("nomt-core", nomt);
    if let Some((_, rate)) = jmt {
        row = row.peer("jmt", rate);
    }
    report.row(&row);
    let name = format!("map::build_over_floor_{}/size={size}", H::NAME);
    let row = Row::new("merkle", name, "x hash floor", floor / ours)
        .peer("nomt-core", floor / nomt)
        .goal(Goal::AtMost(1.3));
    report.row(&row);

    let mut map = Map::new();
    map.update(&batch);
    (map, jmt.map(|(jmt, _)| jmt))
}

/// What a map takes in memory: to be measured first, while the allocator keeps nothing back.
///
/// The entry's own bytes, 132, are in it. Says nothing where the system does not say it.
fn memory<H: Profile>(report: &mut Report, batch: &Batch<'_>) {
    let before = resident_bytes();
    let mut map = Map::<H>::new();
    map.update(batch);
    let (Some(before), Some(after)) = (before, resident_bytes()) else {
        return;
    };
    let size = map.len();
    let each = (after - before) / size as f64;
    let name = format!("map::memory/size={size}");
    report.row(&Row::new("merkle", name, "bytes/entry", each));
}

/// The peer and the entries a second it took; one round, for that takes as long as all the others.
fn build_jmt(entries: &Entries) -> (Jmt, f64) {
    let all: Vec<_> = entries.iter().collect();
    let (seconds, jmt) = timed(|| {
        let mut jmt = Jmt::default();
        for entries in all.chunks(JMT_BATCH) {
            jmt.update(entries.iter().copied());
        }
        jmt
    });
    (jmt, entries.len() as f64 / seconds)
}

/// The same number of the same kinds of nodes as the map has, ready to be hashed.
struct Floor<'a, H> {
    values: Vec<&'a [u8]>,
    leaves: Vec<(&'a [u8], Hash)>,
    inner: [[Hash; 2]; FLOOR_BATCH],
    hasher: H,
}

impl<'a, H: Profile> Floor<'a, H> {
    fn new(entries: &'a Entries) -> Self {
        let some = |byte| Hash::from_bytes([byte; 32]);
        let leaves = entries.keys().iter().map(|key| (&key[..], some(1)));
        Self {
            values: entries.iter().map(|(_, value)| value).collect(),
            leaves: leaves.collect(),
            inner: [[some(2), some(3)]; FLOOR_BATCH],
            hasher: H::default(),
        }
    }

    fn hash(&self) -> Box<dyn Any> {
        let mut hashes = [Hash::default(); FLOOR_BATCH];
        for values in self.values.chunks(FLOOR_BATCH) {
            self.hasher.value_many(values, &mut hashes[..values.len()]);
        }
        for leaves in self.leaves.chunks(FLOOR_BATCH) {
            self.hasher.leaf_many(leaves, &mut hashes[..leaves.len()]);
        }
        let mut left = self.leaves.len() - 1;
        while left > 0 {
            let count = left.min(FLOOR_BATCH);
            let inner = black_box(&self.inner[..count]);
            self.hasher.inner_many(inner, &mut hashes[..count]);
            left -= count;
        }
        Box::new(hashes[0])
    }
}

/// Memory of this process that is backed by pages; only Linux says.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}
