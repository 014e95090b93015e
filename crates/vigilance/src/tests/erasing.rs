//! Texts are erased: from every file, with every proof as it was.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use super::basics::{attack, open, some_record};
use crate::*;

/// Whether bytes lie in any file of a folder.
fn is_in_files(folder: &Path, needle: &[u8]) -> bool {
    let mut files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    files.any(|file| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

fn check(trail: &Trail) -> VerifyReport {
    let report = trail
        .verify(Depth::Pages, |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(report.damage, []);
    report
}

fn about(subject: &str, number: u64, text: &str) -> Record {
    let Record::Attack(mut it) = attack(number) else {
        unreachable!()
    };
    let salt = Salt::random().unwrap();
    it.code_snippet = Some(Text::erasable(ErasableField::CodeSnippet, text, salt));
    it.subject = Some(ErasableText::new(ErasableField::Subject, subject, salt));
    it.into()
}

#[test]
fn nothing_is_left_of_what_was_erased() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    let secret = |at: u64| {
        format!(
            "{}-s{at:04}-{}",
            "the secret",
            "padding ".repeat(usize::try_from(at % 900).unwrap())
        )
    };
    for round in 0..10 {
        let records = (0..60).map(|at| {
            let number = 100 * round + at;
            let subject = if at % 3 == 0 {
                "alice@example.com"
            } else {
                "bob@example.com"
            };
            about(subject, number, &secret(number))
        });
        trail.append_all(records.collect()).unwrap();
        trail
            .append_all(
                (0..100)
                    .map(|at| some_record(100_000 + 100 * round + at))
                    .collect(),
            )
            .unwrap();
    }
    let (head, proof) = (
        trail.head(),
        trail.prove_inclusion(0, trail.size()).unwrap(),
    );
    assert!(is_in_files(folder.path(), b"alice@example.com"));
    assert!(is_in_files(folder.path(), b"the secret-s0000-"));

    let erased = trail
        .erase(&Erasure::Subject("alice@example.com".into()), 77)
        .unwrap();
    assert!(erased.is_scrubbed);
    assert_eq!(erased.records.len(), 200);
    for needle in [
        "alice@example.com",
        "the secret-s0000-",
        "the secret-s0957-",
    ] {
        assert!(!is_in_files(folder.path(), needle.as_bytes()), "{needle}");
    }
    assert!(is_in_files(folder.path(), b"the secret-s0001-"));

    let stored = trail.record(0).unwrap();
    assert!(proof.verify_entry(&stored.canonical, &head).is_ok());
    assert!(
        trail
            .prove_consistency(head.size.get(), trail.size())
            .unwrap()
            .verify(&head, &trail.head())
            .is_ok()
    );
    assert!(
        stored
            .record
            .erasable()
            .iter()
            .all(|(_, text)| text.text().is_none())
    );
    let Record::Event(redaction) = trail.record(erased.redactions[0]).unwrap().record else {
        panic!("not an event");
    };
    assert_eq!(
        (redaction.kind, redaction.event_ns),
        (EventKind::Redacted, 77)
    );
    let report = check(&trail);
    assert_eq!(report.erased, 400);

    let again = trail
        .erase(&Erasure::Subject("alice@example.com".into()), 78)
        .unwrap();
    assert!(again.redactions.is_empty());
    let one = trail.erase(&Erasure::Records([1].into()), 79).unwrap();
    assert_eq!(one.records, [1].into());
    assert!(!is_in_files(folder.path(), b"the secret-s0001-"));
    drop(trail);
    let trail = open(folder.path());
    check(&trail);
    assert!(!is_in_files(folder.path(), b"alice@example.com"));
}

#[test]
fn a_redaction_that_is_applied_erases_too() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    let records = [about("carol", 1, "first"), about("dave", 2, "second")];
    let encoded: Vec<_> = records.iter().map(|it| it.encode().unwrap()).collect();
    trail.apply(0, &encoded, Durability::Deferred).unwrap();
    let events = trail
        .redactions(&Erasure::Subject("carol".into()), 5)
        .unwrap();
    let events: Vec<_> = events
        .into_iter()
        .map(|it| Record::from(it).encode().unwrap())
        .collect();
    trail.apply(2, &events, Durability::Deferred).unwrap();
    assert!(trail.scrub().unwrap());
    assert!(!is_in_files(folder.path(), b"carol"));
    assert!(is_in_files(folder.path(), b"dave"));
    // The records may come again with their texts, from before: they are there, so nothing happens.
    trail.apply(0, &encoded, Durability::Deferred).unwrap();
    assert!(!is_in_files(folder.path(), b"carol"));
    assert_eq!(check(&trail).erased, 2);
}

#[test]
fn a_text_that_vanished_without_a_redaction_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    let encoded = about("carol", 1, "first").encode().unwrap();
    let bare = EncodedRecord::from_parts(encoded.canonical, Vec::new()).unwrap();
    trail.apply(0, &[bare], Durability::Durable).unwrap();
    let report = trail
        .verify(Depth::Content, |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(report.damages, 2);
    assert!(matches!(
        report.damage[0],
        Damage::ContentMissing { index: 0, .. }
    ));
}

#[test]
fn the_end_is_given_again_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    let records: Vec<_> = (0..700)
        .map(|at| some_record(at).encode().unwrap())
        .collect();
    trail.apply(0, &records, Durability::Durable).unwrap();
    let head = trail.head();
    drop(trail);
    fs::remove_file(folder.path().join("trail.db")).unwrap();
    let lost = Trail::open(folder.path(), &super::basics::options());
    let Err(OpenError::Damaged(damage)) = lost else {
        panic!("{lost:?}");
    };
    assert_eq!(*damage, Damage::DatabaseLost { marked: 700 });
    let options = super::basics::options().catch_up(true);
    let trail = Trail::open(folder.path(), &options).unwrap();
    assert!(matches!(trail.health(), Health::Panic(_)));
    assert!(matches!(
        trail.append(some_record(7)),
        Err(AppendError::Panic(_))
    ));
    trail
        .apply(0, &records[..300], Durability::Deferred)
        .unwrap();
    assert!(matches!(trail.health(), Health::Panic(_)));
    trail
        .apply(300, &records[300..], Durability::Durable)
        .unwrap();
    assert_eq!((trail.health(), trail.head()), (Health::Sound, head));
    trail.append(some_record(1000)).unwrap();
    // The copy of the checkpoint in the database went with it.
    drop(trail);
}

#[test]
fn keys_change_and_the_old_one_is_still_believed() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    trail
        .append_all((0..10).map(some_record).collect())
        .unwrap();
    trail.checkpoint().unwrap();
    let new = SignerKey::from_seed("example.com/trail", &[8; 32]).unwrap();
    let note = trail.rotate_key(new.clone(), 5).unwrap();
    let old = super::basics::key().verifier_key();
    for key in [old.clone(), new.verifier_key()] {
        assert!(note.verify(&[key]).is_ok());
    }
    trail.append(some_record(10)).unwrap();
    check(&trail);
    drop(trail);
    let options = Options::new()
        .origin("example.com/trail")
        .signer(new)
        .trust(old);
    let trail = Trail::open(folder.path(), &options).unwrap();
    assert_eq!(trail.health(), Health::Sound);
    check(&trail);
    drop(trail);
    let stale = Trail::open(folder.path(), &super::basics::options()).unwrap();
    assert!(matches!(stale.health(), Health::Panic(_)));
}
