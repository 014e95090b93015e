//! Tests of the whole, on real files.

mod basics;
mod receipts;
pub(crate) mod steps;

use crate::{Config, Execution, ExecutionStatus};

fn config(folder: &std::path::Path) -> Config {
    Config::new(folder).time_ns(1)
}

fn transfer(id: u64) -> Execution {
    let alice = (1000 - id).to_string();
    let bob = id.to_string();
    Execution::new(
        &format!("tx_{id}"),
        "transfer",
        ExecutionStatus::Proved,
        id + 1,
    )
    .put(b"account:alice", alice.as_bytes())
    .put(b"account:bob", bob.as_bytes())
}
