//! `put`: a value, as an execution of its own.

use clap::Args;
use persistence::{Execution, ExecutionStatus};

use super::Context;
use super::exec::{new_tx_id, report};
use crate::bytes::given;
use crate::clock::now_ns;
use crate::exit::Code;
use crate::store;

/// Put a value, as an execution of its own.
#[derive(Args, Debug)]
pub(crate) struct Put {
    /// The key: text, or hexadecimal digits behind 0x.
    key: String,
    /// Its value: text, or hexadecimal digits behind 0x.
    #[arg(required_unless_present = "delete")]
    value: Option<String>,
    /// Delete the key instead.
    #[arg(long, conflicts_with = "value")]
    delete: bool,
    /// Name of the execution; a new one otherwise. The same name twice is one execution.
    #[arg(long, value_name = "ID")]
    tx: Option<String>,
}

impl Put {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let key = given(&self.key)?;
        let store = store::open(context.globals)?;
        let tx_id = self.tx.clone().map_or_else(new_tx_id, Ok)?;
        let intent = if self.delete { "delete" } else { "put" };
        let execution = Execution::new(&tx_id, intent, ExecutionStatus::Proved, now_ns());
        let execution = match &self.value {
            Some(value) => execution.put(&key, &given(value)?),
            None => execution.delete(&key),
        };
        let executed = store.execute(execution)?;
        report(context, &executed)
    }
}
