//! `cargo xtask fuzz`: every target for a given time, from a corpus that is kept.

use std::fs::{self, File};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use crate::{cache, process, repo::Repo, tools};

/// Targets that run at a time, each on a core of its own.
const JOBS: usize = 2;

/// Longest a target may take over one input, in seconds: more is a way to stall a verifier.
const INPUT_SECONDS_MAX: u64 = 10;

/// Most memory a target may hold, in MiB: more is an allocation that a short input inflated.
const MEMORY_MIB_MAX: u64 = 1024;

/// Runs the targets `names`, or all if there are none, for `seconds` each.
pub(crate) fn run(repo: &Repo, names: &[String], seconds: u64) -> Result<()> {
    let targets = targets(repo)?;
    for name in names {
        ensure!(
            targets.contains(name),
            "no fuzz target `{name}`; there are: {targets:?}"
        );
    }
    let chosen = if names.is_empty() { &targets } else { names };

    process::run(cargo_fuzz(repo, "build")?.arg("--fuzz-dir=fuzz"))?;
    let queue = Mutex::new(chosen.iter());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                while let Some(target) = next(&queue) {
                    if let Err(error) = fuzz_one(repo, target, seconds) {
                        eprintln!("fuzz {target}: {error:#}");
                        failed
                            .lock()
                            .expect("no worker panics")
                            .push(target.as_str());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no worker panics");
    ensure!(failed.is_empty(), "fuzz targets failed: {failed:?}");
    Ok(())
}

/// Takes the next target off the queue, and lets go of the lock.
fn next<'t>(queue: &Mutex<impl Iterator<Item = &'t String>>) -> Option<&'t String> {
    queue.lock().expect("no worker panics").next()
}

/// Fuzzes one target; its log is shown only when it fails.
fn fuzz_one(repo: &Repo, target: &str, seconds: u64) -> Result<()> {
    let corpus = cache::folder("corpus")?.join(target);
    fs::create_dir_all(&corpus)?;
    let log = cache::folder("fuzz-logs")?.join(target);
    let seeds = repo.root().join("fuzz/seeds").join(target);

    let mut fuzz = cargo_fuzz(repo, "run")?;
    fuzz.args(["--fuzz-dir=fuzz", target])
        .arg(&corpus)
        .args(seeds.is_dir().then_some(&seeds));
    fuzz.arg("--").arg(format!("-max_total_time={seconds}"));
    fuzz.arg(format!("-timeout={INPUT_SECONDS_MAX}"));
    fuzz.arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg("-print_final_stats=1");
    eprintln!("$ {}", process::shown(&fuzz));
    let file = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
    let status = fuzz.stdout(file.try_clone()?).stderr(file).status()?;

    // Fuzzed bytes may stand in the log.
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if !status.success() {
        let tail: Vec<_> = text.lines().rev().take(60).collect();
        for line in tail.iter().rev() {
            eprintln!("{target} | {line}");
        }
        bail!(
            "{status}; the input lies in fuzz/artifacts/{target}, the log in {}",
            log.display()
        );
    }
    let runs = text
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    eprintln!(
        "fuzz {target}: clean, {} runs in {seconds} s",
        runs.unwrap_or("?").trim()
    );
    Ok(())
}

/// `cargo fuzz SUBCOMMAND`, building in a folder of its own: all is instrumented for coverage.
fn cargo_fuzz(repo: &Repo, subcommand: &str) -> Result<Command> {
    let mut fuzz = tools::FUZZ.command(repo)?;
    // Sanitizers watch unsafe code, of which we have none; without them the stable compiler does.
    fuzz.args([subcommand, "--sanitizer=none", "--target-dir"])
        .arg(repo.target().join("fuzz"));
    fuzz.env("RUST_BACKTRACE", "0"); // else cargo-fuzz shows its own, over what went wrong
    Ok(fuzz)
}

/// The targets that `fuzz/Cargo.toml` lists, sorted.
fn targets(repo: &Repo) -> Result<Vec<String>> {
    let metadata = repo.metadata("fuzz/Cargo.toml")?;
    let targets = metadata["packages"][0]["targets"]
        .as_array()
        .context("no fuzz targets")?;
    let mut names: Vec<String> = targets
        .iter()
        .filter(|target| target["kind"][0] == "bin") // beside them stands what they share
        .filter_map(|target| target["name"].as_str())
        .map(str::to_owned)
        .collect();
    names.sort();
    Ok(names)
}
