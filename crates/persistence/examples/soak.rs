//! Mixed work for as long as one likes: executions, attacks, metrics, reads, proofs, receipts, seals,
//! backups and scrubs at the same time; memory and open files are told every minute, and at the end
//! everything is checked.
//!
//! ```sh
//! cargo run --release -p persistence --example soak -- FOLDER SECONDS
//! ```

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use merkle_core::Lookup;
use persistence::{
    Attack, Bundle, Config, Conservation, Execution, ExecutionStatus, Metric, Persistence, Reading,
    Severity, Text, VerificationStatus, verify_receipt,
};
use truth_vault::ScrubOptions;
use vigilance::{ErasableField, Salt};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const ACCOUNTS: u64 = 10_000;

/// What was done so far.
#[derive(Default)]
struct Done {
    executions: AtomicU64,
    attacks: AtomicU64,
    reads: AtomicU64,
    receipts: AtomicU64,
    backups: AtomicU64,
    scrubs: AtomicU64,
    /// No more is to be done.
    over: AtomicBool,
}

impl Done {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// Works until it is over.
type Worker = fn(&Persistence, &Done, &Path) -> Outcome;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, seconds] = &arguments[..] else {
        return Err("usage: soak FOLDER SECONDS".into());
    };
    let (folder, seconds) = (Path::new(folder), seconds.parse()?);
    let supply = Conservation::new("supply", b"account:", Reading::Decimal { scale: 0 });
    let config = || {
        let config = Config::new(folder.join("data"))
            .seal_every(20_000)
            .cache_bytes(64 << 20);
        config.invariant(supply.clone().except(&["open"]))
    };
    let (persistence, _) = Persistence::open(config())?;
    open_accounts(&persistence)?;
    let done = Done::default();
    let workers: [Worker; 6] = [pay_even, pay_odd, attack, read, prove, keep];
    let start = Instant::now();
    thread::scope(|threads| {
        let running: Vec<_> = (workers.iter())
            .map(|worker| threads.spawn(|| worker(&persistence, &done, folder)))
            .collect();
        while start.elapsed() < Duration::from_secs(seconds) {
            thread::sleep(Duration::from_secs(60.min(seconds)));
            println!("{}", line(start.elapsed(), &done));
            if running.iter().any(thread::ScopedJoinHandle::is_finished) {
                break; // with an error, which is told below
            }
        }
        done.over.store(true, Ordering::Relaxed);
        let ended = running
            .into_iter()
            .map(|worker| worker.join().map_err(|_| "a worker panicked")?);
        ended.collect::<Outcome>()
    })?;
    let heads = persistence.catch_up()?;
    persistence.backup(&folder.join("backup"))?;
    drop(persistence);
    let (persistence, report) = Persistence::open(config())?;
    if persistence.heads().state_root != heads.state_root || !report.causes.is_empty() {
        return Err(format!("opened again it is another: {:?}", report.causes).into());
    }
    let checked = persistence.verify_all(|_| ControlFlow::Continue(()))?;
    println!(
        "verify_all: {} versions, {} records, {} objects, {} seals; {} causes of panic",
        checked.versions,
        checked.records,
        checked.objects,
        checked.seals,
        checked.causes.len()
    );
    let seal = Persistence::check_backup(&config(), &folder.join("backup"))?;
    println!(
        "the backup goes to version {} of {}",
        seal.version, heads.version
    );
    match checked.causes.is_empty() && checked.complete {
        true => Ok(()),
        false => Err(format!("{:?}", checked.causes).into()),
    }
}

/// A line of what the process uses and what it did.
fn line(elapsed: Duration, done: &Done) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let number = |count: &AtomicU64| count.load(Ordering::Relaxed);
    format!(
        "{:>5} s: {} resident, {files} files open; {} executions, {} attacks, {} reads, {} receipts, \
         {} backups, {} scrubs",
        elapsed.as_secs(),
        resident.unwrap_or("?").trim(),
        number(&done.executions),
        number(&done.attacks),
        number(&done.reads),
        number(&done.receipts),
        number(&done.backups),
        number(&done.scrubs),
    )
}

fn open_accounts(persistence: &Persistence) -> Outcome {
    let mut open = Execution::new("open", "open", ExecutionStatus::Proved, 1);
    for account in 0..ACCOUNTS {
        open = open.put(key(account).as_bytes(), b"1000");
    }
    persistence.execute(open)?;
    Ok(())
}

fn key(account: u64) -> String {
    format!("account:{account:06}")
}

fn pay_even(persistence: &Persistence, done: &Done, _: &Path) -> Outcome {
    pay(persistence, done, 0)
}

fn pay_odd(persistence: &Persistence, done: &Done, _: &Path) -> Outcome {
    pay(persistence, done, 1)
}

/// Moves money between accounts that no other worker moves, by code that is now and then new.
fn pay(persistence: &Persistence, done: &Done, half: u64) -> Outcome {
    let mut dice = Dice(half);
    for nth in 0.. {
        if !done.goes_on() {
            break;
        }
        let code = format!("intent pay_{} {{ guard amount > 0; }}", nth / 500);
        let status = VerificationStatus::Proved;
        let bundle = Bundle::new(code.into_bytes(), "pay", status, 1)?;
        let address = persistence.put_bundle(&bundle, nth + 1)?;
        let accounts = [
            dice.below(ACCOUNTS / 2) * 2 + half,
            dice.below(ACCOUNTS / 2) * 2 + half,
        ];
        let mut execution =
            Execution::new(&format!("pay_{half}_{nth}"), "pay", status_of(nth), nth + 1)
                .bundle(address)
                .elapsed_ns(1_000_000 + dice.below(9_000_000))
                .result("{\"success\": true}")
                .layer("conservation", true)
                .measured("anomaly_score", 0.25);
        if accounts[0] != accounts[1] {
            for (account, change) in accounts.into_iter().zip([-1, 1]) {
                let key = key(account);
                let balance = persistence
                    .state()
                    .get(key.as_bytes())?
                    .ok_or("no account")?;
                let balance: i64 = String::from_utf8(balance)?.parse()?;
                let balance = (balance + change).to_string();
                execution = execution.put(key.as_bytes(), balance.as_bytes());
            }
        }
        persistence.execute(execution)?;
        done.executions.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(4));
    }
    Ok(())
}

fn status_of(nth: u64) -> ExecutionStatus {
    match nth % 20 {
        7 => ExecutionStatus::Failed,
        13 => ExecutionStatus::Timeout,
        _ => ExecutionStatus::Proved,
    }
}

fn attack(persistence: &Persistence, done: &Done, _: &Path) -> Outcome {
    for nth in 0.. {
        if !done.goes_on() {
            break;
        }
        let mut attack = Attack::new(
            format!("a_{nth}"),
            "injection",
            "code",
            "sanitizer",
            Severity::MAX,
            nth + 1,
        );
        let text = Text::erasable(ErasableField::CodeSnippet, "'; DROP TABLE", Salt::random()?);
        attack.code_snippet = Some(text);
        persistence.save_attack(attack)?;
        persistence.log_metric(Metric::new(
            format!("pay_0_{nth}"),
            "cpu_time_ms",
            1.5,
            nth + 1,
        ))?;
        done.attacks.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Reads values, pages of the trail, and statistics.
fn read(persistence: &Persistence, done: &Done, _: &Path) -> Outcome {
    let mut dice = Dice(77);
    while done.goes_on() {
        for _ in 0..50 {
            persistence
                .state()
                .get(key(dice.below(ACCOUNTS)).as_bytes())?;
        }
        let size = persistence.audit().size();
        persistence.audit().records(dice.below(size.max(1)), 20)?;
        persistence.dashboard_stats()?;
        done.reads.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Proves values of now and of earlier, and makes receipts; verifies all of them.
fn prove(persistence: &Persistence, done: &Done, _: &Path) -> Outcome {
    let mut dice = Dice(99);
    let profile = persistence.state().profile();
    while done.goes_on() {
        let newest = persistence.heads().version;
        let moments = [newest, newest.saturating_sub(dice.below(2_000)).max(2)];
        for version in moments {
            let moment = persistence.at(version)?;
            let key = key(dice.below(ACCOUNTS));
            let proof = moment.state.prove(key.as_bytes())?;
            let view = proof.verify(&profile, &moment.state.version().root)?;
            if !matches!(view.get(key.as_bytes()), Lookup::Present(_)) {
                return Err(format!("{key} is not proved at {version}").into());
            }
        }
        let seen = done.executions.load(Ordering::Relaxed) / 3;
        if seen > 0 {
            let receipt = persistence.receipt(&format!("pay_0_{}", dice.below(seen)))?;
            verify_receipt(&receipt.encode(), &persistence.verifier_key())?;
            done.receipts.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Seals, backs up, scrubs.
fn keep(persistence: &Persistence, done: &Done, folder: &Path) -> Outcome {
    for nth in 1.. {
        for _ in 0..150 {
            thread::sleep(Duration::from_millis(100));
            if !done.goes_on() {
                return Ok(());
            }
        }
        persistence.seal(nth)?;
        persistence.backup(&folder.join("backup"))?;
        done.backups.fetch_add(1, Ordering::Relaxed);
        let options = ScrubOptions::new(nth).bytes_max(1 << 20);
        persistence
            .vault()
            .scrub(&options, &mut |_| ControlFlow::Continue(()))?;
        done.scrubs.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
