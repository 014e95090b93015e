//! Drift: durations that are no longer spread as they were.

use super::state::{Reader, Writer};
use crate::Sketch;

/// Finds a lasting change of durations, upwards or downwards, whatever their distribution is.
///
/// Each duration is replaced by its rank among the earlier ones. As long as nothing changed, ranks
/// are uniform, whatever the distribution: a bet on high (or low) ranks is worth 1 on average, and
/// the sum of its logarithms, never below zero, passes `ln(n)` once in `n` observations at most.
/// The earlier ones are the last [`GENERATION`] to twice as many.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Drift {
    previous: Sketch,
    current: Sketch,
    sums: [f64; BETS.len()],
    /// Log index at which the sum left zero.
    since: Option<u64>,
}

/// A bet on ranks: density `power * distance^(power - 1)`, where the distance is from the end that
/// the bet expects ranks to crowd at.
#[derive(Clone, Copy, Debug)]
struct Bet {
    upwards: bool,
    power: f64,
}

/// What was seen when a drift was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DriftFound {
    pub(super) upwards: bool,
    /// Median before.
    pub(super) usual_ns: u64,
    /// The duration that made it certain.
    pub(super) elapsed_ns: u64,
    pub(super) score: f64,
    pub(super) threshold: f64,
    pub(super) first_index: u64,
}

impl Drift {
    pub(super) const fn new() -> Self {
        Self {
            previous: Sketch::new(),
            current: Sketch::new(),
            sums: [0.0; BETS.len()],
            since: None,
        }
    }

    /// Ranks one duration among the earlier ones, then counts it among them.
    pub(super) fn observe(
        &mut self,
        observations_per_false_alarm: u64,
        elapsed_ns: u64,
        index: u64,
    ) -> Option<DriftFound> {
        let known = self.previous.count() + self.current.count();
        let mut found = None;
        if known >= WARM_UP {
            self.bet(self.rank(elapsed_ns), index);
            found = self.judge(observations_per_false_alarm, elapsed_ns, index);
        }
        self.current.insert(elapsed_ns);
        if self.current.count() >= GENERATION {
            self.previous = std::mem::take(&mut self.current);
        }
        found
    }

    fn bet(&mut self, rank: f64, index: u64) {
        for (sum, bet) in self.sums.iter_mut().zip(BETS) {
            *sum = (*sum + bet.log_worth(rank)).max(0.0);
        }
        if self.sums.iter().all(|sum| *sum <= 0.0) {
            self.since = None;
        } else if self.since.is_none() {
            self.since = Some(index);
        }
    }

    fn judge(&mut self, per_false_alarm: u64, elapsed_ns: u64, index: u64) -> Option<DriftFound> {
        #[expect(clippy::cast_precision_loss, reason = "a rate, not a count")]
        let threshold = (per_false_alarm.max(1) as f64 * BETS.len() as f64).ln();
        let bets = self.sums.iter().zip(BETS);
        let (score, bet) = bets.max_by(|left, right| left.0.total_cmp(right.0))?;
        if *score < threshold {
            return None;
        }
        let found = DriftFound {
            upwards: bet.upwards,
            usual_ns: self.reference().quantile(500)?,
            elapsed_ns,
            score: *score,
            threshold,
            first_index: self.since.unwrap_or(index),
        };
        self.restart();
        Some(found)
    }

    /// The new durations become the usual ones, or a lasting change would be reported for ever.
    fn restart(&mut self) {
        self.previous = Sketch::new();
        self.current = Sketch::new();
        self.sums = [0.0; BETS.len()];
        self.since = None;
    }

    /// The generation that is complete; the other one while there is none.
    fn reference(&self) -> &Sketch {
        if self.previous.count() > 0 {
            &self.previous
        } else {
            &self.current
        }
    }

    /// The part of the earlier durations that is shorter, ties by half; within (0, 1).
    #[expect(clippy::cast_precision_loss, reason = "two generations of counts")]
    fn rank(&self, elapsed_ns: u64) -> f64 {
        let (below, same) = self.previous.rank_of(elapsed_ns);
        let (more, also) = self.current.rank_of(elapsed_ns);
        let count = self.previous.count() + self.current.count();
        ((below + more) as f64 + ((same + also) as f64 + 1.0) / 2.0) / (count as f64 + 1.0)
    }

    pub(super) fn encode_into(&self, out: &mut Writer) {
        out.other(|bytes| self.previous.encode_into(bytes));
        out.other(|bytes| self.current.encode_into(bytes));
        self.sums.iter().for_each(|sum| out.real(*sum));
        out.flag(self.since.is_some());
        if let Some(since) = self.since {
            out.number(since);
        }
    }

    pub(super) fn take(bytes: &mut Reader<'_>) -> Option<Self> {
        let mut drift = Self::new();
        drift.previous = bytes.other(Sketch::take)?;
        drift.current = bytes.other(Sketch::take)?;
        for sum in &mut drift.sums {
            *sum = bytes.real()?;
        }
        if bytes.flag()? {
            drift.since = Some(bytes.number()?);
        }
        // No count may pass what this detector itself would have reached.
        let counts = [drift.previous.count(), drift.current.count()];
        counts
            .iter()
            .all(|count| *count <= GENERATION)
            .then_some(drift)
    }
}

impl Bet {
    /// Logarithm of what the bet is worth at a rank.
    fn log_worth(self, rank: f64) -> f64 {
        let distance = if self.upwards { 1.0 - rank } else { rank };
        self.power.ln() + (self.power - 1.0) * distance.ln()
    }
}

/// Bets from mild to strong, in both directions.
const BETS: [Bet; 4] = [
    Bet {
        upwards: true,
        power: 0.6,
    },
    Bet {
        upwards: true,
        power: 0.3,
    },
    Bet {
        upwards: false,
        power: 0.6,
    },
    Bet {
        upwards: false,
        power: 0.3,
    },
];

/// Durations to learn from before the first bet.
const WARM_UP: u64 = 256;

/// Durations after which the older half of the earlier ones is forgotten.
const GENERATION: u64 = 4096;
