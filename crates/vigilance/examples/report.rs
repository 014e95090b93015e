//! A report over a period, verified as somebody else would: with the proof file and the public key only.
//!
//! `cargo run -p vigilance --example report FOLDER` writes `report.json`, `.csv`, `.html` and `.proof` there.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use vigilance::{
    Attack, Completeness, Execution, ExecutionStatus, Options, ReportKind, ReportRequest, Severity,
    SignerKey, Trail, verify_report,
};

const MINUTE_NS: u64 = 60_000_000_000;
const BEGIN_NS: u64 = 1_770_580_800_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder: PathBuf = env::args_os().nth(1).ok_or("name a folder")?.into();
    let origin = "example.com/trail";
    // A real key comes from randomness, and lies elsewhere.
    let key = SignerKey::from_seed(origin, &[7; 32])?;
    let options = Options::new().origin(origin).signer(key.clone());
    let trail = Trail::open(folder.join("trail"), &options)?;
    for nth in 0..600 {
        let at = BEGIN_NS + nth * MINUTE_NS;
        let status = if nth % 9 == 0 {
            ExecutionStatus::Rejected
        } else {
            ExecutionStatus::Proved
        };
        let mut execution = Execution::new(format!("tx_{nth}"), "transfer", status, at);
        execution.elapsed_ns = Some(20_000_000 + nth % 17 * 3_000_000);
        trail.append(execution)?;
        if nth % 9 == 0 {
            let severity = Severity::from_f64(0.5 + f64::from(u32::try_from(nth % 5)?) / 10.0)?;
            let (kind, layer) = ("injection", "input_sanitizer");
            trail.append(Attack::new(
                format!("attack_{nth}"),
                kind,
                "code_injection",
                layer,
                severity,
                at,
            ))?;
        }
    }

    let until_ns = BEGIN_NS + 480 * MINUTE_NS;
    let request = ReportRequest::new(ReportKind::Compliance, BEGIN_NS, until_ns, until_ns);
    let report = trail.report(&request.title("Eight hours of transfers"))?;
    fs::write(folder.join("report.json"), &report.json)?;
    fs::write(folder.join("report.csv"), &report.csv)?;
    fs::write(folder.join("report.html"), &report.html)?;
    fs::write(folder.join("report.proof"), &report.proof)?;

    // From here on without the trail.
    let proof = fs::read(folder.join("report.proof"))?;
    let verified = verify_report(&proof, &[key.verifier_key()], origin)?;
    let page = fs::read(folder.join("report.html"))?;
    let document = verified.document(&page)?;
    println!("{:?} of {:?}: verified", document, verified.title);
    println!("{} records belong to it", verified.records.len());
    match verified.completeness {
        Completeness::Proved => println!("no record of the log is left out"),
        Completeness::Within { first, end, .. } => {
            println!("of the records {first} to {} none is left out", end - 1);
        }
        _ => {}
    }
    Ok(())
}
