//! Processes that put, pin and collect are killed at any moment: what they were told is there afterwards,
//! whole, and what they were writing is cut off cleanly.
//!
//! `TRUTH_VAULT_KILLS` says how often; `TRUTH_VAULT_SEED` where the chances begin. A kill takes nothing from
//! the system's memory, so that every class of durability promises the same here.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

#[path = "common/dice.rs"]
mod dice;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dice::{Dice, number};
use truth_vault::{
    Address, Bundle, Durability, GcError, GcOptions, Options, PutOptions, ScrubOptions, Vault,
    VerificationStatus,
};

/// Kills of a vault before a new one is begun.
const KILLS_A_VAULT: u64 = 25;

fn open(folder: &Path) -> Vault {
    Vault::open(folder, &Options::new().segment_bytes(16 << 10)).unwrap()
}

fn blob(number: u64) -> Vec<u8> {
    let mut dice = Dice(number);
    let len = match dice.below(40) {
        0 => (1 << 20) + dice.below(70_000),
        1..4 => dice.below(9_000),
        _ => dice.below(900),
    };
    let fill = u8::try_from(dice.below(256)).unwrap();
    let mut bytes = vec![fill; usize::try_from(len).unwrap()];
    bytes.extend(number.to_le_bytes());
    bytes
}

fn bundle(number: u64) -> Bundle {
    // Its code is shared with the bundles around it.
    let code = format!("code {}", number / 4).into_bytes();
    Bundle::new(
        code,
        &format!("intent {number}"),
        VerificationStatus::Proved,
        number,
    )
    .unwrap()
}

/// What the processes said before they died.
#[derive(Debug, Default)]
struct Told {
    /// Blobs that are pinned, the pin acknowledged before the blob was.
    kept: BTreeSet<u64>,
    bundles: BTreeSet<u64>,
    /// Blobs that nothing needs, and that no collection was begun after.
    loose: BTreeSet<u64>,
    /// Blobs that may be there or not.
    perhaps: BTreeSet<u64>,
    collections: u64,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (Some("vault"), Some(what)) = (words.next(), words.next()) else {
            return; // of the test harness
        };
        let number = words.next().map_or(0, |number| number.parse().unwrap());
        match what {
            "kept" => drop(self.kept.insert(number)),
            "bundle" => drop(self.bundles.insert(number)),
            "loose" => drop(self.loose.insert(number)),
            "unpin" => {
                self.kept.remove(&number);
                self.perhaps.insert(number);
            }
            "retire" => drop(self.bundles.remove(&number)),
            "collect" => {
                self.collections += 1;
                self.perhaps.append(&mut self.loose);
            }
            other => panic!("what is {other}?"),
        }
    }

    fn check(&self, vault: &Vault, context: &str) {
        for number in self.kept.iter().chain(&self.loose) {
            let address = Address::of(&blob(*number));
            let found = vault.get(&address);
            let found = found.unwrap_or_else(|error| panic!("{context}: {number}: {error}"));
            assert!(
                found == Some(blob(*number)),
                "{context}: {number} is not there"
            );
        }
        let pins: BTreeSet<Address> = vault.pins().unwrap().into_iter().collect();
        for number in &self.kept {
            assert!(
                pins.contains(&Address::of(&blob(*number))),
                "{context}: the pin of {number}"
            );
        }
        for number in &self.bundles {
            let found = vault.bundle(&bundle(*number).address());
            let found = found.unwrap_or_else(|error| panic!("{context}: {number}: {error}"));
            assert!(
                found == Some(bundle(*number)),
                "{context}: bundle {number} is not there"
            );
        }
        for number in &self.perhaps {
            let found = vault.get(&Address::of(&blob(*number)));
            let found = found.unwrap_or_else(|error| panic!("{context}: {number}: {error}"));
            assert!(
                found.is_none_or(|found| found == blob(*number)),
                "{context}: {number}"
            );
        }
    }
}

/// What the campaign came to.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    acknowledged: usize,
    collections: u64,
    torn: usize,
}

#[test]
fn a_killed_process_loses_nothing_it_was_told() {
    let kills = number("TRUTH_VAULT_KILLS", 50);
    let first_seed = number("TRUTH_VAULT_SEED", 1);
    let mut tally = Tally::default();
    for (at, seed) in (0..kills.div_ceil(KILLS_A_VAULT)).zip(first_seed..) {
        kill_a_vault(
            seed,
            KILLS_A_VAULT.min(kills - at * KILLS_A_VAULT),
            &mut tally,
        );
    }
    println!("{tally:?}");
    assert!(tally.acknowledged as u64 > kills, "next to nothing was put");
    assert!(
        tally.collections * 4 > kills,
        "next to nothing was collected"
    );
}

fn kill_a_vault(seed: u64, kills: u64, tally: &mut Tally) {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(seed);
    let mut told = Told::default();
    for kill in 0..kills {
        // Now and then two processes, which die one after the other.
        let processes = 1 + u64::from(dice.below(4) == 0);
        let mut running: Vec<Process> = (0..processes)
            .map(|process| Process::start(folder.path(), seed, 2 * kill + process))
            .collect();
        for process in &mut running {
            process.kill(&mut told, &mut dice);
        }
        if processes > 1 {
            // Which of them said what first is not known.
            told.perhaps.append(&mut told.loose);
        }
        tally.kills += 1;
        let context = format!("seed {seed}, kill {kill}");
        if dice.below(4) == 0 {
            let _ = fs::remove_file(folder.path().join("index"));
        }
        let vault = open(folder.path());
        let report = vault.open_report();
        assert_eq!(report.bad_files, <[String; 0]>::default(), "{context}");
        assert_eq!(report.gaps, [], "{context}");
        tally.torn += report.cuts.len();
        told.check(&vault, &context);
        let report = vault.verify(&mut go_on).unwrap();
        assert!(report.is_sound(), "{context}: {report:?}");
        if dice.below(8) == 0 {
            let scrubbed = vault
                .scrub(&ScrubOptions::new(kill + 1), &mut go_on)
                .unwrap();
            assert_eq!(scrubbed.bad, [], "{context}");
        }
        // Cut once, it is clean.
        drop(vault);
        assert_eq!(open(folder.path()).open_report().cuts, [], "{context}");
    }
    tally.acknowledged += told.kept.len() + told.bundles.len() + told.loose.len();
    tally.collections += told.collections;
    // What was on the way when a collection died does not stop the next.
    let vault = open(folder.path());
    for round in 1..4 {
        let options = GcOptions::new(1_000_000_000 + round).grace(Duration::ZERO);
        let report = vault.collect(&options.dead_percent(0), &mut go_on).unwrap();
        assert_eq!(report.kept, [], "seed {seed}");
    }
    told.perhaps.append(&mut told.loose);
    told.check(&vault, &format!("seed {seed}, collected"));
    assert!(vault.verify(&mut go_on).unwrap().is_sound(), "seed {seed}");
    // What a process was about to say when it died may be there too.
    let most = told.kept.len() + 2 * told.bundles.len() + 4 * usize::try_from(kills).unwrap();
    assert!(
        vault.len() <= most as u64,
        "seed {seed}: {} of {most}",
        vault.len()
    );
}

fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Collects, and says how many segments had to stay.
fn collect(vault: &Vault, now_ns: u64) -> Result<usize, GcError> {
    let options = GcOptions::new(now_ns)
        .grace(Duration::ZERO)
        .dead_percent(20);
    Ok(vault.collect(&options, &mut go_on)?.kept.len())
}

/// A process at work on the vault.
struct Process {
    child: Child,
    lines: Receiver<String>,
    listener: JoinHandle<()>,
}

impl Process {
    fn start(folder: &Path, seed: u64, life: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
            .env("TRUTH_VAULT_CRASH_FOLDER", folder)
            .env("TRUTH_VAULT_SEED", seed.to_string())
            .env("TRUTH_VAULT_LIFE", life.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (say, lines) = channel();
        let listener = thread::spawn(move || {
            for line in output.lines() {
                let _ = say.send(line.unwrap());
            }
        });
        Self {
            child,
            lines,
            listener,
        }
    }

    /// Kills it after some of its words, and a moment more; or early, whatever it does then.
    fn kill(&mut self, told: &mut Told, dice: &mut Dice) {
        let patience = match dice.below(5) {
            0 => Duration::from_millis(dice.below(60)),
            _ => Duration::from_secs(20),
        };
        let deadline = Instant::now() + patience;
        for _ in 0..dice.below(60) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                break;
            };
            told.hear(&line);
        }
        thread::sleep(Duration::from_micros(dice.below(4000)));
        self.child.kill().unwrap();
        assert_eq!(
            self.child.wait().unwrap().code(),
            None,
            "it ended by itself: {told:?}"
        );
        while !self.listener.is_finished() {
            thread::yield_now();
        }
        for line in self.lines.try_iter() {
            told.hear(&line);
        }
    }
}

/// The name of the test that is the child.
const CHILD: &str = "works_until_it_is_killed";

/// Not a test by itself: what the process does that is killed.
#[test]
fn works_until_it_is_killed() {
    let Some(folder) = std::env::var_os("TRUTH_VAULT_CRASH_FOLDER") else {
        return;
    };
    let life = number("TRUTH_VAULT_LIFE", 0);
    let seed = number("TRUTH_VAULT_SEED", 1);
    let vault = open(Path::new(&folder));
    let mut dice = Dice(seed << 32 | life);
    let mut mine = BTreeMap::new();
    let mut bundles = Vec::new();
    for at in 0_u64.. {
        // A number that no other life has.
        let number = life * 1_000_000 + at;
        let classes = [Durability::None, Durability::Batch, Durability::Each];
        let class = classes[usize::try_from(dice.below(3)).unwrap()];
        let options = PutOptions::new().durability(class).time_ns(number);
        let put = || vault.put_reader(&mut &*blob(number), &options).unwrap();
        match dice.below(16) {
            0..6 => {
                let address = Address::of(&blob(number));
                vault.pin(&[address]).unwrap();
                assert_eq!(put(), address);
                println!("vault kept {number}");
                mine.insert(number, address);
            }
            6..10 => {
                put();
                println!("vault loose {number}");
            }
            10..13 => {
                vault.put_bundle(&bundle(number), class).unwrap();
                println!("vault bundle {number}");
                bundles.push(number);
            }
            13 if mine.len() > 8 => {
                let (number, address) = mine.pop_first().unwrap();
                println!("vault unpin {number}");
                vault.unpin(&[address]).unwrap();
            }
            14 if bundles.len() > 8 => {
                let number = bundles.remove(0);
                println!("vault retire {number}");
                vault.retire(&bundle(number).address()).unwrap();
            }
            13.. => {
                println!("vault collect");
                match collect(&vault, number) {
                    Ok(kept) => assert_eq!(kept, 0),
                    Err(GcError::Busy) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
    }
}
