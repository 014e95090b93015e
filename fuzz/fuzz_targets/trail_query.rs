//! Any filter, cursor and search text against a small trail: pages are what the filter says.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vigilance::{
    Attack, Cursor, Event, EventKind, Execution, ExecutionStatus, Filter, Metric, Options,
    PageFrom, Record, RecordKind, Severity, Text, TextQuery, Trail,
};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    kind: u8,
    conditions: Vec<(u8, &'a str)>,
    times: Option<(u64, u64)>,
    search: Option<&'a str>,
    cursor: &'a str,
    is_upwards: bool,
    limit: u8,
}

static TRAIL: LazyLock<(Trail, Vec<Record>)> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("trail-query-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let trail = Trail::open(&folder, &Options::new()).expect("the folder is ours");
    let records: Vec<_> = (0..200).map(record).collect();
    trail.append_all(records.clone()).expect("there is space");
    (trail, records)
});

fn record(nth: u64) -> Record {
    let at = nth / 3 * 10;
    let severity = Severity::from_micros(900_000).expect("it is below a million");
    match nth % 4 {
        0 => {
            let mut it = Execution::new(format!("{}", nth % 9), "a", ExecutionStatus::Proved, at);
            it.result = Some(Text::plain(format!("word {nth} end")));
            it.into()
        }
        1 => {
            let mut it = Attack::new(format!("x{nth}"), "a", "b", "c", severity, at);
            it.code_snippet = Some(Text::plain("DROP TABLE word"));
            it.into()
        }
        2 => Metric::new("1", "a", 1.0, at).into(),
        _ => Event::new(EventKind::Note, at).into(),
    }
}

fn filter(input: &Input<'_>) -> Filter {
    let kinds = [
        RecordKind::Execution,
        RecordKind::Attack,
        RecordKind::Metric,
        RecordKind::Event,
    ];
    let mut filter = Filter::new(kinds[usize::from(input.kind % 4)]);
    for (which, text) in input.conditions.iter().take(8) {
        filter = match which % 8 {
            0 => filter.tx(text),
            1 => filter.bundle(text),
            2 => filter.intent(text),
            3 => filter.attack_type(text),
            4 => filter.category(text),
            5 => filter.layer(text),
            6 => filter.metric(text),
            _ => filter.status(ExecutionStatus::Failed),
        };
    }
    if let Some((from_ns, until_ns)) = input.times {
        filter = filter.between(from_ns, until_ns);
    }
    if let Some(query) = input.search.and_then(|text| text.parse::<TextQuery>().ok()) {
        assert_eq!(query.to_string().parse(), Ok(query.clone()));
        filter = filter.text(query);
    }
    filter
}

fuzz_target!(|input: Input<'_>| {
    let (trail, records) = &*TRAIL;
    let filter = filter(&input);
    if let Ok(cursor) = input.cursor.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), input.cursor);
        let _ = trail.page(&filter, PageFrom::Older(cursor), 10);
    }
    let (limit, mut from) = match input.is_upwards {
        true => (usize::from(input.limit), PageFrom::Oldest),
        false => (usize::from(input.limit), PageFrom::Newest),
    };
    let mut seen = Vec::new();
    loop {
        let Ok(page) = trail.page(&filter, from, limit) else {
            return; // the kind has no such field
        };
        seen.extend(page.records.iter().map(|it| it.index));
        from = match (input.is_upwards, page.newer, page.older) {
            (true, Some(newer), _) if !page.records.is_empty() => PageFrom::Newer(newer),
            (false, _, Some(older)) => PageFrom::Older(older),
            _ => break,
        };
    }
    seen.sort_unstable();
    let matching = (0..)
        .zip(records)
        .filter(|(_, record)| filter.matches(record));
    assert!(seen.into_iter().eq(matching.map(|(index, _)| index)));
});
