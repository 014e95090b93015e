//! The life of a store: filled, updated, killed, opened, checked; what it takes of memory and disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;

use super::resident::Resident;
use super::rival::ours::Ours;
use super::store::{Kind, settle};
use super::workload::{CHANGE_BYTES, Workload};
use crate::measure::median;
use crate::report::Report;
use crate::row::{Goal, Row};

/// Times that a store is opened and checked.
const TIMES: usize = 3;

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
pub(super) fn rows(report: &mut Report) {
    let size = super::size(report);
    let updates = size.min(1_000_000);
    let [folder, pruned] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let ours = live(Kind::Sha256, &folder, size, updates);
    let pruned = live(Kind::Pruned, &pruned, size, updates);
    let peers: Vec<_> = (report.peers().iter())
        .map(|peer| {
            let folder = tempfile::tempdir().expect("a folder");
            (peer.name, live(Kind::Peer(*peer), &folder, size, updates))
        })
        .collect();
    let row = |name: &str, unit, of: fn(&Life) -> f64, ours: &Life| {
        let row = Row::new("state", format!("{name}/size={size}"), unit, of(ours));
        peers
            .iter()
            .fold(row, |row, (name, life)| row.peer(name, of(life)))
    };
    let goal = if report.full { 500.0 } else { 100.0 };
    let after_kill = row("open::after_kill", "ms", |l| l.open_after_kill_ms, &ours);
    report.row(&after_kill.goal(Goal::AtMost(goal)));
    let after_close = row("open::after_close", "ms", |l| l.open_after_close_ms, &ours);
    report.row(&after_close.goal(Goal::AtMost(goal)));
    own(report, folder.path(), size, goal);

    let stall = row("commit::longest", "ms", |l| l.longest_commit_ms, &ours);
    report.row(&stall.goal(Goal::AtMost(50.0)));
    let memory = row("memory::most", "MiB", |l| l.memory_mib, &ours);
    report.row(&match report.full {
        true => memory.goal(Goal::AtMost(1024.0)),
        false => memory,
    });
    let disk = row("disk::history", "x written", |l| l.disk_by_written, &ours);
    report.row(&disk.goal(Goal::AtMost(3.0)));
    let disk = row("disk::pruned", "x live", |l| l.disk_by_live, &pruned);
    report.row(&disk.goal(Goal::AtMost(2.0)));
}

/// Leads a store through its life in `folder`; it is closed at the end.
fn live(kind: Kind, folder: &TempDir, size: usize, updates: usize) -> Life {
    let store = folder.path().join("store");
    let resident = Resident::start(kind, &store, size, updates).expect("a process");
    let disk = disk_bytes(&store) as f64;
    let live = (size * CHANGE_BYTES) as f64;
    // All commits are of 1,000.
    let written = live + (resident.commits * 1_000 * CHANGE_BYTES) as f64;
    let mut life = Life {
        longest_commit_ms: resident.longest_commit_ms,
        memory_mib: resident.memory_mib,
        disk_by_written: disk / written,
        disk_by_live: disk / live,
        ..Life::default()
    };
    resident.kill().expect("it was alive");
    if kind == Kind::Pruned {
        return life;
    }

    let workload = Workload::new(size);
    // Opening changes what a kill left behind, so each time opens a copy.
    let mut after_kill: Vec<_> = (0..TIMES)
        .map(|_| {
            let copy = tempfile::tempdir().expect("a folder");
            copy_folder(&store, &copy.path().join("store"));
            open_ms(kind, &copy.path().join("store"), &workload)
        })
        .collect();
    life.open_after_kill_ms = median(&mut after_kill);
    open_ms(kind, &store, &workload);
    let mut after_close: Vec<_> = (0..TIMES)
        .map(|_| open_ms(kind, &store, &workload))
        .collect();
    life.open_after_close_ms = median(&mut after_close);
    life
}

/// What ours alone has, from the store in `folder`.
fn own(report: &mut Report, folder: &Path, size: usize, open_goal: f64) {
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
        Some(open_goal),
    );
}

/// Milliseconds until a store is open and has answered once.
fn open_ms(kind: Kind, folder: &Path, workload: &Workload) -> f64 {
    let keys = workload.keys(500, 1);
    let start = Instant::now();
    let mut store = kind.open(folder, workload.size());
    assert_eq!(store.read(&keys), 1);
    let took = start.elapsed();
    drop(store);
    settle();
    took.as_secs_f64() * 1e3
}

/// Bytes that the folder's files occupy.
fn disk_bytes(folder: &Path) -> u64 {
    files(folder)
        .map(|entry| match entry.path() {
            path if path.is_dir() => disk_bytes(&path),
            path => fs::metadata(path).map_or(0, |file| file.blocks() * 512),
        })
        .sum()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder of this run");
    for entry in files(from) {
        let to = to.join(entry.file_name());
        match entry.path() {
            path if path.is_dir() => copy_folder(&path, &to),
            path => drop(fs::copy(path, to).expect("a file that stays")),
        }
    }
}

fn files(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    let entries = fs::read_dir(folder).expect("a folder of this run");
    entries.map(|entry| entry.expect("it stays meanwhile"))
}
