//! Bursts: more events than the time of day explains.

use super::state::{Reader, Writer};

/// What a burst is measured by.
#[derive(Clone, Copy, Debug)]
pub(super) struct BurstOptions {
    /// Length of an interval in which events are counted, in nanoseconds.
    pub(super) interval_ns: u64,
    /// Length of a season in intervals; a multiple of [`SLOTS`] or less than it.
    pub(super) season_intervals: u64,
    /// Intervals to learn from before the first alarm.
    pub(super) warm_up_intervals: u64,
    /// Mean number of intervals between two false alarms.
    pub(super) intervals_per_false_alarm: u64,
}

/// Finds bursts in a stream of events by a cumulative sum of log-likelihood ratios.
///
/// Counts of an interval are negative-binomial around a mean learnt for its part of the season.
/// Each of [`RATIOS`] is a hypothesis of how much that mean is exceeded, with a sum of its own that
/// never falls below zero. A sum of likelihood ratios passes `ln(n)` once in `n` intervals at most,
/// as long as the counts are as learnt: that is the stated rate of false alarms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Burst {
    slots: Vec<Memory>,
    level: Memory,
    /// Excess variance relative to the square of the mean: zero for independent events.
    excess: f64,
    sums: [f64; RATIOS.len()],
    closed: u64,
    open: Option<Open>,
    /// First log index since the sum left zero.
    since: Option<u64>,
    active: bool,
}

/// The interval that is being counted.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Open {
    interval: u64,
    count: u64,
    first_index: u64,
    last_index: u64,
}

/// A mean that forgets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Memory {
    weight: f64,
    sum: f64,
}

/// What was seen when a burst was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BurstFound {
    /// Events in the interval so far.
    pub(super) count: u64,
    /// Events expected in the whole interval.
    pub(super) expected: f64,
    /// The sum, and what it had to reach.
    pub(super) score: f64,
    pub(super) threshold: f64,
    /// Log indexes of the first and last event of the burst.
    pub(super) first_index: u64,
    pub(super) last_index: u64,
}

impl Burst {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![Memory::default(); SLOTS],
            level: Memory::default(),
            excess: 0.0,
            sums: [0.0; RATIOS.len()],
            closed: 0,
            open: None,
            since: None,
            active: false,
        }
    }

    /// Counts one event. A burst is reported once, on the event that makes it certain, not at the
    /// end of the interval; again only after the sum was back at zero.
    pub(super) fn observe(
        &mut self,
        options: &BurstOptions,
        time_ns: u64,
        index: u64,
    ) -> Option<BurstFound> {
        self.advance(options, time_ns);
        let interval = time_ns / options.interval_ns;
        let open = self.open.get_or_insert(Open {
            interval,
            count: 0,
            first_index: index,
            last_index: index,
        });
        if open.count == 0 {
            open.first_index = index;
        }
        open.count = open.count.saturating_add(1);
        open.last_index = index;
        self.judge(options)
    }

    /// Closes the intervals that ended before `time_ns`, those without events too.
    pub(super) fn advance(&mut self, options: &BurstOptions, time_ns: u64) {
        let interval = time_ns / options.interval_ns;
        let Some(open) = self.open else { return };
        // A clock set back, or ahead by more than a season, says nothing about rates: what was
        // learnt stays, and counting begins anew there.
        let far = options.season_intervals.max(SLOTS as u64);
        if interval < open.interval || interval - open.interval > far {
            self.open = None;
            self.sums = [0.0; RATIOS.len()];
            return;
        }
        for at in open.interval..interval {
            let count = self.open.map_or(0, |open| open.count);
            self.close(options, at, count);
            let last_index = open.last_index;
            self.open = Some(Open {
                interval: at + 1,
                count: 0,
                first_index: last_index,
                last_index,
            });
        }
    }

    /// Whether the events so far make a burst certain.
    fn judge(&mut self, options: &BurstOptions) -> Option<BurstFound> {
        let open = self.open?;
        if self.active || self.closed < options.warm_up_intervals {
            return None;
        }
        // The ratio grows with the count, so that a part of an interval is judged too mildly,
        // never too severely.
        let (mean, shape) = self.expected(options, open.interval);
        let score = (self.sums.iter().zip(RATIOS))
            .map(|(sum, ratio)| sum.max(0.0) + log_ratio(open.count, mean, shape, ratio))
            .fold(0.0, f64::max);
        let threshold = threshold(options.intervals_per_false_alarm);
        if score < threshold {
            return None;
        }
        self.active = true;
        Some(BurstFound {
            count: open.count,
            expected: mean,
            score,
            threshold,
            first_index: self.since.unwrap_or(open.first_index),
            last_index: open.last_index,
        })
    }

    fn close(&mut self, options: &BurstOptions, interval: u64, count: u64) {
        let (mean, shape) = self.expected(options, interval);
        if self.closed >= options.warm_up_intervals {
            for (sum, ratio) in self.sums.iter_mut().zip(RATIOS) {
                *sum = (*sum + log_ratio(count, mean, shape, ratio)).max(0.0);
            }
        }
        if self.sums.iter().all(|sum| *sum <= 0.0) {
            self.active = false;
            self.since = None;
        } else if self.since.is_none() {
            self.since = self.open.map(|open| open.first_index);
        }
        self.learn(options, interval, count, mean, shape);
        self.closed = self.closed.saturating_add(1);
    }

    /// Takes a count into the means. Of a burst only as much as was still possible without one,
    /// so that it does not become what is expected; a new level is, in time.
    fn learn(&mut self, options: &BurstOptions, interval: u64, count: u64, mean: f64, shape: f64) {
        let deviation = (mean + mean * mean / shape).sqrt();
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of an interval are small"
        )]
        let count = count as f64;
        let learnt = self.closed > options.warm_up_intervals / 2;
        let most = if learnt {
            mean + 4.0 * deviation + 1.0
        } else {
            f64::MAX
        };
        let plausible = count.min(most);
        if learnt {
            let excess = ((plausible - mean).powi(2) - mean) / (mean * mean).max(1.0);
            self.excess += (excess - self.excess) / EXCESS_MEMORY;
        }
        let memory = 7.0 * slot_intervals(options);
        self.slots[slot(options, interval)].take(plausible, memory);
        self.level.take(plausible, LEVEL_MEMORY);
    }

    /// Mean and shape of the count of an interval.
    fn expected(&self, options: &BurstOptions, interval: u64) -> (f64, f64) {
        let level = self.level.mean().max(MEAN_MIN);
        // Between the middles of two slots the mean goes over from one to the other.
        let length = slot_intervals(options);
        #[expect(clippy::cast_precision_loss, reason = "a season has few intervals")]
        let at = (interval % options.season_intervals) as f64 / length - 0.5;
        let before = at.floor();
        let part = at - before;
        let slots = used_slots(options);
        #[expect(clippy::cast_possible_truncation, reason = "-1 to 23")]
        let left = ((before as i64).rem_euclid(slots as i64)) as usize;
        let (left, right) = (&self.slots[left], &self.slots[(left + 1) % slots]);
        let mean = left.towards(level) * (1.0 - part) + right.towards(level) * part;
        let mean = mean.max(MEAN_MIN);
        // A mean from few counts is itself uncertain, which widens what counts are likely.
        let known = (left.weight + right.weight).max(1.0) * mean;
        let relative = self.excess.clamp(0.0, 1.0) + 1.0 / known;
        (mean, 1.0 / relative.max(1e-6))
    }

    pub(super) fn encode_into(&self, out: &mut Writer) {
        for memory in self.slots.iter().chain([&self.level]) {
            out.real(memory.weight);
            out.real(memory.sum);
        }
        out.real(self.excess);
        self.sums.iter().for_each(|sum| out.real(*sum));
        out.number(self.closed);
        out.flag(self.open.is_some());
        if let Some(open) = self.open {
            out.number(open.interval);
            out.number(open.count);
            out.number(open.first_index);
            out.number(open.last_index);
        }
        out.flag(self.since.is_some());
        if let Some(since) = self.since {
            out.number(since);
        }
        out.flag(self.active);
    }

    pub(super) fn take(bytes: &mut Reader<'_>) -> Option<Self> {
        let mut burst = Self::new();
        for memory in burst.slots.iter_mut().chain([&mut burst.level]) {
            memory.weight = bytes.real().filter(|weight| *weight >= 0.0)?;
            memory.sum = bytes.real().filter(|sum| *sum >= 0.0)?;
        }
        burst.excess = bytes.real()?;
        for sum in &mut burst.sums {
            *sum = bytes.real()?;
        }
        burst.closed = bytes.number()?;
        if bytes.flag()? {
            burst.open = Some(Open {
                interval: bytes.number()?,
                count: bytes.number()?,
                first_index: bytes.number()?,
                last_index: bytes.number()?,
            });
        }
        if bytes.flag()? {
            burst.since = Some(bytes.number()?);
        }
        burst.active = bytes.flag()?;
        Some(burst)
    }
}

impl Memory {
    fn mean(&self) -> f64 {
        self.sum / self.weight.max(1.0)
    }

    /// The mean, drawn towards `level` as long as little is known.
    fn towards(&self, level: f64) -> f64 {
        (self.sum + PRIOR_WEIGHT * level) / (self.weight + PRIOR_WEIGHT)
    }

    fn take(&mut self, value: f64, memory: f64) {
        let keep = 1.0 - 1.0 / memory.max(2.0);
        self.weight = self.weight * keep + 1.0;
        self.sum = self.sum * keep + value;
    }
}

/// Logarithm of how much likelier `count` is with the mean times `ratio` than with the mean.
fn log_ratio(count: u64, mean: f64, shape: f64, ratio: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of an interval are small"
    )]
    let count = count as f64;
    let raised = mean * ratio;
    count * (ratio * (shape + mean) / (shape + raised)).ln()
        + shape * ((shape + mean) / (shape + raised)).ln()
}

/// The sums share the permitted false alarms.
#[expect(clippy::cast_precision_loss, reason = "a rate, not a count")]
fn threshold(intervals_per_false_alarm: u64) -> f64 {
    (intervals_per_false_alarm.max(1) as f64 * RATIOS.len() as f64).ln()
}

fn used_slots(options: &BurstOptions) -> usize {
    usize::try_from(options.season_intervals).map_or(SLOTS, |intervals| intervals.clamp(1, SLOTS))
}

#[expect(clippy::cast_precision_loss, reason = "a season has few intervals")]
fn slot_intervals(options: &BurstOptions) -> f64 {
    options.season_intervals as f64 / used_slots(options) as f64
}

fn slot(options: &BurstOptions, interval: u64) -> usize {
    let slots = used_slots(options);
    let at = (interval % options.season_intervals) * slots as u64 / options.season_intervals;
    usize::try_from(at).map_or(0, |at| at.min(slots - 1))
}

/// Parts of a season with a mean of their own.
pub(super) const SLOTS: usize = 24;

/// By how much a mean may be exceeded: little for long, or much at once.
const RATIOS: [f64; 3] = [1.5, 3.0, 10.0];

/// Weight, in intervals, of the overall mean while a slot knows little.
const PRIOR_WEIGHT: f64 = 4.0;

/// Least mean: a first event after long silence is no burst.
const MEAN_MIN: f64 = 0.01;

/// Intervals over which the overall mean forgets.
const LEVEL_MEMORY: f64 = 240.0;

/// Intervals over which the excess variance forgets.
const EXCESS_MEMORY: f64 = 500.0;
