//! Attack intelligence: what of the stream of records deserves attention, while it passes.
//!
//! Everything here is fed in the order of the log, by [`Watch::observe`], and keeps a bounded state
//! that can be saved and restored. It judges; it stores nothing and calls nobody by itself.

mod burst;
mod drift;
mod follow;
mod novelty;
mod offender;
mod options;
mod state;
mod tail;

use std::collections::BTreeMap;
use std::fmt;

use merkle_core::log_leaf_hash;

use burst::Burst;
use drift::Drift;
pub use follow::FollowError;
use novelty::Novelty;
use offender::Offenders;
pub use options::WatchOptions;
use state::{Reader, Writer};
use tail::Tail;

/// What the detectors look at of one record.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'r> {
    /// Place of the record in the log.
    pub index: u64,
    /// When it was observed, in nanoseconds since 1970. The clock of the one who observes, not of
    /// the one who is observed: nobody hides by a false event time.
    pub observed_ns: u64,
    /// What happened.
    pub what: Observed<'r>,
}

/// What happened, as far as the detectors care.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Observed<'r> {
    /// An execution.
    Execution {
        /// Name of the intent.
        intent: &'r str,
        /// Its status.
        status: &'r str,
        /// Whether it was proved.
        is_proved: bool,
        /// How long it took, in nanoseconds, where that is known.
        elapsed_ns: Option<u64>,
    },
    /// A blocked attack.
    Attack {
        /// Type of the attack.
        attack_type: &'r str,
        /// Its category.
        category: &'r str,
        /// The layer that blocked it.
        layer: &'r str,
        /// Who or what repeats itself: a subject, or the payload; empty where nothing tells.
        offender: &'r str,
    },
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AlertKind {
    /// More events than the time of day explains.
    Burst,
    /// Durations that are no longer spread as they were.
    LatencyDrift,
    /// One duration beyond the tail of the others.
    LatencyOutlier,
    /// A combination never seen before, where new ones had become rare.
    FirstSeen,
    /// The same offender again and again.
    RepeatedOffender,
}

impl AlertKind {
    /// Its name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::LatencyDrift => "latency_drift",
            Self::LatencyOutlier => "latency_outlier",
            Self::FirstSeen => "first_seen",
            Self::RepeatedOffender => "repeated_offender",
        }
    }
}

/// Its name.
impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A finding, with its evidence.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Alert {
    /// What was found.
    pub kind: AlertKind,
    /// In what: `attacks`, `failures`, `executions`, or the intent, type, combination or offender.
    pub series: String,
    /// When the record that made it certain was observed, in nanoseconds since 1970.
    pub observed_ns: u64,
    /// Log index of the first record that belongs to it.
    pub first_index: u64,
    /// Log index of the record that made it certain.
    pub index: u64,
    /// How strong the evidence is, in the unit of the threshold.
    pub score: f64,
    /// What the score had to reach.
    pub threshold: f64,
    /// The finding in one sentence.
    pub message: String,
}

/// Whoever is told of alerts: a log, a queue, a webhook.
pub trait AlertSink {
    /// Takes one alert. It must return soon: the watch waits.
    fn alert(&mut self, alert: &Alert);
}

/// Any closure is a sink.
impl<F: FnMut(&Alert)> AlertSink for F {
    fn alert(&mut self, alert: &Alert) {
        self(alert);
    }
}

/// All detectors over one log.
///
/// ```
/// use vigilance::{Observation, Observed, Watch, WatchOptions};
///
/// let mut watch = Watch::new(WatchOptions::new());
/// let attack = Observed::Attack {
///     attack_type: "injection",
///     category: "code_injection",
///     layer: "input_sanitizer",
///     offender: "10.0.0.7",
/// };
/// let mut found = Vec::new();
/// for index in 0..10 {
///     let observed_ns = 1_770_000_000_000_000_000 + index;
///     found.extend(watch.observe(&Observation { index, observed_ns, what: attack }));
/// }
/// assert_eq!(found[0].kind.name(), "repeated_offender");
/// ```
#[derive(Clone, Debug)]
pub struct Watch {
    options: WatchOptions,
    next_index: u64,
    bursts: BTreeMap<String, Burst>,
    latencies: BTreeMap<String, (Drift, Tail)>,
    attack_mix: Novelty,
    execution_mix: Novelty,
    offenders: Offenders,
}

impl Watch {
    /// Detectors that have seen nothing.
    #[must_use]
    pub fn new(options: WatchOptions) -> Self {
        Self {
            options,
            next_index: 0,
            bursts: BTreeMap::new(),
            latencies: BTreeMap::new(),
            attack_mix: Novelty::default(),
            execution_mix: Novelty::default(),
            offenders: Offenders::default(),
        }
    }

    /// The log index from which on records are to be observed.
    #[must_use]
    pub const fn next_index(&self) -> u64 {
        self.next_index
    }

    /// Says that the records below `index` need not be observed: they are no evidence (as alerts
    /// themselves), or not there any more.
    pub fn skip_to(&mut self, index: u64) {
        self.next_index = self.next_index.max(index);
    }

    /// Judges one record. Those at an index that was observed already are ignored, so that a
    /// stream may begin anew from any earlier place.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Vec<Alert> {
        if observation.index < self.next_index {
            return Vec::new();
        }
        self.next_index = observation.index.saturating_add(1);
        let mut alerts = Vec::new();
        match observation.what {
            Observed::Execution {
                intent,
                status,
                is_proved,
                elapsed_ns,
            } => {
                self.count("executions", observation, &mut alerts);
                if !is_proved {
                    self.count("failures", observation, &mut alerts);
                }
                if let Some(elapsed_ns) = elapsed_ns {
                    self.time(intent, elapsed_ns, observation, &mut alerts);
                }
                self.mix(&["execution", intent, status], observation, &mut alerts);
            }
            Observed::Attack {
                attack_type,
                category,
                layer,
                offender,
            } => {
                self.count("attacks", observation, &mut alerts);
                self.count(&format!("attacks:{attack_type}"), observation, &mut alerts);
                let combination = ["attack", attack_type, category, layer];
                self.mix(&combination, observation, &mut alerts);
                self.offend(offender, observation, &mut alerts);
            }
        }
        alerts
    }

    fn count(&mut self, series: &str, at: &Observation<'_>, alerts: &mut Vec<Alert>) {
        if !self.bursts.contains_key(series) {
            if self.bursts.len() >= SERIES_MAX {
                return;
            }
            self.bursts.insert(series.into(), Burst::new());
        }
        let burst = self.bursts.get_mut(series).expect("it was just made");
        let options = self.options.burst();
        if let Some(found) = burst.observe(&options, at.observed_ns, at.index) {
            alerts.push(Alert {
                kind: AlertKind::Burst,
                series: series.into(),
                observed_ns: at.observed_ns,
                first_index: found.first_index,
                index: found.last_index,
                score: found.score,
                threshold: found.threshold,
                message: format!(
                    "{} {series} in an interval where {:.1} are usual",
                    found.count, found.expected
                ),
            });
        }
    }

    fn time(
        &mut self,
        intent: &str,
        elapsed_ns: u64,
        at: &Observation<'_>,
        alerts: &mut Vec<Alert>,
    ) {
        if !self.latencies.contains_key(intent) {
            if self.latencies.len() >= SERIES_MAX {
                return;
            }
            let detectors = (Drift::new(), Tail::new());
            self.latencies.insert(intent.into(), detectors);
        }
        let (drift, tail) = self.latencies.get_mut(intent).expect("it was just made");
        if let Some(found) = tail.observe(self.options.outlier_one_in, elapsed_ns) {
            #[expect(clippy::cast_precision_loss, reason = "shown, not compared")]
            let score = found.elapsed_ns as f64;
            alerts.push(Alert {
                kind: AlertKind::LatencyOutlier,
                series: intent.into(),
                observed_ns: at.observed_ns,
                first_index: at.index,
                index: at.index,
                score,
                threshold: found.threshold_ns,
                message: format!(
                    "{intent} took {:.3} ms; more than {:.3} ms is rarer than one in {}",
                    score / 1e6,
                    found.threshold_ns / 1e6,
                    self.options.outlier_one_in
                ),
            });
        }
        let per_false_alarm = self.options.drift_observations_per_false_alarm;
        if let Some(found) = drift.observe(per_false_alarm, elapsed_ns, at.index) {
            let direction = if found.upwards { "slower" } else { "faster" };
            #[expect(clippy::cast_precision_loss, reason = "shown, not compared")]
            let usual_ms = found.usual_ns as f64 / 1e6;
            alerts.push(Alert {
                kind: AlertKind::LatencyDrift,
                series: intent.into(),
                observed_ns: at.observed_ns,
                first_index: found.first_index,
                index: at.index,
                score: found.score,
                threshold: found.threshold,
                message: format!(
                    "{intent} has become {direction} than its usual median of {usual_ms:.3} ms"
                ),
            });
        }
    }

    fn mix(&mut self, combination: &[&str], at: &Observation<'_>, alerts: &mut Vec<Alert>) {
        let is_attack = matches!(at.what, Observed::Attack { .. });
        let novelty = if is_attack {
            &mut self.attack_mix
        } else {
            &mut self.execution_mix
        };
        let one_in = self.options.first_seen_one_in;
        if let Some(probability) = novelty.observe(one_in, digest(combination)) {
            let series = combination[1..].join(" / ");
            alerts.push(Alert {
                kind: AlertKind::FirstSeen,
                observed_ns: at.observed_ns,
                first_index: at.index,
                index: at.index,
                score: 1.0 / probability,
                #[expect(clippy::cast_precision_loss, reason = "a rate, not a count")]
                threshold: one_in as f64,
                message: format!(
                    "first {} of its kind: {series}; a new one was expected once in {:.0}",
                    combination[0],
                    1.0 / probability
                ),
                series,
            });
        }
    }

    fn offend(&mut self, offender: &str, at: &Observation<'_>, alerts: &mut Vec<Alert>) {
        if offender.is_empty() {
            return;
        }
        let key = short(offender);
        let repeats = self.options.offender_repeats;
        let window_ns = self.options.offender_window_ns;
        let found = (self.offenders).observe(repeats, window_ns, at.observed_ns, at.index, &key);
        if let Some(found) = found {
            #[expect(clippy::cast_precision_loss, reason = "shown, not compared")]
            let (score, threshold) = (found.count as f64, repeats as f64);
            alerts.push(Alert {
                kind: AlertKind::RepeatedOffender,
                observed_ns: at.observed_ns,
                first_index: found.first_index,
                index: at.index,
                score,
                threshold,
                message: format!(
                    "at least {} attacks by {key} within {} s",
                    found.count,
                    window_ns / 1_000_000_000
                ),
                series: key,
            });
        }
    }

    /// The state of all detectors. Options are not part of it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(STATE_FORMAT);
        out.number(self.next_index);
        out.number(self.bursts.len() as u64);
        for (series, burst) in &self.bursts {
            out.text(series);
            burst.encode_into(&mut out);
        }
        out.number(self.latencies.len() as u64);
        for (intent, (drift, tail)) in &self.latencies {
            out.text(intent);
            drift.encode_into(&mut out);
            tail.encode_into(&mut out);
        }
        self.attack_mix.encode_into(&mut out);
        self.execution_mix.encode_into(&mut out);
        self.offenders.encode_into(&mut out);
        out.finish()
    }

    /// Detectors that go on from a state.
    ///
    /// # Errors
    ///
    /// [`WatchStateError`]: not a state, or one of a format that this version does not know. Begin
    /// with a new watch then; nothing is lost but what it had learnt.
    pub fn decode(bytes: &[u8], options: WatchOptions) -> Result<Self, WatchStateError> {
        let mut reader = Reader::new(bytes);
        let format = reader.number().ok_or(WatchStateError::NotAState)?;
        if format != STATE_FORMAT {
            return Err(WatchStateError::UnknownFormat { format });
        }
        let watch = Self::take(&mut reader, options).filter(|_| reader.is_empty());
        watch.ok_or(WatchStateError::NotAState)
    }

    fn take(bytes: &mut Reader<'_>, options: WatchOptions) -> Option<Self> {
        let mut watch = Self::new(options);
        watch.next_index = bytes.number()?;
        for _ in 0..bytes.length(2, SERIES_MAX)? {
            let series = bytes.text()?;
            watch.bursts.insert(series, Burst::take(bytes)?);
        }
        for _ in 0..bytes.length(2, SERIES_MAX)? {
            let intent = bytes.text()?;
            let detectors = (Drift::take(bytes)?, Tail::take(bytes)?);
            watch.latencies.insert(intent, detectors);
        }
        watch.attack_mix = Novelty::take(bytes)?;
        watch.execution_mix = Novelty::take(bytes)?;
        watch.offenders = Offenders::take(bytes)?;
        Some(watch)
    }
}

/// Why bytes are not the state of a [`Watch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchStateError {
    /// They are no state, or a damaged one.
    #[error("not the state of a watch")]
    NotAState,
    /// They are of a format that this version does not know.
    #[error("a state of format {format} is not known here")]
    UnknownFormat {
        /// The format they name.
        format: u64,
    },
}

/// 64 bits of SHA-256 over the parts, each with its length.
fn digest(parts: &[&str]) -> u64 {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    let hash = log_leaf_hash(&bytes);
    let (first, _) = (hash.as_bytes().split_first_chunk()).expect("a hash has 32 bytes");
    u64::from_be_bytes(*first)
}

/// A key short enough to be kept: itself, or its beginning and a digest.
fn short(key: &str) -> String {
    if key.len() <= KEY_BYTES_MAX {
        return key.into();
    }
    let beginning: String = key.chars().take(24).collect();
    format!("{beginning}… ({:016x})", digest(&[key]))
}

/// The one format of states so far.
const STATE_FORMAT: u64 = 1;

/// Series of one kind that are followed: the first so many that appear.
const SERIES_MAX: usize = 64;

/// Longest key of an offender that is kept as it is.
const KEY_BYTES_MAX: usize = 96;

#[cfg(test)]
mod tests;
