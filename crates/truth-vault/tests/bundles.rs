//! Bundles in a vault: put, found, carried elsewhere, and what is said when something is wrong.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use truth_vault::{
    Address, Bundle, BundleAddress, BundleGetError, BundleQuery, CarExportError, CarImportError,
    Certificate, Durability, Json, JudgeProof, LegacyItem, LegacyVault, Options, SecretKey,
    SignerPolicy, Trust, Vault, VerificationStatus,
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/legacy-v2.1/vault")
}

fn vault(folder: &Path) -> Vault {
    Vault::open(folder.join("vault"), &Options::new()).unwrap()
}

fn key() -> SecretKey {
    SecretKey::from_seed("judge", &[1; 32]).unwrap()
}

/// The `seed`th of many bundles, with everything that one can have.
fn bundle(seed: u64) -> Bundle {
    let code = format!("intent number{seed}(...)").into_bytes();
    let status = VerificationStatus::ALL[usize::try_from(seed % 5).unwrap()];
    let proof = JudgeProof::new(status, "judge", "0.6", 1_000, 2_000).unwrap();
    let certificate = Certificate::issue(Address::of(&code), "", &proof, &key()).unwrap();
    let bundle = Bundle::new(code, &format!("intent {}", seed % 7), status, seed * 10).unwrap();
    bundle
        .with_metadata(Json::parse(&format!("{{\"seed\": {seed}}}")).unwrap())
        .unwrap()
        .with_ast(Json::parse("{\"params\": []}").unwrap())
        .with_certificate(certificate)
        .unwrap()
}

fn found(vault: &Vault, query: &BundleQuery) -> Vec<BundleAddress> {
    let bundles = vault.bundles(query).unwrap();
    bundles.into_iter().map(|bundle| bundle.address).collect()
}

#[test]
fn a_bundle_is_got_as_it_was_put() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let address = vault.put_bundle(&bundle(3), Durability::Each).unwrap();
    assert_eq!(address, bundle(3).address());
    assert_eq!(vault.bundle(&address).unwrap(), Some(bundle(3)));
    assert_eq!(
        vault.manifest(&address).unwrap(),
        Some(bundle(3).manifest())
    );
    let code = vault.get(&bundle(3).code_address()).unwrap();
    assert_eq!(code.as_deref(), Some(bundle(3).code()));
    assert_eq!(vault.bundle(&bundle(4).address()).unwrap(), None);
    let no_bundle = BundleAddress::from_address(bundle(3).code_address());
    let refused = vault.bundle(&no_bundle).unwrap_err();
    assert!(matches!(refused, BundleGetError::NoBundle(_)));
    // Once more: nothing is added.
    let blobs = vault.len();
    vault.put_bundle(&bundle(3), Durability::Each).unwrap();
    assert_eq!((vault.len(), vault.bundle_count().unwrap()), (blobs, 1));
}

#[test]
fn bundles_are_found_after_reopening_with_and_without_the_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<Bundle> = (0..50).map(bundle).collect();
    let first = vault(folder.path());
    for bundle in &all {
        first.put_bundle(bundle, Durability::Batch).unwrap();
    }
    let check = |vault: &Vault| {
        let addresses: Vec<_> = all.iter().map(Bundle::address).collect();
        assert_eq!(found(vault, &BundleQuery::new()), addresses);
        let of = |query: BundleQuery| found(vault, &query);
        let some = |is: fn(u64) -> bool| -> Vec<BundleAddress> {
            (0..50)
                .filter(|it| is(*it))
                .map(|it| addresses[usize::try_from(it).unwrap()])
                .collect()
        };
        assert_eq!(
            of(BundleQuery::new().intent("intent 3")),
            some(|it| it % 7 == 3)
        );
        let status = VerificationStatus::Proved;
        assert_eq!(
            of(BundleQuery::new().status(status)),
            some(|it| it % 5 == 1)
        );
        let both = BundleQuery::new().status(status).intent("intent 3");
        assert_eq!(of(both), some(|it| it % 35 == 31));
        let code = all[9].code_address();
        assert_eq!(of(BundleQuery::new().code(code)), some(|it| it == 9));
        let then = BundleQuery::new().created_from(100).created_before(200);
        assert_eq!(of(then), some(|it| (10..20).contains(&it)));
        assert_eq!(vault.intents(None, 10).unwrap().len(), 7);
        assert_eq!(vault.bundle_count().unwrap(), 50);
        assert_eq!(vault.unreadable_bundles().unwrap(), []);
    };
    check(&first);
    drop(first);
    let path = folder.path().join("vault/catalogue");
    let bytes = fs::read(&path).unwrap();
    check(&vault(folder.path()));
    assert_eq!(fs::read(&path).unwrap(), bytes);
    // Damaged, cut, gone, or that of fewer bundles: made anew.
    let mut damaged = bytes.clone();
    damaged[100] ^= 1;
    for (at, content) in [Some(&damaged[..]), Some(&bytes[..50]), Some(&[]), None]
        .into_iter()
        .enumerate()
    {
        fs::remove_file(&path).unwrap();
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        check(&vault(folder.path()));
        assert_eq!(fs::read(&path).unwrap(), bytes, "{at}");
    }
    // The index of the vault is gone too.
    fs::remove_file(folder.path().join("vault/index")).unwrap();
    fs::remove_file(&path).unwrap();
    check(&vault(folder.path()));
}

#[test]
fn what_another_handle_puts_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = [0; 2].map(|_| vault(folder.path()));
    assert_eq!(one.bundle_count().unwrap(), 0);
    let address = other.put_bundle(&bundle(1), Durability::None).unwrap();
    assert_eq!(found(&one, &BundleQuery::new()), [address]);
    one.put_bundle(&bundle(2), Durability::None).unwrap();
    assert_eq!(other.bundle_count().unwrap(), 2);
    drop(one);
    drop(other);
    assert_eq!(vault(folder.path()).bundle_count().unwrap(), 2);
}

/// However a manifest comes into the vault, its bundle is found.
#[test]
fn a_bundle_that_comes_blob_by_blob_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let bundle = bundle(1);
    let manifest = bundle.manifest().encode();
    vault.put(&manifest, Durability::None).unwrap();
    assert_eq!(found(&vault, &BundleQuery::new()), [bundle.address()]);
    let refused = vault.bundle(&bundle.address()).unwrap_err();
    let code = bundle.code_address();
    assert!(matches!(refused, BundleGetError::MissingPart { address } if address == code));
    vault.put_bundle(&bundle, Durability::None).unwrap();
    assert_eq!(vault.bundle(&bundle.address()).unwrap(), Some(bundle));
}

#[test]
fn a_damaged_part_is_named_and_a_damaged_manifest_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let first = vault(folder.path());
    for seed in 0..3 {
        first.put_bundle(&bundle(seed), Durability::Each).unwrap();
    }
    drop(first);
    let segment = folder.path().join("vault/segments/0000000001.seg");
    let good = fs::read(&segment).unwrap();
    let spoil = |part: &[u8]| {
        let at = good.windows(part.len()).position(|it| it == part).unwrap();
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::remove_file(&segment).unwrap();
        fs::write(&segment, bytes).unwrap();
    };
    spoil(bundle(1).code());
    let spoilt = vault(folder.path());
    let refused = spoilt.bundle(&bundle(1).address()).unwrap_err();
    assert!(matches!(refused, BundleGetError::Get(_)), "{refused:?}");
    assert_eq!(spoilt.bundle_count().unwrap(), 3);
    drop(spoilt);

    spoil(b"{\"seed\": 1}");
    fs::remove_file(folder.path().join("vault/catalogue")).unwrap();
    let spoilt = vault(folder.path());
    assert_eq!(spoilt.unreadable_bundles().unwrap(), [bundle(1).address()]);
    assert_eq!(spoilt.bundle_count().unwrap(), 2);
    // A good copy heals it.
    spoilt.put_bundle(&bundle(1), Durability::Each).unwrap();
    assert_eq!(spoilt.unreadable_bundles().unwrap(), []);
    assert_eq!(
        spoilt.bundle(&bundle(1).address()).unwrap(),
        Some(bundle(1))
    );
}

#[test]
fn a_bundle_travels_as_a_file_and_only_a_trusted_one_comes_in() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let policy = SignerPolicy::of_keys(1, [key().public_key().clone()]).unwrap();
    let trust = Trust::Signed {
        policy: &policy,
        now_ns: u64::MAX,
    };
    let file = bundle(1).export();
    let address = vault
        .import_bundle(&file, &trust, Durability::Each)
        .unwrap();
    assert_eq!(vault.bundle(&address).unwrap(), Some(bundle(1)));
    let legacy = fs::read(fixtures().join("bundles/45fc28efeb6dde41.ae_bundle")).unwrap();
    assert!(
        vault
            .import_bundle(&legacy, &trust, Durability::Each)
            .is_err()
    );
    assert_eq!(vault.bundle_count().unwrap(), 1);
    let address = vault.import_bundle(&legacy, &Trust::Integrity, Durability::Each);
    let found = found(
        &vault,
        &BundleQuery::new().legacy_key_prefix("45fc28efeb6dde41"),
    );
    assert_eq!(found, [address.unwrap()]);
}

#[test]
fn the_vault_of_the_original_system_is_imported() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let legacy = || LegacyVault::open(&fixtures()).unwrap();
    let report = vault.import_legacy(legacy(), |_| false).unwrap();
    assert_eq!(report.imported.len(), 3);
    assert!(report.accepted.is_empty() && report.refused.is_empty() && report.too_long.is_empty());
    let versions = vault
        .bundles(&BundleQuery::new().intent("transfer"))
        .unwrap();
    assert_eq!(versions.len(), 2);
    let key = "3be8a8cefca097d4a64eb3cf792e5a1c410f4c3bf1e33bc8c2ca7d617f5c4187";
    assert_eq!(versions[0].legacy_key, key.parse().ok());
    for imported in &report.imported {
        let bundle = vault.bundle(&imported.bundle).unwrap().unwrap();
        assert_eq!(
            bundle.legacy_source(),
            Some(&fs::read(&imported.path).unwrap()[..])
        );
    }
    // Twice is as good as once.
    let blobs = vault.len();
    vault.import_legacy(legacy(), |_| false).unwrap();
    assert_eq!((vault.len(), vault.bundle_count().unwrap()), (blobs, 3));
}

#[test]
fn an_altered_legacy_bundle_comes_in_by_name_only() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let old = folder.path().join("old");
    fs::create_dir_all(old.join("bundles")).unwrap();
    fs::copy(fixtures().join("index.json"), old.join("index.json")).unwrap();
    let name = "bundles/45fc28efeb6dde41.ae_bundle";
    let text = fs::read_to_string(fixtures().join(name)).unwrap();
    fs::write(old.join(name), text.replace("amount > 0", "amount > 1")).unwrap();

    let report = vault
        .import_legacy(LegacyVault::open(&old).unwrap(), |_| false)
        .unwrap();
    assert!(matches!(report.refused[0], LegacyItem::Altered { .. }));
    assert_eq!((report.refused.len(), vault.len()), (3, 0)); // two are missing
    let accept = |bundle: &truth_vault::LegacyBundle| bundle.key().to_string().starts_with("45fc");
    let report = vault
        .import_legacy(LegacyVault::open(&old).unwrap(), accept)
        .unwrap();
    let bundle = vault.bundle(&report.accepted[0].bundle).unwrap().unwrap();
    assert!(bundle.is_altered_legacy());
}

#[test]
fn blobs_travel_as_car_files_of_either_version() {
    let folder = tempfile::tempdir().unwrap();
    let from = vault(folder.path());
    from.put_bundle(&bundle(1), Durability::None).unwrap();
    let large: Vec<u8> = (0..3_000_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    let large = from.put(&large, Durability::None).unwrap();
    let all = from.list(None, 100).unwrap();
    let root = bundle(1).address().address();
    let mut file = Cursor::new(Vec::new());
    let indexed = from
        .export_indexed_car(&mut file, &[root], all.clone())
        .unwrap();
    let mut plain = Vec::new();
    let exported = from.export_car(&mut plain, &[root], all.clone()).unwrap();
    assert_eq!(exported, indexed);
    assert_eq!(exported.blobs, all.len() as u64);

    for (at, file) in [file.into_inner(), plain].iter().enumerate() {
        let to = Vault::open(folder.path().join(format!("to {at}")), &Options::new()).unwrap();
        let imported = to.import_car(&file[..], Durability::Each).unwrap();
        assert_eq!(
            (imported.blobs, imported.bytes),
            (exported.blobs, exported.bytes)
        );
        assert_eq!(imported.roots[0].address(), Some(root));
        assert_eq!(to.list(None, 100).unwrap(), all);
        assert_eq!(to.get(&large).unwrap(), from.get(&large).unwrap());
        // The bundle is one there too.
        assert_eq!(found(&to, &BundleQuery::new()), [bundle(1).address()]);
        assert_eq!(to.bundle(&bundle(1).address()).unwrap(), Some(bundle(1)));

        let mut changed = file.clone();
        let last = 51 + 200;
        changed[last] ^= 1;
        let other = Vault::open(folder.path().join(format!("no {at}")), &Options::new()).unwrap();
        let refused = other
            .import_car(&changed[..], Durability::Each)
            .unwrap_err();
        assert!(matches!(refused, CarImportError::Car(_)), "{refused:?}");
    }
    let missing = Address::of(b"missing");
    let refused = from.export_car(Vec::new(), &[], [missing]).unwrap_err();
    assert!(matches!(refused, CarExportError::Missing { address } if address == missing));
}
