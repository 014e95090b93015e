//! Clocks that jump: back by years, to the beginning of time, to its end, or not at all for a while. The log
//! keeps its own order, and whatever goes by time still shows every record.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test; numbers are drawn below small bounds"
)]

#[path = "common/dice.rs"]
mod dice;
#[path = "common/samples.rs"]
mod samples;

use std::ops::ControlFlow;

use dice::Dice;
use vigilance::{
    AppendError, Coverage, Depth, Filter, Health, Metric, PageFrom, Period, Record, RecordError,
    ReportKind, ReportRequest, Trail, Watch, WatchOptions, verify_report,
};

const NOW_NS: u64 = 1_770_000_000_000_000_000;

/// The last nanosecond that a record can have.
const END_NS: u64 = i64::MAX as u64;

/// What two clocks say, one jump after the other.
fn times() -> Vec<(u64, u64)> {
    let mut dice = Dice(20_261_129);
    let year = 365 * 86_400_000_000_000_u64;
    let mut now = NOW_NS;
    let mut times = Vec::new();
    for at in 0..600 {
        now = match at % 40 {
            7 => now - 3 * year,
            13 => 0,
            14 => END_NS,
            15 => NOW_NS,
            20..24 => now,
            27 => now + 10 * year,
            28 => now - 10 * year,
            33 => now - 1,
            // A leap second, smeared or repeated.
            35 => now - 1_000_000_000,
            _ => now + dice.below(90_000_000_000),
        };
        // The two clocks are not the same one.
        let observed_ns = match dice.below(5) {
            0 => NOW_NS - dice.below(year),
            1 => END_NS - dice.below(2),
            _ => now,
        };
        times.push((now, observed_ns));
    }
    times
}

fn records() -> Vec<Record> {
    let record = |(number, (event_ns, observed_ns)): (u64, (u64, u64))| {
        let mut record = samples::record(number);
        match &mut record {
            Record::Execution(it) => (it.event_ns, it.observed_ns) = (event_ns, observed_ns),
            Record::Attack(it) => (it.event_ns, it.observed_ns) = (event_ns, observed_ns),
            Record::Metric(it) => (it.event_ns, it.observed_ns) = (event_ns, observed_ns),
            Record::Event(it) => (it.event_ns, it.observed_ns) = (event_ns, observed_ns),
            other => panic!("a kind of record without times here: {other:?}"),
        }
        record
    };
    (0..).zip(times()).map(record).collect()
}

/// Indices of those that a filter lets through, by time.
fn by_time(records: &[Record], filter: &Filter) -> Vec<u64> {
    let found = (0..).zip(records).filter(|(_, it)| filter.matches(it));
    let mut found: Vec<(u64, u64)> = found.map(|(at, it)| (it.event_ns(), at)).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, at)| at).collect()
}

fn pages(trail: &Trail, filter: &Filter) -> [Vec<u64>; 2] {
    let (mut down, mut from) = (Vec::new(), Some(PageFrom::Newest));
    while let Some(begin) = from {
        let page = trail.page(filter, begin, 17).unwrap();
        down.extend(page.records.iter().map(|it| it.index));
        from = page.older.map(PageFrom::Older);
    }
    down.reverse();
    let (mut up, mut from) = (Vec::new(), PageFrom::Oldest);
    loop {
        let page = trail.page(filter, from, 17).unwrap();
        if page.records.is_empty() {
            return [down, up];
        }
        up.extend(page.records.iter().rev().map(|it| it.index));
        from = PageFrom::Newer(page.newer.unwrap());
    }
}

#[test]
fn jumping_clocks_lose_no_record_and_hide_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut trail = Trail::open(folder.path(), &samples::options()).unwrap();
    let records = records();
    for chunk in records.chunks(150) {
        trail.append_all(chunk.to_vec()).unwrap();
        drop(trail);
        trail = Trail::open(folder.path(), &samples::options()).unwrap();
        assert_eq!(trail.health(), Health::Sound);
    }
    let stored = trail.records(0, 1_000).unwrap();
    let stored: Vec<_> = stored.into_iter().map(|it| it.record).collect();
    assert!(stored == records, "the log has its own order");
    for filter in [Filter::executions(), Filter::attacks(), Filter::metrics()] {
        let ranges = [
            (0, u64::MAX),
            (0, END_NS),
            (0, 1),
            (END_NS, u64::MAX),
            (END_NS + 1, u64::MAX),
            (NOW_NS, NOW_NS + 1_000_000_000_000),
        ];
        for (from_ns, until_ns) in ranges {
            let filter = filter.clone().between(from_ns, until_ns);
            let expected = by_time(&records, &filter);
            let context = filter.canonical();
            assert_eq!(
                pages(&trail, &filter),
                [expected.clone(), expected],
                "{context}"
            );
        }
    }
    let of_kind = |filter: &Filter| by_time(&records, filter).len() as u64;
    let executions = of_kind(&Filter::executions());
    let stats = trail.execution_stats().unwrap();
    assert_eq!(stats.total_executions, executions);
    // Late is what comes behind something that happened later, since anything did.
    let (mut latest, mut late) = (0, 0);
    for record in &records {
        if matches!(record, Record::Execution(_)) {
            late += u64::from(record.event_ns() < latest);
            latest = latest.max(record.event_ns());
        }
    }
    assert_eq!(stats.counts.out_of_order(), late);
    for period in [Period::Minute, Period::Hour, Period::Day] {
        let series = trail.execution_series(period, 0, u64::MAX).unwrap();
        assert!(series.is_sorted_by_key(|point| point.start_ns));
        let counted: u64 = series.iter().map(|point| point.counts.total()).sum();
        assert_eq!(counted, executions, "{period:?}");
    }
    let report = trail
        .verify(Depth::Pages, |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!((report.damage, report.is_complete), (vec![], true));
}

#[test]
fn a_report_has_all_of_its_period_wherever_the_clock_put_it() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::open(folder.path(), &samples::options()).unwrap();
    let records = records();
    trail.append_all(records.clone()).unwrap();
    let periods = [
        (0, 1),
        (NOW_NS - 1_000_000_000, NOW_NS + 2_000_000_000_000),
        (END_NS, u64::MAX),
        (0, u64::MAX),
    ];
    for (from_ns, until_ns) in periods {
        for coverage in [Coverage::Range, Coverage::WholeLog] {
            let kind = ReportKind::Executions;
            let request = ReportRequest::new(kind, from_ns, until_ns, NOW_NS).coverage(coverage);
            let report = trail.report(&request).unwrap();
            let keys = [samples::key().verifier_key()];
            let verified = verify_report(&report.proof, &keys, samples::ORIGIN).unwrap();
            let found: Vec<u64> = verified.records.iter().map(|it| it.0).collect();
            let filter = Filter::executions().between(from_ns, until_ns);
            let mut expected = by_time(&records, &filter);
            expected.sort_unstable();
            assert_eq!(found, expected, "{from_ns} to {until_ns}, {coverage:?}");
        }
    }
}

#[test]
fn detectors_follow_a_clock_that_jumps() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::open(folder.path(), &samples::options()).unwrap();
    trail.append_all(records()).unwrap();
    let mut watch = Watch::new(WatchOptions::new());
    let mut told = 0;
    let mut sink = |_: &vigilance::Alert| told += 1;
    while watch.follow(&trail, &mut sink, 256).unwrap() > 0 {}
    assert_eq!(watch.next_index(), trail.size());
    let alerts = trail.size() - records().len() as u64;
    assert_eq!(alerts, told, "each alert is a record");
}

#[test]
fn refuses_times_that_do_not_fit_and_appends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::open(folder.path(), &samples::options()).unwrap();
    let good = Metric::new("tx", "queue", 1.0, END_NS);
    let mut bad = good.clone();
    bad.observed_ns = END_NS + 1;
    let error = trail.append_all(vec![good.clone().into(), bad.into()]);
    match error.unwrap_err() {
        AppendError::Record { at, source } => {
            let value = END_NS + 1;
            let field = "observed_ns";
            assert_eq!(
                (at, source),
                (1, RecordError::NumberOutOfRange { field, value })
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(trail.size(), 0);
    assert_eq!(trail.append(good).unwrap().index(), Some(0));
}
