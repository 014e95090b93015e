//! How sensitive the detectors are.

use super::burst::BurstOptions;

/// How sensitive the detectors are, each by the rate of false alarms it may give.
///
/// The rates hold for each series (all attacks, the attacks of one type, the durations of one
/// intent) while nothing changes; `docs/performance/detectors.md` has what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchOptions {
    /// Length of the intervals in which events are counted, in nanoseconds; a minute at first.
    pub interval_ns: u64,
    /// Intervals after which the usual counts repeat; 1440 at first, a day of minutes.
    pub season_intervals: u64,
    /// Intervals to learn from before the first burst is reported; 120 at first.
    pub warm_up_intervals: u64,
    /// Mean number of intervals between two false bursts; 43,200 at first, a month of minutes.
    pub burst_intervals_per_false_alarm: u64,
    /// Mean number of executions between two false drifts; 1,000,000 at first.
    pub drift_observations_per_false_alarm: u64,
    /// Mean number of executions between two false outliers; 1,000,000 at first.
    pub outlier_one_in: u64,
    /// How improbable a new combination must be to be reported: one in so many; 1,000 at first.
    pub first_seen_one_in: u64,
    /// Attacks by one offender that are too many; 10 at first. No false alarms: it is a count.
    pub offender_repeats: u64,
    /// Within which time they are, in nanoseconds; ten minutes at first.
    pub offender_window_ns: u64,
}

impl WatchOptions {
    /// About one false alarm in a month, for each series.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            interval_ns: 60_000_000_000,
            season_intervals: 1_440,
            warm_up_intervals: 120,
            burst_intervals_per_false_alarm: 43_200,
            drift_observations_per_false_alarm: 1_000_000,
            outlier_one_in: 1_000_000,
            first_seen_one_in: 1_000,
            offender_repeats: 10,
            offender_window_ns: 600_000_000_000,
        }
    }

    /// The same with every permitted rate of false alarms multiplied by `factor`: 10 finds more
    /// and is wrong ten times as often.
    #[must_use]
    pub fn false_alarms_times(mut self, factor: u32) -> Self {
        let factor = u64::from(factor.max(1));
        for rate in [
            &mut self.burst_intervals_per_false_alarm,
            &mut self.drift_observations_per_false_alarm,
            &mut self.outlier_one_in,
            &mut self.first_seen_one_in,
        ] {
            *rate = (*rate / factor).max(1);
        }
        self
    }

    /// What bursts are measured by; no value makes a division by zero.
    pub(super) fn burst(&self) -> BurstOptions {
        BurstOptions {
            interval_ns: self.interval_ns.max(1),
            season_intervals: self.season_intervals.max(1),
            warm_up_intervals: self.warm_up_intervals,
            intervals_per_false_alarm: self.burst_intervals_per_false_alarm,
        }
    }
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self::new()
    }
}
