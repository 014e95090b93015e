//! A proof of a report, changed, or bytes that claim to be one: what is accepted says what was
//! stated.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vigilance::{
    Attack, Execution, ExecutionStatus, Options, ReportKind, ReportRequest, Severity, SignerKey,
    Trail, VerifiedReport, VerifierKey, verify_report,
};

const ORIGIN: &str = "example.com/trail";

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Where the proof is changed, and to what; by itself if the first is `None`.
    at: Option<u16>,
    remove: u8,
    insert: &'a [u8],
}

static MADE: LazyLock<(Vec<u8>, VerifierKey, VerifiedReport)> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("trail-report-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let key = SignerKey::from_seed(ORIGIN, &[7; 32]).expect("a good name");
    let options = Options::new().origin(ORIGIN).signer(key.clone());
    let trail = Trail::open(&folder, &options).expect("the folder is ours");
    for nth in 0..12 {
        let status = ExecutionStatus::Proved;
        let execution = Execution::new(format!("t{nth}"), "transfer", status, nth * 10);
        trail.append(execution).expect("there is space");
        let attack = Attack::new(format!("a{nth}"), "x", "y", "z", Severity::MAX, nth * 10);
        trail.append(attack).expect("there is space");
    }
    let request = ReportRequest::new(ReportKind::Compliance, 30, 60, 1_000);
    let proof = trail.report(&request).expect("there is a key").proof;
    let verified = verify_report(&proof, &[key.verifier_key()], ORIGIN);
    (
        proof,
        key.verifier_key(),
        verified.expect("nobody changed it"),
    )
});

fuzz_target!(|input: Input<'_>| {
    let (proof, key, whole) = &*MADE;
    let changed = match input.at {
        None => input.insert.to_vec(),
        Some(at) => {
            let at = usize::from(at) % proof.len();
            let end = (at + usize::from(input.remove)).min(proof.len());
            [&proof[..at], input.insert, &proof[end..]].concat()
        }
    };
    if let Ok(verified) = verify_report(&changed, std::slice::from_ref(key), ORIGIN) {
        assert_eq!(&verified, whole);
    }
});
