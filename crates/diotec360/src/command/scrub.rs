//! `scrub`: the vault read a little at a time, what was not checked for longest first.

use std::ops::ControlFlow;
use std::path::Path;

use clap::Args;
use serde_json::json;
use truth_vault::ScrubOptions;

use super::Context;
use crate::clock::now_ns;
use crate::exit::{Code, Failure};
use crate::output::Paint;
use crate::store;

/// Read and hash what the vault stores, what was not checked for longest first, and set aside what is bad.
///
/// Goes on where the last one stopped: run it every night with --max-bytes, and all is checked in turn.
/// Also removes what is left of texts that were erased.
#[derive(Args, Debug)]
pub(crate) struct Scrub {
    /// Stop behind so many bytes; the next one goes on there.
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
    /// Read no more than so many bytes a second.
    #[arg(long, value_name = "BYTES")]
    rate: Option<u64>,
}

impl Scrub {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        let mut options = ScrubOptions::new(now_ns());
        let mut total = folder_bytes(store.vault().path());
        if let Some(bytes) = self.max_bytes {
            options = options.bytes_max(bytes);
            total = total.min(bytes);
        }
        if let Some(rate) = self.rate {
            options = options.bytes_per_second(rate);
        }
        let bar = context.output.bar("scrubbing");
        bar.set_length(total);
        let scrubbed = store.vault().scrub(&options, &mut |bytes| {
            bar.set_position(bytes);
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        let report = scrubbed?;
        let erased = store.audit().scrub()?;
        let bad: Vec<_> = (report.bad.iter())
            .map(|bad| json!({"address": bad.address.to_string(), "file": bad.file, "damage": bad.damage.to_string()}))
            .collect();
        let json = json!({
            "records": report.records, "bytes": report.bytes, "complete": report.complete, "bad": bad,
            "superseded": report.superseded, "gaps": report.gaps.len(), "audit_scrubbed": erased,
        });
        context.output.show(&json, |output| {
            let mut text = format!("{} records, {} bytes read\n", report.records, report.bytes);
            for bad in &report.bad {
                text += &format!(
                    "{} {}: {}; set aside in `quarantine`\n",
                    output.paint(Paint::Bad, "damaged"),
                    bad.address,
                    bad.damage
                );
            }
            for (file, at) in &report.gaps {
                text += &format!(
                    "{} {file} at byte {at}: no record\n",
                    output.paint(Paint::Bad, "damaged")
                );
            }
            text + match report.complete {
                true => "everything was checked",
                false => "the next one goes on from here",
            }
        })?;
        if report.bad.is_empty() && report.gaps.is_empty() {
            return Ok(Code::Done);
        }
        let message = format!("{} blobs are damaged", report.bad.len().max(1));
        let hint = "`diotec360 vault pull` fetches good copies from another vault";
        Err(Failure::new(Code::Damaged, message).hint(hint).into())
    }
}

/// The bytes of all files below a folder, as far as they can be read: for a bar only.
fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
