//! Stopping the process between every two steps of the protocol, and again while it recovers.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{bundle, check, config, transfer};
use crate::step::Step;
use crate::{Attack, Execution, ExecutionStatus, Metric, Persistence, Severity, Text};

/// Ends the process, without a word to anybody, if this is the step at which it is to end.
pub(crate) fn reached(step: Step) {
    static STOP_AT: OnceLock<Option<u64>> = OnceLock::new();
    static STEPS: AtomicU64 = AtomicU64::new(0);
    let stop_at = STOP_AT.get_or_init(|| std::env::var("PERSISTENCE_STOP_AT").ok()?.parse().ok());
    if Some(STEPS.fetch_add(1, Ordering::SeqCst)) == *stop_at {
        eprintln!("stopped at {step:?}");
        std::process::abort();
    }
}

/// Runs the child on `folder`, to be stopped at step `stop_at`; what it said, and whether it came to
/// its end.
fn run(folder: &Path, stop_at: u64, is_recovery: bool) -> (Vec<String>, bool) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env("PERSISTENCE_FOLDER", folder)
        .env("PERSISTENCE_STOP_AT", stop_at.to_string())
        .env("PERSISTENCE_RECOVERY", if is_recovery { "1" } else { "" })
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| Some(line.split_once("child: ")?.1.to_owned());
    let said: Vec<String> = said.lines().filter_map(words).collect();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let finished = output.status.success();
    let stopped = errors.contains("stopped at");
    assert!(finished || stopped, "step {stop_at}: {errors}");
    (said, finished)
}

const CHILD: &str = "tests::steps::works_until_it_is_stopped";

#[test]
fn no_step_loses_what_was_acknowledged() {
    let thorough = std::env::var_os("PERSISTENCE_STEPS").is_some();
    let mut steps = 0;
    for nth in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let (said, finished) = run(folder.path(), nth, false);
        if thorough || nth % 5 == 0 {
            for again in 0.. {
                if run(folder.path(), again, true).1 {
                    break;
                }
                steps += 1;
            }
        }
        whole(folder.path(), &said, &format!("step {nth}"));
        if finished {
            break;
        }
        steps += 1;
    }
    println!("{steps} steps");
    assert!(steps > 40, "only {steps} steps");
}

/// That everything agrees, and holds what was acknowledged.
fn whole(folder: &Path, said: &[String], context: &str) {
    let opened = Persistence::open(config(folder));
    let (persistence, report) = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(report.causes, [], "{context}");
    for line in said {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["executed", id, version, root] => {
                let id: u64 = id.parse().unwrap();
                let again = persistence.execute(work(id)).unwrap();
                assert!(again.repeated, "{context}: {line}");
                assert_eq!(again.version.to_string(), version, "{context}");
                assert_eq!(again.root_after.to_string(), root, "{context}");
            }
            ["bundle", address] => {
                let address = address.parse().unwrap();
                let found = persistence.vault().bundle(&address).unwrap();
                assert!(found.is_some(), "{context}: {line}");
            }
            ["attack", id] => {
                let again = persistence.save_attack(attack(id)).unwrap();
                assert!(again.repeated, "{context}: {line}");
            }
            ["sealed", number] => {
                let (seal, _) = persistence.last_seal().unwrap();
                assert!(seal.number >= number.parse().ok(), "{context}: {line}");
            }
            _ => panic!("{line}"),
        }
    }
    let report = check(&persistence);
    assert_eq!(report.causes, [], "{context}");
    assert!(report.complete);
    persistence.execute(transfer(900)).unwrap();
}

/// Not a test by itself: what the process does that is stopped.
#[test]
fn works_until_it_is_stopped() {
    let Some(folder) = std::env::var_os("PERSISTENCE_FOLDER") else {
        return;
    };
    let folder = Path::new(&folder);
    let (persistence, report) = Persistence::open(config(folder)).unwrap();
    assert_eq!(report.causes, []);
    if std::env::var_os("PERSISTENCE_RECOVERY").is_some_and(|it| !it.is_empty()) {
        return;
    }
    for id in 0..6 {
        if id % 3 == 0 {
            let address = persistence.put_bundle(&bundle(id), id + 1).unwrap();
            println!("child: bundle {address}");
        }
        let done = persistence.execute(work(id)).unwrap();
        println!("child: executed {id} {} {}", done.version, done.root_after);
        if id % 2 == 1 {
            let name = format!("a{id}");
            persistence.save_attack(attack(&name)).unwrap();
            println!("child: attack {name}");
        }
        if id % 3 == 2 {
            let seal = persistence.seal(id).unwrap();
            println!("child: sealed {}", seal.number.unwrap());
        }
        let metric = Metric::new(format!("tx_{id}"), "cpu_time_ms", 1.5, id + 1);
        persistence.log_metric(metric).unwrap();
    }
}

fn work(id: u64) -> Execution {
    match id % 4 {
        3 => Execution::new(
            &format!("tx_{id}"),
            "transfer",
            ExecutionStatus::Failed,
            id + 1,
        ),
        _ => transfer(id).bundle(bundle(id / 3 * 3).address()),
    }
}

fn attack(id: &str) -> Attack {
    let severity = Severity::from_f64(0.9).unwrap();
    let mut attack = Attack::new(id, "injection", "code_injection", "sanitizer", severity, 7);
    let salt = vigilance::Salt::random().unwrap();
    attack.code_snippet = Some(Text::erasable(
        vigilance::ErasableField::CodeSnippet,
        "'; DROP TABLE accounts; --",
        salt,
    ));
    attack
}
