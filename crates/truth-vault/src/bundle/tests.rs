#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{JudgeProof, LegacyError, SecretKey, SignerPolicy};

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed("judge", &[seed; 32]).unwrap()
}

fn certificate(code: &[u8], status: VerificationStatus) -> Certificate {
    let proof = JudgeProof::new(status, "judge", "0.6", 1_000, 2_000).unwrap();
    Certificate::issue(Address::of(code), "pay", &proof, &key(1)).unwrap()
}

fn bundle() -> Bundle {
    let (code, status) = (b"intent pay(...)".to_vec(), VerificationStatus::Proved);
    let certificate = certificate(&code, status);
    Bundle::new(code, "pay", status, 1_770_585_433_000_000_001)
        .unwrap()
        .with_metadata(Json::parse(r#"{"attempts": 1, "price": 1.50}"#).unwrap())
        .unwrap()
        .with_ast(Json::parse(r#"{"params":  []}"#).unwrap())
        .with_certificate(certificate)
        .unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = "../../../shared/fixtures/legacy-v2.1/vault/bundles";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    fs::read(folder.join(name)).unwrap()
}

const FIXTURES: [&str; 3] = [
    "45fc28efeb6dde41.ae_bundle",
    "check_balance_9ad9e80d.ae_bundle",
    "transfer_3be8a8ce.ae_bundle",
];

fn import(text: &str) -> Result<Bundle, ImportError> {
    Bundle::import(text.as_bytes(), &Trust::Integrity)
}

fn exported() -> String {
    String::from_utf8(bundle().export()).unwrap()
}

/// What was stored last year is found under the same address.
#[test]
fn the_address_of_a_bundle_does_not_change() {
    let expected = "9d08bfe5402aa81ece5e44a05c60a3c248af024b2c7c3f069cc003e3e430145c";
    assert_eq!(bundle().address().to_string(), expected);
    let legacy = LegacyBundle::parse(&fixture(FIXTURES[1])).unwrap();
    let expected = "a998bf4d90ff4ecc8293242d7428a557dd2e766349eb50d7d0f618bab0d079ec";
    let legacy = Bundle::from_legacy(&legacy).unwrap();
    assert_eq!(legacy.address().to_string(), expected);
}

#[test]
fn a_bundle_is_put_together_from_its_parts() {
    let legacy = LegacyBundle::parse(&fixture(FIXTURES[1])).unwrap();
    for bundle in [bundle(), Bundle::from_legacy(&legacy).unwrap()] {
        let manifest = bundle.manifest();
        let mut parts = vec![bundle.code().to_vec()];
        parts.extend(bundle.ast().map(|ast| ast.as_str().as_bytes().to_vec()));
        parts.extend(bundle.certificate().map(Certificate::encode));
        parts.extend(bundle.legacy_source().map(<[u8]>::to_vec));
        assert_eq!(manifest.parts().count(), parts.len());
        let fetch = |wanted: &BundlePart| {
            let part = parts.iter().find(|it| Address::of(it) == wanted.address);
            Ok::<_, BundleError>(part.unwrap().clone())
        };
        assert_eq!(Bundle::assemble(&manifest, fetch).as_ref(), Ok(&bundle));
        // Any other part in its place is refused.
        for wrong in manifest.parts() {
            let fetch = |wanted: &BundlePart| match wanted == &wrong {
                true => Ok(b"other".to_vec()),
                false => fetch(wanted),
            };
            let address = wrong.address;
            let refused = Bundle::assemble(&manifest, fetch);
            assert_eq!(refused, Err(BundleError::OtherPart { address }));
        }
    }
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let status = VerificationStatus::Proved;
    let new = |code: &[u8], status| Bundle::new(code.to_vec(), "pay", status, 0).unwrap();
    let code = Address::of(b"code");
    assert_eq!(
        new(b"code", status).with_certificate(certificate(b"other", status)),
        Err(BundleError::CertificateOfOtherCode { code })
    );
    let (stated, certified) = (VerificationStatus::Failed, status);
    assert_eq!(
        new(b"code", stated).with_certificate(certificate(b"code", certified)),
        Err(BundleError::StatusDisagrees { stated, certified })
    );
    let bytes = Bundle::CODE_BYTES_MAX + 1;
    assert_eq!(
        Bundle::new(vec![0; bytes], "", status, 0),
        Err(BundleError::CodeTooLong { bytes })
    );
    let bytes = Bundle::INTENT_BYTES_MAX + 1;
    assert_eq!(
        Bundle::new(vec![], &"i".repeat(bytes), status, 0),
        Err(BundleError::IntentTooLong { bytes })
    );
    let bytes = Bundle::METADATA_BYTES_MAX + 1;
    let long = Json::parse(&format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8))).unwrap();
    assert_eq!(
        new(b"", status).with_metadata(long),
        Err(BundleError::MetadataTooLong { bytes })
    );
}

#[test]
fn a_manifest_has_one_form_and_no_byte_of_it_is_free() {
    let legacy = LegacyBundle::parse(&fixture(FIXTURES[1])).unwrap();
    for bundle in [bundle(), Bundle::from_legacy(&legacy).unwrap()] {
        let bytes = bundle.manifest().encode();
        assert!(bytes.len() <= BundleManifest::BYTES_MAX);
        assert_eq!(BundleManifest::decode(&bytes), Ok(bundle.manifest()));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(manifest) = BundleManifest::decode(&changed) {
                assert_eq!(manifest.encode(), changed);
                assert_ne!(manifest, bundle.manifest());
            }
        }
        for length in 0..bytes.len() {
            assert!(BundleManifest::decode(&bytes[..length]).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        let refused = BundleManifest::decode(&longer);
        assert_eq!(refused, Err(ManifestError::Malformed));
        let mut later = bytes.clone();
        later[8] = 2;
        let version = 2;
        let refused = BundleManifest::decode(&later);
        assert_eq!(refused, Err(ManifestError::UnknownVersion { version }));
        let refused = BundleManifest::decode(b"{}");
        assert_eq!(refused, Err(ManifestError::NoManifest));
    }
}

#[test]
fn an_exported_bundle_is_imported_as_it_was() {
    let plain = Bundle::new(vec![0xff, 0], "", VerificationStatus::Unverified, 0).unwrap();
    let legacy = FIXTURES.map(|name| LegacyBundle::parse(&fixture(name)).unwrap());
    let legacy = legacy.iter().map(|it| Bundle::from_legacy(it).unwrap());
    for bundle in [bundle(), plain].into_iter().chain(legacy) {
        let imported = Bundle::import(&bundle.export(), &Trust::Integrity).unwrap();
        assert_eq!(imported, bundle);
        assert_eq!(imported.address(), bundle.address());
    }
}

#[test]
fn bundles_of_the_original_system_are_imported_with_their_origin() {
    for name in FIXTURES {
        let bytes = fixture(name);
        let bundle = Bundle::import(&bytes, &Trust::Integrity).unwrap();
        assert_eq!(bundle.legacy_source(), Some(&bytes[..]));
        assert!(name.contains(&bundle.legacy_key().unwrap().to_string()[..8]));
        assert!(!bundle.is_altered_legacy());
        assert_eq!(bundle.status(), VerificationStatus::Proved);
    }
    let altered = String::from_utf8(fixture(FIXTURES[0])).unwrap();
    let altered = altered.replace("amount > 0", "amount > 1");
    let refused = import(&altered).unwrap_err();
    assert_eq!(refused.layer(), ImportLayer::Address);
    assert!(matches!(
        refused,
        ImportError::Legacy(LegacyError::Altered(_))
    ));
    // Accepted by name, it keeps that it was altered.
    let altered = LegacyBundle::inspect(altered.as_bytes()).unwrap();
    assert_eq!(
        Bundle::from_legacy(&altered),
        Err(BundleError::LegacyAltered)
    );
    let accepted = Bundle::from_altered_legacy(&altered).unwrap();
    assert!(accepted.is_altered_legacy());
    let exported = String::from_utf8(accepted.export()).unwrap();
    assert_eq!(import(&exported), Ok(accepted));
    let hidden = exported.replace("\"altered\": true", "\"altered\": false");
    let refused = import(&hidden).unwrap_err();
    assert_eq!(refused, ImportError::Bundle(BundleError::OtherLegacy));
}

#[test]
fn an_altered_export_is_refused_by_what_was_altered() {
    let text = exported();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let error = import(&text.replacen(from, to, 1)).unwrap_err();
        (error.layer(), error)
    };
    use ImportLayer as L;
    let (layer, error) = refused("intent pay(", "intent pax(");
    assert!(layer == L::Address && matches!(error, ImportError::CodeAltered { .. }));
    for (from, to) in [
        ("\"intent_name\": \"pay\"", "\"intent_name\": \"pax\""),
        ("13.000000001Z", "13.000000002Z"),
        ("\"attempts\": 1", "\"attempts\": 2"),
        ("1.50", "1.5"),
        ("\"params\":  []", "\"params\": []"),
    ] {
        let (layer, error) = refused(from, to);
        assert!(layer == L::Address, "{from}: {error}");
        assert!(matches!(error, ImportError::BundleAltered { .. }));
    }
    let (layer, error) = refused("PROVED", "FAILED");
    assert!(layer == L::Certificate);
    assert!(matches!(
        error,
        ImportError::Bundle(BundleError::StatusDisagrees { .. })
    ));
    // The certificate of other code.
    let (stated, other) = (bundle(), certificate(b"other", VerificationStatus::Proved));
    let ours = String::from_utf8(stated.certificate().unwrap().encode()).unwrap();
    let other = String::from_utf8(other.encode()).unwrap();
    let (layer, error) = refused(&ours, &other);
    assert!(layer == L::Certificate);
    assert!(matches!(
        error,
        ImportError::Bundle(BundleError::CertificateOfOtherCode { .. })
    ));
    let (layer, _) = refused("\"payloadType\"", "\"payloadKind\"");
    assert!(layer == L::Certificate);
    // A flipped signature is whole JSON: only the address, and the policy, know.
    let (layer, _) = refused("\"sig\":\"", "\"sig\":\"AAAA");
    assert!(layer == L::Address);
    for (from, to) in [
        ("\"version\": 1", "\"version\": 2"),
        ("truth-vault bundle", "truth-vault bungle"),
        ("\"metadata\"", "\"metadate\""),
        ("\"metadata\"", "\"extra\": 1, \"metadata\""),
        ("\"code\"", "\"code_base64\""),
        ("\"code\"", "\"code_base64\": \"AA==\", \"code\""),
        ("\"code_address\": \"", "\"code_address\": \"0"),
        ("\"bundle_address\": \"", "\"bundle_address\": \"0"),
        ("{", "["),
    ] {
        let (layer, error) = refused(from, to);
        assert!(layer == L::Bytes, "{from}: {error}");
    }
    let short = &text[..text.len() / 2];
    assert_eq!(import(short).unwrap_err().layer(), L::Bytes);
}

#[test]
fn who_signed_matters_where_it_is_asked_for() {
    let trusted = SignerPolicy::of_keys(1, [key(1).public_key().clone()]).unwrap();
    let stranger = SignerPolicy::of_keys(1, [key(2).public_key().clone()]).unwrap();
    let now_ns = 3_000;
    let signed_by = |policy, bytes: &[u8]| Bundle::import(bytes, &Trust::Signed { policy, now_ns });
    assert_eq!(signed_by(&trusted, &bundle().export()), Ok(bundle()));
    let refused = signed_by(&stranger, &bundle().export()).unwrap_err();
    assert_eq!(refused.layer(), ImportLayer::Policy);
    let refused = signed_by(&trusted, &fixture(FIXTURES[0]));
    assert_eq!(refused, Err(ImportError::Unsigned));

    // Whoever changes code, address and certificate alike still lacks the key.
    let code = b"intent steal(...)".to_vec();
    let proof = JudgeProof::new(VerificationStatus::Proved, "judge", "0.6", 1_000, 2_000).unwrap();
    let forged = Certificate::issue(Address::of(&code), "pay", &proof, &key(9)).unwrap();
    let forged = String::from_utf8(forged.encode()).unwrap();
    let id = |seed| key(seed).public_key().key_id().to_string();
    let forged = forged.replace(&id(9), &id(1));
    let forged = Certificate::parse(forged.as_bytes()).unwrap();
    let forged = Bundle::new(code, "pay", VerificationStatus::Proved, 0)
        .unwrap()
        .with_certificate(forged)
        .unwrap();
    assert!(Bundle::import(&forged.export(), &Trust::Integrity).is_ok());
    let refused = signed_by(&trusted, &forged.export()).unwrap_err();
    assert_eq!(refused.layer(), ImportLayer::Policy);
}

proptest! {
    #[test]
    fn every_bundle_survives_export_and_encoding(
        code: Vec<u8>,
        intent in "\\PC{0,40}",
        status in 0..5_u8,
        created_ns: u64,
        text: String,
        ast: bool,
    ) {
        let json = Json::of(&std::collections::BTreeMap::from([("a", &text)])).unwrap();
        let status = VerificationStatus::from_code(status).unwrap();
        let mut bundle = Bundle::new(code, &intent, status, created_ns).unwrap();
        if ast {
            bundle = bundle.with_ast(json);
        } else {
            bundle = bundle.with_metadata(json).unwrap();
        }
        let manifest = BundleManifest::decode(&bundle.manifest().encode());
        prop_assert_eq!(manifest.as_ref(), Ok(&bundle.manifest()));
        prop_assert_eq!(Bundle::import(&bundle.export(), &Trust::Integrity), Ok(bundle));
    }

    #[test]
    fn any_bytes_are_a_manifest_or_refused(bytes: Vec<u8>) {
        let bytes = [&b"tvbundle\x01"[..], &bytes].concat();
        if let Ok(manifest) = BundleManifest::decode(&bytes) {
            prop_assert_eq!(manifest.encode(), bytes);
        }
    }
}
