#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg_attr(not(test), expect(dead_code, reason = "the journal will use it"))]
mod engine;
#[cfg(test)]
mod fault;
#[cfg_attr(not(test), expect(dead_code, reason = "the commit will use it"))]
mod head;
#[cfg_attr(not(test), expect(dead_code, reason = "the opening will use it"))]
mod lock;
mod profile;
#[cfg_attr(not(test), expect(dead_code, reason = "checkpoints will use it"))]
mod volume;

pub use engine::EngineError;
pub use profile::Profile;
