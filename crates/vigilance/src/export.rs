//! Records in the formats that others read.
//!
//! Each function makes the text of one record; whoever exports many writes one after another.

mod csv;
mod json;
mod ocsf;

pub(crate) use csv::csv_field;
pub use csv::{csv_header, csv_row};
pub use json::json_line;
pub use ocsf::{OCSF_VERSION, ocsf_line};
