//! A store in a process of its own, so that its memory can be weighed and it can be killed.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, io};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::rival::ours::Ours;
use super::store::{Kind, Peer, Store, load, settle};
use super::workload::Workload;

/// What the program is called with to be such a process.
pub(crate) const ARGUMENT: &str = "--resident";

/// Changes of a commit.
const BATCH: usize = 1_000;

/// Commits after which a store of ours is nearly to write a checkpoint: nine tenths of the 64 MiB of
/// records that its options say.
const NEARLY: u64 = 440;

/// A store that was filled and then updated, in a process that still has it open.
pub(super) struct Resident {
    process: Child,
    /// Commits that were made after it was filled.
    pub(super) commits: usize,
    pub(super) longest_commit_ms: f64,
    /// Most memory that the process ever had.
    pub(super) memory_mib: f64,
}

impl Resident {
    /// Starts one, and waits until it has made `updates` updates.
    pub(super) fn start(kind: Kind, folder: &Path, size: usize, updates: usize) -> Result<Self> {
        let mut process = Command::new(env::current_exe()?)
            .args([ARGUMENT, kind.name()])
            .arg(folder)
            .args([size.to_string(), updates.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line).context(kind.name())?;
        let number = |name: &str| said[name].as_f64().context(line.clone());
        Ok(Self {
            process,
            commits: said["commits"]
                .as_u64()
                .map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX)),
            longest_commit_ms: number("longest_commit_ms")?,
            memory_mib: number("memory_mib")?,
        })
    }

    /// SIGKILL.
    pub(super) fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

/// The other end: fills a store, updates it, says how it went, and waits to be killed.
pub(crate) fn run(mut args: impl Iterator<Item = String>, peers: &[Peer]) -> Result<()> {
    let mut next = || args.next().context("KIND FOLDER SIZE UPDATES");
    let kind = Kind::of(&next()?, peers).context("no such store")?;
    let folder = next()?;
    let workload = Workload::new(next()?.parse()?);
    let updates: usize = next()?.parse()?;
    match kind.is_ours() {
        true => {
            let mut store = Ours::open(kind, Path::new(&folder));
            load(&mut store, &workload);
            let mut times = update(&mut store, &workload, updates);
            match kind {
                Kind::Pruned => store.checkpoint(),
                _ => times.extend(until_nearly_due(&mut store, &workload)),
            }
            wait(&mut times)
        }
        false => {
            let mut store = kind.open(Path::new(&folder), workload.size());
            load(&mut *store, &workload);
            wait(&mut update(&mut *store, &workload, updates))
        }
    }
}

fn update(store: &mut dyn Store, workload: &Workload, updates: usize) -> Vec<Duration> {
    let batches = workload.updates(400, updates / BATCH, BATCH);
    let times = batches.flat_map(|batch| store.commit(vec![batch], Duration::MAX));
    let times = times.collect();
    settle();
    times
}

/// Goes on until opening would have about as much to do as it ever has.
fn until_nearly_due(store: &mut Ours, workload: &Workload) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut batches = workload.updates(401, usize::MAX, BATCH);
    while store.behind_checkpoint() < NEARLY {
        times.extend(store.commit(batches.by_ref().take(1).collect(), Duration::MAX));
        if store.behind_checkpoint() >= NEARLY {
            // One may be on its way.
            settle();
        }
    }
    times
}

fn wait(times: &mut [Duration]) -> Result<()> {
    let longest = times.iter().max().copied().unwrap_or_default();
    let memory = json!({
        "commits": times.len(),
        "longest_commit_ms": longest.as_secs_f64() * 1e3,
        "memory_mib": memory_mib().context("no VmHWM")?,
    });
    println!("{memory}");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Most memory that this process ever had.
fn memory_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
