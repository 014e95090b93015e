//! `stats`: the numbers of the dashboard.

use std::collections::BTreeMap;

use clap::Args;

use super::Context;
use crate::exit::Code;
use crate::store;

/// Show the numbers of the dashboard; with --json in the original system's shape.
#[derive(Args, Debug)]
pub(crate) struct Stats;

impl Stats {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        let stats = store.dashboard_stats()?;
        if context.globals.json {
            context.output.write((stats.to_json() + "\n").as_bytes())?;
            return Ok(Code::Done);
        }
        let text = format!(
            "root        {}\nbundles     {}\nexecutions  {}{}\n  average   {:.3} ms\nattacks     {}{}\n  stopped   {}\n",
            stats.merkle_root,
            stats.total_bundles,
            stats.executions.total_executions,
            list(&stats.executions.status_breakdown),
            stats.executions.avg_execution_time_ms,
            stats.attacks.total_attacks_blocked,
            list(&stats.attacks.attack_type_breakdown),
            list(&stats.attacks.layer_breakdown).trim_start(),
        );
        context.output.write(text.as_bytes())?;
        Ok(Code::Done)
    }
}

fn list(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts
        .iter()
        .map(|(name, count)| format!("  {name} {count}"));
    counts.collect()
}
