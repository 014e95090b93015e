//! A process that commits a mixed load is killed at random moments: nothing that was acknowledged is
//! lost, the three stores agree, the seal chain holds, and what was backed up can be restored.
//!
//! `PERSISTENCE_KILLS` says how often, `PERSISTENCE_SEED` with which seed to begin.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/dice.rs"]
mod dice;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use dice::{Dice, number};
use persistence::{
    Attack, Bundle, Config, Execution, ExecutionStatus, Metric, Persistence, Record, Severity,
    Text, verify_receipt,
};
use vigilance::{ErasableField, Salt};

/// Kills of a folder before a new one is begun.
const KILLS_A_FOLDER: u64 = 20;

/// Callers at a time.
const CALLERS: u64 = 4;

/// What a process said before it was killed.
#[derive(Default)]
struct Told {
    /// The version and the root after of executions.
    executions: BTreeMap<String, (u64, String)>,
    attacks: Vec<String>,
    seal: u64,
    /// The version and root that the newest backup goes to.
    backup: Option<(u64, String)>,
    counts: Counts,
}

/// What was acknowledged in all.
#[derive(Default)]
struct Counts {
    executions: u64,
    attacks: u64,
    seals: u64,
    backups: u64,
}

#[test]
fn a_killed_process_loses_nothing_it_was_told() {
    let kills = number("PERSISTENCE_KILLS", 20);
    let first_seed = number("PERSISTENCE_SEED", 1);
    let mut all = Counts::default();
    for (at, seed) in (0..kills.div_ceil(KILLS_A_FOLDER)).zip(first_seed..) {
        let folder = tempfile::tempdir().unwrap();
        let mut told = Told::default();
        let mut dice = Dice(seed);
        for kill in 0..KILLS_A_FOLDER.min(kills - at * KILLS_A_FOLDER) {
            let context = format!("seed {seed}, kill {kill}");
            run_and_kill(folder.path(), kill, &mut dice, &mut told);
            check(folder.path(), &told, &context, kill % 5 == 4);
        }
        all.executions += told.counts.executions;
        all.attacks += told.counts.attacks;
        all.seals += told.counts.seals;
        all.backups += told.counts.backups;
    }
    let Counts {
        executions,
        attacks,
        seals,
        backups,
    } = all;
    println!(
        "{kills} kills: acknowledged were {executions} executions, {attacks} attacks, {seals} seals, \
         {backups} backups; nothing of it was lost"
    );
    assert!(executions > kills, "next to nothing was committed");
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn backup(folder: &Path) -> PathBuf {
    folder.join("backup")
}

/// Lets a process commit until it is killed.
fn run_and_kill(folder: &Path, kill: u64, dice: &mut Dice, told: &mut Told) {
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
        told.listen(&line);
        words -= 1;
    }
    thread::sleep(Duration::from_micros(dice.below(8000)));
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "it ended by itself");
    listener.join().unwrap();
    for line in hear {
        told.listen(&line);
    }
}

impl Told {
    fn listen(&mut self, line: &str) {
        let Some((_, words)) = line.split_once("child: ") else {
            return;
        };
        let words: Vec<&str> = words.split(' ').collect();
        match words[..] {
            ["executed", id, version, root] => {
                let value = (version.parse().unwrap(), root.to_owned());
                self.executions.insert(id.to_owned(), value);
                self.counts.executions += 1;
            }
            ["attack", id] => {
                self.attacks.push(id.to_owned());
                self.counts.attacks += 1;
            }
            ["sealed", number] => {
                self.seal = self.seal.max(number.parse().unwrap());
                self.counts.seals += 1;
            }
            ["backup", version, root] => {
                self.backup = Some((version.parse().unwrap(), root.to_owned()));
                self.counts.backups += 1;
            }
            _ => panic!("{line}"),
        }
    }
}

fn check(folder: &Path, told: &Told, context: &str, thoroughly: bool) {
    let opened = Persistence::open(Config::new(data(folder)).time_ns(1));
    let (persistence, report) = opened.unwrap_or_else(|error| panic!("{context}: {error:?}"));
    assert_eq!(report.causes, [], "{context}");
    for (nth, (id, (version, root))) in told.executions.iter().enumerate() {
        if nth % 17 != 0 && !thoroughly {
            continue;
        }
        let found = persistence.audit().execution_by_tx(id).unwrap();
        let found = found.unwrap_or_else(|| panic!("{context}: {id} is lost"));
        let Record::Execution(record) = found.record else {
            panic!("{context}: {id}");
        };
        assert_eq!(record.state_version, Some(*version), "{context}: {id}");
        let after = record.merkle_root_after.unwrap().to_string();
        assert_eq!(after, *root, "{context}: {id}");
        let version = persistence.state().info(*version).unwrap().version;
        assert_eq!(version.root.to_string(), *root, "{context}: {id}");
    }
    for (nth, id) in told.attacks.iter().enumerate() {
        if nth % 7 == 0 || thoroughly {
            let found = persistence.audit().attack_by_id(id).unwrap();
            let found = found.unwrap_or_else(|| panic!("{context}: {id} is lost"));
            let Record::Attack(attack) = found.record else {
                panic!("{context}: {id}");
            };
            let text = attack.code_snippet.unwrap();
            assert_eq!(text.as_str(), Some(id.as_str()), "{context}");
        }
    }
    let (seal, _) = persistence.last_seal().unwrap();
    assert!(seal.number >= Some(told.seal), "{context}: {seal:?}");
    if thoroughly {
        check_thoroughly(&persistence, told, context);
    }
    drop(persistence);
    if thoroughly && told.backup.is_some() {
        check_backup(folder, told, context);
    }
}

fn check_thoroughly(persistence: &Persistence, told: &Told, context: &str) {
    let report = persistence.verify_all(|_| ControlFlow::Continue(()));
    let report = report.unwrap();
    assert_eq!(report.causes, [], "{context}");
    assert!(report.complete, "{context}");
    if let Some(id) = told.executions.keys().next_back() {
        let receipt = persistence.receipt(id).unwrap().encode();
        verify_receipt(&receipt, &persistence.verifier_key()).unwrap();
    }
}

/// That a backup that was acknowledged can be restored, to that version or a later one.
fn check_backup(folder: &Path, told: &Told, context: &str) {
    let Some((version, root)) = &told.backup else {
        return;
    };
    let into = tempfile::tempdir().unwrap();
    let config = || Config::new(into.path()).with_key_path(data(folder).join("seal.key"));
    let seal = Persistence::check_backup(&config(), &backup(folder));
    let seal = seal.unwrap_or_else(|error| panic!("{context}: {error:?}"));
    assert!(seal.version >= *version, "{context}");
    let restored = Persistence::restore(config(), &backup(folder));
    let (restored, _) = restored.unwrap_or_else(|error| panic!("{context}: {error:?}"));
    let found = restored.state().info(*version).unwrap().version;
    assert_eq!(found.root.to_string(), *root, "{context}");
    let newest = restored.state().info(seal.version).unwrap().version;
    assert_eq!(newest.root, seal.state_root, "{context}");
    let report = restored.verify_all(|_| ControlFlow::Continue(()));
    assert_eq!(report.unwrap().causes, [], "{context}");
}

/// The name of the test that is the child.
const CHILD: &str = "commits_until_it_is_killed";

/// Not a test by itself: what the process does that is killed.
#[test]
fn commits_until_it_is_killed() {
    let Some(folder) = std::env::var_os("PERSISTENCE_CRASH_FOLDER") else {
        return;
    };
    let folder = Path::new(&folder);
    let kill = number("PERSISTENCE_KILL", 0);
    let config = Config::new(data(folder)).time_ns(1).seal_every(40);
    let (persistence, _) = Persistence::open(config).unwrap();
    thread::scope(|threads| {
        for caller in 0..CALLERS {
            let persistence = &persistence;
            threads.spawn(move || work(persistence, folder, kill, caller));
        }
    });
}

fn say(line: &str) {
    let line = format!("child: {line}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

fn work(persistence: &Persistence, folder: &Path, kill: u64, caller: u64) {
    let mut dice = Dice((kill << 8) + caller + 1);
    for nth in 0.. {
        let id = format!("tx_{kill}_{caller}_{nth}");
        match dice.below(24) {
            0 | 1 => {
                let mut attack = Attack::new(&id, "injection", "code", "layer", Severity::MAX, nth);
                let salt = Salt::random().unwrap();
                let text = Text::erasable(ErasableField::CodeSnippet, &id, salt);
                attack.code_snippet = Some(text);
                persistence.save_attack(attack).unwrap();
                say(&format!("attack {id}"));
            }
            2 | 3 => {
                let metric = Metric::new(&id, "cpu_time_ms", 1.5, nth);
                persistence.log_metric(metric).unwrap();
            }
            4 => {
                let seal = persistence.seal(nth).unwrap();
                say(&format!("sealed {}", seal.number.unwrap()));
            }
            // One at a time may bring a backup forward.
            5 if caller == 0 => {
                let report = persistence.backup(&backup(folder)).unwrap();
                say(&format!("backup {} {}", report.version, report.root));
            }
            6 if caller == 1 => {
                let name = format!("snapshot {kill} {nth}");
                persistence.snapshot(&name, nth).unwrap();
            }
            _ => execute(persistence, &mut dice, &id, nth),
        }
    }
}

fn execute(persistence: &Persistence, dice: &mut Dice, id: &str, nth: u64) {
    let code = format!("intent {}", dice.below(30));
    let status = persistence::VerificationStatus::Proved;
    let bundle = Bundle::new(code.into_bytes(), "transfer", status, 1).unwrap();
    let address = persistence.put_bundle(&bundle, nth).unwrap();
    let status = match dice.below(8) {
        0 => ExecutionStatus::Failed,
        1 => ExecutionStatus::Timeout,
        _ => ExecutionStatus::Proved,
    };
    let mut execution = Execution::new(id, "transfer", status, nth).bundle(address);
    for _ in 0..4 {
        let key = format!("account:{}", dice.below(500));
        execution = execution.put(key.as_bytes(), id.as_bytes());
    }
    let done = persistence.execute(execution).unwrap();
    let (version, root) = (done.version, done.root_after);
    say(&format!("executed {id} {version} {root}"));
}
