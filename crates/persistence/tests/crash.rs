//! A process that commits a mixed load is killed at random moments: nothing that was acknowledged is
//! lost, and the three stores agree.
//!
//! `PERSISTENCE_KILLS` says how often, `PERSISTENCE_SEED` with which seed to begin.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use persistence::{
    Attack, Bundle, Config, Execution, ExecutionStatus, Metric, Persistence, Severity,
    verify_receipt,
};

/// Kills of a folder before a new one is begun.
const KILLS_A_FOLDER: u64 = 20;

/// Callers at a time.
const CALLERS: u64 = 4;

#[test]
fn a_killed_process_loses_nothing_it_was_told() {
    let kills = number("PERSISTENCE_KILLS", 20);
    let first_seed = number("PERSISTENCE_SEED", 1);
    let mut acknowledged = 0;
    for (at, seed) in (0..kills.div_ceil(KILLS_A_FOLDER)).zip(first_seed..) {
        let folder = tempfile::tempdir().unwrap();
        let mut told = BTreeMap::new();
        let mut dice = Dice(seed);
        for kill in 0..KILLS_A_FOLDER.min(kills - at * KILLS_A_FOLDER) {
            let context = format!("seed {seed}, kill {kill}");
            let before = told.len();
            run_and_kill(folder.path(), kill, &mut dice, &mut told);
            acknowledged += told.len() - before;
            check(folder.path(), &told, &context, kill % 5 == 4);
        }
    }
    println!("{kills} kills, {acknowledged} executions acknowledged");
    assert!(acknowledged as u64 > kills, "next to nothing was committed");
}

/// Lets a process commit until it is killed.
fn run_and_kill(
    folder: &Path,
    kill: u64,
    dice: &mut Dice,
    told: &mut BTreeMap<String, (u64, String)>,
) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env("PERSISTENCE_CRASH_FOLDER", folder)
        .env("PERSISTENCE_KILL", kill.to_string())
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
    let deadline = match dice.below(5) {
        0 => Duration::from_millis(dice.below(120)),
        _ => Duration::from_secs(30),
    };
    let deadline = Instant::now() + deadline;
    let mut words = dice.below(120);
    while words > 0 {
        let Ok(line) = hear.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
            break;
        };
        listen(&line, told);
        words -= 1;
    }
    thread::sleep(Duration::from_micros(dice.below(8000)));
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "it ended by itself");
    listener.join().unwrap();
    for line in hear {
        listen(&line, told);
    }
}

fn listen(line: &str, told: &mut BTreeMap<String, (u64, String)>) {
    let Some((_, words)) = line.split_once("child: ") else {
        return;
    };
    let words: Vec<&str> = words.split(' ').collect();
    let [id, version, root] = words[..] else {
        panic!("{line}");
    };
    let value = (version.parse().unwrap(), root.to_owned());
    told.insert(id.to_owned(), value);
}

fn check(folder: &Path, told: &BTreeMap<String, (u64, String)>, context: &str, thoroughly: bool) {
    let opened = Persistence::open(Config::new(folder).time_ns(1));
    let (persistence, report) = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(report.causes, [], "{context}");
    let key = persistence.verifier_key();
    for (nth, (id, (version, root))) in told.iter().enumerate() {
        if nth % 17 != 0 && !thoroughly {
            continue;
        }
        let found = persistence.audit().execution_by_tx(id).unwrap();
        let found = found.unwrap_or_else(|| panic!("{context}: {id} is lost"));
        let persistence::Record::Execution(record) = found.record else {
            panic!("{context}: {id}");
        };
        assert_eq!(record.state_version, Some(*version), "{context}: {id}");
        let after = record.merkle_root_after.unwrap().to_string();
        assert_eq!(after, *root, "{context}: {id}");
    }
    if thoroughly {
        let report = persistence.verify_all(|_| ControlFlow::Continue(()));
        assert_eq!(report.unwrap().causes, [], "{context}");
        if let Some(id) = told.keys().next_back() {
            let receipt = persistence.receipt(id).unwrap().encode();
            verify_receipt(&receipt, &key).unwrap();
        }
    }
}

/// The name of the test that is the child.
const CHILD: &str = "commits_until_it_is_killed";

/// Not a test by itself: what the process does that is killed.
#[test]
fn commits_until_it_is_killed() {
    let Some(folder) = std::env::var_os("PERSISTENCE_CRASH_FOLDER") else {
        return;
    };
    let kill = number("PERSISTENCE_KILL", 0);
    let config = Config::new(folder).time_ns(1).seal_every(40);
    let (persistence, _) = Persistence::open(config).unwrap();
    thread::scope(|threads| {
        for caller in 0..CALLERS {
            let persistence = &persistence;
            threads.spawn(move || work(persistence, kill, caller));
        }
    });
}

fn work(persistence: &Persistence, kill: u64, caller: u64) {
    let mut dice = Dice((kill << 8) + caller + 1);
    for nth in 0.. {
        let id = format!("tx_{kill}_{caller}_{nth}");
        match dice.below(12) {
            0 => {
                let attack = Attack::new(&id, "injection", "code", "layer", Severity::MAX, nth);
                persistence.save_attack(attack).unwrap();
                continue;
            }
            1 => {
                let metric = Metric::new(&id, "cpu_time_ms", 1.5, nth);
                persistence.log_metric(metric).unwrap();
                continue;
            }
            _ => {}
        }
        let code = format!("intent {}", dice.below(30));
        let status = persistence::VerificationStatus::Proved;
        let bundle = Bundle::new(code.into_bytes(), "transfer", status, 1).unwrap();
        let address = persistence.put_bundle(&bundle, nth).unwrap();
        let status = match dice.below(6) {
            0 => ExecutionStatus::Failed,
            _ => ExecutionStatus::Proved,
        };
        let mut execution = Execution::new(&id, "transfer", status, nth).bundle(address);
        for _ in 0..4 {
            let key = format!("account:{}", dice.below(500));
            execution = execution.put(key.as_bytes(), id.as_bytes());
        }
        let done = persistence.execute(execution).unwrap();
        let line = format!("child: {id} {} {}\n", done.version, done.root_after);
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(otherwise, |value| value.parse().unwrap())
}

/// Numbers that are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
