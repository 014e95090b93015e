//! The detectors scored on labelled synthetic scenarios, beside a naive z-score on the same data.
//!
//! `VIGILANCE_SEED` says where the chances begin, `VIGILANCE_DAYS` how many days each scenario has.
//! The table goes to the output: `cargo test -p vigilance --test detectors -- --nocapture`.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "synthetic numbers of moderate size"
)]

#[path = "common/dice.rs"]
mod dice;

use dice::{Dice, number};
use vigilance::{AlertKind, Observation, Observed, Watch, WatchOptions};

const SEED: u64 = 20_261_129;
const MINUTE_NS: u64 = 60_000_000_000;
const START_NS: u64 = 1_770_076_800_000_000_000; // a midnight
const DAY_MINUTES: u64 = 1_440;

/// Chances from known distributions.
trait Draw {
    fn part(&mut self) -> f64;
    fn normal(&mut self) -> f64;
    fn poisson(&mut self, mean: f64) -> u64;
}

impl Draw for Dice {
    /// Uniform in (0, 1).
    fn part(&mut self) -> f64 {
        (self.below(1 << 53) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// By Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.part().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.part()).cos()
    }

    /// By counting exponential waits; for means of some hundreds at most.
    fn poisson(&mut self, mean: f64) -> u64 {
        let mut waited = -self.part().ln();
        let mut count = 0;
        while waited < mean {
            waited -= self.part().ln();
            count += 1;
        }
        count
    }
}

/// How well alarms match what was injected.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    injected: usize,
    found: usize,
    false_alarms: usize,
    /// Sum of the delays of those found.
    delay: f64,
}

impl Score {
    /// Scores alarms (times in order) by episodes (begin, end); alarms within an episode or
    /// `grace` behind it belong to it.
    fn of(alarms: &[f64], episodes: &[(f64, f64)], grace: f64) -> Self {
        let mut score = Self {
            injected: episodes.len(),
            ..Self::default()
        };
        let belongs = |alarm: f64| {
            episodes
                .iter()
                .position(|(begin, end)| *begin <= alarm && alarm <= end + grace)
        };
        let mut found = vec![None; episodes.len()];
        for alarm in alarms {
            match belongs(*alarm) {
                Some(episode) => {
                    found[episode].get_or_insert(alarm - episodes[episode].0);
                }
                None => score.false_alarms += 1,
            }
        }
        let delays: Vec<_> = found.into_iter().flatten().collect();
        score.found = delays.len();
        score.delay = delays.iter().sum();
        score
    }

    /// Both scores together.
    fn and(self, other: Self) -> Self {
        Self {
            injected: self.injected + other.injected,
            found: self.found + other.found,
            false_alarms: self.false_alarms + other.false_alarms,
            delay: self.delay + other.delay,
        }
    }

    fn found_of_100(&self) -> f64 {
        100.0 * self.found as f64 / self.injected as f64
    }

    fn mean_delay(&self) -> f64 {
        self.delay / self.found.max(1) as f64
    }

    fn row(&self, scenario: &str, detector: &str, unit: &str) {
        println!(
            "| {scenario} | {detector} | {}/{} | {} | {:.2} {unit} |",
            self.found,
            self.injected,
            self.false_alarms,
            self.mean_delay()
        );
    }
}

fn header() {
    println!("| scenario | detector | found | false alarms | mean delay |\n|---|---|---|---|---|");
}

/// Counts a minute, with a daily cycle, and bursts in them.
struct Traffic {
    counts: Vec<u64>,
    bursts: Vec<(f64, f64)>,
}

impl Traffic {
    /// Two bursts a day, of 4 to 20 minutes, with `factor` times the usual.
    fn new(dice: &mut Dice, days: u64, base: f64, factor: f64) -> Self {
        let mut bursts = Vec::new();
        for half in 4..days * 2 {
            let begin = half * DAY_MINUTES / 2 + 60 + dice.below(560);
            bursts.push((begin as f64, (begin + 4 + dice.below(17)) as f64));
        }
        let mean = |minute: u64| {
            let day = std::f64::consts::TAU * minute as f64 / DAY_MINUTES as f64;
            let is_burst = (bursts.iter())
                .any(|(begin, end)| *begin <= minute as f64 && (minute as f64) < *end);
            base * (1.0 + 0.7 * day.sin()) * if is_burst { factor } else { 1.0 }
        };
        let counts = (0..days * DAY_MINUTES).map(|minute| dice.poisson(mean(minute)));
        Self {
            counts: counts.collect(),
            bursts: bursts.clone(),
        }
    }

    /// Times of alarms, in minutes.
    fn watched(&self, options: WatchOptions) -> Vec<f64> {
        let mut watch = Watch::new(options);
        let mut alarms = Vec::new();
        let mut index = 0;
        for (minute, count) in self.counts.iter().enumerate() {
            for nth in 0..*count {
                let within = MINUTE_NS * (2 * nth + 1) / (2 * count);
                let alerts = watch.observe(&Observation {
                    index,
                    observed_ns: START_NS + minute as u64 * MINUTE_NS + within,
                    what: Observed::Attack {
                        attack_type: "injection",
                        category: "code_injection",
                        layer: "input_sanitizer",
                        offender: "",
                    },
                });
                index += 1;
                let bursts = (alerts.iter())
                    .filter(|alert| alert.kind == AlertKind::Burst && alert.series == "attacks");
                alarms.extend(bursts.map(|_| minute as f64 + within as f64 / MINUTE_NS as f64));
            }
        }
        alarms
    }

    /// Alarms of a z-score over the last hour: one for each time it begins to be above `limit`.
    fn naive(&self, limit: f64) -> Vec<f64> {
        let mut alarms = Vec::new();
        let mut was_above = false;
        for minute in 120..self.counts.len() {
            let hour = &self.counts[minute - 60..minute];
            let above = z_score(hour, self.counts[minute]) > limit;
            if above && !was_above {
                alarms.push(minute as f64 + 1.0); // known once the minute is over
            }
            was_above = above;
        }
        alarms
    }
}

fn z_score(last: &[u64], value: u64) -> f64 {
    let count = last.len() as f64;
    let mean = last.iter().sum::<u64>() as f64 / count;
    let variance = last
        .iter()
        .map(|value| (*value as f64 - mean).powi(2))
        .sum::<f64>()
        / count;
    (value as f64 - mean) / variance.sqrt().max(0.5)
}

/// The naive detector with the limit that, in hindsight and on this very data, finds most while
/// giving no more false alarms than `permitted`: better than anybody could set it beforehand.
fn best_naive(permitted: usize, score: impl Fn(f64) -> Score) -> (f64, Score) {
    let fine = (4..120).map(|quarter| f64::from(quarter) / 4.0);
    let limits = fine.chain((30..=300).step_by(3).map(f64::from));
    let scored = limits.map(|limit| (limit, score(limit)));
    let mut fair: Vec<_> = scored
        .filter(|(_, score)| score.false_alarms <= permitted)
        .collect();
    fair.sort_by_key(|(_, score)| score.found);
    fair.pop().expect("a high enough limit gives no alarm")
}

#[test]
fn finds_bursts_better_than_a_z_score() {
    let (seed, days) = (number("VIGILANCE_SEED", SEED), number("VIGILANCE_DAYS", 14));
    println!("seed {seed}, {days} days a scenario");
    header();
    let (mut ours_all, mut naive_all, mut best_all) = (0.0, 0.0, 0.0);
    let mut our_false_alarms = 0;
    for (nth, (base, factor)) in [(0.2, 10.0), (2.0, 3.0), (20.0, 1.6), (100.0, 1.3)]
        .into_iter()
        .enumerate()
    {
        let mut dice = Dice(seed + nth as u64);
        let traffic = Traffic::new(&mut dice, days, base, factor);
        let score = |alarms: &[f64]| Score::of(alarms, &traffic.bursts, 5.0);
        let ours = score(&traffic.watched(WatchOptions::new()));
        let naive = score(&traffic.naive(3.0));
        let (limit, best) = best_naive(ours.false_alarms, |limit| score(&traffic.naive(limit)));
        let scenario = format!("{base} a minute, bursts of {factor} times that");
        ours.row(&scenario, "ours", "min");
        naive.row(&scenario, "z > 3", "min");
        best.row(
            &scenario,
            &format!("z > {limit} (best in hindsight)"),
            "min",
        );
        assert!(ours.false_alarms <= naive.false_alarms, "{scenario}");
        assert!(ours.found >= best.found, "{scenario}");
        our_false_alarms += ours.false_alarms;
        ours_all += ours.found_of_100();
        naive_all += naive.found_of_100();
        best_all += best.found_of_100();
    }
    println!(
        "found on average: ours {:.0} %, z > 3 {:.0} %, best z {:.0} %",
        ours_all / 4.0,
        naive_all / 4.0,
        best_all / 4.0
    );
    assert!(ours_all > best_all);
    // One in 30 days is permitted for each of the four scenarios; three times that is chance.
    let permitted = 3.0 * (4.0 * days as f64 / 30.0).ceil();
    assert!(
        (our_false_alarms as f64) <= permitted,
        "{our_false_alarms} false bursts"
    );
}

#[test]
fn keeps_the_stated_rate_of_false_bursts() {
    let seed = number("VIGILANCE_SEED", SEED);
    let days = number("VIGILANCE_DAYS", 14);
    println!(
        "| base | permitted one in | false bursts | intervals | measured one in |\n|---|---|---|---|---|"
    );
    for (nth, base) in [0.2, 2.0, 20.0, 100.0].into_iter().enumerate() {
        let mut dice = Dice(seed + 100 + nth as u64);
        let mut traffic = Traffic::new(&mut dice, days, base, 1.0);
        traffic.bursts.clear();
        let mut options = WatchOptions::new();
        options.burst_intervals_per_false_alarm = 1_440;
        let alarms = traffic.watched(options).len();
        let intervals = traffic.counts.len();
        println!(
            "| {base} | 1440 | {alarms} | {intervals} | {:.0} |",
            intervals as f64 / alarms.max(1) as f64
        );
        // The rate is a bound on the mean: of `days` permitted, chance makes some more at times.
        let permitted = days as f64 + 3.0 * (days as f64).sqrt();
        assert!(
            (alarms as f64) <= permitted,
            "{alarms} false bursts at {base}"
        );
    }
}

/// Durations in nanoseconds, and where something was injected.
struct Durations {
    values: Vec<u64>,
    episodes: Vec<(f64, f64)>,
}

const EPISODE: usize = 400;
const BETWEEN: usize = 6_000;

impl Durations {
    /// Log-normal durations; in each episode `factor` times as long.
    fn drifting(dice: &mut Dice, episodes: usize, sigma: f64, factor: f64) -> Self {
        let mut values = Vec::new();
        let mut injected = Vec::new();
        for _ in 0..episodes {
            let usual = (0..BETWEEN).map(|_| log_normal(dice, sigma, 1.0));
            values.extend(usual.collect::<Vec<_>>());
            injected.push((values.len() as f64, (values.len() + EPISODE) as f64));
            let slower = (0..EPISODE).map(|_| log_normal(dice, sigma, factor));
            values.extend(slower.collect::<Vec<_>>());
        }
        Self {
            values,
            episodes: injected,
        }
    }

    /// Log-normal durations with single ones of `factor` times the median.
    fn with_outliers(dice: &mut Dice, count: usize, sigma: f64, factor: f64) -> Self {
        let mut values: Vec<_> = (0..count).map(|_| log_normal(dice, sigma, 1.0)).collect();
        let mut injected = Vec::new();
        for at in (10_000..count).step_by(count / 50) {
            values[at] = (MEDIAN_NS * factor) as u64;
            injected.push((at as f64, at as f64));
        }
        Self {
            values,
            episodes: injected,
        }
    }

    fn watched(&self, options: WatchOptions, kind: AlertKind) -> Vec<f64> {
        let mut watch = Watch::new(options);
        let mut alarms = Vec::new();
        for (index, elapsed_ns) in self.values.iter().enumerate() {
            let alerts = watch.observe(&Observation {
                index: index as u64,
                observed_ns: START_NS + index as u64 * 1_000_000_000,
                what: Observed::Execution {
                    intent: "transfer",
                    status: "PROVED",
                    is_proved: true,
                    elapsed_ns: Some(*elapsed_ns),
                },
            });
            if alerts.iter().any(|alert| alert.kind == kind) {
                alarms.push(index as f64);
            }
        }
        alarms
    }

    /// Mean of the last 50 against the 1000 before them.
    fn naive_drift(&self, limit: f64) -> Vec<f64> {
        let sums = self.sums();
        let mut alarms = Vec::new();
        let mut was_above = false;
        for at in 1_050..self.values.len() {
            let (mean, deviation) = moments(&sums, at - 1_050, at - 50);
            let (last, _) = moments(&sums, at - 50, at);
            let above = (last - mean) / (deviation / 50_f64.sqrt()) > limit;
            if above && !was_above {
                alarms.push(at as f64);
            }
            was_above = above;
        }
        alarms
    }

    /// Each against the 1000 before it.
    fn naive_outliers(&self, limit: f64) -> Vec<f64> {
        let sums = self.sums();
        let above = |at: &usize| {
            let (mean, deviation) = moments(&sums, at - 1_000, *at);
            (self.values[*at] as f64 / 1e6 - mean) / deviation > limit
        };
        (1_000..self.values.len())
            .filter(above)
            .map(|at| at as f64)
            .collect()
    }

    /// Sums of the values and of their squares, in milliseconds, before each place.
    fn sums(&self) -> Vec<(f64, f64)> {
        let mut sums = vec![(0.0, 0.0)];
        for value in &self.values {
            let (sum, squares) = sums[sums.len() - 1];
            let value = *value as f64 / 1e6;
            sums.push((sum + value, squares + value * value));
        }
        sums
    }
}

fn moments(sums: &[(f64, f64)], from: usize, to: usize) -> (f64, f64) {
    let count = (to - from) as f64;
    let mean = (sums[to].0 - sums[from].0) / count;
    let variance = (sums[to].1 - sums[from].1) / count - mean * mean;
    (mean, variance.max(1e-12).sqrt())
}

const MEDIAN_NS: f64 = 40e6;

fn log_normal(dice: &mut Dice, sigma: f64, factor: f64) -> u64 {
    (MEDIAN_NS * factor * (sigma * dice.normal()).exp()) as u64
}

#[test]
fn finds_drifts_better_than_a_z_score() {
    let seed = number("VIGILANCE_SEED", SEED);
    println!("seed {seed}, {EPISODE} slower executions after every {BETWEEN}");
    header();
    let (mut ours_all, mut best_all) = (0, 0);
    for (nth, (sigma, factor)) in [(0.5, 1.3), (1.0, 1.5), (1.5, 2.0)].into_iter().enumerate() {
        let mut dice = Dice(seed + 200 + nth as u64);
        let durations = Durations::drifting(&mut dice, 40, sigma, factor);
        // The end of an episode is a change too: alarms soon after it are no false ones.
        let score = |alarms: &[f64]| Score::of(alarms, &durations.episodes, 1_000.0);
        let ours = score(&durations.watched(WatchOptions::new(), AlertKind::LatencyDrift));
        let naive = score(&durations.naive_drift(3.0));
        let (limit, best) = best_naive(ours.false_alarms, |limit| {
            score(&durations.naive_drift(limit))
        });
        let scenario = format!("spread {sigma}, {factor} times as long");
        ours.row(&scenario, "ours", "executions");
        naive.row(&scenario, "z > 3", "executions");
        best.row(
            &scenario,
            &format!("z > {limit} (best in hindsight)"),
            "executions",
        );
        assert!(ours.false_alarms <= naive.false_alarms, "{scenario}");
        assert!(ours.found >= best.found, "{scenario}");
        ours_all += ours.found;
        best_all += best.found;
    }
    assert!(ours_all > best_all);
}

#[test]
fn finds_outliers_better_than_a_z_score() {
    let seed = number("VIGILANCE_SEED", SEED);
    println!("seed {seed}, 50 outliers among 300,000 executions");
    header();
    let shapes = [(0.5, 15.0), (1.0, 300.0), (1.5, 3_000.0)];
    let scenarios = shapes.into_iter().zip(300..).map(|((sigma, factor), nth)| {
        let mut dice = Dice(seed + nth);
        let name = format!("spread {sigma}, {factor} times the median");
        (
            name,
            Durations::with_outliers(&mut dice, 300_000, sigma, factor),
        )
    });
    let scenarios: Vec<_> = scenarios.collect();
    let score = |durations: &Durations, alarms: &[f64]| Score::of(alarms, &durations.episodes, 0.0);
    let naive_total = |limit: f64| {
        let scores = scenarios
            .iter()
            .map(|(_, it)| score(it, &it.naive_outliers(limit)));
        scores.fold(Score::default(), Score::and)
    };
    let (mut ours_total, mut three_total) = (Score::default(), Score::default());
    for (name, durations) in &scenarios {
        let ours = score(
            durations,
            &durations.watched(WatchOptions::new(), AlertKind::LatencyOutlier),
        );
        let naive = score(durations, &durations.naive_outliers(3.0));
        ours.row(name, "ours", "executions");
        naive.row(name, "z > 3", "executions");
        ours_total = ours_total.and(ours);
        three_total = three_total.and(naive);
    }
    // One limit for all of them: nobody knows beforehand how far an intent's durations spread.
    let (limit, best) = best_naive(ours_total.false_alarms, naive_total);
    ours_total.row("all three", "ours", "executions");
    best.row(
        "all three",
        &format!("z > {limit} (best in hindsight)"),
        "executions",
    );
    assert!(ours_total.false_alarms * 100 < three_total.false_alarms);
    assert!(ours_total.found > best.found);
}

#[test]
fn keeps_the_stated_rates_of_false_drifts_and_outliers() {
    let seed = number("VIGILANCE_SEED", SEED);
    let count = 2_000_000;
    println!(
        "| spread | what | permitted one in | false alarms | executions |\n|---|---|---|---|---|"
    );
    for (nth, sigma) in [0.2, 0.7, 1.5].into_iter().enumerate() {
        let mut dice = Dice(seed + 400 + nth as u64);
        let values = (0..count)
            .map(|_| log_normal(&mut dice, sigma, 1.0))
            .collect();
        let durations = Durations {
            values,
            episodes: Vec::new(),
        };
        let mut options = WatchOptions::new();
        options.drift_observations_per_false_alarm = 100_000;
        options.outlier_one_in = 100_000;
        for kind in [AlertKind::LatencyDrift, AlertKind::LatencyOutlier] {
            let alarms = durations.watched(options, kind).len();
            println!("| {sigma} | {kind} | 100000 | {alarms} | {count} |");
            // 20 are permitted; chance makes some more at times.
            assert!(alarms <= 34, "{alarms} of {kind} at {sigma}");
        }
    }
}
