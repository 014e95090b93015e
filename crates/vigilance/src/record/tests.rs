use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use merkle_core::Hash;

use super::*;

pub(crate) fn name() -> impl Strategy<Value = String> {
    "[ -~äöü€]{1,40}"
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..10_u64, 0..=i64::MAX as u64, Just(i64::MAX as u64)]
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash::from_bytes)
}

fn erasable(field: ErasableField) -> impl Strategy<Value = ErasableText> {
    (".{0,60}", any::<[u8; 32]>())
        .prop_map(move |(text, salt)| ErasableText::new(field, &text, Salt::from_bytes(salt)))
}

fn text(field: ErasableField) -> impl Strategy<Value = Option<Text>> {
    option::of(prop_oneof![
        ".{0,60}".prop_map(Text::plain),
        erasable(field).prop_map(Text::Erasable),
    ])
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL,
        Just(0.0)
    ]
}

fn execution() -> impl Strategy<Value = Record> {
    let ids = (name(), option::of(name()), name(), 0..4_usize);
    let state = (
        option::of(hash()),
        option::of(hash()),
        option::of(number()),
        option::of(number()),
    );
    let maps = (
        btree_map(
            name(),
            (0..3_usize).prop_map(|at| LayerOutcome::ALL[at]),
            0..5,
        ),
        btree_map(name(), float(), 0..5),
    );
    let texts = (
        text(ErasableField::Result),
        option::of(erasable(ErasableField::Subject)),
    );
    (ids, state, maps, texts, number(), number()).prop_map(
        |(ids, state, maps, texts, event_ns, observed_ns)| {
            let status = ExecutionStatus::ALL[ids.3];
            let mut it = Execution::new(ids.0, ids.2, status, event_ns);
            it.bundle_hash = ids.1;
            (it.merkle_root_before, it.merkle_root_after) = (state.0, state.1);
            (it.state_version, it.elapsed_ns) = (state.2, state.3);
            (it.layer_results, it.telemetry) = maps;
            (it.result, it.subject) = texts;
            it.observed_ns = observed_ns;
            it.into()
        },
    )
}

fn attack() -> impl Strategy<Value = Record> {
    let ids = (name(), name(), name(), name(), 0..=1_000_000_u32);
    let more = (option::of(name()), option::of(name()), option::of(name()));
    let texts = (
        text(ErasableField::CodeSnippet),
        text(ErasableField::Metadata),
        option::of(erasable(ErasableField::Subject)),
    );
    (ids, more, texts, number(), number()).prop_map(|(ids, more, texts, event_ns, observed_ns)| {
        let severity = Severity::from_micros(ids.4).unwrap();
        let mut it = Attack::new(ids.0, ids.1, ids.2, ids.3, severity, event_ns);
        (it.detection_method, it.tx_id, it.bundle_hash) = more;
        (it.code_snippet, it.metadata, it.subject) = texts;
        it.observed_ns = observed_ns;
        it.into()
    })
}

fn event() -> impl Strategy<Value = Record> {
    let texts = (
        text(ErasableField::Message),
        text(ErasableField::Detail),
        option::of(erasable(ErasableField::Subject)),
    );
    let about = (
        0..10_usize,
        option::of(name()),
        option::of(0..=1_000_000_u32),
        btree_set(0..40_u64, 0..9),
        option::of(number()),
        option::of(hash()),
    );
    (about, texts, number(), number()).prop_map(|(about, texts, event_ns, observed_ns)| {
        let mut it = Event::new(EventKind::ALL[about.0], event_ns);
        it.observed_ns = observed_ns;
        it.source = about.1;
        it.severity = about.2.map(|micros| Severity::from_micros(micros).unwrap());
        it.ranges = IndexRange::over(&about.3);
        (it.count, it.hash) = (about.4, about.5);
        (it.message, it.detail, it.subject) = texts;
        it.into()
    })
}

fn metric() -> impl Strategy<Value = Record> {
    (name(), name(), float(), number(), number()).prop_map(
        |(tx_id, metric_name, value, event_ns, observed_ns)| {
            let mut it = Metric::new(tx_id, metric_name, value, event_ns);
            it.observed_ns = observed_ns;
            it.into()
        },
    )
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    prop_oneof![execution(), attack(), metric(), event()]
}

proptest! {
    #[test]
    fn reads_what_was_written(record in record()) {
        let encoded = record.encode().unwrap();
        prop_assert_eq!(&encoded.decode().unwrap(), &record);
        let bare = Record::decode(&encoded.canonical).unwrap();
        let again = bare.encode().unwrap();
        prop_assert_eq!(&again.canonical, &encoded.canonical);
        prop_assert!(again.erasable.is_empty());
        let parts = EncodedRecord::from_parts(encoded.canonical.clone(), encoded.erasable.clone());
        prop_assert_eq!(parts.unwrap(), encoded);
    }

    #[test]
    fn one_record_has_one_form(record in record(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut bytes = record.encode().unwrap().canonical;
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        if let Ok(other) = Record::decode(&bytes) {
            prop_assert_ne!(&other, &record);
            prop_assert_eq!(other.encode().unwrap().canonical, bytes);
        }
    }

    #[test]
    fn refuses_what_is_cut_off_or_followed(record in record(), more in vec(any::<u8>(), 1..9)) {
        let mut bytes = record.encode().unwrap().canonical;
        for len in 0..bytes.len() {
            prop_assert!(Record::decode(&bytes[..len]).is_err());
        }
        bytes.extend(&more);
        prop_assert_eq!(Record::decode(&bytes), Err(RecordError::TrailingBytes { count: more.len() }));
    }

    #[test]
    fn any_bytes_have_an_answer(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Record::decode(&bytes);
        let _ = Record::decode(&[&[1, bytes.first().map_or(1, |byte| byte % 5)], &bytes[..]].concat());
    }
}

#[test]
fn names_have_bounds() {
    for bad in ["", "a\nb", "\u{7f}", &"x".repeat(NAME_BYTES_MAX + 1)] {
        let record = Record::from(Metric::new(bad, "name", 1.0, 0));
        let field = "tx_id";
        assert_eq!(
            record.encode(),
            Err(RecordError::BadName { field }),
            "{bad:?}"
        );
    }
    let longest = "x".repeat(NAME_BYTES_MAX);
    assert!(
        Record::from(Metric::new(longest, "name", 1.0, 0))
            .encode()
            .is_ok()
    );
}

#[test]
fn values_are_finite_and_zero_is_one() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let field = "metric_value";
        let refused = Record::from(Metric::new("tx", "name", bad, 0)).encode();
        assert_eq!(refused, Err(RecordError::NotFinite { field }));
    }
    let zeros = [0.0, -0.0].map(|zero| Record::from(Metric::new("tx", "name", zero, 0)).encode());
    assert_eq!(zeros[0], zeros[1]);
}

#[test]
fn times_fit_the_database() {
    let most = i64::MAX as u64;
    assert!(
        Record::from(Event::new(EventKind::Note, most))
            .encode()
            .is_ok()
    );
    let refused = Record::from(Event::new(EventKind::Note, most + 1)).encode();
    let (field, value) = ("event_ns", most + 1);
    assert_eq!(refused, Err(RecordError::NumberOutOfRange { field, value }));
}

#[test]
fn severities_are_from_zero_to_one() {
    for (value, micros) in [
        (0.0, 0),
        (1.0, 1_000_000),
        (0.85, 850_000),
        (0.000_000_4, 0),
    ] {
        assert_eq!(Severity::from_f64(value).unwrap().micros(), micros);
    }
    for bad in [
        -0.000_000_1,
        1.000_000_1,
        7.0,
        -1e300,
        f64::NAN,
        f64::INFINITY,
    ] {
        assert!(Severity::from_f64(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_text_belongs_to_its_field_and_its_record() {
    let salt = Salt::from_bytes([7; 32]);
    let mut attack = Attack::new("a", "t", "c", "l", Severity::NONE, 0);
    attack.code_snippet = Some(Text::erasable(ErasableField::Metadata, "{}", salt));
    let (expected, found) = (ErasableField::CodeSnippet, ErasableField::Metadata);
    let refused = Record::from(attack.clone()).encode();
    assert_eq!(refused, Err(RecordError::WrongField { expected, found }));

    attack.code_snippet = Some(Text::erasable(expected, "drop", salt));
    let encoded = Record::from(attack).encode().unwrap();
    let mut record = Record::decode(&encoded.canonical).unwrap();
    let mut content = encoded.erasable[0].clone();
    content.text.push('!');
    let field = expected;
    let refused = record.fill(&content);
    assert_eq!(refused, Err(RecordError::NotCommitted { field }));
    record.fill(&encoded.erasable[0]).unwrap();
    assert_eq!(record.erasable()[0].1.text(), Some("drop"));
}

#[test]
fn long_texts_are_refused_by_name() {
    let mut event = Event::new(EventKind::Note, 0);
    event.message = Some(Text::plain("x".repeat(65_536)));
    let refused = Record::from(event.clone()).encode();
    let (field, bytes) = ("message", 65_536);
    assert_eq!(refused, Err(RecordError::TooLong { field, bytes }));
    event.message = Some(Text::plain("x".repeat(65_535)));
    let refused = Record::from(event.clone()).encode();
    assert!(matches!(refused, Err(RecordError::RecordTooLong { .. })));
    let long = "x".repeat(ERASABLE_BYTES_MAX);
    let salt = Salt::from_bytes([1; 32]);
    event.message = Some(Text::erasable(ErasableField::Message, &long, salt));
    assert!(Record::from(event).encode().is_ok());
}

#[test]
fn ranges_are_written_in_one_way() {
    let mut event = Event::new(EventKind::Redacted, 0);
    let range = |first, count| IndexRange { first, count };
    let field = "ranges";
    for bad in [
        vec![range(3, 0)],
        vec![range(3, 1), range(4, 1)],
        vec![range(3, 2), range(4, 1)],
        vec![range(5, 1), range(3, 1)],
    ] {
        event.ranges = bad;
        let refused = Record::from(event.clone()).encode();
        assert_eq!(refused, Err(RecordError::OutOfOrder { field }));
    }
    event.ranges = vec![range(0, 3), range(4, 1)];
    assert!(Record::from(event).encode().is_ok());
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    let mut it = Execution::new("tx", "transfer", ExecutionStatus::Proved, 1);
    it.observed_ns = 2;
    it.elapsed_ns = Some(3);
    it.layer_results.insert("z3_prover".into(), true.into());
    it.telemetry.insert("cpu".into(), 1.0);
    let mut expected = vec![1, 1];
    expected.extend(1_u64.to_be_bytes());
    expected.extend(2_u64.to_be_bytes());
    expected.extend(*b"\0\x02tx");
    expected.push(0); // no bundle
    expected.extend(*b"\0\x08transfer");
    expected.extend([1, 0, 0, 0, 0]); // proved; no result, roots, version
    expected.push(1);
    expected.extend(3_u64.to_be_bytes());
    expected.extend(*b"\0\x01\0\x09z3_prover\x01");
    expected.extend(*b"\0\x01\0\x03cpu\x3f\xf0\0\0\0\0\0\0");
    expected.push(0); // no subject
    assert_eq!(Record::from(it).encode().unwrap().canonical, expected);
}
