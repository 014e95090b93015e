//! `diff`: what differs between two versions.

use clap::Args;
use serde_json::json;

use super::Context;
use crate::bytes::readable;
use crate::exit::Code;
use crate::output::Paint;
use crate::store;

/// Show what differs between two versions, key by key.
#[derive(Args, Debug)]
pub(crate) struct Diff {
    /// The first version.
    from: u64,
    /// The second one; the newest otherwise.
    to: Option<u64>,
}

impl Diff {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        let state = store.state();
        let to = self.to.unwrap_or(state.version().number);
        for difference in state.diff(self.from, to)? {
            let json = json!({
                "key_hex": hex::encode(&difference.key),
                "before_hex": difference.before.as_deref().map(hex::encode),
                "after_hex": difference.after.as_deref().map(hex::encode),
            });
            context.output.show(&json, |output| {
                let key = output.paint(Paint::Strong, &readable(&difference.key));
                let before = difference.before.as_deref().map(readable);
                let after = difference.after.as_deref().map(readable);
                let mut text = key;
                if let Some(before) = before {
                    text += &format!("\n  {}", output.paint(Paint::Bad, &format!("- {before}")));
                }
                if let Some(after) = after {
                    text += &format!("\n  {}", output.paint(Paint::Good, &format!("+ {after}")));
                }
                text
            })?;
        }
        Ok(Code::Done)
    }
}
