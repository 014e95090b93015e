#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod engine;
mod profile;
mod volume;

pub use engine::EngineError;
pub use profile::Profile;
