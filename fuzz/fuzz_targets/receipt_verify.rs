//! A receipt, changed, or bytes that claim to be one: what is accepted says what was done.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use persistence::{
    Bundle, Config, Execution, ExecutionStatus, Persistence, Receipt, SignerKey,
    VerificationStatus, VerifiedReceipt, VerifierKey, verify_receipt,
};
use truth_vault::{Certificate, JudgeProof, SecretKey};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Which receipt is changed, where, and to what; by itself if the place is `None`.
    which: u8,
    at: Option<u16>,
    remove: u8,
    insert: &'a [u8],
}

struct Made {
    key: VerifierKey,
    receipts: Vec<(Vec<u8>, VerifiedReceipt)>,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("receipt-verify-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let signer = SignerKey::from_seed("example.com/ledger", &[7; 32]).expect("a good name");
    let config = Config::new(&folder).signer(signer);
    let (persistence, _) = Persistence::open(config).expect("the folder is ours");
    let address = persistence
        .put_bundle(&certified(), 1)
        .expect("there is space");
    for (nth, status) in (0..).zip([ExecutionStatus::Proved, ExecutionStatus::Failed]) {
        let mut execution = Execution::new(&format!("tx_{nth}"), "pay", status, nth + 1);
        for key in [&b"alice"[..], b"bob", b"carol"] {
            execution = execution.put(key, b"1");
        }
        let done = persistence.execute(execution.bundle(address).result("{}"));
        done.expect("there is space");
    }
    let close = Execution::new("tx_2", "close", ExecutionStatus::Proved, 9).delete(b"bob");
    persistence.execute(close).expect("there is space");
    let key = persistence.verifier_key();
    let receipts = (0..3).map(|nth| {
        let receipt = persistence.receipt(&format!("tx_{nth}"));
        let bytes = receipt.expect("it was committed").encode();
        let verified = verify_receipt(&bytes, &key).expect("nobody changed it");
        (bytes, verified)
    });
    let receipts = receipts.collect();
    drop(persistence);
    let _ = std::fs::remove_dir_all(&folder);
    Made { key, receipts }
});

fn certified() -> Bundle {
    let status = VerificationStatus::Proved;
    let bundle = Bundle::new(b"intent pay {}".to_vec(), "pay", status, 1).expect("a bundle");
    let key = SecretKey::from_seed("judge", &[7; 32]).expect("a good name");
    let proof = JudgeProof::new(status, "judge", "0.6", 1_000, 2_000).expect("a good proof");
    let certificate = Certificate::issue(bundle.code_address(), "pay", &proof, &key);
    let certificate = certificate.expect("it fits");
    bundle
        .with_certificate(certificate)
        .expect("it is of this code")
}

fuzz_target!(|input: Input<'_>| {
    let made = &*MADE;
    let (receipt, _) = &made.receipts[usize::from(input.which) % made.receipts.len()];
    let changed = match input.at {
        None => input.insert.to_vec(),
        Some(at) => {
            let at = usize::from(at) % receipt.len();
            let end = (at + usize::from(input.remove)).min(receipt.len());
            [&receipt[..at], input.insert, &receipt[end..]].concat()
        }
    };
    if let Ok(decoded) = Receipt::decode(&changed) {
        assert_eq!(decoded.encode(), changed);
    }
    if let Ok(verified) = verify_receipt(&changed, &made.key) {
        let said = |it: &VerifiedReceipt| {
            let roots = (it.root_before, it.root_after);
            let place = (it.index, it.version, it.bundle);
            (
                it.record.clone(),
                roots,
                place,
                it.writes.clone(),
                it.seal.clone(),
            )
        };
        let same = |(_, whole): &(_, VerifiedReceipt)| said(&verified) == said(whole);
        assert!(made.receipts.iter().any(same), "forged");
    }
});
