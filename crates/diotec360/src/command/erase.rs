//! `erase`: texts of the audit trail, for good.

use std::collections::BTreeSet;

use clap::Args;
use persistence::Erasure;
use serde_json::json;

use super::Context;
use super::exec::not_found;
use super::snapshot::record;
use crate::clock::now_ns;
use crate::exit::Code;
use crate::output::Paint;
use crate::store;

/// Erase texts of the audit trail for good: those of records, or all about a subject.
///
/// The log says that they are gone; leaves, roots, receipts and proofs stay. Only texts that were recorded
/// as erasable can be erased. Copies of the disk are out of reach.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Erase {
    /// Erase the texts of the record at this place; may be given more than once.
    #[arg(long = "record", value_name = "INDEX")]
    records: Vec<u64>,
    /// Erase all texts about this subject.
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
}

impl Erase {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        let size = store.catch_up()?.log.size.get();
        if let Some(behind) = self.records.iter().find(|index| **index >= size) {
            let message =
                format!("there is no record {behind}: the log has {size}, counted from 0");
            return Err(not_found(message));
        }
        let what = match &self.subject {
            Some(subject) => Erasure::Subject(subject.clone()),
            None => Erasure::Records(BTreeSet::from_iter(self.records.iter().copied())),
        };
        let erased = store.erase(&what, now_ns())?;
        let count = erased.records.len();
        record(&store, &format!("texts of {count} records erased"))?;
        let json = json!({
            "records": count, "redactions": erased.redactions, "scrubbed": erased.is_scrubbed,
        });
        context.output.show(&json, |output| {
            let places: Vec<_> = erased.redactions.iter().map(u64::to_string).collect();
            match count {
                0 => "there was nothing to erase".to_owned(),
                _ => format!(
                    "texts of {count} records are {}; the log says so at {}",
                    output.paint(Paint::Strong, "erased"),
                    places.join(", ")
                ),
            }
        })?;
        if !erased.is_scrubbed {
            context
                .output
                .note("a reader was in the way of the last copy: run it once more");
        }
        Ok(Code::Done)
    }
}
