#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;
use crate::{Json, VerificationStatus};

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&format!("judge-{seed}"), &[seed; 32]).unwrap()
}

fn id(seed: u8) -> KeyId {
    key(seed).public_key().key_id()
}

fn policy(threshold: usize, seeds: &[u8]) -> SignerPolicy {
    let keys = seeds.iter().map(|seed| key(*seed).public_key().clone());
    SignerPolicy::of_keys(threshold, keys).unwrap()
}

const ISSUED: u64 = 2_000;

fn code() -> Address {
    Address::of(b"code")
}

fn certificate() -> Certificate {
    let proof = JudgeProof::new(VerificationStatus::Proved, "judge", "0.6", 1_000, ISSUED);
    let details = Json::parse(r#"{"z3": "4.12.0", "counter_examples": []}"#).unwrap();
    let proof = proof.unwrap().with_details(details).unwrap();
    Certificate::issue(code(), "transfer", &proof, &key(1)).unwrap()
}

fn verdicts(certificate: &Certificate, policy: &SignerPolicy) -> Vec<SignatureVerdict> {
    match certificate.verify(code(), policy, u64::MAX) {
        Err(CertificateError::TooFewSigners { verdicts, .. }) => verdicts,
        other => panic!("{other:?}"),
    }
}

/// The envelope's JSON with `payload` changed by `change`, its signatures as they were.
fn with_payload(certificate: &Certificate, change: impl Fn(String) -> String) -> Vec<u8> {
    use base64ct::{Base64, Encoding};
    let payload = certificate.envelope().payload();
    let changed = change(String::from_utf8(payload.to_vec()).unwrap());
    let text = String::from_utf8(certificate.encode()).unwrap();
    text.replace(
        &Base64::encode_string(payload),
        &Base64::encode_string(changed.as_bytes()),
    )
    .into_bytes()
}

#[test]
fn an_issued_certificate_is_verified_and_says_what_was_said() {
    let certificate = certificate();
    let read = Certificate::parse(&certificate.encode()).unwrap();
    assert_eq!(read, certificate);
    let verified = read.verify(code(), &policy(1, &[1]), ISSUED);
    let verified = verified.unwrap();
    assert_eq!(verified.signers(), [id(1)]);
    assert_eq!(verified.subject(), code());
    let proof = verified.proof();
    assert_eq!((proof.prover(), proof.prover_version()), ("judge", "0.6"));
    assert_eq!((proof.started_ns(), proof.issued_ns()), (1_000, ISSUED));
    let details = r#"{"z3": "4.12.0", "counter_examples": []}"#;
    assert_eq!(proof.details().as_str(), details);
    assert_eq!(verified.statement().subjects()[0].name, "transfer");
}

#[test]
fn the_statement_has_the_form_of_in_toto() {
    let text = String::from_utf8(certificate().envelope().payload().to_vec()).unwrap();
    let expected = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v1\",\
         \"subject\":[{{\"name\":\"transfer\",\"digest\":{{\"sha256\":\"{}\"}}}}],\
         \"predicateType\":\"https://diotec360.com/attestation/judge-proof/v1\",\
         \"predicate\":{{\"status\":\"PROVED\",\
         \"prover\":{{\"name\":\"judge\",\"version\":\"0.6\"}},\
         \"startedOn\":\"1970-01-01T00:00:00.000001000Z\",\
         \"issuedOn\":\"1970-01-01T00:00:00.000002000Z\",\
         \"details\":{{\"z3\": \"4.12.0\", \"counter_examples\": []}}}}}}",
        code()
    );
    assert_eq!(text, expected);
}

#[test]
fn what_is_signed_is_the_example_of_dsse() {
    // DSSE protocol, section "Test Vectors".
    let kind = "http://example.com/HelloWorld";
    let envelope = Envelope::sign(kind, b"hello world".to_vec(), &key(1)).unwrap();
    let signed = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
    assert_eq!(envelope.pre_authentication_encoding(), signed);
}

#[test]
fn a_threshold_counts_signers_and_not_signatures() {
    let mut certificate = certificate();
    let two_of_three = policy(2, &[1, 2, 3]);
    assert_eq!(verdicts(&certificate, &two_of_three).len(), 1);
    certificate.countersign(&key(1)).unwrap();
    assert_eq!(certificate.envelope().signatures().len(), 1);

    // The same signature once more, under another hint.
    let text = String::from_utf8(certificate.encode()).unwrap();
    let (head, signature) = text.split_once("\"signatures\":[").unwrap();
    let signature = signature.strip_suffix("]}").unwrap();
    let again = signature.replace(&id(1).to_string(), "other");
    let doubled = format!("{head}\"signatures\":[{signature},{again}]}}");
    let doubled = Certificate::parse(doubled.as_bytes()).unwrap();
    let good = SignatureVerdict::Good { key_id: id(1) };
    assert_eq!(verdicts(&doubled, &two_of_three), [good, good]);

    certificate.countersign(&key(3)).unwrap();
    let verified = certificate.verify(code(), &two_of_three, u64::MAX).unwrap();
    assert_eq!(verified.signers(), [id(1), id(3)]);
}

#[test]
fn each_signature_is_refused_for_its_own_reason() {
    let mut certificate = certificate();
    certificate.countersign(&key(2)).unwrap();
    certificate.countersign(&key(9)).unwrap();

    let mut policy = policy(3, &[1, 2, 3]);
    policy.revoke(id(1), "stolen").unwrap();
    policy
        .rotate(id(2), key(4).public_key().clone(), ISSUED)
        .unwrap();
    let (key_id, issued_ns) = (id(2), ISSUED);
    let expected = [
        SignatureVerdict::Revoked { key_id: id(1) },
        SignatureVerdict::OutsideWindow { key_id, issued_ns },
        SignatureVerdict::UnknownSigner,
    ];
    assert_eq!(verdicts(&certificate, &policy), expected);

    // A signature of 9 that says it is of 3.
    let text = String::from_utf8(certificate.encode()).unwrap();
    let text = text.replace(&id(9).to_string(), &id(3).to_string());
    let forged = Certificate::parse(text.as_bytes()).unwrap();
    let key_id = id(3);
    assert_eq!(
        verdicts(&forged, &policy)[2],
        SignatureVerdict::Forged { key_id }
    );
}

#[test]
fn a_rotated_key_stays_good_for_what_it_signed_before() {
    let certificate = certificate();
    let new = || key(2).public_key().clone();
    let mut later = policy(1, &[1]);
    later.rotate(id(1), new(), ISSUED + 1).unwrap();
    assert!(certificate.verify(code(), &later, u64::MAX).is_ok());
    let mut earlier = policy(1, &[1]);
    earlier.rotate(id(1), new(), ISSUED).unwrap();
    assert!(certificate.verify(code(), &earlier, u64::MAX).is_err());
    // A second rotation does not prolong the first key.
    earlier
        .rotate(id(1), key(3).public_key().clone(), ISSUED + 9)
        .unwrap();
    assert!(certificate.verify(code(), &earlier, u64::MAX).is_err());
}

#[test]
fn a_certificate_of_other_code_or_of_the_future_is_refused() {
    let (certificate, policy) = (certificate(), policy(1, &[1]));
    let expected = Address::of(b"other");
    assert_eq!(
        certificate.verify(expected, &policy, u64::MAX),
        Err(CertificateError::OtherSubject { expected })
    );
    let (issued_ns, now_ns) = (ISSUED, ISSUED - 1);
    assert_eq!(
        certificate.verify(code(), &policy, now_ns),
        Err(CertificateError::FromTheFuture { issued_ns, now_ns })
    );
}

#[test]
fn every_flipped_bit_of_an_envelope_is_refused() {
    let (certificate, policy) = (certificate(), policy(1, &[1]));
    let bytes = certificate.encode();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let Ok(read) = Certificate::parse(&changed) else {
            continue;
        };
        if let Ok(verified) = read.verify(code(), &policy, u64::MAX) {
            // Only the hint, whose signature it is, is not signed; nor are names of members.
            assert_eq!(verified.statement(), certificate.unverified_statement());
            assert_eq!(read.envelope().payload(), certificate.envelope().payload());
        }
    }
}

#[test]
fn a_changed_payload_is_forged() {
    let (certificate, policy) = (certificate(), policy(1, &[1]));
    let key_id = id(1);
    // Its meaning is the same, its bytes are not.
    let changed = with_payload(&certificate, |text| text.replacen(':', ": ", 1));
    let changed = Certificate::parse(&changed).unwrap();
    assert_eq!(
        verdicts(&changed, &policy),
        [SignatureVerdict::Forged { key_id }]
    );
    let changed = with_payload(&certificate, |text| text.replace("0.6", "0.7"));
    let changed = Certificate::parse(&changed).unwrap();
    assert_eq!(
        verdicts(&changed, &policy),
        [SignatureVerdict::Forged { key_id }]
    );
}

#[test]
fn other_statements_are_refused_by_what_they_are() {
    let certificate = certificate();
    let refused = |from: &str, to: &str| {
        let bytes = with_payload(&certificate, |text| text.replacen(from, to, 1));
        match Certificate::parse(&bytes).unwrap_err() {
            CertificateError::Statement(error) => error,
            other => panic!("{other:?}"),
        }
    };
    use StatementError as E;
    assert_eq!(refused("Statement/v1", "Statement/v2"), E::OtherType);
    assert_eq!(
        refused("judge-proof/v1", "judge-proof/v2"),
        E::OtherPredicate
    );
    assert_eq!(refused("PROVED", "PROOFED"), E::BadPredicate);
    assert_eq!(refused("1970", "1960"), E::BadPredicate);
    assert_eq!(refused(".000001000Z", ".000002001Z"), E::BadPredicate);
    assert_eq!(refused("\"sha256\":\"", "\"sha256\":\"0"), E::BadSubject);
    assert_eq!(refused("[{\"name\"", "[],\"x\":[{\"name\""), E::BadSubject);
    assert_eq!(refused("subject", "subjects"), E::Malformed);
    assert_eq!(refused("{\"_type", "[{\"_type"), E::Malformed);
    let twice = E::Json(crate::JsonError::DuplicateMember);
    assert_eq!(refused("\"z3\"", "\"a\":1,\"a\":1,\"z3\""), twice);
}

#[test]
fn other_envelopes_are_refused_by_what_they_are() {
    let parse = |text: &str| Envelope::parse(text.as_bytes());
    let sig = r#"{"sig":"AA=="}"#;
    let with = |signatures: &str| {
        format!(r#"{{"payload":"aGk=","payloadType":"t","signatures":[{signatures}],"more":1}}"#)
    };
    let envelope = parse(&with(sig)).unwrap();
    assert_eq!(envelope.payload(), b"hi");
    assert_eq!(envelope.signatures()[0].key_id_hint(), "");
    assert_eq!(parse(&with("")), Err(EnvelopeError::NoSignatures));
    let many = vec![sig; Envelope::SIGNATURES_MAX + 1].join(",");
    assert_eq!(parse(&with(&many)), Err(EnvelopeError::TooManySignatures));
    let spaced = with(sig).replace("\"t\"", "\"t t\"");
    assert_eq!(parse(&spaced), Err(EnvelopeError::BadType));
    let unpadded = with(sig).replace("aGk=", "aGk");
    assert_eq!(parse(&unpadded), Err(EnvelopeError::BadBase64));
    let twice = with(sig).replace("\"more\"", "\"payload\"");
    assert_eq!(parse(&twice), Err(EnvelopeError::Malformed));
    assert_eq!(parse(""), Err(EnvelopeError::Malformed));
    let bytes = Envelope::BYTES_MAX + 1;
    assert_eq!(
        Envelope::parse(&vec![b' '; bytes]),
        Err(EnvelopeError::TooLong { bytes })
    );
    // Both alphabets of base64.
    let either = |text: &str| parse(&with(sig).replace("aGk=", text)).unwrap();
    assert_eq!(either("-_8="), either("+/8="));
}

#[test]
fn key_texts_are_read_in_one_form_only() {
    let key = key(1);
    let (public, secret) = (key.public_key().to_string(), key.to_secret_text());
    assert_eq!(public.parse::<PublicKey>().as_ref(), Ok(key.public_key()));
    let again: SecretKey = secret.parse().unwrap();
    assert_eq!(again.to_secret_text(), secret);
    assert!(!format!("{key:?}").contains(secret.rsplit(':').next().unwrap()));

    let refused = |text: &str| text.parse::<PublicKey>().unwrap_err();
    assert_eq!(refused(&secret), KeyError::BadFormat);
    assert_eq!(
        refused(&public.replace("key-1", "key-2")),
        KeyError::UnknownVersion
    );
    assert_eq!(
        refused(&public.replace("judge-1", "judge 1")),
        KeyError::BadName
    );
    assert_eq!(refused(&public.replace("judge-1", "")), KeyError::BadName);
    assert_eq!(refused(&format!("{public}:")), KeyError::BadFormat);
    assert_eq!(refused(public.trim_end_matches('=')), KeyError::BadFormat);
    let id = id(1).to_string();
    assert_eq!(
        refused(&public.replace(&id[..8], "00000000")),
        KeyError::WrongKeyId
    );
    assert_eq!(
        refused(&public.replace(&id[..8], &id[..8].to_uppercase())),
        KeyError::WrongKeyId
    );
    assert_eq!(PublicKey::from_bytes("a", &[0; 32]), Err(KeyError::BadKey));
    let one = SecretKey::generate("a").unwrap();
    assert_ne!(
        one.to_secret_text(),
        SecretKey::generate("a").unwrap().to_secret_text()
    );
}

#[test]
fn a_key_file_is_for_its_owner_alone_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("judge.key");
    let key = key(1);
    key.save(&path).unwrap();
    let read = SecretKey::load(&path).unwrap();
    assert_eq!(read.to_secret_text(), key.to_secret_text());
    assert!(matches!(key.save(&path), Err(KeyFileError::Io { .. })));
    #[cfg(unix)]
    {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::PermissionsExt;
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let refused = SecretKey::load(&path).unwrap_err();
        assert!(matches!(refused, KeyFileError::Exposed { mode: 0o640, .. }));
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    std::fs::write(&path, &key.to_secret_text()[..40]).unwrap();
    let refused = SecretKey::load(&path).unwrap_err();
    assert!(matches!(refused, KeyFileError::Key { .. }));
}

#[test]
fn policies_that_mean_nothing_are_refused() {
    let keys = |seeds: &[u8]| -> Vec<Signer> {
        let keys = seeds.iter().map(|seed| key(*seed).public_key().clone());
        keys.map(Signer::new).collect()
    };
    let (threshold, signers) = (3, 2);
    assert_eq!(
        SignerPolicy::new(3, keys(&[1, 2])),
        Err(PolicyError::BadThreshold { threshold, signers })
    );
    let (threshold, signers) = (0, 2);
    assert_eq!(
        SignerPolicy::new(0, keys(&[1, 2])),
        Err(PolicyError::BadThreshold { threshold, signers })
    );
    let key_id = id(1);
    assert_eq!(
        SignerPolicy::new(2, keys(&[1, 1])),
        Err(PolicyError::DuplicateKey { key_id })
    );
    let mut policy = policy(1, &[1]);
    let same = key(1).public_key().clone();
    assert_eq!(
        policy.rotate(key_id, same, 5),
        Err(PolicyError::DuplicateKey { key_id })
    );
    let new = key(2).public_key().clone();
    assert_eq!(
        policy.rotate(key_id, new, 0),
        Err(PolicyError::EmptyWindow { key_id })
    );
    let key_id = id(7);
    assert_eq!(
        policy.revoke(key_id, ""),
        Err(PolicyError::UnknownKey { key_id })
    );
    let text = policy.encode();
    assert_eq!(SignerPolicy::parse(&text).as_ref(), Ok(&policy));
    let later = text.replace("\"version\": 1", "\"version\": 2");
    assert_eq!(
        SignerPolicy::parse(&later),
        Err(PolicyError::UnknownVersion { version: 2 })
    );
    let unknown = text.replace("\"threshold\"", "\"only_on_sundays\": true, \"threshold\"");
    assert_eq!(SignerPolicy::parse(&unknown), Err(PolicyError::Malformed));
}
