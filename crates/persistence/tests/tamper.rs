//! Whole stores tampered with: bytes flipped, and files and folders exchanged for older ones. It is found, it
//! is found where it is, and the ways out that are offered end at the exact root.
//!
//! `PERSISTENCE_TAMPERINGS` says how often, `PERSISTENCE_SEED` with which seed to begin.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test; numbers are drawn below small bounds"
)]

#[path = "common/dice.rs"]
mod dice;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use dice::{Dice, number};
use persistence::{
    Attack, Bundle, Config, Execution, ExecutionStatus, Hash, Health, OpenError, Persistence,
    Severity, SignerKey, Store, VerificationStatus, WayOut,
};

/// What everything was before it was tampered with.
struct Life {
    folder: tempfile::TempDir,
    root: Hash,
    version: u64,
    log: (u64, Hash),
}

/// Ways that are taken one after the other, at most.
const WAYS_MAX: usize = 8;

#[test]
fn what_is_tampered_with_is_found_where_it_is_and_made_good() {
    let times = number("PERSISTENCE_TAMPERINGS", 60);
    let seed = number("PERSISTENCE_SEED", 1);
    let life = Life::lead();
    let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for nth in 0..times {
        let mut dice = Dice(seed.wrapping_add(nth) << 16);
        let folder = tempfile::tempdir().unwrap();
        copy(&life.data(), &folder.path().join("data"));
        let deed = life.tamper(folder.path(), &mut dice);
        let context = format!("seed {}, {}", seed + nth, deed.what);
        let became = life.made_good(folder.path(), &deed, &context);
        *counts.entry((deed.kind.to_owned(), became)).or_default() += 1;
    }
    println!("{times} tamperings from seed {seed}:");
    for ((kind, became), count) in counts {
        println!("  {kind}: {count} {became}");
    }
}

/// What was done, and to which stores.
struct Deed {
    kind: &'static str,
    what: String,
    stores: BTreeSet<Store>,
}

const STORES: [(&str, Store); 4] = [
    ("state", Store::State),
    ("vault", Store::Vault),
    ("audit", Store::Audit),
    ("seals", Store::Seals),
];

impl Life {
    /// A life in two parts, with a copy of everything taken in the middle and a backup at the end.
    fn lead() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        {
            let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
            work(&persistence, 0..40);
        }
        copy(&data, &folder.path().join("older"));
        let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
        work(&persistence, 40..90);
        persistence.backup(&folder.path().join("backup")).unwrap();
        let heads = persistence.heads();
        drop(persistence);
        Self {
            root: heads.state_root,
            version: heads.version,
            log: (heads.log.size.get(), heads.log.root),
            folder,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Does something to the copy in `folder`.
    fn tamper(&self, folder: &Path, dice: &mut Dice) -> Deed {
        match dice.below(4) {
            0 => self.exchange_stores(folder, dice),
            1 => self.exchange_file(folder, dice),
            _ => flip(folder, dice),
        }
    }

    /// Puts older copies of one store, or of two, in the place of what is there.
    fn exchange_stores(&self, folder: &Path, dice: &mut Dice) -> Deed {
        let mut stores = BTreeSet::new();
        let mut names = Vec::new();
        for _ in 0..=dice.below(2) {
            let (name, store) = STORES[dice.below(3) as usize];
            if stores.insert(store) {
                names.push(name);
                let path = folder.join("data").join(name);
                fs::remove_dir_all(&path).unwrap();
                copy(&self.folder.path().join("older").join(name), &path);
            }
        }
        Deed {
            kind: "older stores",
            what: format!("older {}", names.join(" and ")),
            stores,
        }
    }

    /// Puts an older copy of one file in the place of what is there.
    fn exchange_file(&self, folder: &Path, dice: &mut Dice) -> Deed {
        let older = self.folder.path().join("older");
        let differs = |path: &PathBuf| {
            let newer = fs::read(folder.join("data").join(path)).ok();
            newer != fs::read(older.join(path)).ok() && !is_beside(path)
        };
        let files: Vec<PathBuf> = files(&older).into_iter().filter(differs).collect();
        let path = &files[dice.below(files.len() as u64) as usize];
        let to = folder.join("data").join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(older.join(path), to).unwrap();
        Deed {
            kind: "an older file",
            what: format!("older {}", path.display()),
            stores: BTreeSet::from([store_of(path)]),
        }
    }

    /// Opens what was tampered with, takes the ways out that are offered, and compares; what became of it.
    fn made_good(&self, folder: &Path, deed: &Deed, context: &str) -> &'static str {
        let mut found = BTreeSet::new();
        let mut taken = Vec::new();
        loop {
            let (blamed, ways) = examine(folder, context);
            if blamed.is_empty() {
                break;
            }
            assert!(
                blamed.is_subset(&deed.stores) || !taken.is_empty(),
                "{context}: {blamed:?} was blamed"
            );
            found.extend(blamed);
            assert!(taken.len() < WAYS_MAX, "{context}: {taken:?} did not help");
            // The first that gives nothing up; the backup is as new as anything.
            let gives_nothing_up = |way: &&WayOut| way.is_exact() || **way == WayOut::Restore;
            let way = ways
                .iter()
                .find(|way| gives_nothing_up(way) && !taken.contains(*way));
            let way = way.unwrap_or_else(|| panic!("{context}: after {taken:?}, {ways:?}"));
            taken.push(way.clone());
            match Persistence::recover(config(folder).backup(self.backup()), way, "a test") {
                // There is more: the next round takes the next way.
                Ok(_)
                | Err(persistence::RecoverError::Open(_) | persistence::RecoverError::State(_)) => {
                }
                Err(error) => panic!("{context}: {way:?}: {error:?}"),
            }
        }
        self.is_as_it_was(folder, context);
        match (found.is_empty(), &taken[..]) {
            (true, _) => "changed nothing that counts",
            (false, [WayOut::Restore]) => "found, restored from the backup",
            (false, [_]) => "found, made good by one way out",
            (false, _) => "found, made good by several ways out",
        }
    }

    fn backup(&self) -> PathBuf {
        self.folder.path().join("backup")
    }

    /// That everything is what it was, to the exact roots.
    fn is_as_it_was(&self, folder: &Path, context: &str) {
        let (persistence, _) = Persistence::open(config(folder)).unwrap();
        let state = persistence.state().info(self.version).unwrap().version;
        assert_eq!(state.root, self.root, "{context}");
        let newest = persistence.state().version().root;
        assert_eq!(newest, self.root, "{context}");
        let (size, root) = self.log;
        assert_eq!(
            persistence.audit().root_at(size).unwrap(),
            root,
            "{context}"
        );
        for id in 0..90 {
            let (execution, _) = execution(id);
            let again = persistence.execute(execution).unwrap();
            assert!(again.repeated, "{context}: tx_{id}");
        }
        let report = persistence.verify_all(|_| ControlFlow::Continue(()));
        assert_eq!(report.unwrap().causes, [], "{context}");
    }
}

/// The stores that are to blame, as opening them and checking everything says; and what can be done.
fn examine(folder: &Path, context: &str) -> (BTreeSet<Store>, Vec<WayOut>) {
    let refused = match Persistence::open(config(folder)) {
        Ok((persistence, _)) => {
            let report = persistence.verify_all(|_| ControlFlow::Continue(()));
            let report = report.unwrap_or_else(|error| panic!("{context}: {error:?}"));
            let blamed = report.causes.iter().map(|cause| cause.store()).collect();
            return (blamed, persistence.ways_out().unwrap());
        }
        Err(error) => error,
    };
    // In panic mode it says more, if it opens at all.
    if let Ok((persistence, _)) = Persistence::open(config(folder).accept_damage(true)) {
        let Health::Panic(panic) = persistence.health() else {
            panic!("{context}: sound after {refused:?}");
        };
        let blamed = panic.causes.iter().map(|cause| cause.store()).collect();
        return (blamed, persistence.ways_out().unwrap());
    }
    let ways = refused.ways_out();
    let blamed = match &refused {
        OpenError::Damaged(panic) => panic.causes.iter().map(|cause| cause.store()).collect(),
        error => error.store().into_iter().collect::<BTreeSet<_>>(),
    };
    assert!(!blamed.is_empty(), "{context}: {refused:?} blames nobody");
    (blamed, ways)
}

/// Changes one bit of one file.
fn flip(folder: &Path, dice: &mut Dice) -> Deed {
    let data = folder.join("data");
    let in_it = |path: &PathBuf| {
        let len = fs::metadata(data.join(path)).unwrap().len();
        len > 0 && !is_beside(path)
    };
    let files: Vec<PathBuf> = files(&data).into_iter().filter(in_it).collect();
    // Each store as often as the others, whatever the number of its files.
    let store = STORES[dice.below(4) as usize].1;
    let its: Vec<&PathBuf> = files
        .iter()
        .filter(|path| store_of(path) == store)
        .collect();
    let path = its[dice.below(its.len() as u64) as usize];
    let mut bytes = fs::read(data.join(path)).unwrap();
    // Much of a file is room that was never used: rather a byte that is not zero.
    let mut at = dice.below(bytes.len() as u64) as usize;
    for _ in 0..20 {
        if bytes[at] != 0 {
            break;
        }
        at = dice.below(bytes.len() as u64) as usize;
    }
    bytes[at] ^= 1 << dice.below(8);
    fs::write(data.join(path), bytes).unwrap();
    Deed {
        kind: match store {
            Store::State => "a bit of the state",
            Store::Vault => "a bit of the vault",
            Store::Audit => "a bit of the audit trail",
            _ => "a bit of the seals",
        },
        what: format!("byte {at} of {}", path.display()),
        stores: BTreeSet::from([store]),
    }
}

/// Files that no store depends on.
fn is_beside(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    name == "incidents.jsonl" || name.ends_with(".lock")
}

fn store_of(path: &Path) -> Store {
    let first = path.components().next().unwrap();
    let first = first.as_os_str().to_string_lossy();
    let known = STORES.iter().find(|(name, _)| *name == first);
    known.map_or(Store::Seals, |(_, store)| *store)
}

/// All files of a folder and those in it, as paths from it on.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path().strip_prefix(folder).unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in files(from) {
        let target = to.join(&path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(&path), target).unwrap();
    }
}

fn config(folder: &Path) -> Config {
    let key = SignerKey::from_seed("diotec360", &[5; 32]).unwrap();
    let config = Config::new(folder.join("data")).time_ns(1).signer(key);
    config.seal_every(25)
}

fn bundle(id: u64) -> Bundle {
    let code = format!("intent transfer_{id}(from, to, amount) {{ guard amount > 0; }}");
    Bundle::new(
        code.into_bytes(),
        "transfer",
        VerificationStatus::Proved,
        id + 1,
    )
    .unwrap()
}

fn execution(id: u64) -> (Execution, Bundle) {
    let status = match id % 5 {
        4 => ExecutionStatus::Failed,
        _ => ExecutionStatus::Proved,
    };
    let bundle = bundle(id / 4);
    let mut execution = Execution::new(&format!("tx_{id}"), "transfer", status, id + 1);
    for write in 0..4 {
        let key = format!("account:{}", (id * 7 + write) % 60);
        execution = execution.put(key.as_bytes(), id.to_string().as_bytes());
    }
    (execution.bundle(bundle.address()), bundle)
}

fn work(persistence: &Persistence, ids: std::ops::Range<u64>) {
    for id in ids {
        let (execution, bundle) = execution(id);
        persistence.put_bundle(&bundle, id + 1).unwrap();
        persistence.execute(execution).unwrap();
        if id % 6 == 5 {
            let attack = Attack::new(id.to_string(), "x", "y", "z", Severity::MAX, id + 1);
            persistence.save_attack(attack).unwrap();
        }
    }
}
