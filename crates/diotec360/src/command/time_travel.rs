//! `time-travel`: everything as it was, and back to it.

use clap::Subcommand;
use persistence::{Moment, Persistence};
use serde_json::json;

use super::Context;
use super::exec::{new_tx_id, not_found, report};
use super::snapshot::record;
use crate::bytes::{given, readable};
use crate::clock::{moment, now_ns};
use crate::exit::Code;
use crate::output::Paint;
use crate::store;

/// Look at everything as it was at a version or a time, or bring the state back to it.
#[derive(Debug, Subcommand)]
pub(crate) enum TimeTravel {
    /// Show where everything stood, and what keys held.
    Show {
        /// A version, or a time: nanoseconds since 1970 behind `@`, or days before now, as `7d`.
        when: String,
        /// Keys to read: texts, or hexadecimal digits behind 0x.
        keys: Vec<String>,
    },
    /// Bring the state back to a version, by an execution on the record; the history stays.
    Back {
        /// The version.
        #[arg(value_name = "VERSION")]
        to: u64,
        /// Name of the execution, which no other has; a new one otherwise.
        #[arg(long, value_name = "ID")]
        tx: Option<String>,
    },
}

impl TimeTravel {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        match self {
            Self::Show { when, keys } => {
                let then = match when.parse() {
                    Ok(version) => {
                        check(&store, version)?;
                        store.at(version)?
                    }
                    Err(_) => {
                        let time = when.strip_prefix('@').unwrap_or(when);
                        store.at_time(moment(time, now_ns())?)?
                    }
                };
                show(context, &then, keys)
            }
            Self::Back { to: version, tx } => {
                let tx = tx.clone().map_or_else(new_tx_id, Ok)?;
                check(&store, *version)?;
                let done = store.roll_back(*version, &tx, now_ns())?;
                record(&store, &format!("state brought back to version {version}"))?;
                report(context, &done)
            }
        }
    }
}

/// That there is such a version.
fn check(store: &Persistence, version: u64) -> anyhow::Result<()> {
    let newest = store.state().version().number;
    match version <= newest {
        true => Ok(()),
        false => Err(not_found(format!(
            "there is no version {version}: the newest is {newest}"
        ))),
    }
}

fn show(context: &Context<'_>, then: &Moment, keys: &[String]) -> anyhow::Result<Code> {
    let version = then.state.version();
    let mut values = Vec::new();
    for key in keys {
        let value = then.state.get(&given(key)?)?;
        values.push((key, value.as_deref().map(readable)));
    }
    let json = json!({
        "version": version.number, "root": version.root.to_string(), "time_ns": then.time_ns,
        "keys": then.state.len()?, "log_size": then.log.size.get(), "log_root": then.log.root.to_string(),
        "values": values.iter().map(|(key, value)| json!({"key": key, "value": value})).collect::<Vec<_>>(),
    });
    let entries = then.state.len()?;
    context.output.show(&json, |output| {
        let mut text = format!(
            "version  {}\nroot     {}\nkeys     {entries}\nlog      {} records, root {}\n",
            output.paint(Paint::Strong, &version.number.to_string()),
            version.root,
            then.log.size.get(),
            then.log.root,
        );
        for (key, value) in &values {
            let value = value.as_deref().unwrap_or("(nothing)");
            text += &format!("{key}  {value}\n");
        }
        text
    })?;
    Ok(Code::Done)
}
