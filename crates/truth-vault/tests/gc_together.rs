//! Several threads and processes put, get, lease and collect at once: what somebody was told is there is
//! there for the grace, and what is needed for good.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

#[path = "common/dice.rs"]
mod dice;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use dice::{Dice, number};
use truth_vault::{
    Address, Bundle, BundleAddress, Durability, GcError, GcOptions, Options, Vault,
    VerificationStatus,
};

/// Blobs that all of them put, so that they meet.
const BLOBS: u64 = 24;

/// What one of them does in a round.
const STEPS: u64 = 300;

fn open(folder: &Path) -> Vault {
    Vault::open(folder.join("vault"), &Options::new().segment_bytes(4096)).unwrap()
}

fn blob(number: u64) -> Vec<u8> {
    // One in eight is large.
    let len = if number.is_multiple_of(8) {
        (1 << 20) + 1
    } else {
        500
    };
    let mut bytes = vec![7; len];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// The grace in the tests' own time: nobody moves it on while somebody counts on what it was told.
struct Gate(File);

impl Gate {
    fn open(folder: &Path) -> Self {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false);
        Self(file.open(folder.join("gate")).unwrap())
    }

    /// Does something that counts on what it is told.
    fn counting<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.lock_shared().unwrap();
        let done = work();
        self.0.unlock().unwrap();
        done
    }

    /// Returns when all that was counted on when it was called is over.
    fn pass(&self) {
        self.0.lock().unwrap();
        self.0.unlock().unwrap();
    }
}

/// One who puts, gets and leases, in a process or a thread of its own.
struct Worker {
    name: String,
    vault: Vault,
    gate: Gate,
    dice: Dice,
    leased: BTreeMap<Address, u64>,
    bundles: Vec<(BundleAddress, Bundle)>,
}

impl Worker {
    fn new(folder: &Path, number: u64) -> Self {
        Self {
            name: format!("worker {number}"),
            vault: open(folder),
            gate: Gate::open(folder),
            dice: Dice(number),
            leased: BTreeMap::new(),
            bundles: Vec::new(),
        }
    }

    fn step(&mut self) {
        let number = self.dice.below(BLOBS);
        let bytes = blob(number);
        let address = Address::of(&bytes);
        let classes = [Durability::None, Durability::Batch, Durability::Each];
        let class = classes[usize::try_from(self.dice.below(3)).unwrap()];
        match self.dice.below(8) {
            // Told that it is there, and counting on it.
            0..3 => self.gate.counting(|| {
                let there = match number % 2 {
                    0 => self.vault.has(&address).unwrap(),
                    _ => self.vault.put(&bytes, class).unwrap() == address,
                };
                if there {
                    assert_eq!(self.vault.get(&address).unwrap().as_ref(), Some(&bytes));
                    let missing = self.vault.lease(&self.name, &[address], u64::MAX).unwrap();
                    assert_eq!(missing, [], "{} was there", self.name);
                    self.leased.insert(address, number);
                }
            }),
            3 => drop(self.vault.put(&bytes, class).unwrap()),
            4 => {
                // Nobody may count on it, and yet it is all right or not there.
                let found = self.vault.get(&address).unwrap();
                assert!(found.is_none_or(|found| found == bytes));
            }
            5 => {
                if let Some((address, _)) = self.leased.pop_first() {
                    self.vault.release(&self.name, &[address]).unwrap();
                }
            }
            6 => {
                // Its code is shared with others; it is its own nevertheless.
                let intent = format!("{}, {}", self.name, self.dice.below(6));
                let status = VerificationStatus::Proved;
                let bundle = Bundle::new(bytes, &intent, status, 7).unwrap();
                let address = self.vault.put_bundle(&bundle, class).unwrap();
                self.bundles.retain(|(known, _)| *known != address);
                self.bundles.push((address, bundle));
            }
            _ => {
                if self.bundles.len() > 4 {
                    let (address, _) = self.bundles.remove(0);
                    self.vault.retire(&address).unwrap();
                }
            }
        }
    }

    fn check(&self) {
        for (address, number) in &self.leased {
            let found = self.vault.get(address).unwrap();
            assert_eq!(found, Some(blob(*number)), "{} leases it", self.name);
        }
        for (address, bundle) in &self.bundles {
            let found = self.vault.bundle(address).unwrap();
            assert_eq!(found.as_ref(), Some(bundle), "{} put it", self.name);
        }
    }

    fn work(&mut self) {
        for step in 0..STEPS {
            self.step();
            if step % 40 == 0 {
                self.check();
            }
        }
        self.check();
    }
}

/// Collects until `done`, and says how many blobs that took.
fn collect(folder: &Path, mut done: impl FnMut() -> bool) -> usize {
    let (vault, gate) = (open(folder), Gate::open(folder));
    let mut collected = 0;
    let mut second = 0;
    while !done() {
        second += 10;
        collected += collect_at(&vault, second);
        gate.pass();
    }
    collected
}

fn collect_at(vault: &Vault, second: u64) -> usize {
    let options = GcOptions::new(second * 1_000_000_000).grace(Duration::from_secs(10));
    let options = options.dead_percent(10);
    match vault.collect(&options, &mut |_| ControlFlow::Continue(())) {
        Ok(report) => {
            assert_eq!(report.kept, []);
            report.collected.len()
        }
        Err(GcError::Busy) => 0,
        Err(error) => panic!("{error:?}"),
    }
}

/// When all is over: what is needed is there and nothing else, however the vault is opened.
fn check_the_end(folder: &Path, workers: &[Worker]) {
    let vault = open(folder);
    for second in 1..4 {
        collect_at(&vault, 1_000_000 + 10 * second);
    }
    let mut needed: Vec<Address> = Vec::new();
    for worker in workers {
        worker.check();
        needed.extend(worker.leased.keys());
        for (address, bundle) in &worker.bundles {
            needed.extend([address.address(), bundle.code_address()]);
        }
    }
    let head = vault.head().unwrap();
    for address in &needed {
        assert!(vault.has(address).unwrap());
    }
    drop(vault);
    fs::remove_file(folder.join("vault/index")).unwrap();
    let vault = open(folder);
    assert_eq!(vault.head().unwrap(), head, "made again from the segments");
    let report = vault.verify(&mut |_| ControlFlow::Continue(())).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(vault.open_report().bad_files, <[String; 0]>::default());
}

#[test]
fn threads_put_get_and_collect_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let shared = open(path);
    let mut workers: Vec<Worker> = (0..4).map(|number| Worker::new(path, number)).collect();
    // Two of them share a handle, the others have their own.
    workers[0].vault = shared.clone();
    workers[1].vault = shared;
    let collected = thread::scope(|scope| {
        let threads: Vec<_> = (workers.iter_mut())
            .map(|worker| scope.spawn(|| worker.work()))
            .collect();
        collect(path, || threads.iter().all(|thread| thread.is_finished()))
    });
    println!("{collected} blobs collected meanwhile");
    assert!(collected > 0, "nothing was collected while they worked");
    check_the_end(path, &workers);
}

#[test]
fn processes_put_get_and_collect_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let vault = open(path);
    let mut children: Vec<_> = (10..12)
        .map(|number| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", CHILD, "--nocapture"])
                .env("TRUTH_VAULT_TOGETHER", path)
                .env("TRUTH_VAULT_SEED", number.to_string())
                .spawn()
                .unwrap()
        })
        .collect();
    let collected = collect(path, || {
        (children.iter_mut()).all(|child| child.try_wait().unwrap().is_some())
    });
    println!("{collected} blobs collected meanwhile");
    for child in &mut children {
        assert!(
            child.wait().unwrap().success(),
            "a process found something wrong"
        );
    }
    assert!(collected > 0, "nothing was collected while they worked");
    drop(vault);
    check_the_end(path, &[]);
}

/// The name of the test that is the child.
const CHILD: &str = "works_in_a_process_of_its_own";

/// Not a test by itself: what another process does.
#[test]
fn works_in_a_process_of_its_own() {
    if let Some(folder) = std::env::var_os("TRUTH_VAULT_TOGETHER") {
        Worker::new(Path::new(&folder), number("TRUTH_VAULT_SEED", 10)).work();
    }
}
