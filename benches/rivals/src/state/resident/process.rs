//! The other end: a process that has one store open, and does what it is asked until nobody can ask.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Ask, Committed, Keys, Updates};
use crate::state::rival::ours::Ours;
use crate::state::settle::settle;
use crate::state::store::{Kind, Peer, Store};
use crate::state::workload::Workload;

/// Commits after which a store of ours is nearly to write a checkpoint: nine tenths of the 64 MiB of
/// records that its options say.
const NEARLY: u64 = 440;

/// Changes that are made ahead of their commits.
const AHEAD: usize = 50_000;

/// Opens the store that the arguments name, and answers on standard output.
pub(crate) fn run(mut args: impl Iterator<Item = String>, peers: &[Peer]) -> Result<()> {
    let mut next = || args.next().context("KIND FOLDER SIZE");
    let kind = Kind::of(&next()?, peers).context("no such store")?;
    let folder = next()?;
    let workload = Workload::new(next()?.parse()?);
    let mut open = Open::new(kind, Path::new(&folder), workload.size());
    for line in io::stdin().lines() {
        let answer = answer(&mut open, &workload, serde_json::from_str(&line?)?)?;
        println!("{answer}");
    }
    Ok(())
}

/// An open store; of ours more is asked than of others.
enum Open {
    Ours(Ours),
    Peer(Box<dyn Store>),
}

impl Open {
    fn new(kind: Kind, folder: &Path, size: usize) -> Self {
        match kind {
            Kind::Peer(peer) => Self::Peer((peer.open)(folder, size)),
            ours => Self::Ours(Ours::open(ours, folder)),
        }
    }

    fn store(&mut self) -> &mut dyn Store {
        match self {
            Self::Ours(ours) => ours,
            Self::Peer(peer) => &mut **peer,
        }
    }

    fn ours(&mut self) -> Result<&mut Ours> {
        match self {
            Self::Ours(ours) => Ok(ours),
            Self::Peer(_) => anyhow::bail!("this is asked of ours alone"),
        }
    }
}

fn answer(open: &mut Open, workload: &Workload, ask: Ask) -> Result<Value> {
    Ok(match ask {
        Ask::Load => {
            for batch in workload.load() {
                open.store().commit(vec![batch], Duration::MAX);
            }
            settle();
            Value::Null
        }
        Ask::Commit(updates) => json!(commit(open.store(), workload, updates)),
        Ask::Read(Keys { seed, count }) => {
            let keys = workload.keys(seed, count);
            let start = Instant::now();
            anyhow::ensure!(open.store().read(&keys) == count, "a key is missing");
            json!(start.elapsed())
        }
        Ask::Prove(Keys { seed, count }) => {
            json!(open.store().prove(&workload.keys(seed, count)))
        }
        Ask::UntilNearlyDue => json!(until_nearly_due(open.ours()?, workload)),
        Ask::Checkpoint => {
            open.ours()?.checkpoint();
            Value::Null
        }
        Ask::Memory => json!(memory_mib().context("no VmHWM")?),
    })
}

fn commit(store: &mut dyn Store, workload: &Workload, updates: Updates) -> Committed {
    let mut batches = workload.updates(updates.seed, updates.count, updates.len);
    let mut done = Committed::default();
    let mut left = updates.limit;
    while !left.is_zero() {
        let some: Vec<_> = (batches.by_ref())
            .take(AHEAD.div_ceil(updates.len))
            .collect();
        if some.is_empty() {
            break;
        }
        let times = store.commit(some, left);
        left = left.saturating_sub(times.iter().sum());
        done.times.extend(times);
    }
    done.settled = settle();
    done
}

fn until_nearly_due(store: &mut Ours, workload: &Workload) -> Committed {
    let mut done = Committed::default();
    let mut batches = workload.updates(401, usize::MAX, 1_000);
    while store.behind_checkpoint() < NEARLY {
        let next = batches.by_ref().take(1).collect();
        done.times.extend(store.commit(next, Duration::MAX));
    }
    done
}

/// Most memory that this process ever had.
fn memory_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
