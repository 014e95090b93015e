//! The six acts of the original system's test, on real stores: state, vault, audit, statistics, recent logs,
//! and recovery from a disaster.
//!
//! ```sh
//! cargo run -p persistence --example six_acts
//! ```

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;

use merkle_core::Lookup;
use persistence::{
    Attack, Bundle, Config, Conservation, Execution, ExecutionStatus, Metric, Persistence, Reading,
    Severity, SignerKey, VerificationStatus, verify_receipt,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    // Without a key of one's own, one is made in the data folder: and would be lost with it.
    let key = SignerKey::from_seed("example.com/ledger", &[7; 32])?;
    let config = || {
        let supply = Conservation::new("supply", b"account:", Reading::json("/balance"));
        let config = Config::new(&data).signer(key.clone()).time_ns(1);
        config.invariant(supply.except(&["genesis"]))
    };
    let (persistence, _) = Persistence::open(config())?;

    println!("Act 1: the state");
    let genesis = Execution::new("tx_000", "genesis", ExecutionStatus::Proved, 2)
        .put(b"account:alice", br#"{"balance": 1000, "nonce": 0}"#)
        .put(b"account:bob", br#"{"balance": 500, "nonce": 0}"#);
    let genesis = persistence.execute(genesis)?;
    println!("  root {}", genesis.root_after);
    let proof = persistence.state().snapshot()?.prove(b"account:alice")?;
    let view = proof.verify(&persistence.state().profile(), &genesis.root_after)?;
    assert!(matches!(view.get(b"account:alice"), Lookup::Present(_)));
    println!("  alice's balance is proved against it");

    println!("Act 2: the vault");
    let code = b"intent transfer(from, to, amount) { guard from.balance >= amount; }";
    let bundle = Bundle::new(code.to_vec(), "transfer", VerificationStatus::Proved, 3)?;
    let address = persistence.put_bundle(&bundle, 3)?;
    assert_eq!(persistence.vault().bundle(&address)?, Some(bundle));
    println!("  bundle {address}");

    println!("Act 3: the audit");
    let transfer = Execution::new("tx_001", "transfer", ExecutionStatus::Proved, 4)
        .bundle(address)
        .put(b"account:alice", br#"{"balance": 900, "nonce": 1}"#)
        .put(b"account:bob", br#"{"balance": 600, "nonce": 0}"#)
        .result(r#"{"success": true}"#)
        .elapsed_ns(45_200_000)
        .layer("conservation", true);
    let done = persistence.execute(transfer.clone())?;
    println!(
        "  record {} of version {}: {}",
        done.index, done.version, done.status
    );
    let forged = Execution::new("tx_002", "transfer", ExecutionStatus::Proved, 5)
        .put(b"account:bob", br#"{"balance": 9999, "nonce": 1}"#);
    let refused = persistence.execute(forged)?;
    assert_eq!(
        (refused.status, refused.root_after),
        (ExecutionStatus::Rejected, done.root_after)
    );
    println!(
        "  {}: {}",
        refused.status,
        refused.refusal.unwrap_or_default()
    );
    let severity = Severity::from_f64(0.9)?;
    let attack = Attack::new(
        "attack_1",
        "injection",
        "code_injection",
        "input_sanitizer",
        severity,
        6,
    );
    persistence.save_attack(attack)?;
    persistence.log_metric(Metric::new("tx_001", "cpu_time_ms", 42.0, 7))?;

    println!("Act 4: the statistics");
    println!("  {}", persistence.dashboard_stats()?.to_json());

    println!("Act 5: the recent logs");
    let size = persistence.catch_up()?.log.size.get();
    for stored in persistence.audit().records(size - 3, 3)? {
        println!("  {}: {:?}", stored.index, stored.record.kind());
    }
    let receipt = persistence.receipt("tx_001")?.encode();
    let proved = verify_receipt(&receipt, &key.verifier_key())?;
    println!(
        "  a receipt of {} bytes proves {}",
        receipt.len(),
        proved.record.tx_id
    );

    println!("Act 6: disaster, and recovery");
    persistence.backup(&backup)?;
    let heads = persistence.heads();
    drop(persistence);
    fs::remove_dir_all(&data)?;
    let (restored, _) = Persistence::restore(config(), &backup)?;
    assert_eq!(restored.heads().state_root, heads.state_root);
    let report = restored.verify_all(|_| ControlFlow::Continue(()))?;
    assert!(report.causes.is_empty(), "{:?}", report.causes);
    assert!(restored.execute(transfer)?.repeated);
    println!("  back to the exact root {}", heads.state_root);
    Ok(())
}
