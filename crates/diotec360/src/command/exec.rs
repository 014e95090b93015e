//! `exec`: an execution with what it writes.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use persistence::{BundleAddress, Executed, Execution, ExecutionStatus};
use serde_json::json;

use super::Context;
use crate::bytes::{given, hash};
use crate::clock::{nanoseconds, now_ns};
use crate::exit::{Code, Failure};
use crate::output::Paint;
use crate::store;

/// Record an execution, with what it writes.
///
/// Its record, its writes and their proof are one commit: all of it is durable when the command
/// returns, or nothing of it is there. Handing the same one over again (the same --tx) changes nothing.
#[derive(Args, Debug)]
pub(crate) struct Exec {
    /// Name of the intent that ran.
    intent: String,
    /// Name of the execution; a new one otherwise.
    #[arg(long, value_name = "ID")]
    tx: Option<String>,
    /// How it ended.
    #[arg(long, default_value = "proved")]
    status: Status,
    /// Write KEY=VALUE; may be given more than once.
    #[arg(long = "put", value_name = "KEY=VALUE")]
    puts: Vec<String>,
    /// Delete KEY; may be given more than once.
    #[arg(long = "delete", value_name = "KEY")]
    deletes: Vec<String>,
    /// Address of the bundle that ran.
    #[arg(long, value_name = "ADDRESS")]
    bundle: Option<String>,
    /// What it gave: JSON, as a rule.
    #[arg(long, value_name = "TEXT")]
    result: Option<String>,
    /// How long it took, in milliseconds.
    #[arg(long, value_name = "MS")]
    elapsed_ms: Option<f64>,
    /// What a layer said, LAYER=passed or LAYER=refused; may be given more than once.
    #[arg(long = "layer", value_name = "LAYER=OUTCOME")]
    layers: Vec<String>,
    /// Commit only on this root of the state.
    #[arg(long, value_name = "ROOT")]
    expect_root: Option<String>,
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    Proved,
    Failed,
    Rejected,
    Timeout,
}

impl From<Status> for ExecutionStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Proved => Self::Proved,
            Status::Failed => Self::Failed,
            Status::Rejected => Self::Rejected,
            Status::Timeout => Self::Timeout,
        }
    }
}

impl Exec {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let execution = self.execution()?;
        let store = store::open(context.globals)?;
        let executed = store.execute(execution)?;
        report(context, &executed)
    }

    fn execution(&self) -> anyhow::Result<Execution> {
        let tx_id = self.tx.clone().map_or_else(new_tx_id, Ok)?;
        let mut execution = Execution::new(&tx_id, &self.intent, self.status.into(), now_ns());
        for put in &self.puts {
            let (key, value) = pair(put, "--put")?;
            execution = execution.put(&given(key)?, &given(value)?);
        }
        for key in &self.deletes {
            execution = execution.delete(&given(key)?);
        }
        for layer in &self.layers {
            let (name, outcome) = pair(layer, "--layer")?;
            let passed = match outcome {
                "passed" => true,
                "refused" => false,
                other => anyhow::bail!("a layer has passed or refused, not {other:?}"),
            };
            execution = execution.layer(name, passed);
        }
        if let Some(bundle) = &self.bundle {
            let address: BundleAddress = bundle
                .parse()
                .with_context(|| format!("{bundle:?} is no address"))?;
            execution = execution.bundle(address);
        }
        if let Some(result) = &self.result {
            execution = execution.result(result);
        }
        if let Some(elapsed) = self.elapsed_ms {
            execution = execution.elapsed_ns(nanoseconds(elapsed)?);
        }
        if let Some(root) = &self.expect_root {
            execution = execution.expect_root(hash(root)?);
        }
        Ok(execution)
    }
}

fn pair<'t>(text: &'t str, option: &str) -> anyhow::Result<(&'t str, &'t str)> {
    text.split_once('=')
        .with_context(|| format!("{option} takes NAME=VALUE, not {text:?}"))
}

/// A name that no other execution has.
pub(crate) fn new_tx_id() -> anyhow::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|error| anyhow::anyhow!("the system has no random bytes: {error}"))?;
    Ok(format!("tx_{}", hex::encode(random)))
}

/// Says what became of an execution.
pub(crate) fn report(context: &Context<'_>, executed: &Executed) -> anyhow::Result<Code> {
    let value = json!({
        "tx_id": executed.tx_id,
        "status": executed.status.as_str(),
        "refusal": executed.refusal,
        "index": executed.index,
        "version": executed.version,
        "root_before": executed.root_before.to_string(),
        "root_after": executed.root_after.to_string(),
        "repeated": executed.repeated,
    });
    context.output.show(&value, |output| {
        let status = match executed.refusal {
            None => output.paint(Paint::Good, executed.status.as_str()),
            Some(_) => output.paint(Paint::Bad, executed.status.as_str()),
        };
        let again = if executed.repeated {
            " (it had been recorded before)"
        } else {
            ""
        };
        let why = executed
            .refusal
            .as_ref()
            .map(|why| format!("\n  refused: {why}"))
            .unwrap_or_default();
        format!(
            "{} {status}{again}{why}\n  version  {}\n  root     {}\n  log      {}",
            executed.tx_id, executed.version, executed.root_after, executed.index,
        )
    })?;
    match &executed.refusal {
        None => Ok(Code::Done),
        Some(_) => Ok(Code::Rejected),
    }
}

/// What was asked for is not there.
pub(crate) fn not_found(message: impl Into<String>) -> anyhow::Error {
    Failure::new(Code::NotFound, message).into()
}
