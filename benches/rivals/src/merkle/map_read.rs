//! Reading a map.

use std::hint::black_box;

use merkle_core::Map;

use super::entries::{Entries, Random};
use super::profile::Profile;
use crate::measure::rates;
use crate::report::Report;
use crate::row::Row;

/// Keys looked up in a round.
const GETS: usize = 100_000;

/// Reports the rows. Reading hashes nothing, so one profile stands for both.
pub(super) fn rows<H: Profile>(report: &mut Report, entries: &Entries, map: &Map<H>) {
    if !H::IS_SHA256 {
        return;
    }
    let size = entries.len();
    let places = Random::new(2).places(GETS, size);
    let [get, iterate] = rates([
        (GETS, &mut || {
            let found = places
                .iter()
                .filter(|place| map.get(black_box(&entries.keys()[**place])).is_some());
            Box::new(found.count())
        }),
        (size, &mut || {
            let bytes = map.iter().map(|(key, _)| usize::from(key[0]));
            Box::new(bytes.sum::<usize>())
        }),
    ]);
    let row =
        |name: &str, unit, rate| Row::new("merkle", format!("map::{name}/size={size}"), unit, rate);
    report.row(&row("get", "gets/s", get));
    report.row(&row("iterate", "entries/s", iterate));
}
