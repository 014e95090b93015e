//! Tests of the whole, on real files.

mod basics;
pub(crate) mod steps;
