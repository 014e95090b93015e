//! The stores, each as its own documentation has it used.

pub(super) mod ours;
pub(super) mod sled;
