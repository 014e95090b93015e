//! What a trail does when nothing goes wrong.

use std::path::Path;
use std::thread;
use std::time::Duration;

use merkle_core::{Log, TreeSize};

use crate::*;

pub(crate) fn key() -> SignerKey {
    SignerKey::from_seed("example.com/trail", &[7; 32]).unwrap()
}

pub(crate) fn options() -> Options {
    Options::new().origin("example.com/trail").signer(key())
}

pub(crate) fn open(folder: &Path) -> Trail {
    let trail = Trail::open(folder, &options()).unwrap();
    assert_eq!(trail.health(), Health::Sound);
    assert_eq!(trail.open_report().damage, []);
    trail
}

pub(crate) fn attack(number: u64) -> Record {
    let severity = Severity::from_micros(900_000).unwrap();
    let mut it = Attack::new(
        format!("attack {number}"),
        "injection",
        "code",
        "input",
        severity,
        number,
    );
    let salt = Salt::from_bytes([u8::try_from(number % 251).unwrap() + 1; 32]);
    let snippet = format!("DROP TABLE number_{number}");
    it.code_snippet = Some(Text::erasable(ErasableField::CodeSnippet, &snippet, salt));
    it.subject = Some(ErasableText::new(ErasableField::Subject, "mallory", salt));
    it.into()
}

pub(crate) fn execution(number: u64) -> Record {
    let mut it = Execution::new(
        format!("tx {number}"),
        "transfer",
        ExecutionStatus::Proved,
        number,
    );
    it.bundle_hash = Some("ab".repeat(32));
    it.result = Some(Text::plain("{\"success\":true}"));
    it.elapsed_ns = Some(number);
    it.layer_results.insert("z3_prover".into(), true.into());
    it.telemetry.insert("cpu_time_ms".into(), 1.5);
    it.into()
}

pub(crate) fn some_record(number: u64) -> Record {
    match number % 4 {
        0 | 1 => execution(number),
        2 => attack(number),
        _ => Metric::new(format!("tx {number}"), "latency", 0.25, number).into(),
    }
}

#[test]
fn what_was_appended_is_there_and_proved() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new();
    let mut trail = open(folder.path());
    for round in 0..6_u64 {
        let records: Vec<Record> = (0..250).map(|at| some_record(1000 * round + at)).collect();
        for record in &records {
            log.append(&record.encode().unwrap().canonical);
        }
        let appended = trail.append_all(records.clone()).unwrap();
        assert_eq!(appended[7].index(), Some(250 * round + 7));
        assert_eq!(trail.head(), log.head());
        assert_eq!(trail.durable_size(), trail.size());
        for at in [0, 99, 249] {
            let index = 250 * round + at as u64;
            let stored = trail.record(index).unwrap();
            assert_eq!(stored.record, records[at]);
            assert_eq!(stored.damaged, []);
            let size = trail.size();
            let proof = trail.prove_inclusion(index, size).unwrap();
            assert!(proof.verify_entry(&stored.canonical, &log.head()).is_ok());
        }
        if round % 2 == 1 {
            drop(trail);
            trail = open(folder.path());
        }
    }
    let size = trail.size();
    for old in [0, 1, 255, 256, 257, 1000, size] {
        let proof = trail.prove_consistency(old, size).unwrap();
        assert_eq!(
            proof,
            log.prove_consistency(TreeSize::new(old), log.size())
                .unwrap()
        );
        assert_eq!(
            trail.root_at(old).unwrap(),
            log.root_at(TreeSize::new(old)).unwrap()
        );
    }
    assert!(matches!(
        trail.record(size),
        Err(ReadError::OutOfRange { .. })
    ));
    assert!(matches!(
        trail.prove_inclusion(size, size),
        Err(ReadError::Reversed { .. })
    ));
    let found = trail.execution_by_tx("tx 1001").unwrap().unwrap();
    assert_eq!(found.record, execution(1001));
    assert!(trail.attack_by_id("nobody").unwrap().is_none());
}

#[test]
fn many_threads_append_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    let threads: Vec<_> = (0..8_u64)
        .map(|thread| {
            let trail = trail.clone();
            thread::spawn(move || {
                for at in 0..40 {
                    let record = some_record(1000 * thread + at);
                    let index = trail.append(record.clone()).unwrap().index().unwrap();
                    assert_eq!(trail.record(index).unwrap().record, record);
                }
            })
        })
        .collect();
    assert!(trail.wait_beyond(0, Duration::from_secs(10)) > 0);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(trail.size(), 320);
    assert_eq!(trail.wait_beyond(320, Duration::ZERO), 320);
}

#[test]
fn duplicates_are_answered_by_policy() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    assert_eq!(trail.append(attack(2)).unwrap(), Appended::At { index: 0 });
    assert_eq!(
        trail.append(attack(2)).unwrap(),
        Appended::Duplicate { index: 0 }
    );
    assert_eq!(
        trail.append(execution(1)).unwrap(),
        Appended::At { index: 1 }
    );
    assert_eq!(
        trail.append(execution(1)).unwrap(),
        Appended::At { index: 2 }
    );
    let twice = trail.append_all(vec![attack(6), attack(6)]).unwrap();
    assert_eq!(
        twice,
        [Appended::At { index: 3 }, Appended::Duplicate { index: 3 }]
    );
    drop(trail);
    let strict = options().duplicate_executions(Duplicates::Refuse);
    let trail = Trail::open(folder.path(), &strict).unwrap();
    let refused = trail.append_all(vec![execution(9), execution(1)]);
    let Err(AppendError::Duplicate { kind, id, index }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (kind, id.as_str(), index),
        (RecordKind::Execution, "tx 1", 2)
    );
    assert_eq!(trail.size(), 4);
    assert!(trail.append(execution(9)).is_ok());
}

#[test]
fn applying_again_is_nothing_and_applying_otherwise_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    let records: Vec<_> = (0..40)
        .map(|at| some_record(at).encode().unwrap())
        .collect();
    let deferred = Durability::Deferred;
    let head = trail.apply(0, &records[..20], deferred).unwrap();
    assert_eq!(head.size.get(), 20);
    assert_eq!(trail.durable_size(), 0);
    assert_eq!(trail.record(19).unwrap().record, some_record(19));
    assert_eq!(trail.apply(0, &records[..20], deferred).unwrap(), head);
    assert_eq!(
        trail
            .apply(10, &records[10..40], deferred)
            .unwrap()
            .size
            .get(),
        40
    );
    trail.sync().unwrap();
    assert_eq!(trail.durable_size(), 40);
    let gap = trail.apply(41, &records[..1], deferred);
    assert!(matches!(
        gap,
        Err(AppendError::Gap {
            first: 41,
            size: 40
        })
    ));
    let other = trail.apply(5, &records[6..8], deferred);
    assert!(matches!(other, Err(AppendError::Diverged { index: 5 })));
    assert_eq!(trail.size(), 40);
}

#[test]
fn texts_that_were_staged_find_their_record() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    let encoded: Vec<_> = [2, 6].map(|at| attack(at).encode().unwrap()).into();
    trail.stage_erasable(&encoded).unwrap();
    drop(trail);
    // They are swept when nobody named them, so they are staged again.
    let trail = open(folder.path());
    assert_eq!(trail.open_report().swept, 4);
    trail.stage_erasable(&encoded).unwrap();
    let bare: Vec<_> = (encoded.iter())
        .map(|it| EncodedRecord::from_parts(it.canonical.clone(), Vec::new()).unwrap())
        .collect();
    trail.apply(0, &bare, Durability::Durable).unwrap();
    assert_eq!(trail.record(1).unwrap().record, attack(6));
    drop(trail);
    assert_eq!(open(folder.path()).open_report().swept, 0);
}

#[test]
fn a_checkpoint_is_signed_and_held_against_the_log_later() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    trail
        .append_all((0..300).map(some_record).collect())
        .unwrap();
    let note = trail.checkpoint().unwrap();
    let keys = [key().verifier_key()];
    let verified = note.verify(&keys).unwrap();
    assert_eq!(
        verified.checkpoint("example.com/trail").unwrap().head(),
        trail.head()
    );
    trail.append(some_record(300)).unwrap();
    drop(trail);
    let trail = Trail::open(folder.path(), &options().expect_checkpoint(note)).unwrap();
    assert_eq!(trail.health(), Health::Sound);
    let mut head = trail.head();
    drop(trail);
    head.root = Hash::from_bytes([1; 32]);
    let trail = Trail::open(folder.path(), &options().expect_head(head)).unwrap();
    let Health::Panic(damage) = trail.health() else {
        panic!("{:?}", trail.health());
    };
    assert!(matches!(
        *damage,
        Damage::OtherRoot {
            by: Witness::Caller,
            ..
        }
    ));
    assert!(matches!(
        trail.append(some_record(301)),
        Err(AppendError::Panic(_))
    ));
    assert_eq!(trail.record(3).unwrap().record, some_record(3));
    assert_eq!(trail.incidents().unwrap().len(), 1);
}

#[test]
fn a_trail_is_opened_once_and_only_where_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let absent = Trail::open(folder.path().join("absent"), &options().create(false));
    assert!(matches!(absent, Err(OpenError::NotFound { .. })));
    let trail = open(folder.path());
    let second = Trail::open(folder.path(), &options());
    let Err(OpenError::Locked { holder, .. }) = second else {
        panic!("{second:?}");
    };
    assert_eq!(holder, Some(std::process::id()));
    drop(trail);
    open(folder.path());
}

#[test]
fn a_check_of_everything_finds_nothing_where_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    for round in 0..5 {
        trail
            .append_all((0..2000).map(|at| some_record(2000 * round + at)).collect())
            .unwrap();
    }
    trail.checkpoint().unwrap();
    let mut calls = 0;
    let report = trail.verify(Depth::Pages, |progress| {
        calls += 1;
        assert_eq!(progress.size, 10_000);
        std::ops::ControlFlow::Continue(())
    });
    let report = report.unwrap();
    assert_eq!(report.damage, []);
    assert!(report.is_complete && calls >= 2);
    assert_eq!(report.root, Some(trail.root()));
    assert_eq!(report.texts, 5000);
    let stopped = trail.verify(Depth::Content, |_| std::ops::ControlFlow::Break(()));
    assert!(!stopped.unwrap().is_complete);
}
