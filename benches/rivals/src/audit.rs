//! `audit`: vigilance beside a plain SQLite table with the same indexes, every append durable.

mod plain;
mod records;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use vigilance::{
    Depth, Durability, ExecutionStatus, Filter, Options, PageFrom, Record, SignerKey, Trail,
};

use crate::random::Random;
use crate::report::Report;
use crate::row::{Goal, Row};
use plain::Plain;
use records::{order, record};

/// Records that one call appends where they come in batches.
const BATCH: usize = 20_000;

/// Threads that append one record at a time.
const WRITERS: usize = 64;

const AREA: &str = "audit";

/// Measures and reports every row of the area.
pub(crate) fn rows(report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let size = match report.full {
        true => 10_000_000,
        false => report.size(1_000_000, 100_000),
    };
    let options = options();
    let trail = Trail::open(folder.path().join("trail"), &options).expect("a new trail");
    batched(report, &trail, folder.path(), size);
    one_at_a_time(report, &trail, folder.path());
    proofs(report, &trail);
    reads(report, &trail);
    searches(report, &trail, size);
    let (seconds, checked) = timed(|| trail.verify(Depth::Content, |_| ControlFlow::Continue(())));
    let checked = checked.expect("a trail that can be read");
    assert_eq!(checked.damages, 0);
    let rate = checked.size as f64 / seconds;
    let row = Row::new(AREA, format!("verify/size={size}"), "records/s", rate);
    report.row(&row.goal(Goal::AtLeast(300_000.0)));
    drop(trail);
    let (seconds, trail) = timed(|| Trail::open(folder.path().join("trail"), &options));
    assert_eq!(trail.expect("a trail").open_report().damage, []);
    let row = Row::new(AREA, format!("open/size={size}"), "ms", seconds * 1e3);
    report.row(&row.goal(Goal::AtMost(100.0)));
}

fn options() -> Options {
    let key = SignerKey::from_seed("example.com/trail", &[7; 32]).expect("a name for a key");
    Options::new().origin("example.com/trail").signer(key)
}

/// Full records with all indexes, chain, tree, statistics and words, each batch durable.
fn batched(report: &mut Report, trail: &Trail, folder: &Path, size: usize) {
    let mut waiting = VecDeque::new();
    let (seconds, ()) = timed(|| {
        for first in (0..size).step_by(BATCH) {
            let records = (first..size.min(first + BATCH)).map(record).collect();
            let ticket = trail.submit(records, Durability::Durable);
            waiting.push_back(ticket.expect("a sound trail"));
            while waiting.len() > 3 {
                wait(&mut waiting);
            }
        }
        while !waiting.is_empty() {
            wait(&mut waiting);
        }
    });
    let mut plain = Plain::new(&folder.join("plain.db"));
    let (plain_seconds, ()) = timed(|| {
        for first in (0..size).step_by(BATCH) {
            let records: Vec<Record> = (first..size.min(first + BATCH)).map(record).collect();
            plain.append(first, &records);
        }
    });
    let rate = size as f64 / seconds;
    let row = Row::new(
        AREA,
        format!("append::batched/size={size}"),
        "records/s",
        rate,
    )
    .peer("rusqlite", size as f64 / plain_seconds)
    .goal(Goal::AtLeast(60_000.0));
    report.row(&row);
}

fn wait(waiting: &mut VecDeque<vigilance::Ticket>) {
    if let Some(ticket) = waiting.pop_front() {
        ticket.wait().expect("a sound trail");
    }
}

/// Single durable records: from many threads, and from one.
fn one_at_a_time(report: &mut Report, trail: &Trail, folder: &Path) {
    let count = report.size(2_000, 200);
    let floor = percentile(&mut floor(folder, 10 * count), 99);
    let (seconds, mut times) = timed(|| {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..WRITERS)
                .map(|writer| scope.spawn(move || append(trail, (1 + writer) << 32, count)))
                .collect();
            let times = threads.into_iter().map(|it| it.join().expect("no panic"));
            times.flatten().collect::<Vec<_>>()
        })
    });
    let rate = times.len() as f64 / seconds;
    let name = format!("append::writers={WRITERS}");
    let row = Row::new(AREA, name.clone(), "records/s", rate);
    report.row(&row.goal(Goal::AtLeast(10_000.0)));
    let p99 = percentile(&mut times, 99);
    let row = Row::new(AREA, format!("{name}/p99"), "ms", p99).peer("fdatasync p99", floor);
    report.row(&row.goal(Goal::AtMost(f64::max(10.0, 3.0 * floor))));
    let mut times = append(trail, 1 << 40, 5 * count);
    let p99 = percentile(&mut times, 99);
    let row = Row::new(AREA, "append::serial/p99", "ms", p99).peer("fdatasync p99", floor);
    report.row(&row.goal(Goal::AtMost(floor + 1.0)));
}

/// Appends records one after the other, each durable; how long each took.
fn append(trail: &Trail, first: usize, count: usize) -> Vec<Duration> {
    let append = |number| {
        let record = record(number);
        let start = Instant::now();
        trail.append(record).expect("a sound trail");
        start.elapsed()
    };
    (first..first + count).map(append).collect()
}

/// A page written over in a file, and a sync: how long each took.
fn floor(folder: &Path, count: usize) -> Vec<Duration> {
    let mut file = File::create(folder.join("floor")).expect("a file");
    file.write_all(&vec![0; 4096 * 256]).expect("room for it");
    file.sync_all().expect("a disk that syncs");
    let write = |at: usize| {
        file.seek(SeekFrom::Start(at as u64 % 256 * 4096))
            .expect("a file");
        let start = Instant::now();
        file.write_all(&[7; 4096]).expect("room for it");
        file.sync_data().expect("a disk that syncs");
        start.elapsed()
    };
    (0..count).map(write).collect()
}

/// Proofs of records anywhere, and the way from an append to a signed proof.
fn proofs(report: &mut Report, trail: &Trail) {
    let (size, mut random) = (trail.size(), Random::new(5));
    let count = report.size(20_000, 2_000);
    let mut hashes = 0;
    let mut times: Vec<_> = (0..count)
        .map(|_| {
            let index = random.next() % size;
            let start = Instant::now();
            let proof = trail.prove_inclusion(index, size).expect("a sound trail");
            hashes = hashes.max(proof.hashes().len());
            start.elapsed()
        })
        .collect();
    let name = format!("prove::inclusion/size={size}");
    let row = Row::new(
        AREA,
        format!("{name}/p99"),
        "ms",
        percentile(&mut times, 99),
    );
    report.row(&row.goal(Goal::AtMost(1.0)));
    let row = Row::new(AREA, format!("{name}/most"), "hashes", hashes as f64);
    report.row(&row.goal(Goal::AtMost(24.0)));
    let mut times: Vec<_> = (0..report.size(500, 50))
        .map(|at| {
            let start = Instant::now();
            let appended = trail.append(record((1 << 44) + at)).expect("a sound trail");
            let index = appended.index().expect("it was not dropped");
            trail.checkpoint().expect("a key to sign with");
            trail
                .prove_inclusion(index, index + 1)
                .expect("a sound trail");
            start.elapsed()
        })
        .collect();
    let row = Row::new(
        AREA,
        "append::signed_and_proved/p99",
        "ms",
        percentile(&mut times, 99),
    );
    report.row(&row.goal(Goal::AtMost(50.0)));
}

/// Words that a few records have, among all words.
fn searches(report: &mut Report, trail: &Trail, size: usize) {
    let mut random = Random::new(9);
    let mut times = repeat(report.size(2_000, 500), || {
        let words = format!("transfer {}", order(random.below(size)));
        let query = words.parse().expect("words");
        let filter = Filter::executions().text(query);
        let page = trail.page(&filter, PageFrom::Newest, 50);
        assert!(!page.expect("a sound trail").records.is_empty());
    });
    let p99 = percentile(&mut times, 99);
    let row = Row::new(AREA, "search::selective/p99", "ms", p99);
    report.row(&row.goal(Goal::AtMost(50.0)));
}

/// Statistics, and pages at any depth.
fn reads(report: &mut Report, trail: &Trail) {
    let count = report.size(2_000, 500);
    let mut times = repeat(count, || {
        trail.execution_stats().expect("a sound trail");
    });
    let row = Row::new(AREA, "statistics/p99", "ms", percentile(&mut times, 99));
    report.row(&row.goal(Goal::AtMost(0.5)));
    let (filter, mut from) = (Filter::executions(), PageFrom::Newest);
    let mut times = repeat(count, || {
        let page = trail.page(&filter, from, 50).expect("a sound trail");
        from = page.older.map_or(PageFrom::Newest, PageFrom::Older);
    });
    let row = Row::new(
        AREA,
        "page::records=50/p99",
        "ms",
        percentile(&mut times, 99),
    );
    report.row(&row.goal(Goal::AtMost(2.0)));
    // Anywhere, by one condition and by two: the second has no index of its own.
    let (begin, past) = trail
        .execution_stats()
        .expect("a sound trail")
        .counts
        .span_ns()
        .expect("there are some");
    let mut random = Random::new(3);
    let vote = Filter::executions().intent("vote");
    let failed = vote.clone().status(ExecutionStatus::Failed);
    for (name, filter) in [("intent", vote), ("intent+status", failed)] {
        let mut times = repeat(count, || {
            let until = begin + random.next() % (past - begin);
            let filter = filter.clone().between(0, until);
            let page = trail.page(&filter, PageFrom::Newest, 50);
            page.expect("a sound trail");
        });
        let p99 = percentile(&mut times, 99);
        let row = Row::new(AREA, format!("page::anywhere/{name}/p99"), "ms", p99);
        report.row(&row.goal(Goal::AtMost(2.0)));
    }
}

fn repeat(count: usize, mut work: impl FnMut()) -> Vec<Duration> {
    let once = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..count).map(once).collect()
}

/// In milliseconds.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = times.len() * percent / 100;
    times
        .get(at)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// Seconds that went by: threads and disks take part in what is measured here.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}
