//! Text that claims to be a checkpoint, a key or a note: what is accepted is written in one way,
//! and a note that verifies is the one that was signed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use merkle_core::{Checkpoint, SignedNote, SignerKey, TreeHead, VerifierKey};

/// The one thing that the trusted key has signed: `fuzz/seeds/note_parse/signed`.
struct Signed {
    key: SignerKey,
    trusted: [VerifierKey; 1],
    note: SignedNote,
}

const ORIGIN: &str = "example.com/log";

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let key = SignerKey::from_seed(ORIGIN, &[7; 32]).expect("a good name");
    let checkpoint = Checkpoint::new(ORIGIN, TreeHead::EMPTY).expect("a good origin");
    let note = SignedNote::sign(&checkpoint.to_string(), &key).expect("a good text");
    let trusted = [key.verifier_key()];
    Signed { key, trusted, note }
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = SignedNote::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        check_signatures(&note);
    }
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        assert_eq!(checkpoint.to_string(), text);
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
        let same = VerifierKey::from_bytes(key.name(), key.as_bytes());
        assert_eq!(same.as_ref(), Ok(&key));
    }
    if let Ok(key) = text.parse::<SignerKey>() {
        assert_eq!(key.to_secret_text(), text);
    }
    // Any text that can be signed comes back as it was.
    if let Ok(note) = SignedNote::sign(text, &SIGNED.key) {
        let read = SignedNote::parse(note.to_string().as_bytes()).expect("our own note");
        assert_eq!(read, note);
        let verified = read.verify(&SIGNED.trusted).expect("our own signature");
        assert_eq!(verified.text(), text);
        if let Ok(checkpoint) = verified.checkpoint(ORIGIN) {
            assert_eq!(
                (checkpoint.origin(), checkpoint.to_string().as_str()),
                (ORIGIN, text)
            );
        }
    }
});

/// What verifies is the text that was signed, with the very signature that was made.
fn check_signatures(note: &SignedNote) {
    let Signed {
        trusted,
        note: signed,
        ..
    } = &*SIGNED;
    let [genuine] = signed.signatures() else {
        panic!("one key signed")
    };
    if let Ok(verified) = note.verify(trusted) {
        assert_eq!(verified.text(), signed.text());
        let ours = |it: &&_| is_of(it, genuine);
        assert!(
            note.signatures()
                .iter()
                .filter(ours)
                .all(|it| it == genuine)
        );
    }
}

fn is_of(a: &merkle_core::NoteSignature, b: &merkle_core::NoteSignature) -> bool {
    (a.name(), a.key_id()) == (b.name(), b.key_id())
}
