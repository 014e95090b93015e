//! `report`: a report over a period, with a proof that nothing was left out.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use vigilance::{ReportKind, ReportRequest};

use super::Context;
use super::snapshot::record;
use crate::clock::{moment, now_ns};
use crate::exit::Code;
use crate::store;

/// Write a report over a period, with a proof that nothing was changed or left out.
///
/// Four files: NAME.json, NAME.csv, NAME.html, and NAME.proof, by which whoever has the public key
/// checks the others with `diotec360 verify-report`, without this database.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// About what.
    kind: Kind,
    /// Name of the files; that of the kind otherwise.
    #[arg(long, short, value_name = "NAME")]
    out: Option<PathBuf>,
    /// From this moment on: nanoseconds since 1970, or days before now, as `7d`.
    #[arg(long, value_name = "MOMENT", default_value = "0")]
    from: String,
    /// Until this moment, not included; now otherwise.
    #[arg(long, value_name = "MOMENT")]
    until: Option<String>,
}

/// About what a report is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Executions: success, latency, intents, refusing layers.
    Executions,
    /// Attacks: types, categories, layers, severity.
    Attacks,
    /// Everything: totals, what happened to the system, whether the state's roots join.
    Compliance,
}

impl ReportArgs {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        let kind = match self.kind {
            Kind::Executions => ReportKind::Executions,
            Kind::Attacks => ReportKind::Attacks,
            Kind::Compliance => ReportKind::Compliance,
        };
        let now = now_ns();
        let from = moment(&self.from, now)?;
        let until = self
            .until
            .as_deref()
            .map_or(Ok(now), |until| moment(until, now))?;
        let report = store
            .audit()
            .report(&ReportRequest::new(kind, from, until, now))?;
        let name = self
            .out
            .clone()
            .unwrap_or_else(|| PathBuf::from(kind.as_str()));
        let files: [(&str, &[u8]); 4] = [
            ("json", report.json.as_bytes()),
            ("csv", report.csv.as_bytes()),
            ("html", report.html.as_bytes()),
            ("proof", &report.proof),
        ];
        let mut written = Vec::new();
        for (ending, bytes) in files {
            let mut path = name.as_os_str().to_owned();
            path.push(format!(".{ending}"));
            let path = PathBuf::from(path);
            store::write_file(&path, bytes)?;
            written.push(path);
        }
        record(&store, &format!("report {} made", kind.as_str()))?;
        context.output.show(&json!({ "files": written }), |_| {
            let lines = written.iter().map(|path| format!("{}\n", path.display()));
            lines.collect()
        })?;
        Ok(Code::Done)
    }
}
