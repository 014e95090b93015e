//! Reports over a period, each with a proof that nothing in it was changed or left out.
//!
//! A report is three documents of the same content (JSON, CSV, HTML) and one proof file. The proof holds
//! the canonical bytes of *every* record of a range of the log, and the few hashes that lead from them to a
//! signed checkpoint: whoever verifies it filters the records again, makes the documents again, and compares.
//! Format, and what is proved about records outside the range: `docs/formats/report.md`.

mod content;
mod html;
mod proof;
mod range;
mod scope;
mod statement;
mod verify;

use std::fmt;

use merkle_core::{CompactRange, NoteError, RangeNodes, SignedNote};

use crate::error::{CheckpointError, ReadError};
use crate::filter::{Filter, NoSuchField};
use crate::{Record, Trail, read};
use content::Documents;
use proof::{Proof, ProofRecord};
use scope::Scope;
use statement::Statement;
pub use verify::{Completeness, Document, ReportProofError, VerifiedReport, verify_report};

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReportKind {
    /// Executions: success, latency, intents, refusing layers.
    Executions,
    /// Attacks: types, categories, layers, severity.
    Attacks,
    /// Records of every kind: totals, what happened to the system itself, whether the state's roots join.
    Compliance,
}

impl ReportKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Executions, Self::Attacks, Self::Compliance];

    /// Its name in statements.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Executions => "executions",
            Self::Attacks => "attacks",
            Self::Compliance => "compliance",
        }
    }
}

impl fmt::Display for ReportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which part of the log the proof of a report holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coverage {
    /// The records from the first to the last of the period, and the neighbours that show that the clock was
    /// before it and after it. That none outside belongs to the period is the signer's statement.
    #[default]
    Range,
    /// All of the log: completeness is proved without trust in anybody. As large as the log.
    WholeLog,
}

/// Which report is asked for.
#[derive(Clone, Debug)]
pub struct ReportRequest {
    scope: Scope,
    title: String,
    issued_ns: u64,
    coverage: Coverage,
    with_texts: bool,
}

impl ReportRequest {
    /// A report on what happened from `from_ns` on and before `until_ns`, issued at `issued_ns`; all in
    /// nanoseconds since 1970.
    #[must_use]
    pub fn new(kind: ReportKind, from_ns: u64, until_ns: u64, issued_ns: u64) -> Self {
        Self {
            scope: Scope::new(kind, from_ns, until_ns),
            title: format!("DIOTEC 360: {kind}"),
            issued_ns,
            coverage: Coverage::Range,
            with_texts: false,
        }
    }

    /// With this title: one line of 200 bytes at most.
    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        self.title = title.into();
        self
    }

    /// Only what a filter of the report's kind lets through. Its times are replaced by the
    /// report's.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.scope = self.scope.with_filter(filter);
        self
    }

    /// With a proof over this part of the log.
    #[must_use]
    pub const fn coverage(mut self, coverage: Coverage) -> Self {
        self.coverage = coverage;
        self
    }

    /// With the erasable texts that are at hand. They stay in the report whatever is erased later.
    #[must_use]
    pub const fn with_texts(mut self) -> Self {
        self.with_texts = true;
        self
    }
}

/// A report: three documents, and what proves them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// One JSON object.
    pub json: String,
    /// A table: the records, or for compliance the totals.
    pub csv: String,
    /// A page that needs nothing but itself, for the screen and for paper.
    pub html: String,
    /// For [`verify_report`].
    pub proof: Vec<u8>,
    /// The signed statement, which is also part of the proof.
    pub statement: String,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The filter has a condition that the kind of record has no field for.
    #[error(transparent)]
    NoSuchField(#[from] NoSuchField),
    /// The filter is of another kind than the report, or asks for words, which cannot be verified once texts
    /// are erased.
    #[error("the filter does not suit a report on {kind}")]
    BadFilter {
        /// The kind of the report.
        kind: ReportKind,
    },
    /// The title is empty, longer than 200 bytes, or has control characters.
    #[error("not a title")]
    BadTitle,
    /// The proof would hold more records than [`REPORT_RECORDS_MAX`], or more than 1 GiB.
    #[error("the report would need {records} records: ask for a shorter period")]
    TooLarge {
        /// How many records, as far as that was found out.
        records: u64,
    },
    /// There is no signing key, or the log could not be signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The statement could not be signed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Reading failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Most records that the proof of a report holds.
pub const REPORT_RECORDS_MAX: u64 = 1_000_000;

impl Trail {
    /// Makes a report, and signs what it states. Makes everything appended so far durable, and a
    /// checkpoint.
    ///
    /// Reads and checks every record of the range; some 100,000 a second, all in memory.
    ///
    /// # Errors
    ///
    /// [`ReportError`].
    pub fn report(&self, request: &ReportRequest) -> Result<Report, ReportError> {
        request.scope.check()?;
        let is_title = !request.title.is_empty() && !request.title.chars().any(char::is_control);
        if !is_title || request.title.len() > TITLE_BYTES_MAX {
            return Err(ReportError::BadTitle);
        }
        let key = self
            .options()
            .signer
            .as_ref()
            .ok_or(CheckpointError::NoKey)?;
        let checkpoint = self.checkpoint()?;
        let trusted = [key.verifier_key()];
        let head = (checkpoint.verify(&trusted)?)
            .checkpoint(&self.options().origin)
            .map_err(|_| NoteError::BadText)?
            .head();
        let (first, end) = match request.coverage {
            Coverage::WholeLog => (0, head.size.get()),
            Coverage::Range => self.report_range(&request.scope, head.size.get())?,
        };
        let records = self.report_records(first, end, request.with_texts)?;
        let mut statement = Statement {
            origin: self.options().origin.clone(),
            scope: request.scope.clone(),
            title: request.title.clone(),
            range: (first, end),
            head,
            issued_ns: request.issued_ns,
            has_texts: request.with_texts,
            matching: 0,
            digests: Default::default(),
        };
        let decoded = records
            .iter()
            .map(|it| it.record.clone())
            .collect::<Vec<_>>();
        let documents = Documents::of(&statement, &decoded);
        statement.matching = documents.matching;
        statement.digests = documents.digests();
        let signed = SignedNote::sign(&statement.to_string(), key)?;
        let (left, right) = self.report_frontier(first, end, head.size.get())?;
        let proof = Proof {
            statement: signed.to_string(),
            checkpoint: checkpoint.to_string(),
            left,
            right,
            records,
        };
        Ok(Report {
            json: documents.json,
            csv: documents.csv,
            html: documents.html,
            proof: proof.encode(),
            statement: signed.to_string(),
        })
    }

    /// The records of a range, all of them checked against the log.
    fn report_records(
        &self,
        first: u64,
        end: u64,
        with_texts: bool,
    ) -> Result<Vec<ProofRecord>, ReportError> {
        let count = end - first;
        if count > REPORT_RECORDS_MAX {
            return Err(ReportError::TooLarge { records: count });
        }
        let mut records = Vec::new();
        let mut bytes = 0;
        for index in first..end {
            let read = self.shared().nodes(|nodes| read::record(nodes, index));
            let stored = self.noticed(read)?;
            bytes += stored.canonical.len();
            let record = if with_texts {
                stored.record
            } else {
                let bare = Record::decode(&stored.canonical);
                bare.map_err(|_| ReadError::from(crate::Damage::Record { index }))?
            };
            bytes += (record.erasable().iter())
                .filter_map(|(_, text)| text.text())
                .map(str::len)
                .sum::<usize>();
            if bytes > PROOF_BYTES_MAX {
                return Err(ReportError::TooLarge { records: count });
            }
            records.push(ProofRecord {
                canonical: stored.canonical,
                record,
            });
        }
        Ok(records)
    }

    /// The hashes of the log to the left and to the right of a range.
    fn report_frontier(
        &self,
        first: u64,
        end: u64,
        size: u64,
    ) -> Result<(CompactRange, CompactRange), ReadError> {
        let read = self.shared().nodes(|nodes| {
            let range = |begin, end| -> Result<CompactRange, ReadError> {
                let hashes = RangeNodes::new(begin, end).map(|id| nodes.node(id));
                let hashes = hashes.collect::<Result<Vec<_>, ReadError>>()?;
                Ok(CompactRange::from_parts(begin, end, hashes)
                    .expect("there are as many hashes as nodes, and the range is not reversed"))
            };
            Ok((range(0, first)?, range(end, size)?))
        });
        self.noticed(read)
    }
}

const TITLE_BYTES_MAX: usize = 200;
const PROOF_BYTES_MAX: usize = 1 << 30;

#[cfg(test)]
mod tests;
