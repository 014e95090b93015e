//! Our envelopes against those of the `dsse` crate: same bytes, same verdicts.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use dsse::Ed25519Signer;
use proptest::prelude::*;
use truth_vault::{Envelope, SecretKey, SignatureVerdict, SignerPolicy};

fn ours(seed: u8) -> SecretKey {
    SecretKey::from_seed("judge", &[seed; 32]).unwrap()
}

fn theirs(seed: u8) -> Ed25519Signer {
    let id = ours(seed).public_key().key_id().to_string();
    Ed25519Signer::from_bytes(&[seed; 32])
        .unwrap()
        .with_key_id(id)
}

/// Whether two of the keys 1 to 3 signed it, by us and by them; `None` if it is no envelope.
fn verdicts(bytes: &[u8]) -> [Option<bool>; 2] {
    let keys = [1, 2, 3].map(|seed| ours(seed).public_key().clone());
    let policy = SignerPolicy::of_keys(2, keys).unwrap();
    let we = Envelope::parse(bytes).ok().map(|envelope| {
        let mut signers = Vec::new();
        for verdict in policy.judge(&envelope, 0) {
            if let SignatureVerdict::Good { key_id } = verdict {
                signers.push(key_id);
            }
        }
        signers.sort_unstable();
        signers.dedup();
        signers.len() >= 2
    });
    let they = dsse::Envelope::from_json(bytes).ok().map(|envelope| {
        let keys = [1, 2, 3].map(|seed| theirs(seed).verifier());
        let [one, two, three] = &keys;
        dsse::verify(&envelope, &[one, two, three], 2).is_ok()
    });
    [we, they]
}

proptest! {
    #[test]
    fn both_sign_the_same_bytes(payload: Vec<u8>, kind in "[!-~]{1,40}", seed: u8) {
        let mut envelope = Envelope::sign(&kind, payload.clone(), &ours(seed)).unwrap();
        envelope.countersign(&ours(seed ^ 1)).unwrap();
        let [one, two] = [seed, seed ^ 1].map(theirs);
        let judged = dsse::sign_with(&kind, &payload, &[&one, &two]).unwrap();
        prop_assert_eq!(envelope.encode(), judged.to_json().unwrap());
        prop_assert_eq!(envelope.pre_authentication_encoding(), dsse::pae(&kind, &payload));
    }

    /// A changed byte of the JSON: where we read an envelope, both find the same signers.
    ///
    /// They pass over a signature that is no base64 any more and read the rest; we refuse the whole.
    #[test]
    fn both_come_to_the_same_verdict(
        signers in prop::collection::vec(1..=4_u8, 1..4),
        at: prop::sample::Index,
        to in prop::option::of(any::<u8>()),
    ) {
        let mut envelope = Envelope::sign("t", b"payload".to_vec(), &ours(signers[0])).unwrap();
        for signer in &signers[1..] {
            envelope.countersign(&ours(*signer)).unwrap();
        }
        let mut bytes = envelope.encode();
        if let Some(to) = to {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        let [we, they] = verdicts(&bytes);
        prop_assert!(we.is_some() || to.is_some(), "refused as it was made");
        if let Some(we) = we {
            prop_assert_eq!(we, they.unwrap_or(false));
        }
    }
}
