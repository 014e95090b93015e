use merkle_core::SignerKey;

use super::*;
use crate::record::*;
use crate::{ErasableText, Options, VerifierKey};

const ORIGIN: &str = "example.com/trail";
const SECOND: u64 = 1_000_000_000;

fn key() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

fn trusted() -> [VerifierKey; 1] {
    [key().verifier_key()]
}

/// One record a second; every tenth comes 30 seconds late.
fn some_record(nth: u64) -> Record {
    let observed_ns = (1_000 + nth) * SECOND;
    let event_ns = if nth % 10 == 3 {
        observed_ns - 30 * SECOND
    } else {
        observed_ns
    };
    let salt = Salt::from_bytes([u8::try_from(nth % 250).unwrap() + 1; 32]);
    match nth % 4 {
        0 | 1 => {
            let status = if nth.is_multiple_of(8) {
                ExecutionStatus::Failed
            } else {
                ExecutionStatus::Proved
            };
            let mut it = Execution::new(format!("tx{nth}"), "transfer", status, event_ns);
            it.observed_ns = observed_ns;
            it.elapsed_ns = Some(nth * 100_000);
            it.merkle_root_before = Some(merkle_core::Hash::from_bytes(
                [u8::try_from(nth / 4 % 3).unwrap(); 32],
            ));
            it.merkle_root_after = it.merkle_root_before;
            it.into()
        }
        2 => {
            let mut it = Attack::new(
                format!("a{nth}"),
                "injection",
                "<script>",
                "input",
                Severity::MAX,
                event_ns,
            );
            it.observed_ns = observed_ns;
            it.code_snippet = Some(Text::erasable(
                ErasableField::CodeSnippet,
                "</script><b>secret",
                salt,
            ));
            it.subject = Some(ErasableText::new(ErasableField::Subject, "mallory", salt));
            it.into()
        }
        _ => {
            let mut it = Event::new(EventKind::ALL[usize::try_from(nth % 10).unwrap()], event_ns);
            it.observed_ns = observed_ns;
            it.message = Some(Text::plain("something happened"));
            it.into()
        }
    }
}

struct Place {
    _folder: tempfile::TempDir,
    trail: Trail,
    records: Vec<Record>,
}

fn trail(count: u64) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new().origin(ORIGIN).signer(key());
    let trail = Trail::open(folder.path(), &options).unwrap();
    // The trail may have records of its own before these.
    let own = trail.size();
    let mut records = Vec::new();
    for index in 0..own {
        records.push(trail.record(index).unwrap().record);
    }
    let more: Vec<_> = (0..count).map(some_record).collect();
    if count > 0 {
        trail.append_all(more.clone()).unwrap();
    }
    records.extend(more);
    Place {
        _folder: folder,
        trail,
        records,
    }
}

fn request(kind: ReportKind) -> ReportRequest {
    ReportRequest::new(kind, 1_050 * SECOND, 1_090 * SECOND, 2_000 * SECOND)
}

fn verify(report: &Report) -> Result<VerifiedReport, ReportProofError> {
    verify_report(&report.proof, &trusted(), ORIGIN)
}

/// Indexes of the records of the period, as the specification says.
fn expected(place: &Place, kind: ReportKind) -> Vec<u64> {
    let is_of_kind = |record: &Record| match kind {
        ReportKind::Executions => record.kind() == RecordKind::Execution,
        ReportKind::Attacks => record.kind() == RecordKind::Attack,
        ReportKind::Compliance => true,
    };
    let period = 1_050 * SECOND..1_090 * SECOND;
    (0..)
        .zip(&place.records)
        .filter(|(_, record)| is_of_kind(record) && period.contains(&record.event_ns()))
        .map(|(index, _)| index)
        .collect()
}

#[test]
fn every_kind_and_coverage_is_verified_and_complete() {
    let place = trail(200);
    for kind in ReportKind::ALL {
        for coverage in [Coverage::Range, Coverage::WholeLog] {
            let report = place
                .trail
                .report(&request(kind).coverage(coverage))
                .unwrap();
            let verified = verify(&report).unwrap();
            let indexes: Vec<_> = verified.records.iter().map(|it| it.0).collect();
            assert_eq!(indexes, expected(&place, kind), "{kind}, {coverage:?}");
            assert_eq!(verified.signers, [ORIGIN]);
            for (document, text) in [
                (Document::Json, &report.json),
                (Document::Csv, &report.csv),
                (Document::Html, &report.html),
            ] {
                assert_eq!(verified.document(text.as_bytes()), Ok(document));
            }
            let changed = report.json.replace("PROVED", "FAILED") + " ";
            assert_eq!(
                verified.document(changed.as_bytes()),
                Err(ReportProofError::NotItsDocument)
            );
            match (coverage, verified.completeness) {
                (Coverage::WholeLog, Completeness::Proved) => {}
                (
                    Coverage::Range,
                    Completeness::Within {
                        begins_before,
                        ends_after,
                        end,
                        first,
                    },
                ) => {
                    assert!(begins_before && ends_after, "{kind}");
                    assert!(end - first < 150);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn the_documents_say_what_the_records_say() {
    let place = trail(200);
    let report = place
        .trail
        .report(&request(ReportKind::Compliance))
        .unwrap();
    let json: serde_json::Value = serde_json::from_str(&report.json).unwrap();
    let records = expected(&place, ReportKind::Compliance).len();
    assert_eq!(json["matching"], records);
    assert_eq!(json["records"].as_array().unwrap().len(), records);
    let executions = expected(&place, ReportKind::Executions).len();
    assert_eq!(
        json["summary"]["executions"]["total_executions"],
        executions
    );
    assert_eq!(
        json["summary"]["attacks"]["total_attacks_blocked"],
        expected(&place, ReportKind::Attacks).len()
    );
    assert!(
        !json["summary"]["state_continuity"]["breaks"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert!(
        report
            .csv
            .contains(&format!("records,executions,{executions}\r\n"))
    );
    // Nothing that attackers wrote is markup, nothing is fetched, and no text that can be erased is there.
    for text in [&report.json, &report.csv, &report.html] {
        assert!(!text.contains("secret") && !text.contains("mallory"));
    }
    for hostile in ["<script", "http://", "https://", "url(", "@import", "src="] {
        assert!(!report.html.contains(hostile), "{hostile}");
    }
    assert!(report.html.contains("&lt;script&gt;"));
    if let Some(folder) = std::env::var_os("VIGILANCE_KEEP_REPORTS") {
        std::fs::write(
            std::path::Path::new(&folder).join("compliance.html"),
            &report.html,
        )
        .unwrap();
    }
}

#[test]
fn a_filter_narrows_and_is_proved_too() {
    let place = trail(200);
    let filter = Filter::executions()
        .status(ExecutionStatus::Failed)
        .intent("transfer");
    let report = place
        .trail
        .report(&request(ReportKind::Executions).filter(filter))
        .unwrap();
    let verified = verify(&report).unwrap();
    assert!(!verified.records.is_empty());
    for (_, record) in &verified.records {
        assert!(matches!(record, Record::Execution(it) if it.status == ExecutionStatus::Failed));
    }
}

#[test]
fn texts_are_in_it_only_if_asked_for_and_erasure_leaves_the_rest_provable() {
    let place = trail(200);
    let with = place
        .trail
        .report(&request(ReportKind::Attacks).with_texts())
        .unwrap();
    assert!(with.json.contains("secret"));
    assert!(verify(&with).is_ok());
    let before = place.trail.report(&request(ReportKind::Attacks)).unwrap();
    let everybody = crate::Erasure::Subject("mallory".into());
    place.trail.erase(&everybody, 3_000 * SECOND).unwrap();
    let after = place
        .trail
        .report(&request(ReportKind::Attacks).with_texts())
        .unwrap();
    assert!(!after.json.contains("secret"));
    for report in [with, before, after] {
        assert!(verify(&report).is_ok());
    }
}

#[test]
fn no_changed_byte_of_a_proof_passes_unless_it_says_the_same() {
    let place = trail(60);
    let request = ReportRequest::new(
        ReportKind::Attacks,
        1_020 * SECOND,
        1_030 * SECOND,
        2_000 * SECOND,
    );
    let report = place.trail.report(&request.with_texts()).unwrap();
    let whole = verify(&report).unwrap();
    for at in 0..report.proof.len() {
        let mut proof = report.proof.clone();
        proof[at] ^= 1 << (at % 8);
        if let Ok(verified) = verify_report(&proof, &trusted(), ORIGIN) {
            // A signature by an unknown key may be added to a note: what is stated stays.
            assert_eq!(verified, whole, "byte {at}");
        }
    }
    for length in 0..report.proof.len() {
        assert!(verify_report(&report.proof[..length], &trusted(), ORIGIN).is_err());
    }
}

#[test]
fn a_forger_with_other_keys_logs_or_ranges_is_refused() {
    let place = trail(120);
    let report = place
        .trail
        .report(&request(ReportKind::Executions))
        .unwrap();
    let other = [SignerKey::from_seed(ORIGIN, &[8; 32])
        .unwrap()
        .verifier_key()];
    let error = verify_report(&report.proof, &other, ORIGIN).unwrap_err();
    assert!(matches!(error, ReportProofError::NotSigned { .. }));
    assert!(verify_report(&report.proof, &trusted(), "example.com/other").is_err());

    // A signer that leaves a record out, and signs that: the root tells.
    let mut proof = Proof::decode(&report.proof).unwrap();
    proof.records.remove(10);
    let error = verify_report(&proof.encode(), &trusted(), ORIGIN).unwrap_err();
    assert!(
        matches!(error, ReportProofError::Malformed { .. }),
        "{error:?}"
    );
    let mut proof = Proof::decode(&report.proof).unwrap();
    proof.records.swap(10, 11);
    assert_eq!(
        verify_report(&proof.encode(), &trusted(), ORIGIN),
        Err(ReportProofError::RootMismatch)
    );

    // A signer that states another count, or another document.
    let proof = Proof::decode(&report.proof).unwrap();
    let note = SignedNote::parse(proof.statement.as_bytes()).unwrap();
    for (from, to) in [
        ("matching: 2", "matching: 3"),
        ("json: ", "json: 0"),
        ("title: DIO", "title: dio"),
    ] {
        let text = note.text().replacen(from, to, 1);
        assert_ne!(text, note.text());
        let mut forged = proof.clone();
        forged.statement = SignedNote::sign(&text, &key()).unwrap().to_string();
        let error = verify_report(&forged.encode(), &trusted(), ORIGIN).unwrap_err();
        assert!(
            matches!(error, ReportProofError::OtherDocument { .. }),
            "{error:?}"
        );
    }
}

#[test]
fn reports_that_cannot_be_are_refused() {
    let place = trail(20);
    let report = |request: ReportRequest| place.trail.report(&request).unwrap_err();
    let attacks = Filter::attacks();
    let error = report(request(ReportKind::Executions).filter(attacks));
    assert!(matches!(error, ReportError::BadFilter { .. }));
    let error = report(request(ReportKind::Executions).filter(Filter::executions().layer("x")));
    assert!(matches!(error, ReportError::NoSuchField(_)));
    let words = Filter::executions().text("a".parse().unwrap());
    let error = report(request(ReportKind::Executions).filter(words));
    assert!(matches!(error, ReportError::BadFilter { .. }));
    for title in ["", "two\nlines", &"x".repeat(201)] {
        assert!(matches!(
            report(request(ReportKind::Attacks).title(title)),
            ReportError::BadTitle
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    let unsigned = Trail::open(folder.path(), &Options::new()).unwrap();
    let error = unsigned.report(&request(ReportKind::Attacks)).unwrap_err();
    assert!(matches!(
        error,
        ReportError::Checkpoint(CheckpointError::NoKey)
    ));
}

#[test]
fn a_period_without_records_has_a_report_too() {
    for (count, from, until) in [
        (0, 0, 1),
        (200, 0, 1),
        (200, 5_000, 6_000),
        (200, 1_010, 1_010),
    ] {
        let place = trail(count);
        for kind in ReportKind::ALL {
            let request = ReportRequest::new(kind, from * SECOND, until * SECOND, 9_000 * SECOND);
            let report = place.trail.report(&request).unwrap();
            let verified = verify(&report).unwrap();
            assert_eq!(verified.records, []);
            assert!(report.html.contains("No record belongs"));
        }
    }
}

#[test]
fn records_that_were_moved_out_are_in_it_too() {
    let place = trail(700);
    let seconds = [(1_050, 1_090), (1_500, 1_560), (1_600, 1_650)];
    let before: Vec<_> = seconds
        .iter()
        .map(|it| indexes_within(&place, *it))
        .collect();
    let sealed = place.trail.seal(512, None).unwrap().unwrap();
    assert_eq!(sealed.past, 512);
    for (it, before) in seconds.iter().zip(before) {
        assert_eq!(indexes_within(&place, *it), before);
        assert!(!before.is_empty());
    }
}

/// Indexes of the records in a verified report.
fn indexes_within(place: &Place, (from, until): (u64, u64)) -> Vec<u64> {
    let kind = ReportKind::Compliance;
    let request = ReportRequest::new(kind, from * SECOND, until * SECOND, 9_000 * SECOND);
    let report = place.trail.report(&request).unwrap();
    verify(&report)
        .unwrap()
        .records
        .iter()
        .map(|it| it.0)
        .collect()
}
