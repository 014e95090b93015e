//! Repeated offenders: keys that come again and again within a while.

use std::collections::HashMap;

use super::state::{Reader, Writer};

/// Finds keys with at least so many attacks within a window, in fixed memory.
///
/// Two panes of half a window count by the space-saving method: a key that has no counter takes
/// over the smallest, and its count becomes the error of the new one. Count less error is never
/// more than the truth, so that nobody is accused of more than they did; and whoever makes up more
/// than one in [`COUNTERS`] of a pane has a counter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Offenders {
    pane: u64,
    previous: Pane,
    current: Pane,
}

type Pane = HashMap<String, Counter>;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Counter {
    count: u64,
    error: u64,
    first_index: u64,
    reported: bool,
}

/// What was seen when an offender was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OffenderFound {
    /// Attacks within the window, at least.
    pub(super) count: u64,
    pub(super) first_index: u64,
}

impl Offenders {
    /// Counts one attack by `key`. An offender is reported once in a pane.
    pub(super) fn observe(
        &mut self,
        repeats: u64,
        window_ns: u64,
        time_ns: u64,
        index: u64,
        key: &str,
    ) -> Option<OffenderFound> {
        self.turn(time_ns / (window_ns / 2).max(1));
        let before = self.previous.get(key).copied();
        let counter = count(&mut self.current, key, index);
        let earlier = before.map_or(0, |counter| counter.count - counter.error);
        let known = before.is_some_and(|counter| counter.reported);
        let certain = (counter.count - counter.error).saturating_add(earlier);
        if certain < repeats || counter.reported || known {
            // An offender that goes on stays reported: one report for one series of attacks.
            counter.reported |= known;
            return None;
        }
        counter.reported = true;
        let first_index = before.map_or(counter.first_index, |counter| counter.first_index);
        Some(OffenderFound {
            count: certain,
            first_index,
        })
    }

    fn turn(&mut self, pane: u64) {
        if pane == self.pane {
            return;
        }
        let follows = pane == self.pane.wrapping_add(1);
        let ended = std::mem::take(&mut self.current);
        self.previous = if follows { ended } else { Pane::new() };
        self.pane = pane;
    }

    pub(super) fn encode_into(&self, out: &mut Writer) {
        out.number(self.pane);
        for pane in [&self.previous, &self.current] {
            let mut sorted: Vec<_> = pane.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            out.number(sorted.len() as u64);
            for (key, counter) in sorted {
                out.text(key);
                out.number(counter.count);
                out.number(counter.error);
                out.number(counter.first_index);
                out.flag(counter.reported);
            }
        }
    }

    pub(super) fn take(bytes: &mut Reader<'_>) -> Option<Self> {
        let pane = bytes.number()?;
        let (previous, current) = (take_pane(bytes)?, take_pane(bytes)?);
        Some(Self {
            pane,
            previous,
            current,
        })
    }
}

fn count<'p>(pane: &'p mut Pane, key: &str, index: u64) -> &'p mut Counter {
    let mut new = Counter {
        count: 0,
        error: 0,
        first_index: index,
        reported: false,
    };
    if pane.len() >= COUNTERS && !pane.contains_key(key) {
        // By key among equals, so that the same attacks give the same counters.
        let smallest = (pane.iter()).min_by_key(|(key, counter)| (counter.count, *key));
        if let Some((smallest, counter)) = smallest {
            let smallest = smallest.clone();
            (new.count, new.error) = (counter.count, counter.count);
            pane.remove(&smallest);
        }
    }
    let counter = pane.entry(key.into()).or_insert(new);
    counter.count = counter.count.saturating_add(1);
    counter
}

fn take_pane(bytes: &mut Reader<'_>) -> Option<Pane> {
    let mut pane = Pane::new();
    for _ in 0..bytes.length(5, COUNTERS)? {
        let key = bytes.text()?;
        let counter = Counter {
            count: bytes.number()?,
            error: bytes.number()?,
            first_index: bytes.number()?,
            reported: bytes.flag()?,
        };
        let twice = pane.insert(key, counter).is_some();
        if twice || counter.error > counter.count {
            return None;
        }
    }
    Some(pane)
}

/// Counters of a pane.
const COUNTERS: usize = 1024;
