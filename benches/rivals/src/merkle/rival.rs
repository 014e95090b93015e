//! The peers of the map, each as its own documentation has it used in memory.

pub(super) mod jmt;
pub(super) mod nomt;
pub(super) mod smt;
