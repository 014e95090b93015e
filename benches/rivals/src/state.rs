//! `state`: reality-db beside other stores, with files, and a sync for every commit.

mod commit;
mod floor;
mod life;
mod read;
mod resident;
mod rival;
mod store;
mod workload;

pub(crate) use resident::{ARGUMENT as RESIDENT, run as run_resident};
pub use rival::sled::SLED;
pub use store::{Peer, Proved, Store, each};
pub use workload::{Change, Key, Value};

use crate::report::Report;
use store::Kind;
use workload::Workload;

/// Measures and reports every row of the area.
pub(crate) fn rows(report: &mut Report) {
    served(report);
    life(report);
}

/// Rows on one store after another in this process, which stay open and take turns.
pub(crate) fn served(report: &mut Report) {
    let workload = Workload::new(size(report));
    let mut stores = store::load_all(&Kind::served(report.peers()), &workload);
    read::rows(report, &workload, &mut stores);
    // Last: they change values.
    commit::rows(report, &workload, &mut stores);
}

/// Rows on stores that live in processes of their own: opened, killed, weighed.
pub(crate) fn life(report: &mut Report) {
    life::rows(report);
}

/// Keys in each store.
fn size(report: &Report) -> usize {
    if report.full {
        return 10_000_000;
    }
    report.size(1_000_000, 100_000)
}
