//! Bytes that claim to be a certificate, a key or a policy: what is accepted is written in one way,
//! and a certificate that verifies says what was signed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use truth_vault::{
    Address, Certificate, Envelope, JudgeProof, PublicKey, SecretKey, SignerPolicy, Statement,
    VerificationStatus,
};

/// The one thing that the trusted key has signed: `fuzz/seeds/dsse_parse/certificate`.
struct Signed {
    key: SecretKey,
    policy: SignerPolicy,
    certificate: Certificate,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let key = SecretKey::from_seed("judge", &[7; 32]).expect("a good name");
    let policy = SignerPolicy::of_keys(1, [key.public_key().clone()]).expect("a good policy");
    let status = VerificationStatus::Proved;
    let proof = JudgeProof::new(status, "judge", "0.6", 1_000, 2_000).expect("a good proof");
    let certificate = Certificate::issue(Address::of(b"code"), "pay", &proof, &key);
    Signed {
        key,
        policy,
        certificate: certificate.expect("it fits"),
    }
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::parse(bytes) {
        // Spaces and unknown members are lost; what is left has one form.
        let encoded = envelope.encode();
        assert_eq!(Envelope::parse(&encoded).as_ref(), Ok(&envelope));
        let signed = envelope.is_signed_by(SIGNED.key.public_key());
        let ours = SIGNED.certificate.envelope();
        let is_ours =
            envelope.payload_type() == ours.payload_type() && envelope.payload() == ours.payload();
        assert!(!signed || is_ours, "forged");
        check_countersigned(envelope);
    }
    if let Ok(certificate) = Certificate::parse(bytes) {
        let subject = certificate.unverified_statement().subjects()[0].address;
        let subject = subject.unwrap_or(Address::of(b"code"));
        if let Ok(verified) = certificate.verify(subject, &SIGNED.policy, u64::MAX) {
            assert_eq!(
                verified.statement(),
                SIGNED.certificate.unverified_statement()
            );
        }
    }
    if let Ok(statement) = Statement::parse(bytes) {
        let encoded = statement.encode();
        assert_eq!(Statement::parse(encoded.as_bytes()), Ok(statement));
    }
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(key) = text.parse::<PublicKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = text.parse::<SecretKey>() {
        assert_eq!(key.to_secret_text(), text);
    }
    if let Ok(policy) = SignerPolicy::parse(text) {
        assert_eq!(SignerPolicy::parse(&policy.encode()), Ok(policy));
    }
});

/// Our signature over whatever it is holds, unless there is no room for one.
fn check_countersigned(mut envelope: Envelope) {
    if envelope.countersign(&SIGNED.key).is_ok() {
        assert!(envelope.is_signed_by(SIGNED.key.public_key()));
        assert_eq!(Envelope::parse(&envelope.encode()).as_ref(), Ok(&envelope));
    }
}
