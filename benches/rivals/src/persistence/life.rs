//! A large store: killed under load, opened, checked.

use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use persistence::{Config, Persistence};

use super::load::Load;
use super::{AREA, CALLERS};
use crate::measure::median;
use crate::report::Report;
use crate::row::{Goal, Row};

/// Times that the store is killed, opened and checked.
const TIMES: usize = 3;

/// First argument of the process that is killed.
pub(crate) const KILLED: &str = "persistence-killed";

/// Executions that the process acknowledges before it is killed.
const ACKNOWLEDGED: usize = 5_000;

pub(super) fn rows(report: &mut Report) {
    let accounts = report.size(1_000_000, 10_000);
    let bundles = report.size(100_000, 1_000);
    let records = report.size(1_000_000, 10_000);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    {
        let (persistence, _) = Persistence::open(Config::new(&data)).expect("a new store");
        let load = Load::prepare(&persistence, accounts, bundles);
        let known = persistence.heads().log.size.get();
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        let count = records.saturating_sub(known);
        let start = Instant::now();
        load.fill(&persistence, "fill", count);
        let rate = count as f64 / start.elapsed().as_secs_f64();
        let row = Row::new(
            AREA,
            format!("submit/accounts={accounts}"),
            "executions/s",
            rate,
        );
        report.row(&row);
    }
    let size = format!("accounts={accounts}/records={records}");
    let mut opened: Vec<_> = (0..TIMES)
        .map(|nth| {
            kill(&data, accounts, nth);
            let start = Instant::now();
            let (persistence, opened) = Persistence::open(Config::new(&data)).expect("a store");
            let took = start.elapsed().as_secs_f64() * 1e3;
            assert_eq!(opened.causes, []);
            eprintln!("opened after a kill: {:?}", opened.durations);
            drop(persistence);
            took
        })
        .collect();
    let row = Row::new(
        AREA,
        format!("open::after_kill/{size}"),
        "ms",
        median(&mut opened),
    );
    report.row(&row.goal(Goal::AtMost(500.0)));
    let (persistence, _) = Persistence::open(Config::new(&data)).expect("a store");
    let mut checked: Vec<_> = (0..TIMES)
        .map(|_| {
            let start = Instant::now();
            let checked = persistence.verify_all(|_| ControlFlow::Continue(()));
            let took = start.elapsed().as_secs_f64();
            assert_eq!(checked.expect("a store").causes, []);
            took
        })
        .collect();
    let name = format!("verify_all/{size}/bundles={bundles}");
    let row = Row::new(AREA, name, "s", median(&mut checked));
    report.row(&row.goal(Goal::AtMost(10.0)));
}

/// Has a process of its own execute on the store, and kills it under load.
fn kill(data: &Path, accounts: usize, nth: usize) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .arg(KILLED)
        .arg(data)
        .args([accounts.to_string(), nth.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let said = output.lines().next();
    assert!(
        said.is_some_and(|line| line.is_ok()),
        "it ended before it was killed"
    );
    child.kill().expect("it is alive");
    child.wait().expect("it was killed");
}

/// Executes until it is killed; says so once enough is acknowledged.
pub(crate) fn run_killed(mut words: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut word = || {
        words
            .next()
            .ok_or_else(|| anyhow::anyhow!("a word is missing"))
    };
    let (data, accounts, nth) = (word()?, word()?.parse()?, word()?);
    let (persistence, _) = Persistence::open(Config::new(data))?;
    let load = Load::again(accounts, 100);
    let count = ACKNOWLEDGED.div_ceil(CALLERS);
    load.execute(&persistence, &format!("killed_{nth}_first"), CALLERS, count);
    std::thread::scope(|scope| {
        let run = format!("killed_{nth}");
        let (load, persistence) = (&load, &persistence);
        scope.spawn(move || load.execute(persistence, &run, CALLERS, 100_000));
        std::thread::sleep(std::time::Duration::from_millis(200));
        println!("under load");
        std::io::stdout().flush().expect("somebody hears it");
    });
    Ok(())
}
