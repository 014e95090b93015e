//! `merkle`: the map, its proofs and the log of merkle-core.

mod hash;

use crate::report::Report;

/// Measures and reports every row of the area.
pub(crate) fn rows(report: &mut Report) {
    hash::inner_nodes(report);
}
