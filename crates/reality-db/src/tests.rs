//! Tests of the database as a whole, on each kind of storage.

mod checking;
mod counters;
mod expected;
mod faults;
mod forks;
mod looking;
mod memory;
mod model;
mod panic;
mod pruning;
#[cfg(feature = "sled")]
mod reclaiming;
mod spans;
mod staged;
pub(crate) mod stages;
mod transfer;
mod waiting;
