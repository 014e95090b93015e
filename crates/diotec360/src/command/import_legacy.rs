//! `import-legacy`: what the original system kept.

use std::path::PathBuf;

use clap::Args;
use persistence::{CopyProgress, ImportReport};
use serde_json::json;
use truth_vault::LegacyItem;

use super::Context;
use super::snapshot::record;
use crate::clock::now_ns;
use crate::exit::{Code, Failure};
use crate::output::Paint;
use crate::store;

/// Import the folder of the original system: its state, its vault, its telemetry, each if it is there.
///
/// What does not match its own hash or root is told and left out, unless --accept names it. Run it again and
/// it imports what is missing, and nothing twice. Ends with 4 if something was left out.
#[derive(Args, Debug)]
pub(crate) struct ImportLegacy {
    /// The folder: with `state/snapshot.json`, `vault`, `sentinel/telemetry.db`.
    folder: PathBuf,
    /// Import this although it does not match: `state/snapshot.json`, or the key of a bundle (16 digits or
    /// more); may be given more than once.
    #[arg(long = "accept", value_name = "NAME")]
    accept: Vec<String>,
}

impl ImportLegacy {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        if !self.folder.is_dir() {
            let message = format!("there is no folder {}", self.folder.display());
            return Err(Failure::new(Code::NotFound, message).into());
        }
        let store = store::open(context.globals)?;
        let bar = context.output.bar("importing");
        let accept: Vec<&str> = self.accept.iter().map(String::as_str).collect();
        let told = &mut |told: CopyProgress| {
            bar.set_message(told.store.to_string());
            bar.set_length(told.total);
            bar.set_position(told.done);
        };
        let imported = store.import_legacy_with(&self.folder, &accept, now_ns(), told);
        bar.finish_and_clear();
        let report = imported?;
        if report.state.is_none() && report.vault.is_none() && !report.telemetry {
            let message = format!(
                "nothing of the original system is in {}",
                self.folder.display()
            );
            let hint = "the folder is the one that has `state`, `vault` and `sentinel` in it";
            return Err(Failure::new(Code::NotFound, message).hint(hint).into());
        }
        record(&store, &format!("import from {}", self.folder.display()))?;
        let left_out = left_out(&report);
        context
            .output
            .show(&as_json(&report, &left_out), |output| {
                let mut text = said(&report);
                for what in &left_out {
                    text += &format!("{}  {what}\n", output.paint(Paint::Bad, "left out"));
                }
                text
            })?;
        if left_out.is_empty() {
            return Ok(Code::Done);
        }
        let message = format!("{} things were not imported", left_out.len());
        let hint = "look at each; what is to be taken all the same, --accept names";
        Err(Failure::new(Code::Refuted, message).hint(hint).into())
    }
}

/// What was not imported, and why.
fn left_out(report: &ImportReport) -> Vec<String> {
    let mut left = Vec::new();
    if let Some(state) = report.state.as_ref().filter(|state| !state.taken) {
        left.push(format!(
            "state/snapshot.json: it says the root {}, its content has {}",
            state.stated, state.computed
        ));
    }
    if let Some(vault) = &report.vault {
        left.extend(vault.refused.iter().map(refused));
        let long = vault.too_long.iter();
        left.extend(long.map(|(path, why)| format!("{}: {why}", path.display())));
    }
    left.extend((report.refused.iter()).map(|(place, why)| format!("{place}: {why}")));
    left
}

/// A file of the vault that was not imported.
fn refused(item: &LegacyItem) -> String {
    match item {
        LegacyItem::Altered { path, bundle, .. } => {
            let faults: Vec<_> = bundle.faults().iter().map(ToString::to_string).collect();
            let (key, faults) = (bundle.key(), faults.join("; "));
            format!("{}, key {key}: {faults}", path.display())
        }
        LegacyItem::Refused { path, error } => format!("{}: {error}", path.display()),
        LegacyItem::Unreadable { path, error } => format!("{}: {error}", path.display()),
        other => format!("{other:?}"),
    }
}

fn as_json(report: &ImportReport, left_out: &[String]) -> serde_json::Value {
    let state = report.state.as_ref().map(|state| {
        json!({
            "stated_root": state.stated, "computed_root": state.computed, "entries": state.entries,
            "taken": state.taken, "repeated": state.repeated,
        })
    });
    let vault = report.vault.as_ref();
    let bundles = vault.map(|vault| vault.imported.len() + vault.accepted.len());
    json!({
        "state": state, "bundles": bundles, "records": report.records, "repeated": report.repeated,
        "left_out": left_out,
    })
}

fn said(report: &ImportReport) -> String {
    let mut text = String::new();
    if let Some(state) = &report.state {
        let before = if state.repeated { ", as before" } else { "" };
        text += &format!(
            "state      {} entries{before}; the original's root {}\n",
            state.entries, state.computed
        );
    }
    if let Some(vault) = &report.vault {
        let bundles = vault.imported.len() + vault.accepted.len();
        text += &format!("vault      {bundles} bundles\n");
    }
    if report.telemetry {
        text += &format!(
            "telemetry  {} records, {} had been before\n",
            report.records, report.repeated
        );
    }
    for leftover in &report.leftovers {
        let column = leftover.column.as_deref().unwrap_or("all columns");
        text += &format!(
            "no place   {} of {}, {column}: {}\n",
            leftover.count,
            leftover.table,
            leftover.why.as_str()
        );
    }
    text
}
