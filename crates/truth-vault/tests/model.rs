//! A vault beside a model of it, through puts, roots, collections, crashes, reopenings and scrubs in any
//! order.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use truth_vault::{
    Address, Bundle, Durability, GcOptions, Options, ScrubOptions, Vault, VerificationStatus,
};

/// The grace of collections, in the time of the test.
const GRACE: u64 = 10;

#[derive(Clone, Debug)]
enum Op {
    Put(u8, Durability),
    /// In another handle, as in another process.
    PutElsewhere(u8),
    Has(u8),
    Pin(u8),
    Unpin(u8),
    /// Until so much later.
    Lease(u8, u64),
    Bundle(u8),
    Retire(u8),
    /// So much later, of segments that are dead to such a part.
    Collect(u64, u8),
    Reopen,
    /// Reopened as a process left it that was killed, with such an end of its last segment.
    Crash(Vec<u8>),
    /// Reopened without its index.
    Forget,
    Scrub,
}

fn op() -> impl Strategy<Value = Op> {
    let class = prop_oneof![
        Just(Durability::None),
        Just(Durability::Batch),
        Just(Durability::Each)
    ];
    let number = || 0..24_u8;
    prop_oneof![
        8 => (number(), class).prop_map(|(number, class)| Op::Put(number, class)),
        3 => number().prop_map(Op::PutElsewhere),
        3 => number().prop_map(Op::Has),
        4 => number().prop_map(Op::Pin),
        3 => number().prop_map(Op::Unpin),
        2 => (number(), 0..40_u64).prop_map(|(number, time)| Op::Lease(number, time)),
        4 => number().prop_map(Op::Bundle),
        3 => number().prop_map(Op::Retire),
        6 => (0..25_u64, prop_oneof![Just(0), 0..100_u8]).prop_map(|(time, dead)| Op::Collect(time, dead)),
        1 => Just(Op::Reopen),
        2 => prop::collection::vec(any::<u8>(), 0..100).prop_map(Op::Crash),
        1 => Just(Op::Forget),
        1 => Just(Op::Scrub),
    ]
}

fn blob(number: u8) -> Vec<u8> {
    let len = if number == 5 {
        (1 << 20) + 1
    } else {
        30 * usize::from(number)
    };
    let mut blob = vec![number; len];
    blob.push(number);
    blob
}

fn address(number: u8) -> Address {
    Address::of(&blob(number))
}

/// Two bundles share a code, which is a blob that is put by itself too.
fn bundle(number: u8) -> Bundle {
    let intent = format!("intent {number}");
    Bundle::new(blob(number / 2 + 6), &intent, VerificationStatus::Proved, 7).unwrap()
}

fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// What is to be there, and why.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    /// All that were ever put.
    put: BTreeMap<Address, Vec<u8>>,
    /// When somebody was told last that it is there.
    told: BTreeMap<Address, u64>,
    pins: BTreeSet<Address>,
    leases: BTreeMap<Address, u64>,
    bundles: BTreeSet<u8>,
}

impl Model {
    fn put(&mut self, blob: Vec<u8>) {
        self.tell(Address::of(&blob));
        self.put.insert(Address::of(&blob), blob);
    }

    fn tell(&mut self, address: Address) {
        self.told.insert(address, self.now);
    }

    /// What is there, whatever was collected.
    fn needed(&self) -> BTreeSet<Address> {
        let mut needed = BTreeSet::new();
        let leased = self.leases.iter().filter(|(_, ends)| **ends > self.now);
        needed.extend(leased.map(|(address, _)| *address));
        needed.extend(&self.pins);
        // A grace counts from the collection that condemned it, which was later.
        let told = (self.told.iter()).filter(|(_, at)| *at + GRACE > self.now);
        needed.extend(told.map(|(address, _)| *address));
        needed.retain(|address| self.put.contains_key(address));
        for number in &self.bundles {
            needed.extend([
                bundle(*number).address().address(),
                bundle(*number).code_address(),
            ]);
        }
        needed
    }

    fn check(&self, vault: &Vault, thorough: bool) -> Result<(), TestCaseError> {
        let needed = self.needed();
        let all: BTreeSet<Address> = vault.list(None, usize::MAX).unwrap().into_iter().collect();
        for address in &needed {
            prop_assert!(all.contains(address), "{address} is needed");
        }
        prop_assert_eq!(vault.len(), all.len() as u64);
        if thorough {
            for address in &all {
                let found = vault.get(address).unwrap();
                prop_assert_eq!(found.as_ref(), self.put.get(address));
            }
            for number in &self.bundles {
                let found = vault.bundle(&bundle(*number).address()).unwrap();
                prop_assert_eq!(found, Some(bundle(*number)));
            }
            prop_assert!(vault.verify(&mut go_on).unwrap().is_sound());
            // The set is that of what is listed.
            let head = vault.head().unwrap();
            let (proved, _) = vault.prove(&[]).unwrap();
            prop_assert_eq!((head.blobs, head), (all.len() as u64, proved));
        }
        Ok(())
    }
}

/// A vault that moves to another folder when it crashes.
struct Store {
    parent: tempfile::TempDir,
    crashes: u32,
    vault: Option<Vault>,
}

impl Store {
    fn new() -> Self {
        let mut store = Self {
            parent: tempfile::tempdir().unwrap(),
            crashes: 0,
            vault: None,
        };
        store.open();
        store
    }

    fn path(&self) -> PathBuf {
        self.parent.path().join(self.crashes.to_string())
    }

    fn open(&mut self) {
        let options = Options::new().segment_bytes(4096);
        self.vault = Some(Vault::open(self.path(), &options).unwrap());
        let report = self.vault().open_report();
        assert_eq!(report.bad_files, <[String; 0]>::default());
        assert_eq!(report.gaps, []);
    }

    fn vault(&self) -> &Vault {
        self.vault.as_ref().unwrap()
    }

    /// Goes on with a copy of the files as they are at this moment.
    fn crash(&mut self, tail: &[u8]) {
        let from = self.path();
        self.crashes += 1;
        copy(&from, &self.path());
        let segments = fs::read_dir(self.path().join("segments")).unwrap();
        let last = segments.map(|entry| entry.unwrap().path()).max();
        if let Some(last) = last
            && !fs::metadata(&last).unwrap().permissions().readonly()
        {
            OpenOptions::new()
                .append(true)
                .open(last)
                .unwrap()
                .write_all(tail)
                .unwrap();
        }
        self.open();
        fs::remove_dir_all(from).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(fs::copy(from, to).unwrap()),
        }
    }
}

fn apply(store: &mut Store, model: &mut Model, op: Op) -> Result<(), TestCaseError> {
    match op {
        Op::Put(number, class) => {
            let put = store.vault().put(&blob(number), class).unwrap();
            prop_assert_eq!(put, address(number));
            model.put(blob(number));
        }
        Op::PutElsewhere(number) => {
            let other = Vault::open(store.path(), &Options::new()).unwrap();
            other.put(&blob(number), Durability::Each).unwrap();
            model.put(blob(number));
            model.check(&other, false)?;
        }
        Op::Has(number) => {
            let there = store.vault().has(&address(number)).unwrap();
            prop_assert!(there || !model.needed().contains(&address(number)));
            if there {
                model.tell(address(number));
            }
        }
        Op::Pin(number) => {
            let missing = store.vault().pin(&[address(number)]).unwrap();
            model.pins.insert(address(number));
            if !missing.is_empty() {
                // Not there now: it counts from when it is put.
                let told = model.told.get(&address(number));
                prop_assert!(told.is_none_or(|at| at + GRACE <= model.now));
                model.put.remove(&address(number));
            }
        }
        Op::Unpin(number) => {
            let there = model.pins.remove(&address(number));
            let removed = store.vault().unpin(&[address(number)]).unwrap();
            prop_assert_eq!(removed, usize::from(there));
        }
        Op::Lease(number, time) => {
            let ends = model.now + time;
            let missing = store
                .vault()
                .lease("model", &[address(number)], ends)
                .unwrap();
            model.leases.insert(address(number), ends);
            if !missing.is_empty() {
                prop_assert!(
                    !model.pins.contains(&address(number))
                        || !model.put.contains_key(&address(number))
                );
                model.put.remove(&address(number));
            }
        }
        Op::Bundle(number) => {
            let put = store
                .vault()
                .put_bundle(&bundle(number), Durability::None)
                .unwrap();
            prop_assert_eq!(put, bundle(number).address());
            model.bundles.insert(number);
            model.put(bundle(number).code().to_vec());
            model.put(bundle(number).manifest().encode());
        }
        Op::Retire(number) => {
            if model.bundles.remove(&number) {
                prop_assert!(store.vault().retire(&bundle(number).address()).unwrap());
            }
        }
        Op::Collect(time, dead) => {
            model.now += time;
            let options = GcOptions::new(model.now).grace(Duration::from_nanos(GRACE));
            let report = store
                .vault()
                .collect(&options.dead_percent(dead), &mut go_on)
                .unwrap();
            prop_assert_eq!(report.kept, []);
            let needed = model.needed();
            for address in report.collected {
                prop_assert!(!needed.contains(&address), "{address} was needed");
            }
        }
        Op::Reopen => {
            store.vault = None;
            store.open();
            prop_assert!(store.vault().open_report().cuts.is_empty());
        }
        Op::Crash(tail) => store.crash(&tail),
        Op::Forget => {
            store.vault = None;
            let _ = fs::remove_file(store.path().join("index"));
            store.open();
        }
        Op::Scrub => {
            let options = ScrubOptions::new(model.now + 1);
            let report = store.vault().scrub(&options, &mut go_on).unwrap();
            prop_assert_eq!(
                (report.bad, report.gaps, report.superseded),
                (vec![], vec![], 0)
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_vault_has_what_is_needed_whatever_happens(ops in prop::collection::vec(op(), 1..80)) {
        let mut store = Store::new();
        let mut model = Model::default();
        for (at, op) in ops.into_iter().enumerate() {
            apply(&mut store, &mut model, op)?;
            model.check(store.vault(), at % 16 == 0)?;
        }
        model.check(store.vault(), true)?;
        // Everything that is over goes, and the rest is what it was.
        store.vault = None;
        store.open();
        model.now += 1000;
        model.leases.clear();
        for _ in 0..3 {
            let options = GcOptions::new(model.now).grace(Duration::from_nanos(GRACE));
            store.vault().collect(&options.dead_percent(0), &mut go_on).unwrap();
            model.now += GRACE;
        }
        model.check(store.vault(), true)?;
        let pinned = model.pins.iter().filter(|pin| model.put.contains_key(pin));
        let mut kept: BTreeSet<Address> = pinned.copied().collect();
        for number in &model.bundles {
            kept.extend([bundle(*number).address().address(), bundle(*number).code_address()]);
        }
        let all: BTreeSet<Address> = store.vault().list(None, usize::MAX).unwrap().into_iter().collect();
        prop_assert_eq!(all, kept);
    }
}
