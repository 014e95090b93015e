//! The six acts of the original system's test; backups; the import of what it wrote; time travel.

use std::path::Path;

use super::legacy::fixtures;
use super::{bundle, check, config, transfer};
use crate::{
    Attack, BackupError, Config, ExecutionStatus, Metric, Persistence, Severity, SignerKey,
    verify_receipt,
};

/// Opens with a key that a restored system has too.
fn keyed(folder: &Path) -> Config {
    let key = SignerKey::from_seed("diotec360", &[5; 32]).unwrap();
    config(folder).signer(key)
}

#[test]
fn state_vault_audit_statistics_logs_and_recovery() {
    let (life, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (persistence, _) = Persistence::open(keyed(life.path())).unwrap();
    // Act 1: the state.
    let genesis = persistence.execute(transfer(0)).unwrap();
    assert_ne!(genesis.root_before, genesis.root_after);
    // Act 2: the vault.
    let address = persistence.put_bundle(&bundle(1), 2).unwrap();
    assert_eq!(
        persistence.vault().bundle(&address).unwrap(),
        Some(bundle(1))
    );
    // Act 3: the audit.
    let done = persistence.execute(transfer(100).bundle(address)).unwrap();
    assert_eq!(done.status, ExecutionStatus::Proved);
    let severity = Severity::from_f64(0.9).unwrap();
    let attack = Attack::new(
        "a1",
        "injection",
        "code_injection",
        "input_sanitizer",
        severity,
        3,
    );
    persistence.save_attack(attack).unwrap();
    persistence
        .log_metric(Metric::new("tx_100", "cpu_time_ms", 42.0, 4))
        .unwrap();
    // Act 4: the statistics.
    let size = persistence.heads().log.size.get();
    persistence.shared().wait_until_applied(size).unwrap();
    let stats = persistence.dashboard_stats().unwrap();
    assert_eq!(stats.executions.total_executions, 2);
    assert_eq!(stats.attacks.attack_type_breakdown["injection"], 1);
    assert_eq!(stats.merkle_root, done.root_after.to_string());
    // Act 5: the recent logs.
    let recent = persistence.audit().records(size - 2, 2).unwrap();
    assert_eq!(recent.len(), 2);
    // Act 6: disaster, and recovery.
    let report = persistence.backup(backup.path()).unwrap();
    assert_eq!(report.root, done.root_after);
    let receipt = persistence.receipt("tx_100").unwrap().encode();
    let key = persistence.verifier_key();
    drop(persistence);
    std::fs::remove_dir_all(life.path()).unwrap();
    let (restored, _) = Persistence::restore(keyed(life.path()), backup.path()).unwrap();
    assert_eq!(restored.state().version().root, done.root_after);
    assert_eq!(
        restored.state().get(b"account:bob").unwrap().as_deref(),
        Some(&b"100"[..])
    );
    assert_eq!(restored.vault().bundle(&address).unwrap(), Some(bundle(1)));
    assert!(verify_receipt(&receipt, &key).is_ok());
    let again = restored.execute(transfer(100).bundle(address)).unwrap();
    assert_eq!((again.repeated, again.index), (true, done.index));
    assert_eq!(check(&restored).causes, []);
}

#[test]
fn a_backup_grows_and_a_changed_one_is_refused() {
    let (life, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (persistence, _) = Persistence::open(keyed(life.path())).unwrap();
    for id in 0..5 {
        persistence.put_bundle(&bundle(id), 1).unwrap();
        persistence.execute(transfer(id)).unwrap();
        let report = persistence.backup(backup.path()).unwrap();
        assert!(report.versions > 0 && report.objects > 0);
        assert_eq!(persistence.backup(backup.path()).unwrap().versions, 0);
    }
    let root = persistence.state().version().root;
    let into = tempfile::tempdir().unwrap();
    let (restored, _) = Persistence::restore(keyed(into.path()), backup.path()).unwrap();
    assert_eq!(restored.state().version().root, root);
    drop(restored);
    let refused = Persistence::restore(keyed(into.path()), backup.path());
    assert!(matches!(refused, Err(BackupError::NotEmpty { .. })));
    // Another key is not that of the backup.
    let into = tempfile::tempdir().unwrap();
    let refused = Persistence::restore(config(into.path()), backup.path());
    assert!(matches!(refused, Err(BackupError::Seal(_))));
    for entry in std::fs::read_dir(backup.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if ![".part", ".seal", ".roots"]
            .iter()
            .any(|it| name.ends_with(it))
        {
            continue;
        }
        let good = std::fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(good.len() / 3) {
            let mut bad = good.clone();
            bad[at] ^= 4;
            std::fs::write(&path, bad).unwrap();
            let into = tempfile::tempdir().unwrap();
            let refused = Persistence::restore(keyed(into.path()), backup.path());
            assert!(refused.is_err(), "{name}, byte {at}");
        }
        std::fs::write(&path, good).unwrap();
    }
}

#[test]
fn what_is_pinned_leased_or_retired_is_in_the_newest_backup() {
    let (life, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (persistence, _) = Persistence::open(keyed(life.path())).unwrap();
    let addresses = [0, 1, 2].map(|id| persistence.put_bundle(&bundle(id), 1).unwrap());
    let vault = persistence.vault();
    vault.pin(&[addresses[0].address()]).unwrap();
    persistence.backup(backup.path()).unwrap();
    vault.unpin(&[addresses[0].address()]).unwrap();
    vault.pin(&[addresses[1].address()]).unwrap();
    vault.lease("judge", &[addresses[0].address()], 77).unwrap();
    vault.retire(&addresses[2]).unwrap();
    persistence.backup(backup.path()).unwrap();
    let (pins, leases) = (vault.pins().unwrap(), vault.leases().unwrap());
    let into = tempfile::tempdir().unwrap();
    let (restored, _) = Persistence::restore(keyed(into.path()), backup.path()).unwrap();
    assert_eq!(restored.vault().pins().unwrap(), pins);
    assert_eq!(restored.vault().leases().unwrap(), leases);
    assert_eq!(restored.vault().retired().unwrap(), [addresses[2]]);
    // One that is gone is missed.
    let of_roots =
        |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().contains("roots");
    let files = std::fs::read_dir(backup.path()).unwrap().flatten();
    let files: Vec<_> = files.filter(of_roots).collect();
    assert_eq!(files.len(), 1);
    std::fs::remove_file(files[0].path()).unwrap();
    let refused = Persistence::check_backup(&keyed(life.path()), backup.path());
    assert!(matches!(refused, Err(BackupError::Damaged { .. })));
}

#[test]
fn a_backup_that_was_cut_off_before_its_seal_is_the_one_before() {
    let (life, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (persistence, _) = Persistence::open(keyed(life.path())).unwrap();
    let put_and_back_up = |id| {
        persistence.put_bundle(&bundle(id), 1).unwrap();
        persistence.execute(transfer(id)).unwrap();
        persistence.backup(backup.path()).unwrap()
    };
    let checked = || Persistence::check_backup(&keyed(life.path()), backup.path()).unwrap();
    put_and_back_up(0);
    let before = checked();
    let seal = std::fs::read(backup.path().join("backup.seal")).unwrap();
    put_and_back_up(1);
    std::fs::write(backup.path().join("backup.seal"), seal).unwrap();
    assert_eq!(checked(), before);
    let into = tempfile::tempdir().unwrap();
    let (restored, _) = Persistence::restore(keyed(into.path()), backup.path()).unwrap();
    assert_eq!(restored.state().version().root, before.state_root);
    drop(restored);
    // The next backup writes anew what was not finished.
    std::fs::write(backup.path().join("vault-000001.car"), "half a file").unwrap();
    let report = put_and_back_up(2);
    let after = checked();
    assert_eq!(
        (after.version, after.state_root),
        (report.version, report.root)
    );
    assert_eq!(after.vault_objects, before.vault_objects + report.objects);
}

#[test]
fn earlier_moments_are_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    let done: Vec<_> = (0..8)
        .map(|id| persistence.execute(transfer(id)).unwrap())
        .collect();
    for (id, done) in done.iter().enumerate() {
        for moment in [
            persistence.at(done.version).unwrap(),
            persistence.at_time(id as u64 + 1).unwrap(),
        ] {
            assert_eq!(moment.state.version().root, done.root_after);
            assert_eq!(moment.log.size.get(), done.index + 1);
        }
    }
    let back = persistence.roll_back(done[3].version, "back", 99).unwrap();
    assert_eq!(back.root_after, done[3].root_after);
    assert_eq!(check(&persistence).causes, []);
}

#[test]
fn what_the_original_system_wrote_is_imported_once() {
    let Some(legacy) = fixtures() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    let first = persistence.import_legacy(&legacy, &[], 9).unwrap();
    let state = first.state.unwrap();
    assert_eq!(state.stated, state.computed);
    assert!(state.taken && !state.repeated && state.entries == 3);
    assert_eq!(first.vault.unwrap().imported.len(), 3);
    assert!(
        first.records > 0 && first.repeated == 0,
        "{:?}",
        first.refused
    );
    let size = persistence.heads().log.size;
    let again = persistence.import_legacy(&legacy, &[], 10).unwrap();
    assert_eq!((again.records, again.repeated), (0, first.records));
    assert!(again.state.unwrap().repeated);
    assert_eq!(persistence.heads().log.size, size);
    assert_eq!(check(&persistence).causes, []);
}

#[test]
fn a_snapshot_that_does_not_match_is_told_and_taken_only_by_name() {
    let Some(legacy) = fixtures() else { return };
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("legacy");
    std::fs::create_dir_all(damaged.join("state")).unwrap();
    let text = std::fs::read_to_string(legacy.join("state/snapshot.json")).unwrap();
    let text = text.replace("\"balance\": 500", "\"balance\": 501");
    std::fs::write(damaged.join("state/snapshot.json"), text).unwrap();
    let (persistence, _) = Persistence::open(config(&folder.path().join("data"))).unwrap();
    let report = persistence
        .import_legacy(&damaged, &[], 9)
        .unwrap()
        .state
        .unwrap();
    assert!(!report.taken && report.stated != report.computed);
    assert_eq!(persistence.state().get(b"account:bob").unwrap(), None);
    let accepted = persistence.import_legacy(&damaged, &["state/snapshot.json"], 9);
    assert!(accepted.unwrap().state.unwrap().taken);
}
