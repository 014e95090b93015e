#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg_attr(not(test), expect(dead_code, reason = "the journal will use it"))]
mod engine;
mod profile;
#[cfg_attr(not(test), expect(dead_code, reason = "checkpoints will use it"))]
mod volume;

pub use engine::EngineError;
pub use profile::Profile;
