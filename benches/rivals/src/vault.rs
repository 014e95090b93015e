//! `vault`: truth-vault beside other stores of blobs, on real files.
//!
//! Times are the clock's: most of this waits for a disk, or has several threads.

mod blob;
mod cacache;
mod check;
mod floor;
mod git;
mod large;
mod life;
mod many;
mod ours;
mod restic;
mod store;

pub use store::{BlobStore, VaultPeer};

use crate::report::Report;

pub(crate) use self::cacache::CACACHE;

/// Measures and reports every row of the area.
pub(crate) fn rows(report: &mut Report) {
    many(report);
    large(report);
    life(report);
    check(report);
}

/// Rows on many small blobs.
pub(crate) fn many(report: &mut Report) {
    many::rows(report);
}

/// Rows on one large blob.
pub(crate) fn large(report: &mut Report) {
    large::rows(report);
}

/// Rows on vaults that are opened and weighed.
pub(crate) fn life(report: &mut Report) {
    life::rows(report);
}

/// Rows on vaults that are checked and collected as a whole.
pub(crate) fn check(report: &mut Report) {
    check::rows(report);
}
