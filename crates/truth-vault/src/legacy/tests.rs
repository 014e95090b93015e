#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::{JsonError, VerificationStatus};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/legacy-v2.1/vault")
}

fn fixture(name: &str) -> String {
    fs::read_to_string(fixtures().join("bundles").join(name)).unwrap()
}

const V2_1: &str = "45fc28efeb6dde41.ae_bundle";
const V0_7: [&str; 2] = [
    "check_balance_9ad9e80d.ae_bundle",
    "transfer_3be8a8ce.ae_bundle",
];

/// The faults of a bundle, which must be altered.
fn faults(text: &str) -> Vec<LegacyFault> {
    match LegacyBundle::parse(text.as_bytes()) {
        Err(LegacyError::Altered(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_bundle_of_v2_1_is_whole() {
    let bundle = LegacyBundle::parse(fixture(V2_1).as_bytes()).unwrap();
    assert_eq!(bundle.generation(), LegacyGeneration::V2_1);
    assert_eq!(bundle.key().to_string()[..16], V2_1[..16]);
    assert_eq!(bundle.intent(), Some("transfer"));
    assert_eq!(bundle.status(), VerificationStatus::Proved);
    assert_eq!(bundle.created_ns(), 1_770_585_433_010_876_400);
    assert!(bundle.code().starts_with("\nintent transfer("));
    assert!(bundle.metadata().as_str().contains("1770585433.0107942"));
    assert_eq!(bundle.source(), fixture(V2_1).as_bytes());
    assert!(bundle.code_is_covered() && bundle.ast().is_none());
}

#[test]
fn the_bundles_of_v0_7_are_whole() {
    for (name, intent, created_ns) in [
        (V0_7[0], "check_balance", 1_769_990_188_492_202_000),
        (V0_7[1], "transfer", 1_769_989_997_811_539_000),
    ] {
        let bundle = LegacyBundle::parse(fixture(name).as_bytes()).unwrap();
        assert_eq!(bundle.generation(), LegacyGeneration::V0_7);
        assert_eq!(bundle.intent(), Some(intent));
        assert_eq!(bundle.status(), VerificationStatus::Proved);
        assert_eq!(bundle.created_ns(), created_ns);
        assert!(bundle.ast().unwrap().as_str().contains("ai_instructions"));
        assert!(!bundle.code_is_covered());
    }
}

#[test]
fn altered_bundles_are_refused_with_the_reason() {
    let text = fixture(V2_1);
    let edited = text.replace("guard amount > 0", "guard amount > 1");
    assert!(matches!(
        faults(&edited)[..],
        [LegacyFault::CodeAltered { .. }]
    ));
    let swapped = text.replace("45fc28ef", "45fc28ee");
    assert!(matches!(
        faults(&swapped)[..],
        [LegacyFault::CodeAltered { .. }]
    ));

    let text = fixture(V0_7[0]);
    let edited = text.replace("minimum >= balance_zero", "minimum >= 0");
    let [LegacyFault::AstAltered { .. }, LegacyFault::BundleAltered] = faults(&edited)[..] else {
        panic!("{:?}", faults(&edited));
    };
    let edited = text.replace("4.12.0+", "4.13.0+");
    let expected = [LegacyFault::CertificateAltered, LegacyFault::BundleAltered];
    assert_eq!(faults(&edited), expected);
    let edited = text.replace("54b10552", "54b10553");
    assert_eq!(faults(&edited), expected);
    let edited = text.replace("b60a48d3", "b60a48d4");
    assert_eq!(faults(&edited), [LegacyFault::BundleAltered]);
    // Both places of the hash.
    let edited = text.replace("9ad9e80d", "9ad9e80e");
    assert_eq!(faults(&edited).len(), 3);
    // The first place alone: the certificate is for another function.
    let edited = text.replacen("9ad9e80d", "9ad9e80e", 1);
    assert!(matches!(
        faults(&edited)[..],
        [
            LegacyFault::AstAltered { .. },
            LegacyFault::CertificateOfOther { .. },
            LegacyFault::BundleAltered
        ]
    ));
    let edited = text.replacen("PROVED", "FAILED", 1);
    assert_eq!(faults(&edited), [LegacyFault::StatusDisagrees]);

    // What v0.7 does not cover cannot be noticed: that is why it is said.
    let edited = text.replace("amount <= 0", "amount <= 1");
    assert!(LegacyBundle::parse(edited.as_bytes()).is_ok());
}

/// Reformatting changes no hash of the original system: it hashed values, not texts.
#[test]
fn a_reformatted_bundle_is_still_whole() {
    for name in [V2_1, V0_7[0], V0_7[1]] {
        let value: serde_json::Value = serde_json::from_str(&fixture(name)).unwrap();
        let compact = value.to_string();
        assert!(LegacyBundle::parse(compact.as_bytes()).is_ok(), "{name}");
    }
}

#[test]
fn what_is_no_bundle_is_refused_by_what_it_is() {
    let refused = |text: &str| LegacyBundle::parse(text.as_bytes()).unwrap_err();
    assert_eq!(refused("[]"), LegacyError::Json(JsonError::NoObject));
    assert_eq!(refused("{"), LegacyError::Json(JsonError::Malformed));
    assert_eq!(refused("{}"), LegacyError::UnknownGeneration);
    let text = fixture(V0_7[0]);
    let both = text.replacen('{', "{\"content_hash\": \"\",", 1);
    assert_eq!(refused(&both), LegacyError::UnknownGeneration);
    let later = text.replace("\"bundle_version\": \"1.0\"", "\"bundle_version\": \"1.1\"");
    assert_eq!(refused(&later), LegacyError::UnknownVersion);
    for member in [
        "intent_name",
        "ast",
        "code",
        "verification",
        "certificate",
        "metadata",
        "created_at",
        "bundle_signature",
    ] {
        let lacking = text.replacen(
            &format!("\n  \"{member}\""),
            &format!("\n  \"no_{member}\""),
            1,
        );
        assert_eq!(refused(&lacking), LegacyError::BadMember { member });
    }
    let text = fixture(V2_1);
    for member in ["code", "metadata", "timestamp"] {
        let lacking = text.replace(
            &format!("\n  \"{member}\""),
            &format!("\n  \"no_{member}\""),
        );
        assert_eq!(refused(&lacking), LegacyError::BadMember { member });
    }
    let bytes = vec![b' '; LegacyBundle::BYTES_MAX + 1];
    assert!(matches!(
        LegacyBundle::parse(&bytes),
        Err(LegacyError::TooLong { .. })
    ));
}

/// A copy of the fixtures to be spoilt.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("bundles")).unwrap();
    for name in ["index.json".to_owned()]
        .into_iter()
        .chain([V2_1, V0_7[0], V0_7[1]].map(|name| format!("bundles/{name}")))
    {
        fs::copy(fixtures().join(&name), folder.path().join(&name)).unwrap();
    }
    folder
}

/// What each item is, in a word, and its notes.
fn read(folder: &Path) -> Vec<(String, Vec<LegacyNote>)> {
    let items = LegacyVault::open(folder).unwrap();
    let items = items.map(|item| {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        match item {
            LegacyItem::Whole { path, notes, .. } => (format!("whole {}", name(&path)), notes),
            LegacyItem::Altered { path, notes, .. } => (format!("altered {}", name(&path)), notes),
            LegacyItem::Refused { path, .. } => (format!("refused {}", name(&path)), vec![]),
            LegacyItem::Unreadable { path, .. } => (format!("unreadable {}", name(&path)), vec![]),
            LegacyItem::Missing { entry } => (format!("missing {}", entry.intent.unwrap()), vec![]),
        }
    });
    items.collect()
}

#[test]
fn the_legacy_vault_is_read_whole() {
    let expected = [
        (format!("whole {V2_1}"), vec![]),
        (
            format!("whole {}", V0_7[0]),
            vec![LegacyNote::CodeNotCovered],
        ),
        (
            format!("whole {}", V0_7[1]),
            vec![LegacyNote::CodeNotCovered],
        ),
    ];
    assert_eq!(read(&fixtures()), expected);
}

#[test]
fn what_is_wrong_with_a_legacy_vault_is_said_file_by_file() {
    let folder = copied();
    let bundles = folder.path().join("bundles");
    let index = folder.path().join("index.json");
    // Edited by hand, copied under another name, cut, a folder, a link, and gone.
    let edited = fixture(V0_7[0]).replace("4.12.0+", "4.13.0+");
    fs::write(bundles.join(V0_7[0]), edited).unwrap();
    fs::copy(bundles.join(V2_1), bundles.join("again.ae_bundle")).unwrap();
    fs::write(bundles.join("cut.ae_bundle"), &fixture(V2_1)[..200]).unwrap();
    fs::create_dir(bundles.join("folder.ae_bundle")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/zero", bundles.join("link.ae_bundle")).unwrap();
    fs::remove_file(bundles.join(V0_7[1])).unwrap();
    let text = fs::read_to_string(&index).unwrap();
    // One is not in the index any more, one is there with another status.
    let text = text.replace("45fc28efeb6dde41aafc2", "45fc28efeb6dde41aafc3");
    let text = text
        .replace("check_balance", "checks")
        .replace("3cffc9c9", "3cffc9c8");
    fs::write(&index, text.replace("MATHEMATICALLY_PROVED", "TIMEOUT")).unwrap();

    let path = bundles.join(V2_1);
    let mut expected = vec![
        (format!("whole {V2_1}"), vec![LegacyNote::Unindexed]),
        (
            "whole again.ae_bundle".to_owned(),
            vec![
                LegacyNote::Unindexed,
                LegacyNote::OddFileName,
                LegacyNote::SameKey { path },
            ],
        ),
        (
            format!("altered {}", V0_7[0]),
            vec![
                LegacyNote::OtherIntent {
                    indexed: Some("checks".into()),
                },
                LegacyNote::OtherStatus {
                    indexed: "TIMEOUT".into(),
                },
                LegacyNote::OtherLogic {
                    indexed: "3cffc9c8580f31066c0f346b88b0d7983dff89b804a92e641e293d63ed6a518e"
                        .parse()
                        .unwrap(),
                },
                LegacyNote::CodeNotCovered,
            ],
        ),
        ("refused cut.ae_bundle".to_owned(), vec![]),
        ("unreadable folder.ae_bundle".to_owned(), vec![]),
        ("unreadable link.ae_bundle".to_owned(), vec![]),
        ("missing transfer".to_owned(), vec![]),
        ("missing transfer".to_owned(), vec![]),
    ];
    if cfg!(not(unix)) {
        expected.remove(5);
    }
    assert_eq!(read(folder.path()), expected);

    fs::write(&index, "[]").unwrap();
    let opened = LegacyVault::open(folder.path());
    assert!(matches!(opened, Err(LegacyVaultError::BadIndex)));
    fs::remove_file(&index).unwrap();
    let opened = LegacyVault::open(folder.path());
    assert!(matches!(opened, Err(LegacyVaultError::Io { .. })));
    let without = LegacyVault::open_without_index(folder.path()).unwrap();
    assert_eq!(without.count(), 6);
}
