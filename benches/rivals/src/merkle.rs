//! `merkle`: the map, its proofs and the log of merkle-core.

mod entries;
mod hash;
mod log;
mod map_build;
mod map_proof;
mod map_read;
mod map_update;
mod profile;
mod rival;

use merkle_core::{Blake3, Sha256};

use crate::report::Report;
use entries::Entries;
use profile::Profile;

/// Measures and reports every row of the area.
pub(crate) fn rows(report: &mut Report) {
    hash::inner_nodes(report);

    let entries = Entries::new(report.size(1_000_000, 100_000));
    rows_of::<Blake3>(report, &entries);
    rows_of::<Sha256>(report, &entries);

    log::rows(report);
}

/// The map's rows under one hash profile.
fn rows_of<H: Profile>(report: &mut Report, entries: &Entries) {
    let (mut map, mut jmt) = map_build::rows::<H>(report, entries);
    map_read::rows(report, entries, &map);
    map_proof::rows(report, entries, &map);
    // Last: they change values.
    map_update::rows(report, entries, &mut map, jmt.as_mut());
}
