//! Receipts: made, verified, and refused once a bit is changed.

use std::process::Command;

use truth_vault::{Certificate, JudgeProof, SecretKey};

use super::{bundle, config, transfer};
use crate::{
    Bundle, Execution, ExecutionStatus, Persistence, Profile, Receipt, SignerKey,
    VerificationStatus, VerifierKey, verify_receipt,
};

/// A bundle with a certificate of its code.
fn certified() -> Bundle {
    let key = SecretKey::from_seed("judge", &[7; 32]).unwrap();
    let proof = JudgeProof::new(VerificationStatus::Proved, "judge", "0.6", 1_000, 2_000).unwrap();
    let bundle = bundle(1);
    let certificate = Certificate::issue(bundle.code_address(), "transfer", &proof, &key).unwrap();
    bundle.with_certificate(certificate).unwrap()
}

/// Receipts of an execution that wrote, one that deleted and created, one that failed, and one that ran a
/// bundle with a certificate.
fn receipts(persistence: &Persistence) -> Vec<Vec<u8>> {
    for at in 0..40 {
        let key = format!("filler:{at}");
        let fill = Execution::new(
            &format!("fill_{at}"),
            "fill",
            ExecutionStatus::Proved,
            at + 1,
        );
        persistence.execute(fill.put(key.as_bytes(), b"1")).unwrap();
    }
    persistence.execute(transfer(1)).unwrap();
    let second = Execution::new("tx_2", "close", ExecutionStatus::Proved, 99)
        .delete(b"account:bob")
        .put(b"account:carol", b"1")
        .result("{\"success\": true}")
        .layer("conservation", true)
        .measured("anomaly_score", 0.25);
    persistence.execute(second).unwrap();
    let failed = Execution::new("tx_f", "transfer", ExecutionStatus::Failed, 5);
    persistence.execute(failed).unwrap();
    let address = persistence.put_bundle(&certified(), 6).unwrap();
    let bundled = Execution::new("tx_b", "transfer", ExecutionStatus::Proved, 7);
    let bundled = bundled.bundle(address).put(b"account:dave", b"1");
    persistence.execute(bundled).unwrap();
    let receipt = |id: &&str| persistence.receipt(id).unwrap().encode();
    ["tx_1", "tx_2", "tx_f", "tx_b"]
        .iter()
        .map(receipt)
        .collect()
}

fn key(persistence: &Persistence) -> VerifierKey {
    persistence.verifier_key()
}

#[test]
fn a_receipt_proves_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    let encoded = receipts(&persistence);
    let verified = verify_receipt(&encoded[1], &key(&persistence)).unwrap();
    assert_eq!(verified.record.tx_id, "tx_2");
    assert_eq!(verified.writes.len(), 2);
    assert_ne!(verified.root_before, verified.root_after);
    assert_eq!(verified.seal.number, None);
    let failed = verify_receipt(&encoded[2], &key(&persistence)).unwrap();
    assert_eq!(failed.writes, []);
    let bundled = verify_receipt(&encoded[3], &key(&persistence)).unwrap();
    assert_eq!(bundled.bundle, Some(certified().address()));
    let certificate = bundled.certificate.unwrap();
    let statement = certificate.unverified_statement();
    assert!(statement.is_about(certified().code_address()));
    // Under a seal of the chain, from stores that were opened again, the same is proved.
    persistence.seal(1000).unwrap();
    let key = key(&persistence);
    drop(persistence);
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    let sealed = persistence.receipt("tx_2").unwrap().encode();
    let again = verify_receipt(&sealed, &key).unwrap();
    assert_eq!(again.seal.number, Some(1));
    assert_eq!(
        (again.index, again.writes),
        (verified.index, verified.writes)
    );
    assert!(persistence.receipt("tx_3").is_err());
}

#[test]
fn every_flipped_bit_of_a_receipt_is_refused() {
    for profile in [Profile::Sha256, Profile::Blake3] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path()).profile(profile);
        let (persistence, _) = Persistence::open(config).unwrap();
        let key = key(&persistence);
        for receipt in receipts(&persistence) {
            verify_receipt(&receipt, &key).unwrap();
            for at in 0..receipt.len() {
                let mut changed = receipt.clone();
                changed[at] ^= 1 << (at % 8);
                assert!(verify_receipt(&changed, &key).is_err(), "byte {at}");
                assert!(verify_receipt(&receipt[..at], &key).is_err(), "{at} bytes");
            }
            let longer = [&receipt[..], b"0"].concat();
            assert!(verify_receipt(&longer, &key).is_err());
            let other = SignerKey::from_seed(key.name(), &[9; 32]).unwrap();
            assert!(verify_receipt(&receipt, &other.verifier_key()).is_err());
        }
    }
}

#[test]
fn parts_of_different_receipts_do_not_fit_together() {
    let folder = tempfile::tempdir().unwrap();
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    let key = key(&persistence);
    let encoded = receipts(&persistence);
    let [first, second] = [0, 1].map(|at| Receipt::decode(&encoded[at]).unwrap());
    for mix in first.mixed_with(&second) {
        assert!(verify_receipt(&mix.encode(), &key).is_err());
    }
}

/// The verifier that was written from the documentation alone, in another language.
fn python() -> Option<Command> {
    let found = Command::new("python3").arg("--version").output();
    if found.is_err() {
        assert!(std::env::var_os("CI").is_none(), "no python3");
        println!("skipped: no python3");
        return None;
    }
    let mut command = Command::new("python3");
    command.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/formats/verify_receipt.py"
    ));
    Some(command)
}

#[test]
fn another_verifier_agrees() {
    if python().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    let key = key(&persistence);
    let mut names = Vec::new();
    let mut write = |name: String, bytes: &[u8]| {
        let path = folder.path().join(&name);
        std::fs::write(&path, bytes).unwrap();
        names.push(path);
    };
    let good = receipts(&persistence);
    for (at, receipt) in good.iter().enumerate() {
        write(format!("{at}.receipt"), receipt);
    }
    let mut bad = 0;
    for (at, receipt) in good.iter().enumerate() {
        for step in (0..receipt.len()).step_by(29) {
            let mut changed = receipt.clone();
            changed[step] ^= 1 << (step % 8);
            write(format!("{at}-{step}.receipt"), &changed);
            bad += 1;
        }
        write(format!("{at}-short.receipt"), &receipt[..receipt.len() - 1]);
        bad += 1;
    }
    let [first, second] = [0, 1].map(|at| Receipt::decode(&good[at]).unwrap());
    for (at, mix) in first.mixed_with(&second).into_iter().enumerate() {
        write(format!("mix-{at}.receipt"), &mix.encode());
        bad += 1;
    }
    let output = python()
        .unwrap()
        .arg(key.to_string())
        .args(&names)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let verdicts: Vec<bool> = said.lines().map(|line| line.starts_with("ok ")).collect();
    assert_eq!(verdicts.len(), names.len(), "{said}{errors}");
    assert!(
        verdicts[..good.len()].iter().all(|ok| *ok),
        "{said}{errors}"
    );
    assert!(!verdicts[good.len()..].contains(&true), "{said}");
    assert!(bad > 80);
}
