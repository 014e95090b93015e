//! Tests of the whole, on real files.

mod acts;
mod basics;
mod incidents;
mod legacy;
mod receipts;
pub(crate) mod steps;
mod swaps;
mod texts;
mod travel;

use std::ops::ControlFlow;
use std::path::Path;

use crate::{Bundle, CheckReport, Config, Execution, ExecutionStatus, Persistence};

fn config(folder: &Path) -> Config {
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

fn bundle(id: u64) -> Bundle {
    let code = format!("intent transfer_{id}(from, to, amount) {{ guard amount > 0; }}");
    let status = truth_vault::VerificationStatus::Proved;
    Bundle::new(code.into_bytes(), "transfer", status, id + 1).unwrap()
}

fn check(persistence: &Persistence) -> CheckReport {
    persistence
        .verify_all(|_| ControlFlow::Continue(()))
        .unwrap()
}
