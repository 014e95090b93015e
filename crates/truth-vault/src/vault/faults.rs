//! Every change to the disk refused in turn: what was acknowledged stays, what was not is there whole or
//! not at all, and the vault opens afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{GcOptions, ScrubOptions, Vault};
use crate::volume::{DiskVolume, Faults, FaultyVolume, Volume};
use crate::{Address, Bundle, Durability, Options, PutError, VerificationStatus};

fn open(path: &Path, faults: &Arc<Faults>) -> Result<Vault, crate::OpenError> {
    let wrap = |volume: DiskVolume| -> Box<dyn Volume> {
        let (inner, faults) = (Box::new(volume), Arc::clone(faults));
        Box::new(FaultyVolume { inner, faults })
    };
    Vault::open_on(path, &Options::new().segment_bytes(4096), &wrap)
}

fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn blob(number: u64) -> Vec<u8> {
    let len = if number % 16 == 7 { (1 << 20) + 5 } else { 600 };
    let mut bytes = vec![3; len];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn bundle() -> Bundle {
    let code = b"intent pay(...)".to_vec();
    Bundle::new(code, "pay", VerificationStatus::Proved, 7).expect("short")
}

/// What was acknowledged.
#[derive(Default)]
struct Model {
    /// Pinned and put.
    kept: BTreeMap<Address, u64>,
    /// Those of them that a sync that fails may take back.
    unsynced: BTreeSet<Address>,
    bundle: bool,
}

impl Model {
    fn put(&mut self, vault: &Vault, number: u64, class: Durability) {
        let address = Address::of(&blob(number));
        let pinned = vault.pin(&[address]).is_ok();
        let put = vault.put(&blob(number), class);
        self.settle(&put);
        if put.is_ok() && pinned {
            self.kept.insert(address, number);
            if class != Durability::Each {
                self.unsynced.insert(address);
            }
        }
    }

    /// After a sync that failed, what was not on the disk has to be put again.
    fn settle<T>(&mut self, put: &Result<T, PutError>) {
        if matches!(put, Err(PutError::NotDurable(_))) {
            self.lose();
        }
    }

    fn lose(&mut self) {
        for address in std::mem::take(&mut self.unsynced) {
            self.kept.remove(&address);
        }
    }

    fn sync(&mut self, vault: &Vault) {
        match vault.sync() {
            Ok(()) => self.unsynced.clear(),
            Err(_) => self.lose(),
        }
    }

    /// Some of everything that changes the disk.
    fn run(&mut self, vault: &Vault) {
        let classes = [Durability::Each, Durability::None, Durability::Batch];
        for (number, class) in (0..8).zip(classes.into_iter().cycle()) {
            self.put(vault, number, class);
            let loose = vault.put(&blob(100 + number), Durability::None);
            self.settle(&loose);
        }
        let put = vault.put_bundle(&bundle(), Durability::Each);
        self.settle(&put);
        self.bundle |= put.is_ok();
        for now_ns in [0, 10, 20] {
            let options = GcOptions::new(now_ns).grace(Duration::from_nanos(10));
            let collected = vault.collect(&options.dead_percent(0), &mut go_on);
            // It syncs too, and what it could not make durable is lost like the rest.
            if collected.is_err() {
                self.lose_unreadable(vault);
            }
            self.put(vault, 20 + now_ns, Durability::None);
            // The blob was condemned, or is gone.
            if vault.has(&Address::of(&blob(101))).is_err() {
                self.lose_unreadable(vault);
            }
        }
        if let Ok(report) = vault.scrub(&ScrubOptions::new(1), &mut go_on) {
            assert_eq!(report.bad, []);
        }
        self.sync(vault);
    }

    fn lose_unreadable(&mut self, vault: &Vault) {
        let lost: Vec<Address> = (self.unsynced.iter().copied())
            .filter(|address| !matches!(vault.get(address), Ok(Some(_))))
            .collect();
        for address in lost {
            self.unsynced.remove(&address);
            self.kept.remove(&address);
        }
    }

    fn check(&self, vault: &Vault) {
        for (address, number) in &self.kept {
            let found = vault.get(address).expect("readable");
            assert_eq!(found, Some(blob(*number)), "{number}");
        }
        if self.bundle {
            let found = vault.bundle(&bundle().address()).expect("readable");
            assert_eq!(found, Some(bundle()));
        }
    }
}

/// Runs with the change `at` refused; whether the run came to it.
fn refused(at: u64, forever: bool) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("vault");
    let faults = Faults::at(at, forever);
    let mut model = Model::default();
    if let Ok(vault) = open(&path, &faults) {
        model.run(&vault);
        model.check(&vault);
    }
    let came = faults.came();
    let sound = Faults::at(u64::MAX, false);
    let vault = open(&path, &sound).expect("it opens on a sound disk");
    assert_eq!(vault.open_report().bad_files, <[String; 0]>::default());
    let report = vault.verify(&mut go_on).expect("readable");
    assert!(report.is_sound(), "{report:?}");
    // And everything works again.
    model.run(&vault);
    model.check(&vault);
    assert!(model.bundle && model.kept.len() >= 11);
    came
}

#[test]
fn no_change_that_is_refused_loses_anything() {
    // Where the disk stays bad, most moments to begin are alike.
    for (forever, step) in [(false, 1), (true, 5)] {
        let mut at = 0;
        while refused(at, forever) {
            at += step;
        }
        println!("{at} changes refused, forever: {forever}");
        assert!(at > 100, "{at}");
    }
}
