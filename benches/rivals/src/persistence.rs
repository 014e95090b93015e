//! `persistence`: executions committed to state, code and audit at once; receipts; and what opening and
//! checking take of a large store. There is no peer: none commits to all three.

mod life;
mod load;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use persistence::{Config, Persistence, verify_receipt};

use crate::report::Report;
use crate::row::{Goal, Row};
use load::{Load, percentile};

pub(crate) use life::{KILLED, run_killed};

const AREA: &str = "persistence";

/// Callers that wait for their executions at the same time.
const CALLERS: usize = 64;

/// Measures and reports every row of the area.
pub(crate) fn rows(report: &mut Report) {
    served(report);
    life::rows(report);
}

/// What opening after a kill and checking everything take.
pub(crate) fn life(report: &mut Report) {
    life::rows(report);
}

/// Executions and receipts, on a store of 100,000 accounts.
pub(crate) fn served(report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config::new(folder.path().join("data"));
    let (persistence, _) = Persistence::open(config).expect("a new store");
    let accounts = report.size(100_000, 10_000);
    let load = Load::prepare(&persistence, accounts, 100);
    let count = report.size(2_000, 200);
    load.execute(&persistence, "warm", CALLERS, count / 4);
    persistence.catch_up().expect("a sound trail");

    let (seconds, mut times) = load.execute(&persistence, "many", CALLERS, count);
    let rate = times.len() as f64 / seconds;
    let name = format!("execute::callers={CALLERS}/accounts={accounts}");
    let row = Row::new(AREA, name.clone(), "executions/s", rate);
    report.row(&row.goal(Goal::AtLeast(20_000.0)));
    let p99 = percentile(&mut times, 99);
    report.row(&Row::new(AREA, format!("{name}/p99"), "ms", p99));
    let start = Instant::now();
    persistence.catch_up().expect("a sound trail");
    let behind = start.elapsed().as_secs_f64() * 1e3;
    report.row(&Row::new(AREA, "execute::trail_behind", "ms", behind));

    let floor = percentile(&mut floor(folder.path(), 5 * count), 99);
    let (seconds, mut times) = load.execute(&persistence, "one", 1, 5 * count);
    let rate = times.len() as f64 / seconds;
    let name = format!("execute::callers=1/accounts={accounts}");
    let row = Row::new(AREA, name.clone(), "executions/s", rate);
    report.row(&row.goal(Goal::AtLeast(2_500.0)));
    let p99 = percentile(&mut times, 99);
    let row = Row::new(AREA, format!("{name}/p99"), "ms", p99).peer("fdatasync p99", floor);
    report.row(&row.goal(Goal::AtMost(3.0 * floor + 1.0)));

    receipts(report, &persistence, count);
}

fn receipts(report: &mut Report, persistence: &Persistence, count: usize) {
    persistence.catch_up().expect("a sound trail");
    let mut times = Vec::new();
    let mut made = Vec::new();
    for nth in 0..count {
        let id = load::id("one", 0, nth);
        let start = Instant::now();
        let receipt = persistence.receipt(&id).expect("it was committed").encode();
        times.push(start.elapsed());
        made.push(receipt);
    }
    let p99 = percentile(&mut times, 99);
    let row = Row::new(AREA, "receipt::make/p99", "ms", p99);
    report.row(&row.goal(Goal::AtMost(1.0)));
    let bytes: usize = made.iter().map(Vec::len).sum();
    let mean = bytes as f64 / made.len() as f64;
    report.row(&Row::new(AREA, "receipt::size", "bytes", mean));
    let key = persistence.verifier_key();
    let rates = (0..crate::measure::ROUNDS).map(|_| {
        let start = Instant::now();
        for receipt in &made {
            verify_receipt(receipt, &key).expect("nobody changed it");
        }
        made.len() as f64 / start.elapsed().as_secs_f64()
    });
    let rate = rates.fold(0.0, f64::max);
    let row = Row::new(AREA, "receipt::verify", "receipts/s", rate);
    report.row(&row.goal(Goal::AtLeast(20_000.0)));
}

/// A page written over in a file, and a sync: how long each took.
fn floor(folder: &Path, count: usize) -> Vec<Duration> {
    let mut file = File::create(folder.join("floor")).expect("a file");
    file.write_all(&vec![0; 4096 * 256]).expect("room for it");
    file.sync_all().expect("a disk that syncs");
    let write = |at: usize| {
        let place = SeekFrom::Start(at as u64 % 256 * 4096);
        file.seek(place).expect("a file");
        let start = Instant::now();
        file.write_all(&[7; 4096]).expect("room for it");
        file.sync_data().expect("a disk that syncs");
        start.elapsed()
    };
    (0..count).map(write).collect()
}
