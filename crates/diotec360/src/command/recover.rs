//! `recover`: the ways out of panic mode.

use std::path::PathBuf;

use clap::Args;
use persistence::{Config, Persistence, WayOut};
use serde_json::json;

use super::Context;
use super::exec::not_found;
use crate::exit::{Code, Failure};
use crate::output::Paint;
use crate::store;

/// Show the ways out of panic mode, or take one.
///
/// Copy the directory first: it is evidence. What is replaced is set aside beside it; the ways of the state
/// (rebuild-state, forget-history, go-back) remove what they give up.
#[derive(Args, Debug)]
pub(crate) struct Recover {
    /// The way to take, by the name that this command shows.
    #[arg(long, value_name = "WAY", requires = "reason")]
    take: Option<String>,
    /// Why: it is recorded.
    #[arg(long, value_name = "TEXT", requires = "take")]
    reason: Option<String>,
    /// A backup, for the ways that need one.
    #[arg(long, value_name = "DIR")]
    backup: Option<PathBuf>,
}

impl Recover {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let mut config = store::config(context.globals)?;
        if let Some(backup) = &self.backup {
            config = config.backup(backup);
        }
        let ways = ways_out(&config)?;
        let (Some(name), Some(reason)) = (&self.take, &self.reason) else {
            return show(context, &ways);
        };
        let way = ways.iter().find(|way| way.name() == *name);
        let way = way.ok_or_else(|| {
            not_found(match ways.is_empty() {
                true => "everything is sound: there is nothing to recover from".to_owned(),
                false => format!("no way out is called {name:?}: `diotec360 recover` lists them"),
            })
        })?;
        if *way == WayOut::Restore && self.backup.is_none() {
            let message = "no backup is named to restore";
            let hint = "name it with --backup DIR; what is there now is set aside, not overwritten";
            return Err(Failure::new(Code::Failed, message).hint(hint).into());
        }
        let (store, report) = Persistence::recover(config, way, reason)?;
        let version = store.state().version();
        let json = json!({
            "taken": name, "version": version.number, "root": version.root.to_string(),
            "records_applied": report.records_applied,
        });
        context.output.show(&json, |output| {
            format!(
                "{}: {way}\n  version  {}\n  root     {}\n  records made again: {}",
                output.paint(Paint::Good, "recovered"),
                version.number,
                version.root,
                report.records_applied,
            )
        })?;
        context
            .output
            .note("now `diotec360 verify-all`, and make a seal for others to keep");
        Ok(Code::Done)
    }
}

/// The ways out, of stores that open in panic mode and of those that do not open at all.
fn ways_out(config: &Config) -> anyhow::Result<Vec<WayOut>> {
    match Persistence::open(config.clone().create(false).accept_damage(true)) {
        Ok((store, _)) => Ok(store.ways_out()?),
        Err(error) if error.ways_out().is_empty() => Err(store::open_failure(config, error)),
        Err(error) => Ok(error.ways_out()),
    }
}

fn show(context: &Context<'_>, ways: &[WayOut]) -> anyhow::Result<Code> {
    if ways.is_empty() {
        let json = json!({"sound": true, "ways_out": []});
        context.output.show(&json, |output| {
            output.paint(Paint::Good, "sound: there is nothing to recover from")
        })?;
        return Ok(Code::Done);
    }
    let named: Vec<_> = (ways.iter())
        .map(|way| json!({"way": way.name(), "what": way.to_string()}))
        .collect();
    let json = json!({"sound": false, "ways_out": named});
    context.output.show(&json, |output| {
        let mut text = "the one that costs least first:\n".to_owned();
        for way in ways {
            text += &format!(
                "  {}\n      {way}\n",
                output.paint(Paint::Strong, &way.name())
            );
        }
        text
    })?;
    context
        .output
        .note("take one: `diotec360 recover --take WAY --reason TEXT`");
    Ok(Code::Damaged)
}
