//! `verify-report`: a report, offline.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use vigilance::{Completeness, Document, verify_report};

use super::Context;
use super::key::public_key;
use crate::exit::Code;
use crate::output::Paint;
use crate::proof_file::refuted;
use crate::store;

/// Check a report offline with a public key: its records, and that none was changed or left out.
#[derive(Args, Debug)]
pub(crate) struct VerifyReport {
    /// The proof file.
    proof: PathBuf,
    /// Documents that are to be those of the report.
    documents: Vec<PathBuf>,
    /// The public key of whoever runs the system: a text, or a file that holds it.
    #[arg(long, value_name = "KEY")]
    key: String,
    /// Name of the log; that of the key and `/audit` otherwise.
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
}

impl VerifyReport {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let key = public_key(&self.key)?;
        let origin = self
            .origin
            .clone()
            .unwrap_or_else(|| format!("{}/audit", key.name()));
        let proof = store::read_file(&self.proof)?;
        let report = verify_report(&proof, &[key], &origin)
            .map_err(|error| refuted(format!("{} does not hold: {error}", self.proof.display())))?;
        let mut documents = Vec::new();
        for path in &self.documents {
            let bytes = store::read_file(path)?;
            let document = report.document(&bytes).map_err(|_| {
                refuted(format!(
                    "{} is not a document of this report",
                    path.display()
                ))
            })?;
            let what = match document {
                Document::Json => "JSON",
                Document::Csv => "CSV",
                Document::Html => "HTML",
                _ => "document",
            };
            documents.push((path, what));
        }
        let whole = matches!(report.completeness, Completeness::Proved);
        let json = json!({
            "holds": true, "kind": report.kind.as_str(), "title": report.title, "records": report.records.len(),
            "from_ns": report.from_ns, "until_ns": report.until_ns, "log_size": report.head.size.get(),
            "log_root": report.head.root.to_string(), "whole_log": whole, "signers": report.signers,
            "documents": documents.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        });
        context.output.show(&json, |output| {
            let mut text = format!(
                "{}: {}, {} records, signed by {}\n  log      {} records, root {}",
                output.paint(Paint::Good, "holds"),
                report.title,
                report.records.len(),
                report.signers.join(", "),
                report.head.size.get(),
                report.head.root,
            );
            for (path, what) in &documents {
                text += &format!("\n  {what:<8} {}", path.display());
            }
            text
        })?;
        Ok(Code::Done)
    }
}
