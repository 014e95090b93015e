//! Bytes that claim to be a seal: what is read has one text, and only what was signed verifies.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use persistence::{Seal, SignerKey, VerifierKey};

/// The one seal that the trusted key has signed; its text is `fuzz/seeds/seal_parse/text`.
struct Signed {
    signer: SignerKey,
    key: VerifierKey,
    seal: Seal,
}

const TEXT: &str = "example.com/ledger\n\
    7\n\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
    seal 3\n\
    state 9 0101010101010101010101010101010101010101010101010101010101010101 sha256\n\
    vault 2 0202020202020202020202020202020202020202020202020202020202020202\n\
    previous 0303030303030303030303030303030303030303030303030303030303030303\n\
    time 1770585433051488000\n";

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let signer = SignerKey::from_seed("example.com/ledger", &[7; 32]).expect("a good name");
    let seal: Seal = TEXT.parse().expect("a good text");
    let note = seal.sign(&signer).expect("its own origin");
    let key = signer.verifier_key();
    let read = Seal::verify(&note, std::slice::from_ref(&key));
    assert_eq!(read.as_ref(), Ok(&seal));
    Signed { signer, key, seal }
});

fuzz_target!(|bytes: &[u8]| {
    let signed = &*SIGNED;
    if let Ok(seal) = Seal::verify(bytes, std::slice::from_ref(&signed.key)) {
        assert_eq!(seal, signed.seal, "forged");
    }
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(seal) = text.parse::<Seal>() {
        assert_eq!(seal.to_string(), text);
        if seal.origin == signed.signer.name() {
            let note = seal.sign(&signed.signer).expect("its own origin");
            let read = Seal::verify(&note, std::slice::from_ref(&signed.key));
            assert_eq!(read.as_ref(), Ok(&seal));
        }
    }
});
