//! Verifying a report without its trail.

use merkle_core::{Hash, Hasher, NoteError, Sha256, SignedNote, TreeHead, VerifierKey};

use super::ReportKind;
use super::content::Documents;
use super::proof::{Malformed, Proof};
use super::statement::Statement;
use crate::Record;

/// A report that was verified: its records are in the log that the checkpoint is about, its documents follow
/// from them, and its signer stated so. Only [`verify_report`] makes one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VerifiedReport {
    /// What it is about.
    pub kind: ReportKind,
    /// Its title.
    pub title: String,
    /// The period, in nanoseconds since 1970.
    pub from_ns: u64,
    /// The end of the period, which does not belong to it.
    pub until_ns: u64,
    /// The filter as text.
    pub scope: String,
    /// When it was issued, as its signer says.
    pub issued_ns: u64,
    /// Size and root of the log that it is about.
    pub head: TreeHead,
    /// What is proved about records that are not in it.
    pub completeness: Completeness,
    /// The records, with their index in the log.
    pub records: Vec<(u64, Record)>,
    /// Names of the trusted keys that signed the statement.
    pub signers: Vec<String>,
    /// The documents, made again from the records.
    pub json: String,
    /// The table.
    pub csv: String,
    /// The page.
    pub html: String,
}

/// What is proved about records that are not in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Completeness {
    /// All of the log was looked at: no record of the period is left out.
    Proved,
    /// The records `[first, end)` of the log were looked at: none of them is left out. That none outside belongs to
    /// the period is stated by the signer; it follows as well if clocks never went back by more than
    /// the period's distance to its neighbours.
    Within {
        /// The first index that was looked at.
        first: u64,
        /// The index behind the last.
        end: u64,
        /// Whether the range begins with the log, or with a record that was observed before the period.
        begins_before: bool,
        /// Whether it ends with the log, or with a record that was observed after the period.
        ends_after: bool,
    },
}

/// A document of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Document {
    /// The JSON object.
    Json,
    /// The table.
    Csv,
    /// The page.
    Html,
}

/// Why a report was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportProofError {
    /// The bytes are no proof.
    #[error("the proof cannot be read: {what}")]
    Malformed {
        /// What is wrong with them.
        what: &'static str,
    },
    /// No trusted key signed the statement or the checkpoint.
    #[error("the {what} is not signed by a trusted key")]
    NotSigned {
        /// Statement or checkpoint.
        what: &'static str,
        /// What the note says.
        #[source]
        source: NoteError,
    },
    /// The signed text is no statement of a report, or no checkpoint of this log.
    #[error("the {what} does not say what it should")]
    BadText {
        /// Statement or checkpoint.
        what: &'static str,
    },
    /// The statement is about another log, size, root or range than the rest of the proof.
    #[error("the statement is about another {what}")]
    OtherLog {
        /// What differs.
        what: &'static str,
    },
    /// The records do not lead to the root that was signed: one was changed, left out, added or moved.
    #[error("the records are not those of the log")]
    RootMismatch,
    /// The documents that follow from the records are not those that the statement names.
    #[error("the {what} does not follow from the records")]
    OtherDocument {
        /// Which of them.
        what: &'static str,
    },
    /// The bytes are none of the report's documents.
    #[error("not a document of this report")]
    NotItsDocument,
}

impl From<Malformed> for ReportProofError {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Malformed { what }
    }
}

/// Verifies a report by its proof: the signatures, every record against the root of the log, and that the
/// documents hold exactly what the records of the range say. Needs no store and no network.
///
/// Then [`VerifiedReport::document`] tells whether a file is one of the documents.
///
/// # Errors
///
/// [`ReportProofError`], whatever the bytes.
pub fn verify_report(
    proof: &[u8],
    trusted: &[VerifierKey],
    origin: &str,
) -> Result<VerifiedReport, ReportProofError> {
    let proof = Proof::decode(proof)?;
    let (statement, signers) = signed_statement(&proof.statement, trusted)?;
    let head = signed_head(&proof.checkpoint, trusted, origin)?;
    if statement.origin != origin {
        return Err(ReportProofError::OtherLog { what: "log" });
    }
    if statement.head != head {
        return Err(ReportProofError::OtherLog { what: "head" });
    }
    let range = (proof.left.end(), proof.right.begin());
    if statement.range != range || proof.right.end() != head.size.get() {
        return Err(ReportProofError::OtherLog { what: "range" });
    }
    check_root(&proof, &head)?;
    let records: Vec<Record> = proof.records.into_iter().map(|it| it.record).collect();
    let has_texts = |record: &Record| record.erasable().iter().any(|it| it.1.text().is_some());
    if !statement.has_texts && records.iter().any(has_texts) {
        return Err(ReportProofError::BadText { what: "statement" });
    }
    let documents = Documents::of(&statement, &records);
    if documents.matching != statement.matching {
        return Err(ReportProofError::OtherDocument { what: "count" });
    }
    let names = ["JSON document", "table", "page"];
    let digests = documents.digests();
    for ((made, stated), what) in digests.iter().zip(&statement.digests).zip(names) {
        if made != stated {
            return Err(ReportProofError::OtherDocument { what });
        }
    }
    let completeness = completeness(&statement, &records);
    Ok(VerifiedReport {
        kind: statement.scope.kind,
        from_ns: statement.scope.from_ns,
        until_ns: statement.scope.until_ns,
        scope: statement.scope.canonical(),
        issued_ns: statement.issued_ns,
        head,
        completeness,
        records: (range.0..)
            .zip(records)
            .filter(|(_, record)| statement.scope.matches(record))
            .collect(),
        signers,
        title: statement.title,
        json: documents.json,
        csv: documents.csv,
        html: documents.html,
    })
}

impl VerifiedReport {
    /// Which document of the report these bytes are.
    ///
    /// # Errors
    ///
    /// [`ReportProofError::NotItsDocument`].
    pub fn document(&self, bytes: &[u8]) -> Result<Document, ReportProofError> {
        let documents = [
            (Document::Json, &self.json),
            (Document::Csv, &self.csv),
            (Document::Html, &self.html),
        ];
        let found = documents
            .into_iter()
            .find(|(_, text)| text.as_bytes() == bytes);
        found.map(|it| it.0).ok_or(ReportProofError::NotItsDocument)
    }
}

fn signed_statement(
    text: &str,
    trusted: &[VerifierKey],
) -> Result<(Statement, Vec<String>), ReportProofError> {
    let what = "statement";
    let bad = |source| ReportProofError::NotSigned { what, source };
    let note = SignedNote::parse(text.as_bytes()).map_err(bad)?;
    let note = note.verify(trusted).map_err(bad)?;
    let statement = Statement::parse(note.text()).ok_or(ReportProofError::BadText { what })?;
    let signers = note.keys().iter().map(|key| key.name().to_owned());
    Ok((statement, signers.collect()))
}

fn signed_head(
    text: &str,
    trusted: &[VerifierKey],
    origin: &str,
) -> Result<TreeHead, ReportProofError> {
    let what = "checkpoint";
    let bad = |source| ReportProofError::NotSigned { what, source };
    let note = SignedNote::parse(text.as_bytes()).map_err(bad)?;
    let note = note.verify(trusted).map_err(bad)?;
    let checkpoint = note.checkpoint(origin);
    let checkpoint = checkpoint.map_err(|_| ReportProofError::BadText { what })?;
    Ok(checkpoint.head())
}

/// The log before the range, every record of it, and the log behind it lead to the root.
fn check_root(proof: &Proof, head: &TreeHead) -> Result<(), ReportProofError> {
    let mut range = proof.left.clone();
    for it in &proof.records {
        let appended = range.append_entry(&it.canonical);
        appended.map_err(|_| ReportProofError::RootMismatch)?;
    }
    let merged = range.merge(&proof.right);
    merged.map_err(|_| ReportProofError::RootMismatch)?;
    if range.head() != Some(*head) {
        return Err(ReportProofError::RootMismatch);
    }
    Ok(())
}

fn completeness(statement: &Statement, records: &[Record]) -> Completeness {
    let (first, end) = statement.range;
    let size = statement.head.size.get();
    if (first, end) == (0, size) {
        return Completeness::Proved;
    }
    let (from_ns, until_ns) = (statement.scope.from_ns, statement.scope.until_ns);
    let before = records.first().is_some_and(|it| it.observed_ns() < from_ns);
    let after = records
        .last()
        .is_some_and(|it| it.observed_ns() >= until_ns);
    Completeness::Within {
        first,
        end,
        begins_before: first == 0 || before,
        ends_after: end == size || after,
    }
}

/// SHA-256 of a document, in hexadecimal.
pub(super) fn sha256(text: &str) -> String {
    let hash: Hash = Sha256.value(text.as_bytes());
    hash.to_string()
}
