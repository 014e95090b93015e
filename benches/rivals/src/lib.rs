//! Ours and its peers on the same work in one run: what `cargo xtask bench` runs.
//!
//! An area has a file of its own, whose rows are functions that measure and then report a
//! [`Row`]. Every speed goal that was ever set is such a row.
//!
//! This is a library because some peers weigh more than everything else together: the program in
//! `benches/peers` hands them to [`run`], the one in this package has the light ones alone.

mod audit;
mod measure;
mod merkle;
mod persistence;
mod random;
mod report;
mod row;
mod state;
mod vault;

use anyhow::{Result, bail};
use lexopt::Arg;

use report::Report;
use row::Row;
pub use state::{Change, Key, Peer, Proved, SLED, Store, Value, each};
pub use vault::{BlobStore, VaultPeer};

/// Rows that are measured together.
struct Area {
    name: &'static str,
    /// Measures every row and reports it.
    rows: fn(&mut Report),
}

const AREAS: &[Area] = &[
    Area {
        name: "merkle",
        rows: merkle::rows,
    },
    Area {
        name: "audit",
        rows: audit::rows,
    },
    Area {
        name: "state",
        rows: state::rows,
    },
    Area {
        name: "vault",
        rows: vault::rows,
    },
    Area {
        name: "persistence",
        rows: persistence::rows,
    },
];

/// Parts of areas, for whoever has no minutes to wait.
const PARTS: &[Area] = &[
    Area {
        name: "state::served",
        rows: state::served,
    },
    Area {
        name: "state::life",
        rows: state::life,
    },
    Area {
        name: "state::large",
        rows: state::large,
    },
    Area {
        name: "persistence::served",
        rows: persistence::served,
    },
    Area {
        name: "persistence::life",
        rows: persistence::life,
    },
    Area {
        name: "vault::many",
        rows: vault::many,
    },
    Area {
        name: "vault::large",
        rows: vault::large,
    },
    Area {
        name: "vault::life",
        rows: vault::life,
    },
    Area {
        name: "vault::check",
        rows: vault::check,
    },
];

/// Measures what the program's arguments name, with `peers` beside our store of state and
/// `vault_peers` beside our vault.
///
/// # Errors
///
/// An argument that says nothing.
pub fn run(peers: &'static [Peer], vault_peers: &'static [VaultPeer]) -> Result<()> {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(state::RESIDENT) => return state::run_resident(words, peers),
        Some(persistence::KILLED) => return persistence::run_killed(words),
        _ => {}
    }
    let mut area = None;
    let mut report = Report::beside(peers, vault_peers);
    let mut args = lexopt::Parser::from_env();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("json") => report.json = true,
            Arg::Long("quick") => report.quick = true,
            Arg::Long("full") => report.full = true,
            Arg::Long("alone") => report.alone = true,
            Arg::Value(name) if area.is_none() => area = Some(name.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let chosen: Vec<_> = match &area {
        None => AREAS.iter().collect(),
        Some(name) => (AREAS.iter().chain(PARTS))
            .filter(|candidate| candidate.name == name)
            .collect(),
    };
    if chosen.is_empty() {
        let names: Vec<_> = AREAS.iter().chain(PARTS).map(|area| area.name).collect();
        bail!("no such area; there are: {}", names.join(", "));
    }
    for area in chosen {
        (area.rows)(&mut report);
    }
    Ok(())
}
