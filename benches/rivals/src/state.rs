//! `state`: reality-db beside other stores, with files, and a sync for every commit.

mod commit;
mod floor;
mod large;
mod life;
mod opening;
mod read;
mod resident;
mod rival;
mod settle;
mod store;
mod workload;

pub(crate) use resident::{ARGUMENT as RESIDENT, run as run_resident};
pub use rival::sled::SLED;
pub use store::{Peer, Proved, Store, each};
pub use workload::{Change, Key, Value};

use crate::report::Report;
use resident::Resident;
use store::Kind;

/// Measures and reports every row of the area.
pub(crate) fn rows(report: &mut Report) {
    served(report);
    life(report);
    if report.full {
        large(report);
    }
}

/// Rows on stores that stay open and take turns, each in a process of its own.
pub(crate) fn served(report: &mut Report) {
    let size = size(report);
    let kinds = Kind::served(report.peers());
    let folders: Vec<_> = (kinds.iter())
        .map(|_| tempfile::tempdir().expect("a folder for a store"))
        .collect();
    let mut stores: Vec<_> = (kinds.iter().zip(&folders))
        .map(|(kind, folder)| Resident::loaded(*kind, &folder.path().join("store"), size))
        .collect();
    read::rows(report, size, &mut stores);
    // Last: they change values.
    commit::rows(report, size, &mut stores);
    stores.into_iter().for_each(Resident::kill);
}

/// Rows on stores that are opened, killed, weighed.
pub(crate) fn life(report: &mut Report) {
    life::rows(report, size(report));
}

/// Rows on stores that are larger than the memory they may take.
pub(crate) fn large(report: &mut Report) {
    large::rows(report);
}

/// Keys in each store.
fn size(report: &Report) -> usize {
    report.size(1_000_000, 100_000)
}
