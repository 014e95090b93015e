//! `history`: what the versions did.

use clap::Args;
use serde_json::json;

use super::Context;
use crate::bytes::{given, readable};
use crate::exit::Code;
use crate::output::Paint;
use crate::store;

/// Show what the versions did: to everything, or to one key.
#[derive(Args, Debug)]
pub(crate) struct History {
    /// The key: text, or hexadecimal digits behind 0x. All versions otherwise.
    key: Option<String>,
    /// How many at most, the newest ones.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20)]
    limit: u64,
}

impl History {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        let state = store.state();
        let newest = state.version().number;
        let Some(key) = &self.key else {
            let oldest = state
                .oldest()?
                .max(newest.saturating_sub(self.limit.saturating_sub(1)));
            for info in state.infos(oldest..=newest)? {
                let info = info?;
                let (version, root) = (info.version.number, info.version.root);
                let json = json!({
                    "version": version, "root": root.to_string(), "time_ns": info.time_ns,
                    "changes": info.changes, "entries": info.entries,
                });
                context.output.show(&json, |output| {
                    let version = output.paint(Paint::Strong, &format!("{version:>8}"));
                    format!(
                        "{version}  {root}  {} changed, {} keys",
                        info.changes, info.entries
                    )
                })?;
            }
            return Ok(Code::Done);
        };
        let key = given(key)?;
        let changes = state
            .key_history(&key, state.oldest()?..=newest)?
            .collect::<Result<Vec<_>, _>>()?;
        let skipped = changes
            .len()
            .saturating_sub(usize::try_from(self.limit).unwrap_or(usize::MAX));
        for change in &changes[skipped..] {
            let (version, root) = (change.version.number, change.version.root);
            let json = json!({
                "version": version, "root": root.to_string(), "time_ns": change.time_ns,
                "value": change.value.as_deref().and_then(|value| std::str::from_utf8(value).ok()),
                "value_hex": change.value.as_deref().map(hex::encode),
            });
            context.output.show(&json, |output| {
                let version = output.paint(Paint::Strong, &format!("{version:>8}"));
                let value = change
                    .value
                    .as_deref()
                    .map_or_else(|| "(deleted)".to_owned(), readable);
                format!("{version}  {root}  {value}")
            })?;
        }
        Ok(Code::Done)
    }
}
