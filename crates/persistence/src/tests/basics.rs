//! Executions, records, repetition, invariants, reopening.

use super::{config, transfer};
use crate::{
    Attack, Conservation, ExecuteError, Execution, ExecutionStatus, Metric, Persistence, Reading,
    Severity,
};

#[test]
fn what_was_executed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (persistence, report) = Persistence::open(config(folder.path())).unwrap();
    assert!(report.created);
    let first = persistence.execute(transfer(1)).unwrap();
    assert_eq!((first.index, first.version), (1, 2));
    let failed = Execution::new("tx_f", "transfer", ExecutionStatus::Failed, 5).put(b"x", b"1");
    let failed = persistence.execute(failed).unwrap();
    assert_eq!(failed.root_before, failed.root_after);
    let attack = Attack::new("a1", "injection", "code", "layer", Severity::MAX, 6);
    persistence.save_attack(attack).unwrap();
    persistence
        .log_metric(Metric::new("tx_1", "cpu", 1.5, 7))
        .unwrap();
    let second = persistence.execute(transfer(2)).unwrap();
    let root = second.root_after;
    drop(persistence);
    let (persistence, report) = Persistence::open(config(folder.path())).unwrap();
    assert!(!report.created && report.causes.is_empty(), "{report:?}");
    assert_eq!(persistence.state().version().root, root);
    assert_eq!(persistence.state().get(b"x").unwrap(), None);
    let again = persistence.execute(transfer(2)).unwrap();
    assert_eq!((again.index, again.repeated), (second.index, true));
    let other = transfer(2).put(b"more", b"1");
    let conflict = persistence.execute(other);
    assert!(matches!(conflict, Err(ExecuteError::Conflict { index, .. }) if index == second.index));
}

#[test]
fn an_invariant_rejects_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let supply = Conservation::new("supply", b"account:", Reading::Decimal { scale: 0 })
        .except(&["genesis"]);
    let config = config(folder.path()).invariant(supply);
    let (persistence, _) = Persistence::open(config).unwrap();
    let mut genesis = transfer(0);
    genesis.record.intent_name = "genesis".to_owned();
    persistence.execute(genesis).unwrap();
    let fine = persistence.execute(transfer(5)).unwrap();
    assert_eq!(fine.status, ExecutionStatus::Proved);
    let forged = transfer(6).put(b"account:carol", b"1");
    let refused = persistence.execute(forged.clone()).unwrap();
    assert_eq!(refused.status, ExecutionStatus::Rejected);
    assert_eq!(
        refused.refusal.as_deref(),
        Some("supply: the total changes by 1")
    );
    assert_eq!(refused.root_after, fine.root_after);
    let again = persistence.execute(forged).unwrap();
    assert!(again.repeated && again.status == ExecutionStatus::Rejected);
}
