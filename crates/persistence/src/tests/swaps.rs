//! Older copies of whole stores, flipped bits, and the ways out.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use super::{bundle, check, config, transfer};
use crate::{Cause, Config, OpenError, Persistence, Store, WayOut};

/// Copies a folder with all that is in it.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// A life in two parts, with a copy taken in the middle; the root at its end.
fn live(folder: &Path, copied: &Path) -> String {
    let (persistence, _) = Persistence::open(config(folder)).unwrap();
    for id in 0..10 {
        persistence.put_bundle(&bundle(id), id + 1).unwrap();
        let execution = transfer(id).bundle(bundle(id).address());
        persistence.execute(execution).unwrap();
    }
    drop(persistence);
    copy(folder, copied);
    let (persistence, _) = Persistence::open(config(folder)).unwrap();
    for id in 10..20 {
        persistence.put_bundle(&bundle(id), id + 1).unwrap();
        let execution = transfer(id).bundle(bundle(id).address());
        persistence.execute(execution).unwrap();
    }
    let root = persistence.state().version().root.to_string();
    drop(persistence);
    root
}

/// Puts the older copy of `store` in the place of what is there.
fn swap(folder: &Path, copied: &Path, store: &str) {
    fs::remove_dir_all(folder.join(store)).unwrap();
    copy(&copied.join(store), &folder.join(store));
}

fn blamed(config: Config) -> Vec<Store> {
    match Persistence::open(config).map(|(_, report)| report) {
        Err(OpenError::Damaged(panic)) => {
            let mut stores: Vec<Store> = panic.causes.iter().map(Cause::store).collect();
            stores.sort_unstable();
            stores.dedup();
            stores
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_older_copy_of_a_store_is_found_and_named() {
    let names = ["state", "vault", "audit"];
    let stores = [Store::State, Store::Vault, Store::Audit];
    let (life, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    live(life.path(), copied.path());
    for which in 1..7usize {
        let folder = tempfile::tempdir().unwrap();
        copy(life.path(), folder.path());
        let chosen = |at: &usize| which & (1 << at) != 0;
        let mut expected = Vec::new();
        for at in (0..3).filter(chosen) {
            swap(folder.path(), copied.path(), names[at]);
            expected.push(stores[at]);
        }
        assert_eq!(blamed(config(folder.path())), expected, "{which:03b}");
    }
}

#[test]
fn a_trusted_seal_finds_an_older_copy_of_everything() {
    let (life, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    live(life.path(), copied.path());
    let (persistence, _) = Persistence::open(config(life.path())).unwrap();
    persistence.seal(99).unwrap();
    let (_, note) = persistence.last_seal().unwrap();
    drop(persistence);
    // All by itself, an older copy of everything is as good as new.
    drop(Persistence::open(config(copied.path())).unwrap());
    let found = blamed(config(copied.path()).trusted_seal(note));
    assert!(found.contains(&Store::State), "{found:?}");
}

#[test]
fn a_trail_that_is_lost_or_older_is_made_again_to_the_exact_root() {
    let (life, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = live(life.path(), copied.path());
    let log = {
        let (persistence, _) = Persistence::open(config(life.path())).unwrap();
        persistence.heads().log
    };
    swap(life.path(), copied.path(), "audit");
    let accepting = config(life.path()).accept_damage(true);
    let (persistence, report) = Persistence::open(accepting).unwrap();
    assert_eq!(report.causes[0].store(), Store::Audit);
    assert!(persistence.execute(transfer(50)).is_err());
    assert_eq!(persistence.ways_out().unwrap()[0], WayOut::RebuildTrail);
    drop(persistence);
    let way = WayOut::RebuildTrail;
    let (persistence, _) = Persistence::recover(config(life.path()), &way, "a test").unwrap();
    assert_eq!(persistence.state().version().root.to_string(), root);
    let found = persistence.audit().root_at(log.size.get()).unwrap();
    assert_eq!(found, log.root);
    let report = check(&persistence);
    assert_eq!(report.causes, []);
    persistence.execute(transfer(50)).unwrap();
}

#[test]
fn an_older_state_can_be_accepted_on_the_record() {
    let (life, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    live(life.path(), copied.path());
    swap(life.path(), copied.path(), "state");
    let accepting = config(life.path()).accept_damage(true);
    let (persistence, _) = Persistence::open(accepting).unwrap();
    let ways = persistence.ways_out().unwrap();
    let version = persistence.state().version().number;
    let way = WayOut::AcceptState { version };
    assert!(ways.contains(&way), "{ways:?}");
    drop(persistence);
    let (persistence, _) = Persistence::recover(config(life.path()), &way, "a test").unwrap();
    assert_eq!(check(&persistence).causes, []);
    persistence.execute(transfer(50)).unwrap();
}

#[test]
fn the_whole_state_is_made_again_from_the_journal_alone() {
    let (life, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = live(life.path(), copied.path());
    let heads = {
        let (persistence, _) = Persistence::open(config(life.path())).unwrap();
        let state = persistence.state();
        state.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        persistence.heads()
    };
    // Everything that follows from the journal is gone: the tree on disk, the trail, the files of seals.
    let checkpoints = life.path().join("state/checkpoints");
    let mut damaged = 0;
    for entry in fs::read_dir(&checkpoints).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(&path, bytes).unwrap();
        damaged += 1;
    }
    assert!(damaged > 0, "no checkpoint in {}", checkpoints.display());
    fs::remove_dir_all(life.path().join("audit")).unwrap();
    fs::remove_dir_all(life.path().join("seals")).unwrap();
    let mut taken = Vec::new();
    let persistence = loop {
        let accepting = config(life.path()).accept_damage(true);
        let ways = match Persistence::open(accepting) {
            // Opening gets over checkpoints that are damaged; a check of everything does not.
            Ok((persistence, report))
                if report.causes.is_empty() && check(&persistence).causes.is_empty() =>
            {
                break persistence;
            }
            Ok((persistence, _)) => persistence.ways_out().unwrap(),
            Err(error) => error.ways_out(),
        };
        let way = ways
            .iter()
            .find(|way| way.is_exact() && !taken.contains(*way));
        let way = way.unwrap_or_else(|| panic!("after {taken:?}: {ways:?}"));
        taken.push(way.clone());
        // There may be more damage behind it, with a way out of its own.
        drop(Persistence::recover(config(life.path()), way, "a test"));
    };
    assert_eq!(persistence.state().version().root.to_string(), root);
    let size = heads.log.size.get();
    assert_eq!(persistence.audit().root_at(size).unwrap(), heads.log.root);
    let replay = persistence.replay(1..=heads.version).unwrap();
    let last = replay.map(Result::unwrap).last().unwrap();
    assert_eq!(last.root_after, heads.state_root);
    assert!(taken.len() >= 2, "{taken:?}"); // the tree and the trail, at least
}

#[test]
fn a_vault_that_is_made_again_keeps_what_was_pinned_or_collects_nothing() {
    let recover = |config: Config| Persistence::recover(config, &WayOut::RebuildVault, "test");
    let folder = tempfile::tempdir().unwrap();
    let backup = tempfile::tempdir().unwrap();
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    persistence.put_bundle(&bundle(1), 1).unwrap();
    let pinned = bundle(1).address().address();
    persistence.vault().pin(&[pinned]).unwrap();
    persistence.backup(backup.path()).unwrap();
    drop(persistence);
    let (again, _) = recover(config(folder.path())).unwrap();
    assert_eq!(again.vault().pins().unwrap(), [pinned]);
    drop(again);
    // Gone, the backup has them; and without a backup nobody does.
    let roots = config(folder.path()).vault_path().join("roots");
    fs::remove_file(&roots).unwrap();
    let (again, _) = recover(config(folder.path()).backup(backup.path())).unwrap();
    assert_eq!(again.vault().pins().unwrap(), [pinned]);
    drop(again);
    fs::remove_file(&roots).unwrap();
    let (again, _) = recover(config(folder.path())).unwrap();
    assert!(again.vault().pins().is_err());
    again.vault().reset_roots().unwrap();
    assert_eq!(again.vault().pins().unwrap(), []);
    assert_eq!(check(&again).causes, []);
}
