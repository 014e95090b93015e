//! What full-text search looks for, and how it cuts texts into words.

mod query;
mod words;

pub use query::{TextQuery, TextQueryError};
pub(crate) use words::{normalised, searched_text};
