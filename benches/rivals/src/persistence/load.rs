//! Executions as a ledger has them: one bundle of a set, four writes, a full record.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use persistence::{
    Bundle, BundleAddress, Execution, ExecutionStatus, Persistence, VerificationStatus,
};

use crate::random::Random;

/// What is executed: transfers between so many accounts, by so many bundles.
pub(super) struct Load {
    accounts: usize,
    bundles: Vec<BundleAddress>,
}

/// Accounts that one execution opens.
const OPENED: usize = 4_000;

/// Executions that are under way where nobody waits for each.
const UNDER_WAY: usize = 1_024;

impl Load {
    /// Opens the accounts and puts the bundles.
    pub(super) fn prepare(persistence: &Persistence, accounts: usize, bundles: usize) -> Self {
        for first in (0..accounts).step_by(OPENED) {
            let id = format!("open_{first}");
            let mut open = Execution::new(&id, "open", ExecutionStatus::Proved, 1);
            for account in first..accounts.min(first + OPENED) {
                open = open.put(
                    key(account).as_bytes(),
                    b"{\"balance\": 1000, \"nonce\": 0}",
                );
            }
            persistence.execute(open).expect("a sound store");
        }
        let share = bundles.div_ceil(super::CALLERS).max(1);
        let bundles = thread::scope(|scope| {
            let numbers: Vec<usize> = (0..bundles).collect();
            let threads: Vec<_> = (numbers.chunks(share).map(<[usize]>::to_vec))
                .map(|numbers| {
                    let put = |number| {
                        let put = persistence.put_bundle(&bundle(number), 1);
                        put.expect("a sound store")
                    };
                    scope.spawn(move || numbers.into_iter().map(put).collect::<Vec<_>>())
                })
                .collect();
            let threads = threads.into_iter();
            threads
                .flat_map(|it| it.join().expect("no panic"))
                .collect()
        });
        Self { accounts, bundles }
    }

    /// A load on what [`prepare`](Self::prepare) made before.
    pub(super) fn again(accounts: usize, bundles: usize) -> Self {
        let bundles = (0..bundles)
            .map(|number| bundle(number).address())
            .collect();
        Self { accounts, bundles }
    }

    /// Executes `count` from each of so many callers; seconds in all, and how long each waited.
    pub(super) fn execute(
        &self,
        persistence: &Persistence,
        run: &str,
        callers: usize,
        count: usize,
    ) -> (f64, Vec<Duration>) {
        let start = Instant::now();
        let times = thread::scope(|scope| {
            let threads: Vec<_> = (0..callers)
                .map(|caller| scope.spawn(move || self.caller(persistence, run, caller, count)))
                .collect();
            let threads = threads.into_iter();
            threads
                .flat_map(|it| it.join().expect("no panic"))
                .collect()
        });
        (start.elapsed().as_secs_f64(), times)
    }

    fn caller(
        &self,
        persistence: &Persistence,
        run: &str,
        caller: usize,
        count: usize,
    ) -> Vec<Duration> {
        let mut random = Random::new(caller as u64 + 1);
        let execute = |nth| {
            let execution = self.execution(&id(run, caller, nth), nth, &mut random);
            let start = Instant::now();
            persistence.execute(execution).expect("a sound store");
            start.elapsed()
        };
        (0..count).map(execute).collect()
    }

    /// Executes `count` without waiting for each.
    pub(super) fn fill(&self, persistence: &Persistence, run: &str, count: usize) {
        let mut random = Random::new(99);
        let mut waiting = VecDeque::new();
        for nth in 0..count {
            let execution = self.execution(&id(run, 0, nth), nth, &mut random);
            waiting.push_back(persistence.submit(execution).expect("a sound store"));
            if waiting.len() > UNDER_WAY {
                let first = waiting.pop_front().expect("some wait");
                first.wait().expect("a sound store");
            }
        }
        for ticket in waiting {
            ticket.wait().expect("a sound store");
        }
    }

    fn execution(&self, id: &str, nth: usize, random: &mut Random) -> Execution {
        let bundle = self.bundles[nth % self.bundles.len()];
        let mut execution = Execution::new(id, "transfer", ExecutionStatus::Proved, nth as u64 + 1)
            .bundle(bundle)
            .result("{\"success\": true, \"message\": \"Transfer verified\"}")
            .elapsed_ns(1_000_000 + nth as u64)
            .measured("anomaly_score", 0.25)
            .measured("cpu_time_ms", 42.0)
            .measured("memory_delta_mb", 2.5);
        for layer in [
            "semantic_sanitizer",
            "input_sanitizer",
            "conservation",
            "overflow",
            "z3_prover",
        ] {
            execution = execution.layer(layer, true);
        }
        for _ in 0..4 {
            let account = random.below(self.accounts);
            let value = format!(
                "{{\"balance\": {}, \"nonce\": {nth}}}",
                random.below(10_000)
            );
            execution = execution.put(key(account).as_bytes(), value.as_bytes());
        }
        execution
    }
}

pub(super) fn id(run: &str, caller: usize, nth: usize) -> String {
    format!("tx_{run}_{caller}_{nth}")
}

fn key(account: usize) -> String {
    format!("account:{account:08}")
}

fn bundle(number: usize) -> Bundle {
    let code = format!("intent transfer_{number}(from, to, amount) {{ guard amount > 0; }}");
    let status = VerificationStatus::Proved;
    Bundle::new(code.into_bytes(), "transfer", status, 1).expect("a bundle")
}

/// The time that so many of a hundred do not exceed, in milliseconds.
pub(super) fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times
        .get(at)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
