//! `vault gc`: space back from blobs that nothing needs.

use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use persistence::Persistence;
use serde_json::json;
use truth_vault::{GcOptions, GcReport};

use super::Context;
use super::snapshot::record;
use crate::clock::now_ns;
use crate::exit::Code;
use crate::output::Paint;

/// Collect the blobs that neither a pin, nor a lease, nor a bundle needs.
///
/// One call condemns what is to go, a later one removes it once the grace is over: call it now and then.
#[derive(Args, Debug)]
pub(crate) struct Gc {
    /// Hours for which what is condemned stays.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    grace: u32,
    /// How much of a segment nobody needs before it is condemned, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 25)]
    dead: u8,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Gc {
    pub(crate) fn run(&self, context: &Context<'_>, store: &Persistence) -> anyhow::Result<Code> {
        let options = GcOptions::new(now_ns())
            .grace(Duration::from_secs(u64::from(self.grace) * 3600))
            .dead_percent(self.dead)
            .dry_run(self.dry_run);
        let bar = context.output.bar("collecting");
        let collected = store.vault().collect(&options, &mut |told| {
            bar.set_length(told.total);
            bar.set_position(told.done);
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        let report = collected?;
        if !self.dry_run && !report.collected.is_empty() {
            let count = report.collected.len();
            record(
                store,
                &format!("{count} blobs that nothing needs collected"),
            )?;
        }
        show(context, &report)
    }
}

fn show(context: &Context<'_>, report: &GcReport) -> anyhow::Result<Code> {
    let collected: Vec<_> = report.collected.iter().map(ToString::to_string).collect();
    let json = json!({
        "needed": report.needed, "unneeded": report.unneeded, "unneeded_bytes": report.unneeded_bytes,
        "condemned": report.condemned, "waiting": report.waiting, "removed": report.removed,
        "collected": collected, "freed_bytes": report.freed_bytes, "kept": report.kept.len(),
    });
    context.output.show(&json, |output| {
        let mut text = format!(
            "needed     {} blobs\nunneeded   {} blobs, {} bytes\ncondemned  {} segments, {} more wait for their grace\n",
            report.needed,
            report.unneeded,
            report.unneeded_bytes,
            report.condemned.len(),
            report.waiting.len(),
        );
        for (segment, why) in &report.kept {
            text += &format!("{} {segment} stays: {why:?}\n", output.paint(Paint::Bad, "damaged"));
        }
        text + &format!("{} blobs collected, {} bytes given back", collected.len(), report.freed_bytes)
    })?;
    Ok(Code::Done)
}
