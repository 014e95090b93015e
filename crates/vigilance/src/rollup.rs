//! Counts kept as records come in, so that statistics cost the same at any size of the trail.
//!
//! A *cell* holds the counts of one family of records (executions, attacks, metrics, events) in one
//! stretch of time: a minute, an hour, a day, or all of it. Cells are written in the transaction
//! that writes the records, and are a function of the log alone: built again from it they have
//! the same bytes, which is how they are verified. Layout: `docs/formats/rollup.md`.

mod breakdown;
mod cell;
mod codec;
mod key;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

pub use breakdown::Breakdown;
pub(crate) use cell::Cell;
pub use cell::{AttackCell, EventCell, ExecutionCell, IntentCounts, MetricCell, MetricCounts};
pub(crate) use key::CellKey;
pub use key::{Family, Period};

use crate::{Record, RecordKind};

/// Cells that records change: loaded once, changed in memory, stored once for all the records that
/// one transaction brings. They stay loaded for the next.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    cells: BTreeMap<CellKey, Cell>,
    touched: BTreeSet<CellKey>,
}

impl Fold {
    /// Counts a record. Each cell that it belongs to is asked of `load` unless it is at hand.
    ///
    /// # Errors
    ///
    /// What `load` returns; [`forget`](Self::forget) then.
    pub(crate) fn record<E>(
        &mut self,
        record: &Record,
        mut load: impl FnMut(CellKey) -> Result<Option<Cell>, E>,
    ) -> Result<(), E> {
        let family = family_of(record);
        for period in Period::ALL {
            let key = CellKey::of(family, period, record.event_ns());
            let cell = match self.cells.entry(key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    entry.insert(load(key)?.unwrap_or_else(|| Cell::empty(family)))
                }
            };
            cell.count(record);
            self.touched.insert(key);
        }
        Ok(())
    }

    /// The cells that changed since this was asked last.
    pub(crate) fn take_changed(&mut self) -> Vec<(CellKey, &Cell)> {
        let touched = std::mem::take(&mut self.touched);
        let cell = |key| (key, &self.cells[&key]);
        touched.into_iter().map(cell).collect()
    }

    /// How many cells are at hand.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Forgets all cells: what they hold is stored, or was never committed.
    pub(crate) fn forget(&mut self) {
        self.cells.clear();
        self.touched.clear();
    }
}

fn family_of(record: &Record) -> Family {
    match record.kind() {
        RecordKind::Execution => Family::Executions,
        RecordKind::Attack => Family::Attacks,
        RecordKind::Metric => Family::Metrics,
        RecordKind::Event => Family::Events,
    }
}

#[cfg(test)]
mod tests;
