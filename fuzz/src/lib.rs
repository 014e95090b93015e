//! What the fuzz targets share: hard inputs, and the specification written naively.

mod export;
mod input;
mod log_spec;
mod map_spec;
mod mutation;
mod pruned;
mod truth;

pub use export::ExportEdit;
pub use input::{Change, Content, Key, Span, batch};
pub use log_spec::{log_consistency, log_inclusion, log_root};
pub use map_spec::{Model, change, map_root};
pub use mutation::{Mutation, mutate};
pub use pruned::{Edit, PrunedTree};
pub use truth::check_view;
