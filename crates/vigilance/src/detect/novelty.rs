//! Novelty: combinations never seen before, where new ones have become rare.

use std::collections::HashMap;

use super::state::{Reader, Writer};

/// Finds first-seen combinations, and knows when that means something.
///
/// The share of combinations seen exactly once estimates the probability that the next one is new
/// (Good and Turing): an alarm is given only where that is at most one in `n`, which bounds the
/// rate of false alarms while the mix stays as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Novelty {
    /// Whether a combination was seen more than once, by its digest.
    seen: HashMap<u64, bool>,
    once: u64,
    observations: u64,
}

impl Novelty {
    /// Whether `digest` is new, with the probability of that, where it is at most one in
    /// `one_in`.
    pub(super) fn observe(&mut self, one_in: u64, digest: u64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a rate, not a count")]
        let probability = (self.once + 1) as f64 / (self.observations as f64 + 1.0);
        self.observations = self.observations.saturating_add(1);
        if let Some(more) = self.seen.get_mut(&digest) {
            if !std::mem::replace(more, true) {
                self.once -= 1;
            }
            return None;
        }
        // Full: nothing can be called new any more.
        if self.seen.len() >= COMBINATIONS_MAX {
            return None;
        }
        self.seen.insert(digest, false);
        self.once += 1;
        #[expect(clippy::cast_precision_loss, reason = "a rate, not a count")]
        let permitted = 1.0 / one_in.max(1) as f64;
        (probability <= permitted).then_some(probability)
    }

    pub(super) fn encode_into(&self, out: &mut Writer) {
        let mut sorted: Vec<_> = self.seen.iter().collect();
        sorted.sort_unstable();
        out.number(self.observations);
        out.number(sorted.len() as u64);
        for (digest, more) in sorted {
            out.number(*digest);
            out.flag(*more);
        }
    }

    pub(super) fn take(bytes: &mut Reader<'_>) -> Option<Self> {
        let mut novelty = Self {
            observations: bytes.number()?,
            ..Self::default()
        };
        for _ in 0..bytes.length(2, COMBINATIONS_MAX)? {
            let (digest, more) = (bytes.number()?, bytes.flag()?);
            novelty.once += u64::from(!more);
            let twice = novelty.seen.insert(digest, more).is_some();
            if twice {
                return None;
            }
        }
        (novelty.seen.len() as u64 <= novelty.observations).then_some(novelty)
    }
}

/// Combinations remembered; 16 bytes each.
const COMBINATIONS_MAX: usize = 65_536;
