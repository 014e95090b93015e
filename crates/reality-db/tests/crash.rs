//! A process that commits is killed at any moment: what it was told is there afterwards, exactly.
//!
//! `REALITY_DB_KILLS` says how often; `REALITY_DB_SEED` where the chances begin.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/backend.rs"]
mod backend;
#[path = "common/child.rs"]
mod child;
#[path = "common/dice.rs"]
mod dice;
#[path = "common/ledger.rs"]
mod ledger;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use dice::{Dice, number};
use ledger::{Model, Told};
use reality_db::RealityDb;

/// Kills of a store before a new one is begun.
const KILLS_A_STORE: u64 = 25;

#[test]
fn a_killed_process_loses_nothing_it_was_told() {
    let kills = number("REALITY_DB_KILLS", 60);
    let first_seed = number("REALITY_DB_SEED", 1);
    let mut tally = Tally::default();
    for (at, seed) in (0..kills.div_ceil(KILLS_A_STORE)).zip(first_seed..) {
        let kills = KILLS_A_STORE.min(kills - at * KILLS_A_STORE);
        kill_a_store(seed, kills, &mut tally);
    }
    println!("{tally:?}");
    assert!(tally.acknowledged > kills, "next to nothing was committed");
}

#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    acknowledged: u64,
    /// Kills after which the version in flight was there.
    in_flight: u64,
    /// Kills before the first word of the process.
    silent: u64,
}

fn kill_a_store(seed: u64, kills: u64, tally: &mut Tally) {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::new(seed);
    let mut dice = Dice(seed);
    for kill in 0..kills {
        let told = run_and_kill(folder.path(), seed, kill, &mut dice);
        tally.kills += 1;
        let before = model.version;
        model.take_in(&told);
        match told.acknowledged {
            Some(_) => tally.acknowledged += model.version - before,
            None => tally.silent += 1,
        }
        let context = format!("seed {seed}, kill {kill}, {told:?}");
        println!("{context}");
        let db = RealityDb::open(folder.path(), &model.options().background(false));
        let db = db.unwrap_or_else(|error| panic!("{context}: {error}"));
        let version = db.version().number;
        assert!(
            version == model.version || version == told.going,
            "{context}: the version is {version}"
        );
        if version != model.version {
            tally.in_flight += 1;
        }
        model.go_to(version);
        model.check(&db, &context, kill % 4 == 0);
    }
}

/// Lets a process commit until it is killed.
fn run_and_kill(folder: &Path, seed: u64, kill: u64, dice: &mut Dice) -> Told {
    let (mut child, lines) = child::start(CHILD, |command| {
        command
            .env("REALITY_DB_CRASH_FOLDER", folder)
            .env("REALITY_DB_SEED", seed.to_string())
            .env("REALITY_DB_KILL", kill.to_string());
    });
    // After some of its words, and a moment more; or early, whatever it does then.
    let mut told = Told::default();
    let deadline = match dice.below(5) {
        0 => Duration::from_millis(dice.below(80)),
        _ => Duration::from_secs(20),
    };
    let deadline = Instant::now() + deadline;
    let mut words = dice.below(40);
    while words > 0 {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(line) = lines.hear.recv_timeout(left) else {
            break;
        };
        told.hear(&line);
        words -= 1;
    }
    thread::sleep(Duration::from_micros(dice.below(8000)));
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "it ended by itself: {told:?}");
    for line in lines.rest() {
        told.hear(&line);
    }
    told
}

/// The name of the test that is the child.
const CHILD: &str = "commits_until_it_is_killed";

/// Not a test by itself: what the process does that is killed.
#[test]
fn commits_until_it_is_killed() {
    let Some(folder) = std::env::var_os("REALITY_DB_CRASH_FOLDER") else {
        return;
    };
    ledger::run(Path::new(&folder));
}
