//! The power goes while a process commits: whatever of the bytes that were not synced is lost or torn,
//! what it was told is there afterwards, exactly.
//!
//! `strace` records what a process does to its files; from that, what a disk may hold at any moment
//! is made again and again. `REALITY_DB_POWER_LOSSES` says how often; `REALITY_DB_SEED` where the
//! chances begin. Skipped, visibly, where there is no `strace`; a machine of CI must have it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/backend.rs"]
mod backend;
#[path = "common/dice.rs"]
mod dice;
#[path = "common/disk.rs"]
mod disk;
#[path = "common/ledger.rs"]
mod ledger;
#[path = "common/trace.rs"]
mod trace;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use dice::{Dice, number};
use ledger::{Model, Told};
use reality_db::RealityDb;
use trace::{CALLS, Trace};

/// Losses of power from one trace.
const LOSSES_A_TRACE: u64 = 100;

/// Versions that a process commits before it ends by itself.
const VERSIONS: u64 = 60;

#[test]
fn a_loss_of_power_loses_nothing_that_was_acknowledged() {
    let strace = Command::new("strace").arg("--version").output();
    if !strace.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "strace is missing");
        println!("skipped: there is no strace here");
        return;
    }
    let losses = number("REALITY_DB_POWER_LOSSES", 100);
    let first_seed = number("REALITY_DB_SEED", 1);
    let mut tally = Tally::default();
    for (at, seed) in (0..losses.div_ceil(LOSSES_A_TRACE)).zip(first_seed..) {
        lose_power(
            seed,
            LOSSES_A_TRACE.min(losses - at * LOSSES_A_TRACE),
            &mut tally,
        );
    }
    println!("{tally:?}");
    assert!(tally.acknowledged > losses, "next to nothing was committed");
}

#[derive(Debug, Default)]
struct Tally {
    traces: u64,
    losses: u64,
    /// Versions that were acknowledged before the losses, together.
    acknowledged: u64,
    /// Losses after which versions in flight were there.
    in_flight: u64,
}

fn lose_power(seed: u64, losses: u64, tally: &mut Tally) {
    let folder = tempfile::tempdir().unwrap();
    let (store, record) = (folder.path().join("store"), folder.path().join("trace"));
    std::fs::create_dir(&store).unwrap();
    record_trace(&store, &record, seed);
    let lines = || BufReader::new(File::open(&record).unwrap()).lines();
    let count = lines().count() as u64;
    let mut dice = Dice(seed);
    let mut moments: Vec<_> = (0..losses).map(|_| dice.below(count)).collect();
    moments.sort_unstable();
    let mut moments = moments.into_iter().peekable();
    let mut trace = Trace::new(&store);
    let mut told = Told::default();
    let mut model = Model::new(seed);
    for (at, line) in (0..).zip(lines()) {
        if let Some(said) = trace.follow(&line.unwrap()) {
            said.lines().for_each(|line| told.hear(line));
            model.take_in(&told);
        }
        while moments.next_if_eq(&at).is_some() {
            let image = folder.path().join("image");
            let _ = std::fs::remove_dir_all(&image);
            trace.disk.lose_power(&store, &image, &mut dice);
            let context = format!("seed {seed}, line {at} of {count}, {told:?}");
            check(&image, &model, &told, &context, tally);
        }
    }
    tally.traces += 1;
    assert!(
        told.acknowledged
            .is_some_and(|(version, _)| version >= VERSIONS)
    );
}

/// Opens what is left, compares it, goes on with it, and opens it again.
fn check(image: &Path, model: &Model, told: &Told, context: &str, tally: &mut Tally) {
    let mut model = model.clone();
    tally.losses += 1;
    tally.acknowledged += model.version;
    let options = model.options().background(false);
    let db = RealityDb::open(image, &options).unwrap_or_else(|error| panic!("{context}: {error}"));
    let version = db.version().number;
    let sound = version == model.version || version == told.going;
    assert!(sound, "{context}: the version is {version}");
    tally.in_flight += u64::from(version != model.version);
    model.go_to(version);
    model.check(&db, context, true);
    let next = db.put(b"another", b"value").unwrap();
    drop(db);
    let db = RealityDb::open(image, &options).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(db.version(), next, "{context}");
}

/// Has a process commit, and records what it does to its files.
fn record_trace(store: &Path, record: &Path, seed: u64) {
    let status = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-y",
            "-xx",
            "-s",
            "1000000000",
            "-e",
            CALLS,
            "-e",
            "signal=none",
            "-o",
        ])
        .arg(record)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env("REALITY_DB_CRASH_FOLDER", store)
        .env("REALITY_DB_SEED", seed.to_string())
        .env("REALITY_DB_VERSIONS", VERSIONS.to_string())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

/// The name of the test that is the child.
const CHILD: &str = "commits_and_ends";

/// Not a test by itself: what the process does that is recorded.
#[test]
fn commits_and_ends() {
    if let Some(folder) = std::env::var_os("REALITY_DB_CRASH_FOLDER") {
        ledger::run(Path::new(&folder));
    }
}
