//! How often each thing came of a changed byte.

use std::collections::BTreeMap;
use std::fmt;

/// What came of changed bytes: how often each thing, by the part of the store that they were in.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<String, BTreeMap<String, u64>>);

impl Tally {
    pub(crate) fn count(&mut self, part: &str, outcome: &str, flips: u64) {
        let part = self.0.entry(part.to_owned()).or_default();
        *part.entry(outcome.to_owned()).or_default() += flips;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (part, outcomes) in &other.0 {
            for (outcome, flips) in outcomes {
                self.count(part, outcome, *flips);
            }
        }
    }

    pub(crate) fn flips(&self) -> u64 {
        self.0.values().flat_map(BTreeMap::values).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (part, outcomes) in &self.0 {
            writeln!(f, "    {part}: {outcomes:?}")?;
        }
        Ok(())
    }
}
