#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use alloc::string::{String, ToString};
use alloc::vec;

use super::*;
use crate::{Log, TreeHead};

const VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const SIGNER: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

fn key(seed: u8) -> SignerKey {
    SignerKey::from_seed("example.com/log", &[seed; 32]).unwrap()
}

#[test]
fn the_note_of_the_go_documentation_is_reproduced() {
    let key: SignerKey = SIGNER.parse().unwrap();
    assert_eq!(key.verifier_key().to_string(), VERIFIER);
    let text = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n";
    let note = SignedNote::sign(text, &key).unwrap();
    let line = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSN\
                XgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    assert_eq!(note.to_string(), alloc::format!("{text}\n{line}\n"));
}

#[test]
fn key_texts_are_read_in_one_form_only() {
    let refused = |text: String| text.parse::<VerifierKey>().unwrap_err();
    let bad = NoteKeyError::BadFormat;
    assert_eq!(refused(VERIFIER.replace("c74f20a3", "C74F20A3")), bad);
    assert_eq!(refused(VERIFIER.replace("c74f20a3", "+74f20a3")), bad);
    assert_eq!(refused(VERIFIER.replace("c74f20a3", "0c74f20a3")), bad);
    assert_eq!(refused(VERIFIER.replace("10TW", "10T")), bad);
    assert_eq!(refused(VERIFIER.replace("10TW", "10TWAA==")), bad);
    assert_eq!(refused(VERIFIER.replace("2QcU", "")), bad);
    assert_eq!(refused("PeterNeumann".into()), bad);
    assert_eq!(refused("PeterNeumann+c74f20a3+".into()), bad);
    assert_eq!(
        refused(VERIFIER.replace("PeterNeumann", "")),
        NoteKeyError::BadName
    );
    assert_eq!(
        refused(VERIFIER.replace("Peter", "Peter ")),
        NoteKeyError::BadName
    );
    assert_eq!(
        refused(VERIFIER.replace("+ARpc", "+BBpc")),
        NoteKeyError::UnknownAlgorithm { algorithm: 4 }
    );
    let wrong = NoteKeyError::WrongKeyId {
        found: 0xc74f_20a4,
        computed: 0xc74f_20a3,
    };
    assert_eq!(refused(VERIFIER.replace("c74f20a3", "c74f20a4")), wrong);

    let refused = |text: String| text.parse::<SignerKey>().unwrap_err();
    assert_eq!(refused(SIGNER.replace("PRIVATE", "private")), bad);
    assert_eq!(refused(VERIFIER.into()), bad);
    assert_eq!(refused(SIGNER.replace("c74f20a3", "c74f20a4")), wrong);
}

#[test]
fn unusable_keys_and_signatures_are_refused() {
    // The neutral element, for which one signature fits all texts, and bytes that are no point.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(
        VerifierKey::from_bytes("name", &neutral),
        Err(NoteKeyError::BadKey)
    );
    assert_eq!(
        VerifierKey::from_bytes("name", &[0; 32]),
        Err(NoteKeyError::BadKey)
    );
    let mut none = [0; 32];
    none[0] = 2;
    assert_eq!(
        VerifierKey::from_bytes("name", &none),
        Err(NoteKeyError::BadKey)
    );
    assert_eq!(
        NoteSignature::new("a+b", 0, vec![0]),
        Err(NoteKeyError::BadName)
    );
    let empty = NoteSignature::new("name", 0, vec![]);
    assert_eq!(empty, Err(NoteKeyError::BadSignatureLength { bytes: 0 }));
}

#[test]
fn the_secret_is_not_shown() {
    let shown = alloc::format!("{:?}", SIGNER.parse::<SignerKey>().unwrap());
    assert_eq!(
        shown,
        alloc::format!("SignerKey {{ verifier: VerifierKey({VERIFIER}), .. }}")
    );
}

#[test]
fn a_key_counts_once_and_an_unknown_one_not_at_all() {
    let mut note = SignedNote::sign("text\n", &key(1)).unwrap();
    note.countersign(&key(2)).unwrap();
    note.countersign(&key(1)).unwrap();
    assert_eq!(note.signatures().len(), 2, "signing again replaces");
    let trusted = [key(1).verifier_key(), key(3).verifier_key()];
    assert_eq!(note.verify(&trusted).unwrap().keys(), [&trusted[0]]);
    assert_eq!(note.verify(&trusted[1..]), Err(NoteError::Unverified));
    assert_eq!(note.verify(&[]), Err(NoteError::Unverified));

    let text = note.to_string();
    let doubled = alloc::format!("{text}{}", &text[text.find('—').unwrap()..]);
    let doubled = SignedNote::parse(doubled.as_bytes()).unwrap();
    assert_eq!(doubled.signatures().len(), 4);
    assert_eq!(doubled.verify(&trusted).unwrap().keys().len(), 1);
    let twice = [trusted[0].clone(), trusted[0].clone()];
    assert_eq!(doubled.verify(&twice).unwrap().keys().len(), 1);
}

#[test]
fn a_forged_signature_of_a_trusted_key_spoils_the_note() {
    let mut note = SignedNote::sign("text\n", &key(1)).unwrap();
    let forger = key(2).verifier_key();
    let other = NoteSignature::new(forger.name(), forger.key_id(), vec![7; 64]).unwrap();
    note.add(other).unwrap();
    let trusted = [key(1).verifier_key()];
    assert!(
        note.verify(&trusted).is_ok(),
        "the forger's key is not trusted"
    );
    let both = [key(1).verifier_key(), forger];
    assert_eq!(note.verify(&both), Err(NoteError::BadSignature { line: 1 }));
    let short = NoteSignature::new(both[1].name(), both[1].key_id(), vec![7]).unwrap();
    note.add(short).unwrap();
    assert_eq!(note.verify(&both), Err(NoteError::BadSignature { line: 1 }));
}

#[test]
fn limits_hold_when_notes_are_made() {
    let mut note = SignedNote::sign("text\n", &key(0)).unwrap();
    let by = |id: u32, bytes: usize| NoteSignature::new("name", id, vec![1; bytes]).unwrap();
    for id in 1..100 {
        note.add(by(id, 5_000)).unwrap();
    }
    let before = note.clone();
    assert_eq!(note.add(by(100, 1)), Err(NoteError::TooManySignatures));
    let long = note.add(by(99, 400_000));
    assert!(matches!(long, Err(NoteError::TooLong { .. })));
    assert_eq!(note, before);
    assert_eq!(SignedNote::parse(note.to_string().as_bytes()), Ok(note));

    let line = 2 + "— example.com/log ".len() + 92;
    let mut text = "t".repeat(SignedNote::BYTES_MAX - line - 1);
    text.push('\n');
    let longest = SignedNote::sign(&text, &key(0)).unwrap().to_string();
    assert_eq!(longest.len(), SignedNote::BYTES_MAX);
    assert!(SignedNote::parse(longest.as_bytes()).is_ok());
    text.insert(0, 't');
    let bytes = SignedNote::BYTES_MAX + 1;
    assert_eq!(
        SignedNote::sign(&text, &key(0)),
        Err(NoteError::TooLong { bytes })
    );
    assert_eq!(
        SignedNote::parse(&vec![b'x'; bytes]),
        Err(NoteError::TooLong { bytes })
    );
    for text in ["", "no newline", "tab\t\n"] {
        assert_eq!(SignedNote::sign(text, &key(0)), Err(NoteError::BadText));
    }
    assert_eq!(SignedNote::parse(b"\xff\n\n"), Err(NoteError::BadText));
}

#[test]
fn a_checkpoint_is_only_of_the_log_asked_for() {
    let log: Log = ["one"].iter().collect();
    let checkpoint = Checkpoint::new("example.com/log", log.head()).unwrap();
    let note = SignedNote::sign(&checkpoint.to_string(), &key(1)).unwrap();
    let trusted = [key(1).verifier_key()];
    let verified = note.verify(&trusted).unwrap();
    assert_eq!(verified.text(), note.text());
    assert_eq!(verified.checkpoint("example.com/log"), Ok(checkpoint));
    let other = verified.checkpoint("example.com/other");
    assert!(matches!(other, Err(CheckpointError::OtherOrigin { .. })));

    let note = SignedNote::sign("not a checkpoint\n", &key(1)).unwrap();
    let refused = note
        .verify(&trusted)
        .unwrap()
        .checkpoint("not a checkpoint");
    assert_eq!(refused, Err(CheckpointError::TooFewLines { found: 1 }));
    assert_ne!(log.head(), TreeHead::EMPTY);
}

#[test]
fn every_changed_byte_is_refused_or_written_back() {
    let note = SignedNote::sign("text\n\nmore\n", &key(1)).unwrap();
    let (trusted, text) = ([key(1).verifier_key()], note.to_string().into_bytes());
    for at in 0..text.len() {
        for change in [0x01, 0x20, 0x80, 0xff] {
            let mut changed = text.clone();
            changed[at] ^= change;
            if let Ok(other) = SignedNote::parse(&changed) {
                assert_eq!(other.to_string().into_bytes(), changed);
                assert!(other.verify(&trusted).is_err(), "byte {at}");
            }
        }
        let _ = SignedNote::parse(&text[..at]);
    }
}
