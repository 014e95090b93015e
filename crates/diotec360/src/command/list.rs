//! `list`: keys and values in key order.

use clap::Args;
use serde_json::json;

use super::Context;
use crate::bytes::{given, readable};
use crate::exit::Code;
use crate::output::Paint;
use crate::store;

/// List keys and values in key order, a line each.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Keys that begin with this; all keys otherwise.
    #[arg(default_value = "")]
    prefix: String,
    /// A version; the newest one otherwise.
    #[arg(long, value_name = "VERSION")]
    at: Option<u64>,
    /// How many at most.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 1000)]
    limit: usize,
}

impl List {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        let state = store.state();
        let snapshot = match self.at {
            Some(version) => state.at(version)?,
            None => state.snapshot()?,
        };
        let mut entries = snapshot.prefix(&given(&self.prefix)?)?;
        for entry in entries.by_ref().take(self.limit) {
            let (key, value) = entry?;
            let json = json!({
                "key": std::str::from_utf8(&key).ok(),
                "key_hex": hex::encode(&key),
                "value": std::str::from_utf8(&value).ok(),
                "value_hex": hex::encode(&value),
            });
            context.output.show(&json, |output| {
                format!(
                    "{}  {}",
                    output.paint(Paint::Strong, &readable(&key)),
                    readable(&value)
                )
            })?;
        }
        if entries.next().is_some() {
            context
                .output
                .note("there are more: ask for them with --limit, or for a longer prefix");
        }
        Ok(Code::Done)
    }
}
