use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{Attack, Event, EventKind, Execution, ExecutionStatus, LayerOutcome, Metric, Severity};

type Stored = BTreeMap<i64, Vec<u8>>;

/// Counts records in batches, storing after each as the database does.
fn store(batches: &[&[Record]]) -> Stored {
    let mut stored = Stored::new();
    for batch in batches {
        let mut fold = Fold::default();
        for record in *batch {
            let load = |key: CellKey| {
                let bytes = stored.get(&key.id());
                let cell = bytes.map(|bytes| Cell::decode(key.family, bytes).unwrap());
                Ok::<_, Infallible>(cell)
            };
            fold.record(record, load).unwrap();
        }
        for (key, cell) in fold.take_changed() {
            stored.insert(key.id(), cell.encode());
        }
    }
    stored
}

fn execution(name: &str, nth: u64) -> Record {
    let status = ExecutionStatus::ALL[(nth % 4) as usize];
    let mut it = Execution::new(format!("tx{nth}"), name, status, nth * 1_000_000_000);
    it.elapsed_ns = nth.is_multiple_of(3).then_some(nth * 1_000);
    let outcome = if nth.is_multiple_of(5) {
        LayerOutcome::Refused
    } else {
        LayerOutcome::Passed
    };
    it.layer_results.insert("z3_prover".into(), outcome);
    it.into()
}

fn attack(name: &str, nth: u64) -> Record {
    let severity = Severity::from_micros((nth * 77_777 % 1_000_001) as u32).unwrap();
    Attack::new(
        format!("a{nth}"),
        name,
        "injection",
        "sanitizer",
        severity,
        nth * 1_000_000_000,
    )
    .into()
}

fn record() -> impl Strategy<Value = Record> {
    let name = prop::sample::select(vec!["transfer", "check", "mint"]);
    (name, 0..200_000_u64, 0..4_u8).prop_map(|(name, nth, kind)| match kind {
        0 => execution(name, nth),
        1 => attack(name, nth),
        2 => Metric::new("tx", name, nth as f64 / 7.0, nth * 1_000_000_000).into(),
        _ => Event::new(EventKind::ALL[(nth % 10) as usize], nth * 1_000_000_000).into(),
    })
}

proptest! {
    #[test]
    fn batches_make_no_difference(records in vec(record(), 0..80), cut in any::<prop::sample::Index>()) {
        let whole = store(&[&records]);
        let cut = cut.index(records.len() + 1);
        let (left, right) = records.split_at(cut);
        prop_assert_eq!(&store(&[left, right]), &whole);
        let each: Vec<_> = records.chunks(1).collect();
        prop_assert_eq!(store(&each), whole);
    }

    #[test]
    fn minutes_add_up_to_all(records in vec(record(), 0..80)) {
        let stored = store(&[&records]);
        for period in [Period::Minute, Period::Hour, Period::Day] {
            let mut sum = ExecutionCell::default();
            let mut total = 0;
            for (id, bytes) in &stored {
                let key = CellKey::from_id(*id).unwrap();
                match Cell::decode(key.family, bytes).unwrap() {
                    Cell::Executions(cell) if key.period == period => sum.merge(&cell),
                    Cell::Executions(cell) if key.period == Period::All => total = cell.total(),
                    _ => {}
                }
            }
            let count = |test: fn(&Execution) -> bool| {
                let matches = |it: &&Record| matches!(it, Record::Execution(it) if test(it));
                records.iter().filter(matches).count() as u64
            };
            prop_assert_eq!(sum.total(), total);
            prop_assert_eq!(sum.total(), count(|_| true));
            prop_assert_eq!(sum.elapsed_ns().count(), count(|it| it.elapsed_ns.is_some()));
            let rejected = count(|it| it.status == ExecutionStatus::Rejected);
            prop_assert_eq!(sum.with_status(ExecutionStatus::Rejected), rejected);
        }
    }

    #[test]
    fn decodes_only_what_it_would_encode(records in vec(record(), 1..20), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        for (id, bytes) in store(&[&records]) {
            let key = CellKey::from_id(id).unwrap();
            let cell = Cell::decode(key.family, &bytes).unwrap();
            prop_assert_eq!(cell.encode(), bytes.as_slice());
            let mut changed = bytes.clone();
            changed[at.index(bytes.len())] ^= 1_u8 << bit;
            prop_assert_eq!(Cell::decode(key.family, &changed), None);
        }
    }

    #[test]
    fn any_bytes_have_an_answer(bytes in vec(any::<u8>(), 0..200), family in 0..4_usize) {
        // With a right checksum, so that what is behind it is reached.
        let mut to = codec::Writer::new(u8::try_from(family).unwrap());
        to.other(|out| out.extend_from_slice(&bytes));
        let bytes = to.finish();
        if let Some(cell) = Cell::decode(Family::ALL[family], &bytes) {
            prop_assert_eq!(cell.encode(), bytes);
        }
    }

    #[test]
    fn numbers_of_cells_are_their_names(event_ns in 0..=i64::MAX as u64, which in 0..16_usize) {
        let key = CellKey::of(Family::ALL[which / 4], Period::ALL[which % 4], event_ns);
        prop_assert_eq!(CellKey::from_id(key.id()), Some(key));
        prop_assert!(key.start_ns() <= event_ns);
        let length = key.period.length_ns().unwrap_or(u64::MAX);
        prop_assert!(event_ns - key.start_ns() < length);
    }

    #[test]
    fn other_numbers_name_no_cell(id in any::<i64>()) {
        if let Some(key) = CellKey::from_id(id) {
            prop_assert_eq!(key.id(), id);
        }
    }
}

#[test]
fn a_late_record_goes_where_it_belongs() {
    let records = [
        execution("transfer", 100),
        execution("transfer", 7_300),
        execution("transfer", 130),
    ];
    let stored = store(&[&records]);
    let at = |period, event_ns| {
        let key = CellKey::of(Family::Executions, period, event_ns);
        match Cell::decode(Family::Executions, &stored[&key.id()]).unwrap() {
            Cell::Executions(cell) => cell,
            other => panic!("{other:?}"),
        }
    };
    let all = at(Period::All, 0);
    assert_eq!((all.total(), all.out_of_order()), (3, 1));
    assert_eq!(all.span_ns(), Some((100_000_000_000, 7_300_000_000_000)));
    assert_eq!(at(Period::Minute, 100_000_000_000).total(), 1);
    assert_eq!(at(Period::Minute, 130_000_000_000).total(), 1);
    assert_eq!(at(Period::Hour, 0).total(), 2);
}

#[test]
fn names_beyond_the_bound_are_counted_together() {
    let names = Breakdown::<u64>::NAMES_MAX + 50;
    let records: Vec<_> = (0..names as u64)
        .map(|nth| attack(&format!("type {nth}"), nth % 50))
        .collect();
    let stored = store(&[&records]);
    let key = CellKey::of(Family::Attacks, Period::All, 0);
    let Cell::Attacks(cell) = Cell::decode(Family::Attacks, &stored[&key.id()]).unwrap() else {
        panic!("not attacks");
    };
    assert_eq!(cell.types().iter().count(), Breakdown::<u64>::NAMES_MAX);
    assert_eq!(*cell.types().other(), 50);
    assert_eq!(cell.total(), names as u64);
    assert_eq!(cell.categories().get("injection"), Some(&(names as u64)));
}

#[test]
fn metrics_have_the_last_value_in_the_order_of_the_log() {
    let values = [3.5, -1.0, 2.0];
    let records = values.map(|value| Metric::new("tx", "cpu", value, 5).into());
    let stored = store(&[&records[..2], &records[2..]]);
    let key = CellKey::of(Family::Metrics, Period::All, 5);
    let Cell::Metrics(cell) = Cell::decode(Family::Metrics, &stored[&key.id()]).unwrap() else {
        panic!("not metrics");
    };
    let counts = cell.names().get("cpu").unwrap();
    assert_eq!(
        (
            counts.count,
            counts.sum,
            counts.min,
            counts.max,
            counts.last
        ),
        (3, 4.5, -1.0, 3.5, 2.0)
    );
}
