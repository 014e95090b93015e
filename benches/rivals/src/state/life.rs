//! The life of a store: filled, updated, killed, opened, checked; what it takes of memory and disk.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::opening::{TIMES, after_kill_and_close, disk_bytes, open_ms};
use super::resident::{Resident, Updates};
use super::rival::ours::Ours;
use super::store::Kind;
use super::workload::{CHANGE_BYTES, Workload};
use crate::measure::median;
use crate::report::Report;
use crate::row::{Goal, Row};

/// How long opening may take, in milliseconds.
const OPEN_MS: f64 = 100.0;

/// What was seen of one store.
#[derive(Default)]
struct Life {
    longest_commit_ms: f64,
    memory_mib: f64,
    /// Bytes on disk for each that the caller wrote.
    disk_by_written: f64,
    /// Bytes on disk for each of the entries there are.
    disk_by_live: f64,
    open_after_kill_ms: f64,
    open_after_close_ms: f64,
}

/// Reports the rows.
pub(super) fn rows(report: &mut Report, size: usize) {
    let [folder, pruned] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let ours = live(Kind::Sha256, &folder, size);
    let pruned = live(Kind::Pruned, &pruned, size);
    let peers: Vec<_> = (report.peers().iter())
        .map(|peer| {
            let folder = tempfile::tempdir().expect("a folder");
            (peer.name, live(Kind::Peer(*peer), &folder, size))
        })
        .collect();
    let row = |name: &str, unit, of: fn(&Life) -> f64, ours: &Life| {
        let row = Row::new("state", format!("{name}/size={size}"), unit, of(ours));
        peers
            .iter()
            .fold(row, |row, (name, life)| row.peer(name, of(life)))
    };
    let after_kill = row("open::after_kill", "ms", |l| l.open_after_kill_ms, &ours);
    report.row(&after_kill.goal(Goal::AtMost(OPEN_MS)));
    let after_close = row("open::after_close", "ms", |l| l.open_after_close_ms, &ours);
    report.row(&after_close.goal(Goal::AtMost(OPEN_MS)));
    own(report, folder.path(), size);

    let stall = row("commit::longest", "ms", |l| l.longest_commit_ms, &ours);
    report.row(&stall.goal(Goal::AtMost(50.0)));
    let memory = row("memory::most", "MiB", |l| l.memory_mib, &ours);
    report.row(&memory);
    let disk = row("disk::history", "x written", |l| l.disk_by_written, &ours);
    report.row(&disk.goal(Goal::AtMost(3.0)));
    let disk = row("disk::pruned", "x live", |l| l.disk_by_live, &pruned);
    report.row(&disk.goal(Goal::AtMost(2.0)));
}

/// Leads a store through its life in `folder`; it is closed at the end.
fn live(kind: Kind, folder: &TempDir, size: usize) -> Life {
    let store = folder.path().join("store");
    let mut resident = Resident::loaded(kind, &store, size);
    let mut done = resident.commit(Updates {
        seed: 400,
        count: size / 1_000,
        len: 1_000,
        limit: Duration::MAX,
    });
    match kind {
        Kind::Pruned => resident.checkpoint(),
        Kind::Peer(_) => {}
        _ => {
            let more = resident.until_nearly_due();
            done.times.extend(more.times);
        }
    }
    let disk = disk_bytes(&store) as f64;
    let live = (size * CHANGE_BYTES) as f64;
    let written = live + (done.times.len() * 1_000 * CHANGE_BYTES) as f64;
    let mut life = Life {
        longest_commit_ms: done.longest_ms(),
        memory_mib: resident.memory_mib(),
        disk_by_written: disk / written,
        disk_by_live: disk / live,
        ..Life::default()
    };
    resident.kill();
    if kind != Kind::Pruned {
        (life.open_after_kill_ms, life.open_after_close_ms) =
            after_kill_and_close(kind, &store, size);
    }
    life
}

/// What ours alone has, from the store in `folder`.
fn own(report: &mut Report, folder: &Path, size: usize) {
    let mut row = |name: &str, unit, figure, goal: Option<f64>| {
        let row = Row::new("state", format!("{name}/size={size}"), unit, figure);
        report.row(&match goal {
            Some(goal) => row.goal(Goal::AtMost(goal)),
            None => row,
        });
    };
    let store = folder.join("store");
    let ours = Ours::open(Kind::Sha256, &store);
    let replayed = ours.replayed_bytes() as f64 / f64::from(1 << 20);
    row("open::replayed", "MiB", replayed, None);
    let mut seconds: Vec<_> = (0..TIMES)
        .map(|_| {
            let start = Instant::now();
            ours.verify();
            start.elapsed().as_secs_f64()
        })
        .collect();
    row(
        "verify_integrity::stored",
        "s",
        median(&mut seconds),
        Some(0.5),
    );
    ours.checkpoint();
    drop(ours);
    let workload = Workload::new(size);
    let mut times: Vec<_> = (0..TIMES)
        .map(|_| open_ms(Kind::Sha256, &store, &workload))
        .collect();
    row(
        "open::after_checkpoint",
        "ms",
        median(&mut times),
        Some(OPEN_MS),
    );
}
