//! What the original system wrote, whole and damaged: everything that does not match is told, and importing
//! again brings what is missing and nothing twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::swaps::copy;
use super::{check, config};
use crate::{CopyProgress, ImportReport, Persistence};

/// What the original system wrote, if it is here.
pub(super) fn fixtures() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/legacy-v2.1");
    let found = path.is_dir();
    if !found {
        println!("skipped: no fixtures of the original system");
    }
    found.then_some(path)
}

/// A copy of it that may be damaged.
fn legacy(folder: &Path) -> Option<PathBuf> {
    let legacy = folder.join("legacy");
    copy(&fixtures()?, &legacy);
    Some(legacy)
}

fn open(folder: &Path) -> Persistence {
    Persistence::open(config(&folder.join("data"))).unwrap().0
}

fn import(persistence: &Persistence, legacy: &Path) -> ImportReport {
    let mut last = Vec::<CopyProgress>::new();
    let told = &mut |progress: CopyProgress| {
        last.retain(|it| it.store != progress.store);
        last.push(progress);
    };
    let report = persistence.import_legacy_with(legacy, &[], 9, told);
    // Each part was told to its end.
    assert!(!last.is_empty() && last.iter().all(|it| it.done >= it.total && it.total > 0));
    report.unwrap()
}

const BUNDLE: &str = "45fc28efeb6dde41";

#[test]
fn every_damaged_part_is_told_and_the_others_are_imported() {
    let folder = tempfile::tempdir().unwrap();
    let Some(legacy) = legacy(folder.path()) else {
        return;
    };
    let snapshot = legacy.join("state/snapshot.json");
    let telemetry = legacy.join("sentinel/telemetry.db");
    let bundle = legacy.join(format!("vault/bundles/{BUNDLE}.ae_bundle"));
    let whole = [&snapshot, &telemetry, &bundle].map(|path| fs::read(path).unwrap());
    // Cut in the middle, edited, and with its header gone.
    fs::write(&snapshot, &whole[0][..whole[0].len() / 2]).unwrap();
    fs::write(&telemetry, &whole[1][100..]).unwrap();
    let edited = String::from_utf8(whole[2].clone()).unwrap();
    fs::write(&bundle, edited.replace("amount > 0", "amount > -1")).unwrap();
    let persistence = open(folder.path());
    let report = import(&persistence, &legacy);
    let refused: Vec<&str> = (report.refused.iter()).map(|(place, _)| &**place).collect();
    assert_eq!(refused, ["state/snapshot.json", "sentinel/telemetry.db"]);
    assert_eq!((report.state, report.records), (None, 0));
    let vault = report.vault.unwrap();
    assert_eq!(
        (
            vault.imported.len(),
            vault.accepted.len(),
            vault.refused.len()
        ),
        (2, 0, 1)
    );
    assert_eq!(persistence.state().snapshot().unwrap().len().unwrap(), 0);
    // Mended, it is imported: what was there before is not imported again.
    let paths = [&snapshot, &telemetry, &bundle];
    for (path, whole) in paths.into_iter().zip(&whole) {
        fs::write(path, whole).unwrap();
    }
    let report = import(&persistence, &legacy);
    assert_eq!(report.refused, []);
    assert!(report.state.unwrap().taken && report.records > 0);
    assert_eq!(persistence.vault().bundle_count().unwrap(), 3);
    let stats = persistence.dashboard_stats().unwrap();
    assert_eq!(
        (
            stats.executions.total_executions,
            stats.attacks.total_attacks_blocked
        ),
        (2, 2)
    );
    assert_eq!(check(&persistence).causes, []);
}

#[test]
fn an_edited_bundle_is_taken_by_name_alone_and_on_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let Some(legacy) = legacy(folder.path()) else {
        return;
    };
    let bundle = legacy.join(format!("vault/bundles/{BUNDLE}.ae_bundle"));
    let edited = fs::read_to_string(&bundle).unwrap();
    fs::write(&bundle, edited.replace("amount > 0", "amount > -1")).unwrap();
    let persistence = open(folder.path());
    import(&persistence, &legacy);
    let report = persistence.import_legacy(&legacy, &[BUNDLE], 10).unwrap();
    assert_eq!(report.vault.unwrap().accepted.len(), 1);
    let size = persistence.catch_up().unwrap().log.size.get();
    let said = persistence.audit().record(size - 1).unwrap().record;
    assert!(format!("{said:?}").contains("accepted by name"), "{said:?}");
    let again = persistence.import_legacy(&legacy, &[BUNDLE], 11).unwrap();
    assert_eq!(again.records, 0);
    assert_eq!(persistence.catch_up().unwrap().log.size.get(), size);
}

#[test]
fn every_value_of_a_snapshot_counts_for_its_root() {
    let folder = tempfile::tempdir().unwrap();
    let Some(legacy) = legacy(folder.path()) else {
        return;
    };
    let path = legacy.join("state/snapshot.json");
    let whole = fs::read_to_string(&path).unwrap();
    let persistence = open(folder.path());
    let state = whole.find("\"state\"").unwrap();
    let digits = whole.char_indices().filter(|(_, c)| c.is_ascii_digit());
    let mut mismatches = 0;
    for (at, _) in digits.filter(|(at, _)| *at > state) {
        let mut changed = whole.clone().into_bytes();
        changed[at] = b'0' + (changed[at] - b'0' + 1) % 10;
        fs::write(&path, changed).unwrap();
        // A byte outside of the state, or a number that is none any more.
        let Some(state) = import(&persistence, &legacy).state else {
            continue;
        };
        if state.stated != state.computed {
            mismatches += 1;
            assert!(!state.taken, "byte {at}");
        }
    }
    assert!(mismatches > 5, "{mismatches}");
}

/// The name of the test that is the child.
const CHILD: &str = "tests::legacy::imports_until_it_is_stopped";

#[test]
fn an_import_that_was_stopped_is_resumed() {
    if fixtures().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = import(&open(folder.path()), &legacy(folder.path()).unwrap());
    let mut stops = 0;
    for nth in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let legacy = legacy(folder.path()).unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
            .env("PERSISTENCE_IMPORT_FOLDER", folder.path())
            .env("PERSISTENCE_STOP_AT", nth.to_string())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let finished = output.status.success();
        assert!(finished || errors.contains("stopped at"), "{nth}: {errors}");
        let persistence = open(folder.path());
        let report = import(&persistence, &legacy);
        let records = report.records + report.repeated;
        assert_eq!(records, whole.records, "{nth}");
        assert_eq!(report.refused, [], "{nth}");
        assert_eq!(persistence.vault().bundle_count().unwrap(), 3);
        let stats = persistence.dashboard_stats().unwrap();
        let counts = (
            stats.executions.total_executions,
            stats.attacks.total_attacks_blocked,
        );
        assert_eq!(counts, (2, 2), "{nth}");
        let size = persistence.heads().log.size;
        let again = import(&persistence, &legacy);
        assert_eq!((again.records, again.repeated), (0, whole.records), "{nth}");
        assert_eq!(persistence.heads().log.size, size, "{nth}");
        assert_eq!(check(&persistence).causes, [], "{nth}");
        if finished {
            break;
        }
        stops += 1;
    }
    assert!(stops > 10, "only {stops} stops");
}

/// Not a test by itself: what the process does that is stopped.
#[test]
fn imports_until_it_is_stopped() {
    if let Some(folder) = std::env::var_os("PERSISTENCE_IMPORT_FOLDER") {
        let folder = Path::new(&folder);
        import(&open(folder), &folder.join("legacy"));
    }
}
