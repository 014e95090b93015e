//! Committing: how fast many changes go in, and how long one alone takes.

use std::time::Duration;

use super::floor::Floor;
use super::resident::{Resident, Updates};
use super::store::Kind;
use crate::measure::ROUNDS;
use crate::report::Report;
use crate::row::{Goal, Row};

/// How long one turn of a store takes with many changes: long enough for several checkpoints of ours.
const TURN: Duration = Duration::from_secs(4);

/// Turns with many changes.
const TURNS: u64 = 3;

/// Commits of one change in a turn.
const SINGLES: usize = 200;

/// How long these take at most.
const SINGLES_LIMIT: Duration = Duration::from_secs(2);

/// Reports the rows.
pub(super) fn rows(report: &mut Report, size: usize, stores: &mut [Resident]) {
    let over: &[(&str, f64)] = &[("qmdb", 2.0), ("rocksdb", 1.5)];
    many(report, size, stores, 1_000, over);
    many(report, size, stores, 10_000, &[("qmdb", 1.5)]);
    one(report, size, stores);
}

/// Updates a second in commits of `batch` changes. `over` is how many times the rate of which
/// peers ours is to reach.
fn many(
    report: &mut Report,
    size: usize,
    stores: &mut [Resident],
    batch: usize,
    over: &[(&str, f64)],
) {
    let limit = if report.quick { TURN / 8 } else { TURN };
    // All turns together and not the best: checkpoints are part of the work.
    let mut updates = vec![0_usize; stores.len()];
    let mut spent = vec![Duration::ZERO; stores.len()];
    for turn in 0..TURNS {
        for (at, store) in stores.iter_mut().enumerate() {
            let done = store.commit(Updates {
                seed: 100 * batch as u64 + turn,
                count: usize::MAX,
                len: batch,
                limit,
            });
            updates[at] += done.times.len() * batch;
            spent[at] += done.total();
        }
    }
    let rates: Vec<_> = (updates.iter().zip(&spent))
        .map(|(updates, spent)| *updates as f64 / spent.as_secs_f64())
        .collect();
    let rates = Rates::new(stores, &rates);
    for kind in [Kind::Sha256, Kind::Blake3] {
        let name = format!("updates_{}/size={size}/batch={batch}", kind.name());
        let row = Row::new(
            "state",
            format!("commit::{name}"),
            "updates/s",
            rates.of(kind),
        );
        let row = rates.beside(row);
        let goal = match kind {
            Kind::Blake3 => Some(rates.of(Kind::Sha256)),
            _ => (over.iter())
                .filter_map(|(peer, by)| Some(rates.peer(peer)? * by))
                .max_by(f64::total_cmp),
        };
        report.row(&match goal {
            Some(goal) => row.goal(Goal::AtLeast(goal)),
            None => row,
        });
    }
}

/// How long a commit of one change takes, in multiples of an append with a sync.
fn one(report: &mut Report, size: usize, stores: &mut [Resident]) {
    let mut floor = Floor::with_room(ROUNDS * SINGLES);
    let mut appended = Vec::new();
    let mut growing = Floor::growing();
    let mut grown = Vec::new();
    let mut times = vec![Vec::new(); stores.len()];
    for round in 0..ROUNDS {
        appended.extend(floor.append(SINGLES));
        grown.extend(growing.append(SINGLES));
        for (store, times) in stores.iter_mut().zip(&mut times) {
            let done = store.commit(Updates {
                seed: 900 + round as u64,
                count: SINGLES,
                len: 1,
                limit: SINGLES_LIMIT,
            });
            times.extend(done.times);
        }
    }
    let append = percentile(&mut appended, 50);
    for (name, percent, goal) in [("p50", 50, 1.3), ("p99", 99, 3.0)] {
        let multiples: Vec<_> = (times.iter_mut())
            .map(|times| percentile(times, percent) / append)
            .collect();
        let rates = Rates::new(stores, &multiples);
        let floor = percentile(&mut appended, percent) / append;
        let grown = percentile(&mut grown, percent) / append;
        for kind in [Kind::Sha256, Kind::Blake3] {
            let name = format!("commit::one_{name}_{}/size={size}", kind.name());
            let row = Row::new("state", name, "x append+sync", rates.of(kind));
            let row = rates.beside(row.peer("append+sync", floor).peer("growing file", grown));
            report.row(&row.goal(Goal::AtMost(goal)));
        }
    }
    let row = Row::new("state", "commit::append_sync_p50", "ms", append * 1e3);
    report.row(&row.peer("growing file", percentile(&mut grown, 50) * 1e3));
}

/// Seconds that so many of a hundred did not exceed.
pub(super) fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len() - 1);
    times[at].as_secs_f64()
}

/// One figure of each store.
pub(super) struct Rates {
    figures: Vec<(Kind, f64)>,
}

impl Rates {
    pub(super) fn new(stores: &[Resident], figures: &[f64]) -> Self {
        let kinds = stores.iter().map(|store| store.kind);
        Self {
            figures: kinds.zip(figures.iter().copied()).collect(),
        }
    }

    /// That of a store that there is.
    pub(super) fn of(&self, kind: Kind) -> f64 {
        let found = self.figures.iter().find(|(other, _)| *other == kind);
        found.map_or(f64::NAN, |(_, figure)| *figure)
    }

    /// That of a peer, if it is measured.
    pub(super) fn peer(&self, name: &str) -> Option<f64> {
        let found = self.figures.iter().find(|(kind, _)| kind.name() == name);
        found
            .map(|(_, figure)| *figure)
            .filter(|figure| figure.is_finite())
    }

    /// A row with the peers' figures beside ours.
    pub(super) fn beside(&self, row: Row) -> Row {
        let peers = self.figures.iter().filter(|(kind, _)| !kind.is_ours());
        let known = peers.filter(|(_, figure)| figure.is_finite());
        known.fold(row, |row, (kind, figure)| row.peer(kind.name(), *figure))
    }
}
