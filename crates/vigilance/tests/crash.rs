//! A process that appends is killed at any moment: what it was told is there afterwards, and nothing by
//! half.
//!
//! `VIGILANCE_KILLS` says how often; `VIGILANCE_SEED` where the chances begin.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test; numbers are drawn below small bounds"
)]

#[path = "common/dice.rs"]
mod dice;
#[path = "common/samples.rs"]
mod samples;

use std::error::Error;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use dice::{Dice, number};
use vigilance::{Depth, Durability, Erasure, EventKind, Health, Options, Record, Trail};

/// Kills of a trail before a new one is begun.
const KILLS_A_TRAIL: u64 = 25;

#[test]
fn a_killed_process_loses_nothing_it_was_told() {
    let kills = number("VIGILANCE_KILLS", 50);
    let first_seed = number("VIGILANCE_SEED", 1);
    let mut tally = Tally::default();
    for (at, seed) in (0..kills.div_ceil(KILLS_A_TRAIL)).zip(first_seed..) {
        let kills = KILLS_A_TRAIL.min(kills - at * KILLS_A_TRAIL);
        kill_a_trail(seed, kills, &mut tally);
    }
    println!("{tally:?}");
    assert!(tally.acknowledged > kills, "next to nothing was appended");
}

#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    acknowledged: u64,
    /// Records that were there although nobody was told.
    in_flight: u64,
    /// Kills before the first word of the process.
    silent: u64,
}

/// A small write-ahead log, so that it is brought in often.
fn options(seed: u64) -> Options {
    samples::options().wal_bytes(100_000 << (seed % 5))
}

fn kill_a_trail(seed: u64, kills: u64, tally: &mut Tally) {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(seed);
    let mut known = 0;
    for kill in 0..kills {
        let told = run_and_kill(folder.path(), seed, kill, &mut dice);
        tally.kills += 1;
        let context = format!("seed {seed}, kill {kill}, told {told:?}");
        println!("{context}");
        match told {
            Some(size) => {
                tally.acknowledged += size - known;
                known = size;
            }
            None => tally.silent += 1,
        }
        let trail = Trail::open(folder.path(), &options(seed)).unwrap();
        assert_eq!(trail.health(), Health::Sound, "{context}");
        let size = trail.size();
        assert!(size >= known, "{context}: {size} of {known}");
        tally.in_flight += size - known;
        let from = if kill % 5 == 0 {
            0
        } else {
            known.saturating_sub(50)
        };
        for index in from..size {
            let found = trail.record(index).unwrap();
            if let Record::Event(event) = &found.record
                && event.kind == EventKind::Redacted
            {
                continue;
            }
            let expected = samples::record(index).encode().unwrap();
            assert_eq!(found.canonical, expected.canonical, "{context}: {index}");
        }
        let report = trail
            .verify(Depth::Pages, |_| ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(report.damage, [], "{context}");
        assert_eq!(report.root, Some(trail.root()), "{context}");
        known = size;
    }
}

/// Lets a process append until it is killed. Gives the size that it was last told.
fn run_and_kill(folder: &Path, seed: u64, kill: u64, dice: &mut Dice) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env("VIGILANCE_CRASH_FOLDER", folder)
        .env("VIGILANCE_SEED", seed.to_string())
        .env("VIGILANCE_KILL", kill.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (say, hear) = mpsc::channel();
    let listener = thread::spawn(move || {
        for line in output.lines() {
            let _ = say.send(line.unwrap());
        }
    });
    // After some of its words, and a moment more; or early, whatever it does then.
    let mut told = None;
    let deadline = match dice.below(5) {
        0 => Duration::from_millis(dice.below(60)),
        _ => Duration::from_secs(20),
    };
    let deadline = Instant::now() + deadline;
    let mut words = dice.below(60);
    while words > 0 {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(line) = hear.recv_timeout(left) else {
            break;
        };
        told = size_in(&line).or(told);
        words -= 1;
    }
    thread::sleep(Duration::from_micros(dice.below(6000)));
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "it ended by itself: {told:?}");
    listener.join().unwrap();
    for line in hear {
        told = size_in(&line).or(told);
    }
    told
}

fn size_in(line: &str) -> Option<u64> {
    let (_, size) = line.split_once("child: ")?;
    Some(size.parse().unwrap())
}

/// The name of the test that is the child.
const CHILD: &str = "appends_until_it_is_killed";

/// Not a test by itself: what the process does that is killed.
#[test]
fn appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os("VIGILANCE_CRASH_FOLDER") else {
        return;
    };
    let seed = number("VIGILANCE_SEED", 1);
    let mut dice = Dice(seed ^ (number("VIGILANCE_KILL", 0) << 32));
    if let Err(error) = append(Path::new(&folder), seed, &mut dice) {
        eprintln!("{error:?}");
        std::process::exit(1);
    }
}

fn append(folder: &Path, seed: u64, dice: &mut Dice) -> Result<(), Box<dyn Error>> {
    let trail = Trail::open(folder, &options(seed))?;
    loop {
        let size = trail.size();
        let count = match dice.below(6) {
            0 => 1 + dice.below(700),
            1 => 1 + dice.below(40),
            _ => 1,
        };
        let records = (size..size + count).map(samples::record);
        match dice.below(20) {
            0 if size > 20 => {
                let some = (0..3).map(|_| dice.below(size)).collect();
                trail.erase(&Erasure::Records(some), 1_770_000_000_000_000_000)?;
            }
            1 => drop(trail.checkpoint()?),
            2..6 if seed.is_multiple_of(2) => {
                let encoded: Result<Vec<_>, _> = records.map(|it| it.encode()).collect();
                trail.apply(size, &encoded?, Durability::Deferred)?;
            }
            _ => drop(trail.append_all(records.collect())?),
        }
        say(trail.size());
    }
}

fn say(words: impl Display) {
    // One write: the other side sees all of a line or nothing.
    let line = format!("child: {words}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

#[test]
fn a_second_process_is_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let _trail = Trail::open(folder.path(), &options(1)).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env("VIGILANCE_CRASH_FOLDER", folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Locked"), "{said}");
    assert!(said.contains(&std::process::id().to_string()), "{said}");
}
