#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers are drawn below small bounds"
)]

use std::thread;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::Connection;

use super::plan::Plan;
use super::*;
use crate::record::*;
use crate::{Options, Period, TextQuery, schema};

/// Records of all kinds, several at the same time, some late.
fn some_record(nth: u64) -> Record {
    let event_ns = 1_000_000_000_000 + nth / 3 * 1_000_000_000 - nth % 11 * 40_000_000_000;
    let pick = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let name = |names: [&str; 3]| names[(pick % 3) as usize].to_owned();
    match nth % 5 {
        0 | 1 => {
            let status = ExecutionStatus::ALL[(pick % 4) as usize];
            let mut it = Execution::new(
                format!("tx{}", nth % 50),
                name(["transfer", "mint", "check"]),
                status,
                event_ns,
            );
            it.bundle_hash = pick.is_multiple_of(2).then(|| name(["aa", "bb", "cc"]));
            it.result = Some(Text::plain(format!("proof {} done", pick % 20)));
            it.elapsed_ns = Some(pick);
            it.into()
        }
        2 => {
            let severity = Severity::from_micros((pick % 1_000_001) as u32).unwrap();
            let mut it = Attack::new(
                format!("a{nth}"),
                name(["injection", "overflow", "trojan"]),
                name(["x", "y", "z"]),
                name(["input", "semantic", "z3"]),
                severity,
                event_ns,
            );
            it.code_snippet = Some(Text::plain(format!("DROP TABLE t{}", pick % 20)));
            it.tx_id = pick.is_multiple_of(3).then(|| format!("tx{}", nth % 50));
            it.into()
        }
        3 => Metric::new(
            format!("tx{}", nth % 50),
            name(["cpu", "mem", "z3"]),
            1.5,
            event_ns,
        )
        .into(),
        _ => {
            let mut it = Event::new(EventKind::ALL[(pick % 10) as usize], event_ns);
            it.message = Some(Text::plain(format!("proof of note {}", pick % 20)));
            it.into()
        }
    }
}

const COUNT: u64 = 2_000;

/// A trail that all tests of this file read.
fn trail() -> (&'static Trail, &'static [Record]) {
    static TRAIL: std::sync::OnceLock<(tempfile::TempDir, Trail, Vec<Record>)> =
        std::sync::OnceLock::new();
    let (_, trail, records) = TRAIL.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let trail = Trail::open(folder.path(), &Options::new()).unwrap();
        let records: Vec<_> = (0..COUNT).map(some_record).collect();
        // The last ones are so few that the text index does not take them up yet.
        let (most, last) = records.split_at(records.len() - 5);
        for chunk in most.chunks(500).chain([last]) {
            trail.append_all(chunk.to_vec()).unwrap();
        }
        (folder, trail, records)
    });
    (trail, records)
}

fn filter() -> impl Strategy<Value = Filter> {
    let condition = (0..11_u8, 0..50_u64);
    (0..4_usize, vec(condition, 0..3)).prop_map(|(kind, conditions)| {
        let kinds = [
            RecordKind::Execution,
            RecordKind::Attack,
            RecordKind::Metric,
            RecordKind::Event,
        ];
        let mut filter = Filter::new(kinds[kind]);
        for (which, pick) in conditions {
            let name = |names: [&'static str; 3]| names[(pick % 3) as usize];
            let with = match which {
                0 => filter.clone().tx(&format!("tx{pick}")),
                1 => filter.clone().bundle(name(["aa", "bb", "zz"])),
                2 => filter.clone().intent(name(["transfer", "mint", "nothing"])),
                3 => filter
                    .clone()
                    .attack_type(name(["injection", "overflow", "trojan"])),
                4 => filter.clone().category(name(["x", "y", "z"])),
                5 => filter.clone().layer(name(["input", "semantic", "z3"])),
                6 => filter
                    .clone()
                    .status(ExecutionStatus::ALL[(pick % 4) as usize]),
                7 => filter
                    .clone()
                    .severity_at_least(Severity::from_micros(pick as u32 * 20_000).unwrap()),
                8 => filter
                    .clone()
                    .event_kind(EventKind::ALL[(pick % 10) as usize]),
                9 => filter.clone().between(
                    1_000_000_000_000 + pick * 10_000_000_000,
                    1_300_000_000_000 + pick * 10_000_000_000,
                ),
                _ => filter.clone().text(
                    name(["proof", "table t3", "proof -7 don*"])
                        .parse()
                        .unwrap(),
                ),
            };
            if with.check().is_ok() {
                filter = with;
            }
        }
        filter
    })
}

/// The indexes of the matching records, newest first, as the specification says.
fn expected(filter: &Filter, records: &[Record]) -> Vec<u64> {
    let mut matching: Vec<_> = (0..)
        .zip(records)
        .filter(|(_, record)| filter.matches(record))
        .map(|(index, record)| (record.event_ns(), index))
        .collect();
    if filter.text_query().is_some() {
        matching.iter_mut().for_each(|it| it.0 = 0);
    }
    matching.sort_unstable();
    matching.iter().rev().map(|it| it.1).collect()
}

fn indexes(page: &Page) -> Vec<u64> {
    page.records.iter().map(|it| it.index).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn pages_are_the_list_in_both_directions(filter in filter(), limit in 1..40_usize) {
        let (trail, records) = trail();
        let expected = expected(&filter, records);

        let mut downwards = Vec::new();
        let mut page = trail.page(&filter, PageFrom::Newest, limit).unwrap();
        loop {
            prop_assert!(page.records.len() <= limit);
            downwards.extend(indexes(&page));
            let Some(older) = page.older else { break };
            let older: Cursor = older.to_string().parse().unwrap();
            page = trail.page(&filter, PageFrom::Older(older), limit).unwrap();
        }
        prop_assert_eq!(&downwards, &expected);

        let mut upwards = Vec::new();
        let mut page = trail.page(&filter, PageFrom::Oldest, limit).unwrap();
        while !page.records.is_empty() {
            upwards.extend(page.records.iter().rev().map(|it| it.index));
            page = trail.page(&filter, PageFrom::Newer(page.newer.unwrap()), limit).unwrap();
        }
        upwards.reverse();
        prop_assert_eq!(upwards, expected);
    }

    #[test]
    fn a_page_and_back_is_the_same_page(filter in filter(), limit in 1..20_usize) {
        let (trail, _) = trail();
        let first = trail.page(&filter, PageFrom::Newest, limit).unwrap();
        let Some(older) = first.older else { return Ok(()) };
        let second = trail.page(&filter, PageFrom::Older(older), limit).unwrap();
        let Some(newer) = second.newer else { return Ok(()) };
        let back = trail.page(&filter, PageFrom::Newer(newer), limit).unwrap();
        // Candidates that no condition held for may lie between.
        prop_assert!(indexes(&first).ends_with(&indexes(&back)) || indexes(&back) == indexes(&first));
    }

    #[test]
    fn a_changed_cursor_is_refused(event_ns in 0..i64::MAX, index in 0..i64::MAX, at in any::<prop::sample::Index>(), to in "[0-9a-fA-Fg]") {
        let cursor = Cursor::new(&Filter::executions(), Place { event_ns, index });
        let text = cursor.to_string();
        prop_assert_eq!(text.parse::<Cursor>(), Ok(cursor));
        let at = at.index(text.len());
        let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
        prop_assert!(changed == text || changed.parse::<Cursor>().is_err());
    }

    #[test]
    fn any_text_is_no_cursor(text in ".{0,120}") {
        prop_assert!(text.parse::<Cursor>().is_err());
    }

    #[test]
    fn every_filter_has_an_index_and_no_sorting(filter in filter(), is_upwards in any::<bool>(), place in any::<bool>()) {
        let conn = Connection::open_in_memory().unwrap();
        schema::create(&conn).unwrap();
        let place = place.then_some(Place { event_ns: 1_200_000_000_000, index: 500 });
        let plan = Plan::new(&filter, is_upwards, place, i64::MAX.cast_unsigned());
        let text = format!("EXPLAIN QUERY PLAN {}", plan.text);
        let mut explain = conn.prepare(&text).unwrap();
        let rows = explain.query_map(rusqlite::params_from_iter(&plan.values), |row| row.get::<_, String>(3));
        let steps: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
        let is_sorted_anyhow = filter.kind() == RecordKind::Execution && plan.text.contains("executions_tx_id");
        for step in &steps {
            let is_search = step.starts_with("SEARCH") || step.contains("VIRTUAL TABLE INDEX");
            prop_assert!(is_search || is_sorted_anyhow, "{steps:?} of {}", plan.text);
        }
        // A place is a bound of the index, not a condition beside it.
        if filter.text_query().is_none() && !is_sorted_anyhow {
            prop_assert!(steps[0].contains("event_ns>? AND event_ns<?"), "{steps:?}");
        }
    }
}

#[test]
fn refuses_conditions_without_a_field_and_cursors_of_other_filters() {
    let (trail, _) = trail();
    let filter = Filter::metrics().status(ExecutionStatus::Proved);
    let error = trail.page(&filter, PageFrom::Newest, 1).unwrap_err();
    assert!(matches!(error, PageError::NoSuchField(it) if it.field == "status"));
    let page = trail
        .page(&Filter::executions(), PageFrom::Newest, 1)
        .unwrap();
    let from = PageFrom::Older(page.older.unwrap());
    let error = trail.page(&Filter::attacks(), from, 1).unwrap_err();
    assert!(matches!(error, PageError::Cursor(CursorError::OtherFilter)));
}

#[test]
fn a_page_that_finds_little_ends_soon_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::open(folder.path(), &Options::new()).unwrap();
    let record = |nth: u64| {
        let status = if nth == 3 {
            ExecutionStatus::Failed
        } else {
            ExecutionStatus::Proved
        };
        Record::from(Execution::new(format!("t{nth}"), "transfer", status, nth))
    };
    let records: Vec<_> = (0..25_000).map(record).collect();
    for chunk in records.chunks(5_000) {
        trail.append_all(chunk.to_vec()).unwrap();
    }
    // The intent leads, and all have it.
    let filter = Filter::executions()
        .intent("transfer")
        .status(ExecutionStatus::Failed);
    let mut page = trail.page(&filter, PageFrom::Newest, 10).unwrap();
    let mut pages = 1;
    while page.records.is_empty() {
        page = trail
            .page(&filter, PageFrom::Older(page.older.unwrap()), 10)
            .unwrap();
        pages += 1;
    }
    assert_eq!((pages, indexes(&page)), (3, vec![3]));
}

#[test]
fn a_row_that_does_not_say_what_its_record_says_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::open(folder.path(), &Options::new()).unwrap();
    trail
        .append_all((0..20).map(some_record).collect())
        .unwrap();
    let conn = Connection::open(folder.path().join("trail.db")).unwrap();
    conn.execute_batch(
        "DROP TRIGGER executions_no_update; UPDATE executions SET status = 'PROVED'",
    )
    .unwrap();
    let filter = Filter::executions().status(ExecutionStatus::Proved);
    let error = trail.page(&filter, PageFrom::Newest, 50).unwrap_err();
    assert!(
        matches!(error, PageError::Read(ReadError::Damaged(_))),
        "{error:?}"
    );
    assert!(matches!(trail.health(), crate::Health::Panic(_)));
}

#[test]
fn statistics_have_the_originals_shapes_and_are_the_records() {
    let (trail, records) = trail();
    let stats = trail.execution_stats().unwrap();
    let of = |filter: Filter| expected(&filter, records).len() as u64;
    assert_eq!(stats.total_executions, of(Filter::executions()));
    assert_eq!(
        stats.status_breakdown["FAILED"],
        of(Filter::executions().status(ExecutionStatus::Failed))
    );
    let json: serde_json::Value = serde_json::from_str(&stats.to_json()).unwrap();
    assert_eq!(json["total_executions"], stats.total_executions);
    assert_eq!(
        json["status_breakdown"]["PROVED"],
        stats.status_breakdown["PROVED"]
    );
    assert!(json["avg_execution_time_ms"].as_f64().unwrap() > 0.0);
    let stats = trail.attack_stats().unwrap();
    let json: serde_json::Value = serde_json::from_str(&stats.to_json()).unwrap();
    assert_eq!(json["total_attacks_blocked"], of(Filter::attacks()));
    assert_eq!(
        json["attack_type_breakdown"]["trojan"],
        of(Filter::attacks().attack_type("trojan"))
    );
    assert_eq!(
        json["layer_breakdown"]["z3"],
        of(Filter::attacks().layer("z3"))
    );
    assert_eq!(trail.metric_stats().unwrap().total(), of(Filter::metrics()));
    assert_eq!(
        trail.event_stats().unwrap().of_kind(EventKind::Alert),
        of(Filter::events().event_kind(EventKind::Alert))
    );
    for period in [Period::Minute, Period::Hour, Period::Day] {
        let series = trail.execution_series(period, 0, u64::MAX).unwrap();
        assert!(series.is_sorted_by_key(|point| point.start_ns));
        let total: u64 = series.iter().map(|point| point.counts.total()).sum();
        assert_eq!(total, of(Filter::executions()));
    }
    let (from, until) = (960_000_000_000, 1_020_000_000_000);
    let minute = trail.attack_series(Period::Minute, from, until).unwrap();
    assert_eq!(
        minute[0].counts.total(),
        of(Filter::attacks().between(from, until))
    );
    let empty = tempfile::tempdir().unwrap();
    let empty = Trail::open(empty.path(), &Options::new()).unwrap();
    let stats = empty.execution_stats().unwrap().to_json();
    assert!(
        stats.starts_with(
            r#"{"total_executions":0,"status_breakdown":{},"avg_execution_time_ms":0.0"#
        ),
        "{stats}"
    );
}

#[test]
fn a_subscription_misses_nothing_and_resumes_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::open(folder.path(), &Options::new()).unwrap();
    trail
        .append_all((0..300).map(some_record).collect())
        .unwrap();
    let writer = trail.clone();
    let thread = thread::spawn(move || {
        for nth in 300..900 {
            writer.append(some_record(nth)).unwrap();
        }
    });
    let mut seen = Vec::new();
    let mut subscription = trail.subscribe(0);
    while seen.len() < 900 {
        // Given up and begun again, as after a restart.
        if seen.len() % 100 == 7 {
            subscription = trail.subscribe(subscription.next_index());
        }
        let record = subscription
            .next_within(Duration::from_secs(20))
            .unwrap()
            .unwrap();
        seen.push(record.index);
    }
    thread.join().unwrap();
    assert!(seen.iter().copied().eq(0..900));
    assert!(subscription.next_within(Duration::ZERO).unwrap().is_none());
    assert!(!subscription.is_behind());
    let attacks = Filter::attacks();
    let mut polled = Vec::new();
    let mut subscription = trail.subscribe(0).only(attacks.clone());
    while subscription.is_behind() {
        polled.extend(subscription.poll(7).unwrap().into_iter().map(|it| it.index));
    }
    let mut wanted = expected(&attacks, &(0..900).map(some_record).collect::<Vec<_>>());
    wanted.sort_unstable();
    assert_eq!(polled, wanted);
}

#[test]
fn search_finds_words_of_results_snippets_and_messages() {
    let (trail, records) = trail();
    let query: TextQuery = "table t3".parse().unwrap();
    let page = trail
        .page(&Filter::attacks().text(query), PageFrom::Newest, 5)
        .unwrap();
    assert!(!page.records.is_empty());
    for it in &page.records {
        assert_eq!(records[it.index as usize], it.record);
    }
}
