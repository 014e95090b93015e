//! Many small blobs: put in each class, and got at random.

use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;
use truth_vault::Durability;

use super::store::{BlobStore, VaultPeer};
use super::{blob, git, ours, restic};
use crate::measure::median;
use crate::random::Random;
use crate::report::Report;
use crate::row::{Goal, Row};

/// Times that each store puts; other blobs each time.
const ROUNDS: usize = 3;

/// Bytes of the blobs.
const SIZES: [usize; 3] = [1 << 10, 8 << 10, 50_000];

/// Reports the rows.
pub(super) fn rows(report: &mut Report) {
    for bytes in SIZES {
        put_none(report, bytes);
    }
    for bytes in SIZES {
        put_batch(report, bytes);
    }
    put_each(report);
    get(report);
}

/// How many blobs of this size a round has: as many as fit 200 MB, and not more than 100,000.
fn count(report: &Report, bytes: usize) -> usize {
    let full = (200_000_000 / bytes).min(100_000);
    report.size(full, full / 10)
}

/// Slower stores get a part of the blobs: their rates are of that part.
fn slow_count(report: &Report, bytes: usize) -> usize {
    count(report, bytes).min(report.size(3_000, 500))
}

/// Blobs a second, the middle of the rounds. A store that is not on this machine is left out.
fn rate(folder: &Path, peer: &VaultPeer, count: usize, bytes: usize) -> Option<f64> {
    let mut store = (peer.open)(folder)?;
    Some(rate_of(&mut *store, count, bytes))
}

fn rate_of(store: &mut dyn BlobStore, count: usize, bytes: usize) -> f64 {
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let blobs = blob::blobs(round as u64, count, bytes);
            store.prepare(&blobs);
            // What was written before the clock ran is not to be written while it does.
            let _ = std::process::Command::new("sync").status();
            let start = Instant::now();
            store.put(&blobs);
            count as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    median(&mut rates)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder to write to")
}

fn ours_rate(durability: Durability, threads: usize, count: usize, bytes: usize) -> f64 {
    let folder = folder();
    let mut ours = ours::Ours::open(&folder.path().join("vault"), durability, threads);
    rate_of(&mut ours, count, bytes)
}

fn put_none(report: &mut Report, bytes: usize) {
    let rate_ours = ours_rate(Durability::None, 1, count(report, bytes), bytes);
    let mut row = Row::new(
        "vault",
        format!("put_none/bytes={bytes}"),
        "blobs/s",
        rate_ours,
    );
    let slow = slow_count(report, bytes);
    if let Some(cacache) = rate(folder().path(), &super::CACACHE, slow, bytes) {
        row = row.peer("cacache", cacache);
        let least: f64 = if bytes == 8 << 10 { 60_000.0 } else { 0.0 };
        row = row.goal(Goal::AtLeast(least.max(8.0 * cacache)));
    }
    report.row(&row);
}

fn put_batch(report: &mut Report, bytes: usize) {
    let rate_ours = ours_rate(Durability::Batch, 1, count(report, bytes), bytes);
    let mut row = Row::new(
        "vault",
        format!("put_batch/bytes={bytes}"),
        "blobs/s",
        rate_ours,
    );
    let slow = slow_count(report, bytes);
    let mut goal = 0_f64;
    let light = [git::BATCH, git::PACKED, restic::RESTIC];
    for peer in light.iter().chain(report.vault_peers()) {
        let Some(theirs) = rate(folder().path(), peer, slow, bytes) else {
            eprintln!("{}: not on this machine", peer.name);
            continue;
        };
        row = row.peer(peer.name, theirs);
        goal = goal.max(match peer.name {
            "git batch" => 10.0 * theirs,
            "iroh-blobs" => 3.0 * theirs,
            _ => 0.0,
        });
    }
    report.row(&row.goal(Goal::AtLeast(goal)));
}

/// Each blob durable when its put returns.
fn put_each(report: &mut Report) {
    let bytes = 8 << 10;
    let count = report.size(2_000, 400);
    let one = ours_rate(Durability::Each, 1, count, bytes);
    let mut row = Row::new(
        "vault",
        format!("put_each/bytes={bytes}/threads=1"),
        "blobs/s",
        one,
    );
    if let Some(git) = rate(folder().path(), &git::LOOSE, count, bytes) {
        row = row.peer("git loose", git);
    }
    report.row(&row);
    let many = ours_rate(Durability::Each, 16, 4 * count, bytes);
    let name = format!("put_each/bytes={bytes}/threads=16");
    let row = Row::new("vault", name, "blobs/s", many).peer("one thread", one);
    report.row(&row.goal(Goal::AtLeast(8.0 * one)));
}

/// Verified gets at random of what was just written, so that no disk is waited for.
fn get(report: &mut Report) {
    for bytes in SIZES {
        let slow = slow_count(report, bytes);
        let folder_ours = folder();
        let path = folder_ours.path().join("vault");
        let mut ours = ours::Ours::open(&path, Durability::None, 1);
        let rate_ours = get_rate(&mut ours, slow, bytes).expect("it answers");
        let mut row = Row::new("vault", format!("get/bytes={bytes}"), "blobs/s", rate_ours);
        let mut goal: f64 = if bytes == 8 << 10 { 100_000.0 } else { 0.0 };
        for peer in [super::CACACHE].iter().chain(report.vault_peers()) {
            let folder = folder();
            let Some(mut store) = (peer.open)(folder.path()) else {
                continue;
            };
            let Some(theirs) = get_rate(&mut *store, slow, bytes) else {
                continue;
            };
            row = row.peer(peer.name, theirs);
            if peer.name == "cacache" {
                goal = goal.max(3.0 * theirs);
            }
        }
        report.row(&row.goal(Goal::AtLeast(goal)));
    }
}

fn get_rate(store: &mut dyn BlobStore, count: usize, bytes: usize) -> Option<f64> {
    let blobs = blob::blobs(1, count, bytes);
    store.prepare(&blobs);
    store.put(&blobs);
    drop(blobs);
    store.get(0)?;
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let places = Random::new(round as u64).places(count, count);
            let start = Instant::now();
            for at in &places {
                assert_eq!(store.get(*at), Some(bytes));
            }
            count as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    Some(median(&mut rates))
}
