//! `audit`: the audit trail.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use persistence::{ExecutionStatus, Persistence, Record, Text};
use serde_json::{Value, json};
use vigilance::{Depth, Filter, PageFrom, RecordKind, StoredRecord};

use super::Context;
use super::exec::not_found;
use crate::exit::{Code, Failure};
use crate::output::Paint;
use crate::store;

/// Read, search, export and check the audit trail.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List records, the newest first, a page at a time.
    List(List),
    /// Show one record, and prove its place in the log.
    Show {
        /// Its place in the log, from 0.
        index: u64,
    },
    /// Write every record to a file: JSON lines, CSV, or OCSF for security tools.
    Export(Export),
    /// Print a signed checkpoint of the log, for others to keep.
    Checkpoint,
    /// Check every record, table and statistic against the log.
    Verify {
        /// Have SQLite check every page and index too.
        #[arg(long)]
        pages: bool,
    },
}

/// Which records.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Of which kind.
    #[arg(default_value = "executions")]
    kind: Kind,
    /// How many at most.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20)]
    limit: usize,
    /// Go on behind this place: the `older` of the page before.
    #[arg(long, value_name = "CURSOR")]
    older: Option<String>,
    /// Executions with this status.
    #[arg(long)]
    status: Option<String>,
    /// Executions of this intent.
    #[arg(long)]
    intent: Option<String>,
    /// Attacks of this type.
    #[arg(long)]
    attack_type: Option<String>,
    /// Records of this transaction.
    #[arg(long)]
    tx: Option<String>,
    /// Records whose texts hold these words.
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
}

/// A kind of record.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    Executions,
    Attacks,
    Metrics,
    Events,
}

/// Where to write records, and how.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The file.
    file: PathBuf,
    /// How.
    #[arg(long, default_value = "jsonl")]
    format: Format,
    /// For CSV: of which kind.
    #[arg(long, default_value = "executions")]
    kind: Kind,
}

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line.
    Jsonl,
    /// A table of one kind of record.
    Csv,
    /// One event of the Open Cybersecurity Schema Framework a line.
    Ocsf,
}

impl From<Kind> for RecordKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Executions => Self::Execution,
            Kind::Attacks => Self::Attack,
            Kind::Metrics => Self::Metric,
            Kind::Events => Self::Event,
        }
    }
}

impl Audit {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        match self {
            Self::List(list) => list.run(context, &store),
            Self::Show { index } => show(context, &store, *index),
            Self::Export(export) => export.run(context, &store),
            Self::Checkpoint => {
                let note = store.audit().checkpoint()?.to_string();
                context
                    .output
                    .show(&json!({ "note": note }), |_| note.clone())?;
                Ok(Code::Done)
            }
            Self::Verify { pages } => verify(context, &store, *pages),
        }
    }
}

impl List {
    fn run(&self, context: &Context<'_>, store: &Persistence) -> anyhow::Result<Code> {
        let from = match &self.older {
            Some(cursor) => PageFrom::Older(cursor.parse()?),
            None => PageFrom::Newest,
        };
        let page = store.audit().page(&self.filter()?, from, self.limit)?;
        for stored in &page.records {
            context.output.show(&as_json(stored), |output| {
                let index = output.paint(Paint::Faint, &format!("{:>8}", stored.index));
                format!("{index}  {}", summary(&stored.record))
            })?;
        }
        if let Some(older) = page.older {
            context.output.note(&format!("older ones: --older {older}"));
        }
        Ok(Code::Done)
    }

    fn filter(&self) -> anyhow::Result<Filter> {
        let mut filter = match self.kind {
            Kind::Executions => Filter::executions(),
            Kind::Attacks => Filter::attacks(),
            Kind::Metrics => Filter::metrics(),
            Kind::Events => Filter::events(),
        };
        if let Some(status) = &self.status {
            filter = filter.status(status.to_uppercase().parse::<ExecutionStatus>()?);
        }
        if let Some(intent) = &self.intent {
            filter = filter.intent(intent);
        }
        if let Some(attack_type) = &self.attack_type {
            filter = filter.attack_type(attack_type);
        }
        if let Some(tx) = &self.tx {
            filter = filter.tx(tx);
        }
        if let Some(text) = &self.text {
            filter = filter.text(text.parse()?);
        }
        Ok(filter)
    }
}

/// One record, and the proof that it is in the log.
fn show(context: &Context<'_>, store: &Persistence, index: u64) -> anyhow::Result<Code> {
    let trail = store.audit();
    let size = trail.size();
    if index >= size {
        return Err(not_found(format!(
            "the log has {size} records, counted from 0"
        )));
    }
    let stored = trail.record(index)?;
    let proof = trail.prove_inclusion(index, size)?;
    let head = trail.head();
    proof.verify_entry(&stored.canonical, &head)?;
    let mut json = as_json(&stored);
    if let Value::Object(members) = &mut json {
        members.insert("log_size".to_owned(), json!(size));
        members.insert("log_root".to_owned(), json!(head.root.to_string()));
    }
    context.output.show(&json, |output| {
        let proved = output.paint(Paint::Good, "proved");
        let pretty = serde_json::to_string_pretty(&json).unwrap_or_default();
        format!(
            "{pretty}\n{proved}: it is record {index} of the log of {size} with the root {}",
            head.root
        )
    })?;
    Ok(Code::Done)
}

impl Export {
    fn run(&self, context: &Context<'_>, store: &Persistence) -> anyhow::Result<Code> {
        const STEP: usize = 1000;
        let trail = store.audit();
        let size = trail.size();
        let bar = context.output.bar("exporting");
        bar.set_length(size);
        let mut text = String::new();
        if self.format == Format::Csv {
            text += &vigilance::csv_header(self.kind.into());
        }
        let mut written = 0_u64;
        for first in (0..size).step_by(STEP) {
            for stored in trail.records(first, STEP)? {
                let line = match self.format {
                    Format::Jsonl => vigilance::json_line(stored.index, &stored.record),
                    Format::Ocsf => vigilance::ocsf_line(
                        &context.globals.data.to_string_lossy(),
                        stored.index,
                        &stored.record,
                    ),
                    Format::Csv if stored.record.kind() != self.kind.into() => continue,
                    Format::Csv => vigilance::csv_row(stored.index, &stored.record),
                };
                text += line.trim_end_matches(['\r', '\n']);
                text.push('\n');
                written += 1;
            }
            bar.set_position(first);
        }
        bar.finish_and_clear();
        store::write_file(&self.file, text.as_bytes())?;
        let json = json!({"file": self.file, "records": written});
        context.output.show(&json, |_| {
            format!("{}: {written} records", self.file.display())
        })?;
        Ok(Code::Done)
    }
}

fn verify(context: &Context<'_>, store: &Persistence, pages: bool) -> anyhow::Result<Code> {
    let bar = context.output.bar("checking");
    let depth = if pages { Depth::Pages } else { Depth::Content };
    let report = store.audit().verify(depth, |progress| {
        bar.set_length(progress.size);
        bar.set_position(progress.checked);
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    let damage: Vec<_> = report.damage.iter().map(ToString::to_string).collect();
    let json = json!({
        "sound": report.damages == 0, "records": report.size, "damages": report.damages,
        "damage": damage, "breaks": report.break_count,
    });
    context.output.show(&json, |output| {
        let mut text = String::new();
        for damage in &damage {
            text += &format!("{} {damage}\n", output.paint(Paint::Bad, "damaged"));
        }
        for at in &report.breaks {
            text += &format!(
                "remark: execution {} does not begin where {} ended\n",
                at.index, at.previous
            );
        }
        text + &match report.damages {
            0 => format!(
                "{}: {} records, every one as the log has it",
                output.paint(Paint::Good, "sound"),
                report.size
            ),
            damages => format!("{damages} damages in {} records", report.size),
        }
    })?;
    if report.damages > 0 {
        let message = format!("the audit trail has {} damages", report.damages);
        return Err(Failure::new(Code::Damaged, message)
            .hint("`diotec360 doctor` names the ways out")
            .into());
    }
    Ok(Code::Done)
}

/// A record as JSON, with its index.
pub(crate) fn as_json(stored: &StoredRecord) -> Value {
    let line = vigilance::json_line(stored.index, &stored.record);
    serde_json::from_str(&line).unwrap_or(Value::Null)
}

/// A record on one line.
fn summary(record: &Record) -> String {
    match record {
        Record::Execution(it) => {
            let took = it
                .elapsed_ns
                .map(|took| format!("  {:.1} ms", took as f64 / 1e6))
                .unwrap_or_default();
            format!(
                "{:<8}  {}  {}{took}",
                it.status.as_str(),
                it.tx_id,
                it.intent_name
            )
        }
        Record::Attack(it) => {
            format!(
                "{}  {}  {}  stopped by {}  severity {:.2}",
                it.attack_id,
                it.attack_type,
                it.category,
                it.blocked_by_layer,
                it.severity.as_f64()
            )
        }
        Record::Metric(it) => format!("{} = {}  {}", it.metric_name, it.metric_value, it.tx_id),
        Record::Event(it) => {
            let said = it
                .message
                .as_ref()
                .and_then(Text::as_str)
                .unwrap_or_default();
            // A seal's text has many lines: `show` has all of it.
            format!(
                "{}  {}",
                it.kind.as_str(),
                said.lines().next().unwrap_or_default()
            )
        }
        _ => String::new(),
    }
}
