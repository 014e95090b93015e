//! Ours and its peers on the same work in one run. `cargo xtask bench` is this program.
//!
//! An area has a file of its own, whose rows are functions that measure and then report a
//! [`Row`]. Every speed goal that was ever set is such a row.

mod measure;
mod merkle;
mod report;
mod row;

use anyhow::{Result, bail};
use lexopt::Arg;

use report::Report;
use row::Row;

/// Rows that are measured together.
struct Area {
    name: &'static str,
    /// Measures every row and reports it.
    rows: fn(&mut Report),
}

const AREAS: &[Area] = &[Area {
    name: "merkle",
    rows: merkle::rows,
}];

fn main() -> Result<()> {
    let mut area = None;
    let mut report = Report::default();
    let mut args = lexopt::Parser::from_env();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("json") => report.json = true,
            Arg::Long("quick") => report.quick = true,
            Arg::Value(name) if area.is_none() => area = Some(name.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let is_chosen = |candidate: &&Area| area.as_ref().is_none_or(|name| name == candidate.name);
    let chosen: Vec<_> = AREAS.iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        let names: Vec<_> = AREAS.iter().map(|area| area.name).collect();
        bail!("no such area; there are: {}", names.join(", "));
    }
    for area in chosen {
        (area.rows)(&mut report);
    }
    Ok(())
}
