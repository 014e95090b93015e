//! Outliers: single durations beyond what the tail of their distribution explains.

use super::state::{Reader, Writer};
use crate::Sketch;

/// Finds single extreme durations by extreme-value theory.
///
/// Logarithms of durations above a high quantile follow a generalised Pareto distribution, whatever
/// the distribution of the rest. Fitted to the latest of them, it says which duration is exceeded
/// once in `n` observations: that is the threshold, and the stated rate of false alarms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tail {
    learning: Sketch,
    /// Logarithm of the duration from which on it is the tail; `None` while learning.
    from: Option<f64>,
    /// By how much the latest durations of the tail exceed that, oldest first once it is full.
    excesses: Vec<f64>,
    next: usize,
    /// Durations since the tail was known, those in the tail among them.
    seen: u64,
    in_tail: u64,
    /// The fit, made again after every few excesses.
    fit: Option<Fit>,
}

/// A generalised Pareto distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fit {
    shape: f64,
    scale: f64,
}

/// What was seen when an outlier was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OutlierFound {
    pub(super) elapsed_ns: u64,
    /// The duration that is exceeded once in the permitted number of observations.
    pub(super) threshold_ns: f64,
}

impl Tail {
    pub(super) const fn new() -> Self {
        Self {
            learning: Sketch::new(),
            from: None,
            excesses: Vec::new(),
            next: 0,
            seen: 0,
            in_tail: 0,
            fit: None,
        }
    }

    /// Judges one duration by those before it, and learns from it unless it is an outlier.
    pub(super) fn observe(&mut self, one_in: u64, elapsed_ns: u64) -> Option<OutlierFound> {
        let Some(from) = self.from else {
            self.learn_threshold(elapsed_ns);
            return None;
        };
        let excess = logarithm(elapsed_ns) - from;
        if excess > 0.0
            && let Some(limit) = self.limit(one_in)
            && excess > limit
        {
            return Some(OutlierFound {
                elapsed_ns,
                threshold_ns: (from + limit).exp(),
            });
        }
        self.seen += 1;
        if excess > 0.0 {
            self.in_tail += 1;
            self.keep(excess);
        }
        if self.seen >= FORGET_AFTER {
            self.learn_anew();
        }
        None
    }

    fn learn_threshold(&mut self, elapsed_ns: u64) {
        self.learning.insert(elapsed_ns);
        if self.learning.count() < LEARN {
            return;
        }
        self.from = self.learning.quantile(TAIL_FROM_PER_MILLE).map(logarithm);
        self.learning = Sketch::new();
    }

    fn keep(&mut self, excess: f64) {
        if self.excesses.len() < EXCESSES {
            self.excesses.push(excess);
        } else {
            self.excesses[self.next] = excess;
        }
        self.next = (self.next + 1) % EXCESSES;
        if self.excesses.len() >= EXCESSES_MIN && self.in_tail.is_multiple_of(FIT_EVERY) {
            self.fit = Fit::of(&self.excesses);
        }
    }

    /// The tail moves with the durations: where it begins is learnt again, its fit kept meanwhile.
    fn learn_anew(&mut self) {
        let fit = self.fit;
        *self = Self::new();
        self.fit = fit;
    }

    /// The excess that is passed once in `one_in` observations.
    #[expect(clippy::cast_precision_loss, reason = "a rate, not a count")]
    fn limit(&self, one_in: u64) -> Option<f64> {
        let fit = self.fit.filter(|_| self.excesses.len() >= EXCESSES_MIN)?;
        let share = self.in_tail as f64 / self.seen as f64;
        let rarity = share * one_in.max(1) as f64;
        // A tail rarer than that already needs no fit.
        if rarity <= 1.0 {
            return Some(0.0);
        }
        if fit.shape.abs() < 1e-6 {
            return Some(fit.scale * rarity.ln());
        }
        Some(fit.scale / fit.shape * (rarity.powf(fit.shape) - 1.0))
    }

    pub(super) fn encode_into(&self, out: &mut Writer) {
        out.other(|bytes| self.learning.encode_into(bytes));
        out.flag(self.from.is_some());
        if let Some(from) = self.from {
            out.real(from);
        }
        out.number(self.excesses.len() as u64);
        self.excesses.iter().for_each(|excess| out.real(*excess));
        out.number(self.next as u64);
        out.number(self.seen);
        out.number(self.in_tail);
        out.flag(self.fit.is_some());
        if let Some(fit) = self.fit {
            out.real(fit.shape);
            out.real(fit.scale);
        }
    }

    pub(super) fn take(bytes: &mut Reader<'_>) -> Option<Self> {
        let mut tail = Self::new();
        tail.learning = bytes.other(Sketch::take)?;
        if bytes.flag()? {
            tail.from = Some(bytes.real()?);
        }
        let length = bytes.length(8, EXCESSES)?;
        for _ in 0..length {
            tail.excesses.push(bytes.real()?);
        }
        tail.next = usize::try_from(bytes.number()?).ok()?;
        tail.seen = bytes.number()?;
        tail.in_tail = bytes.number()?;
        if bytes.flag()? {
            tail.fit = Some(Fit {
                shape: bytes.real()?,
                scale: bytes.real()?,
            });
        }
        let places = tail.next == length % EXCESSES || (length == EXCESSES && tail.next < EXCESSES);
        let is_learning = tail.learning.count() < LEARN;
        (places && is_learning && tail.in_tail <= tail.seen && tail.seen < FORGET_AFTER)
            .then_some(tail)
    }
}

impl Fit {
    /// By probability-weighted moments (Hosking and Wallis, 1987); `None` where all are equal.
    #[expect(clippy::cast_precision_loss, reason = "a few hundred excesses")]
    fn of(excesses: &[f64]) -> Option<Self> {
        let mut sorted = excesses.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let count = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / count;
        let weighted = sorted.iter().enumerate().map(|(at, excess)| {
            let exceeded_by = 1.0 - (at as f64 + 1.0 - 0.35) / count;
            exceeded_by * excess
        });
        let moment = weighted.sum::<f64>() / count;
        let spread = mean - 2.0 * moment;
        if spread <= f64::EPSILON * mean {
            return None;
        }
        // A shape from few samples is uncertain by about this: rather a tail too heavy.
        let uncertain = 1.0 / count.sqrt();
        let shape = (2.0 - mean / spread + uncertain).clamp(SHAPE_MIN, SHAPE_MAX);
        // For a shape at its bound the scale follows from the mean alone.
        Some(Self {
            shape,
            scale: mean * (1.0 - shape),
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "relative precision is what counts"
)]
fn logarithm(elapsed_ns: u64) -> f64 {
    (elapsed_ns.max(1) as f64).ln()
}

/// Durations to learn from where the tail begins.
const LEARN: u64 = 1024;

/// The tail is the top twentieth.
const TAIL_FROM_PER_MILLE: u16 = 950;

/// Excesses kept for the fit, and how many it needs.
const EXCESSES: usize = 1024;
const EXCESSES_MIN: usize = 128;

/// Excesses between two fits.
const FIT_EVERY: u64 = 32;

/// Durations after which the tail is learnt again.
const FORGET_AFTER: u64 = 100_000;

/// Bounds of the shape, so that few samples make no extreme tail. Below zero it has an end; the
/// logarithms of log-normal durations have about -0.15 there, and those of a power law 0.
const SHAPE_MIN: f64 = -0.1;
const SHAPE_MAX: f64 = 0.5;
