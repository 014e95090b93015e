use super::*;

const START_NS: u64 = 1_770_000_000_000_000_000;
const MINUTE_NS: u64 = 60_000_000_000;

fn attack(attack_type: &'static str, offender: &'static str) -> Observed<'static> {
    Observed::Attack {
        attack_type,
        category: "code_injection",
        layer: "input_sanitizer",
        offender,
    }
}

fn execution(elapsed_ns: u64) -> Observed<'static> {
    Observed::Execution {
        intent: "transfer",
        status: "PROVED",
        is_proved: true,
        elapsed_ns: Some(elapsed_ns),
    }
}

/// A stream of observations whose indexes count up.
struct Stream {
    watch: Watch,
    index: u64,
}

impl Stream {
    fn new(options: WatchOptions) -> Self {
        Self {
            watch: Watch::new(options),
            index: 0,
        }
    }

    fn see(&mut self, observed_ns: u64, what: Observed<'_>) -> Vec<Alert> {
        let index = self.index;
        self.index += 1;
        self.watch.observe(&Observation {
            index,
            observed_ns,
            what,
        })
    }

    /// Two attacks in each of `minutes`, from minute `from` on.
    fn calm(&mut self, from: u64, minutes: u64) {
        for minute in from..from + minutes {
            for second in [7, 37] {
                let at = START_NS + minute * MINUTE_NS + second * 1_000_000_000;
                let alerts = self.see(at, attack("injection", ""));
                assert!(alerts.is_empty(), "{alerts:?}");
            }
        }
    }
}

fn of_kind(alerts: &[Alert], kind: AlertKind) -> usize {
    alerts.iter().filter(|alert| alert.kind == kind).count()
}

#[test]
fn reports_a_burst_once_with_where_it_began() {
    let mut stream = Stream::new(WatchOptions::new());
    stream.calm(0, 300);
    let first = stream.index;
    let mut alerts = Vec::new();
    for nth in 0..100 {
        let at = START_NS + 300 * MINUTE_NS + nth * 1_000_000;
        alerts.extend(stream.see(at, attack("injection", "")));
    }
    let attacks: Vec<_> = alerts
        .iter()
        .filter(|alert| alert.series == "attacks")
        .collect();
    assert_eq!(attacks.len(), 1, "{alerts:?}");
    assert_eq!(attacks[0].kind, AlertKind::Burst);
    assert_eq!(attacks[0].first_index, first);
    assert!(attacks[0].index < first + 20, "{attacks:?}");
    assert!(attacks[0].score >= attacks[0].threshold);
}

#[test]
fn reports_a_second_burst_after_calm() {
    let mut stream = Stream::new(WatchOptions::new());
    stream.calm(0, 300);
    let mut found = 0;
    for minute in [300, 500] {
        for nth in 0..60 {
            let at = START_NS + minute * MINUTE_NS + nth * 1_000_000;
            let alerts = stream.see(at, attack("injection", ""));
            found += usize::from(alerts.iter().any(|alert| alert.series == "attacks"));
        }
        stream.calm(minute + 1, 100);
    }
    assert_eq!(found, 2);
}

#[test]
fn a_clock_that_jumps_neither_alarms_nor_hangs() {
    let mut stream = Stream::new(WatchOptions::new());
    stream.calm(0, 300);
    for at in [0, u64::MAX, START_NS, 1, u64::MAX - 1, START_NS + MINUTE_NS] {
        assert!(stream.see(at, attack("injection", "")).is_empty());
    }
    stream.calm(10_000, 100);
}

#[test]
fn reports_a_drift_and_takes_the_new_durations_as_usual() {
    let mut stream = Stream::new(WatchOptions::new());
    let mut alerts = Vec::new();
    // The order of remainders of a prime is shuffled enough to be no trend.
    for nth in 0..2_000_u64 {
        let elapsed_ns = 10_000_000 + (nth * 7_919 % 1_009) * 10_000;
        alerts.extend(stream.see(START_NS + nth, execution(elapsed_ns)));
    }
    assert!(alerts.is_empty(), "{alerts:?}");
    let first = stream.index;
    for nth in 0..4_000_u64 {
        let elapsed_ns = 16_000_000 + (nth * 7_919 % 1_009) * 10_000;
        alerts.extend(stream.see(START_NS + nth, execution(elapsed_ns)));
    }
    assert_eq!(of_kind(&alerts, AlertKind::LatencyDrift), 1, "{alerts:?}");
    let drift = alerts
        .iter()
        .find(|alert| alert.kind == AlertKind::LatencyDrift)
        .unwrap();
    assert!(
        (first.saturating_sub(20)..first + 20).contains(&drift.first_index),
        "{drift:?}"
    );
    assert!(drift.message.contains("slower"), "{drift:?}");
}

#[test]
fn reports_a_single_extreme_duration() {
    let mut stream = Stream::new(WatchOptions::new());
    for nth in 0..20_000_u64 {
        let elapsed_ns = 10_000_000 + (nth * 7_919 % 1_009) * 10_000;
        assert!(stream.see(START_NS + nth, execution(elapsed_ns)).is_empty());
    }
    let alerts = stream.see(START_NS, execution(5_000_000_000));
    assert_eq!(of_kind(&alerts, AlertKind::LatencyOutlier), 1, "{alerts:?}");
    assert_eq!(alerts[0].series, "transfer");
}

#[test]
fn reports_a_new_combination_only_once_the_mix_is_known() {
    let mut stream = Stream::new(WatchOptions::new());
    assert!(stream.see(START_NS, attack("injection", "")).is_empty());
    assert!(stream.see(START_NS, attack("overflow", "")).is_empty());
    for nth in 0..3_000 {
        let what = attack(
            if nth % 2 == 0 {
                "injection"
            } else {
                "overflow"
            },
            "",
        );
        let at = START_NS + nth * MINUTE_NS;
        assert_eq!(of_kind(&stream.see(at, what), AlertKind::FirstSeen), 0);
    }
    let alerts = stream.see(START_NS + 3_000 * MINUTE_NS, attack("trojan", ""));
    assert_eq!(of_kind(&alerts, AlertKind::FirstSeen), 1);
    let alerts = stream.see(START_NS + 3_001 * MINUTE_NS, attack("trojan", ""));
    assert_eq!(of_kind(&alerts, AlertKind::FirstSeen), 0);
}

#[test]
fn never_accuses_an_offender_of_more_than_they_did() {
    let mut offenders = Offenders::default();
    // More keys than counters, so that counters change hands all the time.
    for nth in 0..20_000_u64 {
        let key = format!("once {nth}");
        assert_eq!(offenders.observe(3, MINUTE_NS, START_NS, nth, &key), None);
        if nth % 10 == 0 {
            let found = offenders.observe(3, MINUTE_NS, START_NS, nth, "again");
            assert_eq!(found.is_some(), nth == 20, "{nth}");
        }
    }
}

#[test]
fn counts_an_offender_over_two_panes_and_no_further() {
    let mut offenders = Offenders::default();
    let window_ns = 10 * MINUTE_NS;
    for (minute, found) in [(0, false), (4, false), (6, true), (9, false)] {
        let at = window_ns * 1_000 + minute * MINUTE_NS;
        assert_eq!(
            offenders.observe(3, window_ns, at, minute, "k").is_some(),
            found
        );
    }
    let mut slow = Offenders::default();
    for minute in 0..100 {
        let at = window_ns * 1_000 + minute * 6 * MINUTE_NS;
        assert_eq!(slow.observe(3, window_ns, at, minute, "k"), None);
    }
}

#[test]
fn goes_on_from_its_state_as_if_never_stopped() {
    let mut whole = Stream::new(WatchOptions::new());
    let mut parts = Stream::new(WatchOptions::new());
    let mut alerts = (Vec::new(), Vec::new());
    for nth in 0..6_000_u64 {
        let at = START_NS + nth * 2_000_000_000;
        let scale = if nth > 4_000 { 3 } else { 1 };
        let what = match nth % 4 {
            0 => attack("injection", "someone"),
            1 => attack(if nth == 5_001 { "trojan" } else { "overflow" }, ""),
            _ => execution(scale * (10_000_000 + (nth * 7_919 % 1_009) * 10_000)),
        };
        alerts.0.extend(whole.see(at, what));
        alerts.1.extend(parts.see(at, what));
        if nth % 97 == 0 {
            let state = parts.watch.encode();
            parts.watch = Watch::decode(&state, WatchOptions::new()).unwrap();
            assert_eq!(parts.watch.encode(), state);
        }
    }
    assert_eq!(alerts.0, alerts.1);
    assert_eq!(whole.watch.encode(), parts.watch.encode());
    let kinds: std::collections::BTreeSet<_> = alerts.0.iter().map(|alert| alert.kind).collect();
    assert!(kinds.contains(&AlertKind::LatencyDrift), "{kinds:?}");
    assert!(kinds.contains(&AlertKind::RepeatedOffender), "{kinds:?}");
}

#[test]
fn ignores_what_it_has_seen() {
    let mut stream = Stream::new(WatchOptions::new());
    stream.calm(0, 10);
    let state = stream.watch.encode();
    stream.index = 0;
    stream.calm(0, 10);
    assert_eq!(stream.watch.encode(), state);
}

#[test]
fn refuses_bytes_that_are_no_state() {
    let mut stream = Stream::new(WatchOptions::new());
    stream.calm(0, 200);
    stream.see(START_NS, execution(5));
    let state = stream.watch.encode();
    let options = WatchOptions::new();
    for length in 0..state.len() {
        assert!(
            Watch::decode(&state[..length], options).is_err(),
            "{length}"
        );
    }
    let mut unknown = state.clone();
    unknown[0] = 2;
    let error = Watch::decode(&unknown, options).unwrap_err();
    assert_eq!(error, WatchStateError::UnknownFormat { format: 2 });
    // A changed byte is refused or makes another state; it never panics, now or later.
    for at in 0..state.len() {
        let mut changed = state.clone();
        changed[at] ^= 0x40;
        if let Ok(mut watch) = Watch::decode(&changed, options) {
            let _ = watch.observe(&Observation {
                index: u64::MAX,
                observed_ns: u64::MAX,
                what: execution(u64::MAX),
            });
        }
    }
}

#[test]
fn more_false_alarms_are_permitted_at_once() {
    let options = WatchOptions::new().false_alarms_times(10);
    assert_eq!(options.burst_intervals_per_false_alarm, 4_320);
    assert_eq!(options.first_seen_one_in, 100);
    assert_eq!(options.false_alarms_times(0), options);
}

#[test]
fn alerts_are_records_with_their_evidence_and_name_nobody() {
    use crate::record::*;
    use crate::{Filter, Options, PageFrom, Trail};

    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::open(folder.path(), &Options::new()).unwrap();
    let attack = |nth: u64| {
        let at = START_NS + nth * 1_000_000_000;
        let mut it = Attack::new(
            format!("a{nth}"),
            "injection",
            "code",
            "input",
            Severity::MAX,
            at,
        );
        let salt = Salt::from_bytes([9; 32]);
        it.subject = Some(ErasableText::new(ErasableField::Subject, "mallory", salt));
        Record::from(it)
    };
    trail.append_all((0..15).map(attack).collect()).unwrap();
    let mut watch = Watch::new(WatchOptions::new());
    let mut told = Vec::new();
    let mut sink = |alert: &Alert| told.push(alert.clone());
    while watch.follow(&trail, &mut sink, 4).unwrap() > 0 {}
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].first_index, told[0].index), (0, 9));
    let filter = Filter::events().event_kind(EventKind::Alert);
    let page = trail.page(&filter, PageFrom::Newest, 10).unwrap();
    let Record::Event(event) = &page.records[0].record else {
        panic!("{page:?}")
    };
    assert_eq!(
        event.ranges,
        [IndexRange {
            first: 0,
            count: 10
        }]
    );
    assert_eq!(event.source.as_deref(), Some("watch/repeated_offender"));
    assert!(!format!("{told:?}{event:?}").contains("mallory"));
    let state = watch.encode();
    assert!(!state.windows(7).any(|it| it == b"mallory"));
    assert_eq!(page.records.len(), 1);
}
