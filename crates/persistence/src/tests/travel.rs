//! Time travel: state, proofs, statistics and executions as of a version or a time; named snapshots.

use merkle_core::Lookup;

use super::{bundle, check, config, transfer};
use crate::{
    Attack, DashboardStats, Execution, ExecutionStatus, Persistence, Record, Severity,
    SnapshotError, StorageError,
};

/// Commits something of everything; the numbers of the dashboard behind each version.
fn live(persistence: &Persistence) -> Vec<(u64, DashboardStats)> {
    let mut seen = Vec::new();
    for id in 0..12 {
        let status = match id % 4 {
            3 => ExecutionStatus::Failed,
            _ => ExecutionStatus::Proved,
        };
        let mut execution = transfer(id).elapsed_ns(1_000_000 * (id + 1));
        execution.record.status = status;
        if id % 3 == 0 {
            let address = persistence.put_bundle(&bundle(id), id + 1).unwrap();
            execution = execution.bundle(address);
        }
        let version = match id % 5 {
            4 => {
                let (name, layer) = (format!("type_{}", id % 2), format!("layer_{}", id % 3));
                let attack = Attack::new(id.to_string(), name, "c", layer, Severity::MAX, id + 1);
                persistence.save_attack(attack).unwrap().version
            }
            _ => persistence.execute(execution).unwrap().version,
        };
        seen.push((version, persistence.dashboard_stats().unwrap()));
    }
    seen
}

#[test]
fn statistics_of_an_earlier_version_are_what_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    let seen = live(&persistence);
    for (version, stats) in &seen {
        let moment = persistence.at(*version).unwrap();
        assert_eq!(persistence.stats_at(&moment).unwrap(), *stats, "{version}");
    }
    let nothing = persistence.stats_at(&persistence.at(0).unwrap()).unwrap();
    assert_eq!(nothing.executions.total_executions, 0);
    // And after reopening.
    drop(persistence);
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    let (version, stats) = &seen[5];
    let moment = persistence.at(*version).unwrap();
    assert_eq!(persistence.stats_at(&moment).unwrap(), *stats);
}

#[test]
fn an_earlier_moment_proves_what_it_held_and_what_it_did_not() {
    let folder = tempfile::tempdir().unwrap();
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    let first = persistence.execute(transfer(1)).unwrap();
    let close = Execution::new("close", "close", ExecutionStatus::Proved, 9)
        .delete(b"account:bob")
        .put(b"account:carol", b"1");
    let second = persistence.execute(close).unwrap();
    let profile = persistence.state().profile();
    for (done, [bob, carol]) in [(&first, [true, false]), (&second, [false, true])] {
        let moment = persistence.at(done.version).unwrap();
        for (key, there) in [(&b"account:bob"[..], bob), (b"account:carol", carol)] {
            let proof = moment.state.prove(key).unwrap();
            let view = proof.verify(&profile, &done.root_after).unwrap();
            let found = match view.get(key) {
                Lookup::Present(_) => true,
                Lookup::Absent => false,
                _ => panic!("not covered"),
            };
            assert_eq!(found, there, "{}", done.tx_id);
        }
        // The record is in the log as it was then.
        let size = moment.log.size.get();
        let proof = persistence.audit().prove_inclusion(done.index, size);
        let record = persistence.audit().record(done.index).unwrap();
        let proof = proof.unwrap();
        proof.verify_entry(&record.canonical, &moment.log).unwrap();
    }
}

#[test]
fn executions_are_replayed_to_every_root_they_led_to() {
    let folder = tempfile::tempdir().unwrap();
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    live(&persistence);
    let heads = persistence.heads();
    for first in [1, 2, heads.version / 2, heads.version] {
        let replay = persistence.replay(first..=heads.version).unwrap();
        let replayed: Vec<_> = replay.map(Result::unwrap).collect();
        assert_eq!(replayed.len() as u64, heads.version - first + 1);
        let mut next = None;
        for version in &replayed {
            let info = persistence.state().info(version.version).unwrap();
            assert_eq!(version.root_before, info.root_before);
            assert_eq!(version.root_after, info.version.root);
            for (index, record) in &version.records {
                assert_eq!(*index, next.unwrap_or(*index));
                next = Some(index + 1);
                if let Record::Execution(execution) = record {
                    let says = (execution.merkle_root_before, execution.merkle_root_after);
                    assert_eq!(says, (Some(version.root_before), Some(version.root_after)));
                }
            }
        }
        let last = replayed.last().unwrap();
        assert_eq!(last.root_after, heads.state_root);
        assert_eq!(next, Some(heads.log.size.get()));
    }
    let beyond = persistence.replay(heads.version + 2..=heads.version + 3);
    assert!(matches!(beyond, Err(StorageError::Read(_))));
}

#[test]
fn a_named_snapshot_is_kept_and_gone_back_to() {
    let folder = tempfile::tempdir().unwrap();
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    let done = persistence.execute(transfer(3)).unwrap();
    let named = persistence.snapshot("before", 4).unwrap();
    assert_eq!(
        (named.version.number, named.version.root),
        (done.version, done.root_after)
    );
    persistence.execute(transfer(5)).unwrap();
    let taken = persistence.snapshot("before", 6);
    assert!(matches!(taken, Err(SnapshotError::Name(_))), "{taken:?}");
    let other = persistence.restore_snapshot("after", "back", 7);
    assert!(matches!(other, Err(SnapshotError::Unknown { .. })));
    drop(persistence);
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    assert_eq!(persistence.snapshots().unwrap(), [named]);
    let back = persistence.restore_snapshot("before", "back", 7).unwrap();
    assert_eq!(back.root_after, done.root_after);
    // It is on the record that it was taken, and that it was restored.
    let replay = persistence.replay(1..=back.version).unwrap();
    let records = replay.flat_map(|version| version.unwrap().records);
    let sources = records.filter_map(|(_, record)| match record {
        Record::Event(event) => event.source,
        Record::Execution(execution) => Some(execution.intent_name),
        _ => None,
    });
    let sources: Vec<_> = sources.collect();
    assert!(
        sources.contains(&"persistence.snapshot".to_owned()),
        "{sources:?}"
    );
    assert_eq!(sources.last().unwrap(), "roll_back");
    assert_eq!(check(&persistence).causes, []);
}
