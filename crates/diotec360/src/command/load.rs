//! `load`: many records at a time.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Context;
use crate::exit::Code;
use crate::{ledger, store};

/// Load executions, attacks and metrics from a file of JSON lines.
///
/// A line is an object with a `kind`: `execution` (tx_id, intent_name, status, timestamp_ns, writes,
/// elapsed_ms, layer_results, telemetry, result), `attack` or `metric`. What was recorded before is
/// skipped, so what was interrupted is simply loaded again.
#[derive(Args, Debug)]
pub(crate) struct Load {
    /// The file; `-` reads standard input.
    file: PathBuf,
}

impl Load {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let text = if self.file.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin())?
        } else {
            String::from_utf8(store::read_file(&self.file)?)?
        };
        let store = store::open(context.globals)?;
        let bar = context.output.bar("loading");
        bar.set_length(text.lines().count() as u64);
        let loaded = ledger::load(&store, &text, |done| bar.set_position(done))?;
        bar.finish_and_clear();
        let json = json!({"recorded": loaded.recorded, "repeated": loaded.repeated, "refused": loaded.refused});
        context.output.show(&json, |_| {
            format!(
                "{} recorded, {} had been before, {} refused",
                loaded.recorded, loaded.repeated, loaded.refused
            )
        })?;
        Ok(Code::Done)
    }
}
