//! Executions, attacks and metrics as JSON lines, one a line.

use std::collections::BTreeMap;

use anyhow::Context as _;
use persistence::{
    Attack, Execution, ExecutionStatus, Metric, Persistence, Severity, Text, Ticket,
};
use serde::Deserialize;

use crate::bytes::given;
use crate::clock::nanoseconds;

/// The ledger that `serve --example` loads.
const EXAMPLE: &str = include_str!("../data/ledger.jsonl");

/// One line.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Line {
    /// An execution with what it writes.
    Execution {
        tx_id: String,
        intent_name: String,
        status: String,
        timestamp_ns: u64,
        /// Key to value; `null` deletes. Texts, or hexadecimal digits behind `0x`.
        #[serde(default)]
        writes: BTreeMap<String, Option<String>>,
        #[serde(default)]
        elapsed_ms: Option<f64>,
        #[serde(default)]
        layer_results: BTreeMap<String, bool>,
        #[serde(default)]
        telemetry: BTreeMap<String, f64>,
        #[serde(default)]
        result: Option<String>,
    },
    /// An attack that was blocked.
    Attack {
        attack_id: String,
        attack_type: String,
        category: String,
        blocked_by_layer: String,
        severity: f64,
        timestamp_ns: u64,
        #[serde(default)]
        code_snippet: Option<String>,
    },
    /// A measured number.
    Metric {
        metric_name: String,
        metric_value: f64,
        timestamp_ns: u64,
        tx_id: String,
    },
}

/// How many lines wait for their sync together.
const WINDOW: usize = 256;

/// Loads the example ledger as if its last line had just happened, unless it is there.
pub(crate) fn load_example(store: &Persistence, now_ns: u64) -> anyhow::Result<Loaded> {
    if store.audit().execution_by_tx("genesis")?.is_some() {
        return Ok(Loaded::default());
    }
    let lines: Vec<Line> = EXAMPLE
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let last = lines
        .iter()
        .map(Line::timestamp_ns)
        .max()
        .unwrap_or_default();
    let mut loaded = Loaded::default();
    for mut line in lines {
        let at = line.timestamp_ns_mut();
        *at = now_ns.saturating_sub(last.saturating_sub(*at));
        loaded.record(store, line.into_request()?)?;
    }
    Ok(loaded)
}

/// Records every line of `text`; `progress` is told how many are durable. Lines that were recorded before
/// change nothing, so what was interrupted is simply loaded again.
pub(crate) fn load(
    store: &Persistence,
    text: &str,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut waiting: Vec<Ticket<persistence::Executed>> = Vec::new();
    for (number, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let at = || format!("line {}", number + 1);
        let line: Line = serde_json::from_str(line).with_context(at)?;
        match line.into_request().with_context(at)? {
            Request::Execution(execution) => waiting.push(store.submit(*execution)?),
            other => {
                loaded.settle(&mut waiting)?;
                loaded.record(store, other)?;
            }
        }
        if waiting.len() >= WINDOW {
            loaded.settle(&mut waiting)?;
        }
        progress(loaded.recorded + loaded.repeated);
    }
    loaded.settle(&mut waiting)?;
    progress(loaded.recorded + loaded.repeated);
    Ok(loaded)
}

/// What became of the lines.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) recorded: u64,
    pub(crate) repeated: u64,
    pub(crate) refused: u64,
}

impl Loaded {
    /// Records one, and waits for it.
    fn record(&mut self, store: &Persistence, request: Request) -> anyhow::Result<()> {
        match request {
            Request::Execution(execution) => self.settle(&mut vec![store.submit(*execution)?])?,
            Request::Attack(attack) => self.count(store.save_attack(*attack)?.repeated, false),
            Request::Metric(metric) => self.count(store.log_metric(metric)?.repeated, false),
        }
        Ok(())
    }

    fn settle(&mut self, waiting: &mut Vec<Ticket<persistence::Executed>>) -> anyhow::Result<()> {
        for ticket in waiting.drain(..) {
            let executed = ticket.wait()?;
            self.count(executed.repeated, executed.refusal.is_some());
        }
        Ok(())
    }

    fn count(&mut self, repeated: bool, refused: bool) {
        match repeated {
            true => self.repeated += 1,
            false => self.recorded += 1,
        }
        self.refused += u64::from(refused);
    }
}

enum Request {
    Execution(Box<Execution>),
    Attack(Box<Attack>),
    Metric(Metric),
}

impl Line {
    fn timestamp_ns(&self) -> u64 {
        match self {
            Self::Execution { timestamp_ns, .. }
            | Self::Attack { timestamp_ns, .. }
            | Self::Metric { timestamp_ns, .. } => *timestamp_ns,
        }
    }

    fn timestamp_ns_mut(&mut self) -> &mut u64 {
        match self {
            Self::Execution { timestamp_ns, .. }
            | Self::Attack { timestamp_ns, .. }
            | Self::Metric { timestamp_ns, .. } => timestamp_ns,
        }
    }

    fn into_request(self) -> anyhow::Result<Request> {
        Ok(match self {
            Self::Execution {
                tx_id,
                intent_name,
                status,
                timestamp_ns,
                writes,
                elapsed_ms,
                layer_results,
                telemetry,
                result,
            } => {
                let status: ExecutionStatus = status.parse()?;
                let mut execution = Execution::new(&tx_id, &intent_name, status, timestamp_ns);
                for (key, value) in &writes {
                    let key = given(key)?;
                    execution = match value {
                        Some(value) => execution.put(&key, &given(value)?),
                        None => execution.delete(&key),
                    };
                }
                for (layer, passed) in &layer_results {
                    execution = execution.layer(layer, *passed);
                }
                for (name, value) in &telemetry {
                    execution = execution.measured(name, *value);
                }
                if let Some(elapsed) = elapsed_ms {
                    execution = execution.elapsed_ns(nanoseconds(elapsed)?);
                }
                if let Some(result) = &result {
                    execution = execution.result(result);
                }
                Request::Execution(Box::new(execution))
            }
            Self::Attack {
                attack_id,
                attack_type,
                category,
                blocked_by_layer,
                severity,
                timestamp_ns,
                code_snippet,
            } => {
                let severity = Severity::from_f64(severity)?;
                let mut attack = Attack::new(
                    attack_id,
                    attack_type,
                    category,
                    blocked_by_layer,
                    severity,
                    timestamp_ns,
                );
                attack.code_snippet = code_snippet.as_deref().map(Text::plain);
                Request::Attack(Box::new(attack))
            }
            Self::Metric {
                metric_name,
                metric_value,
                timestamp_ns,
                tx_id,
            } => Request::Metric(Metric::new(tx_id, metric_name, metric_value, timestamp_ns)),
        })
    }
}
