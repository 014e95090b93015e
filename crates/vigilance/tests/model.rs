//! A trail against a naive list of records: whatever is done in whatever order, both say the same.
//!
//! `PROPTEST_CASES` says how many histories.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a failed unwrap is a failed test; numbers are small"
)]

#[path = "model/naive.rs"]
mod naive;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;

use merkle_core::TreeHead;
use naive::{Naive, Question, counts, quantile, refusals};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use vigilance::{
    Appended, Attack, Depth, Durability, ErasableField, ErasableText, Erasure, Event, EventKind,
    Execution, ExecutionStatus, Health, IndexRange, LayerOutcome, Metric, Options, PageFrom,
    Period, Record, Salt, Severity, SignerKey, Text, Trail,
};

/// Something that is done to a trail.
#[derive(Clone, Debug)]
enum Step {
    Append(Draft),
    Batch(Vec<Draft>),
    /// The same, at a given place, and some of the records before it once more.
    Apply(Vec<Draft>, u8),
    /// Many records at once, so that there are whole tiles to be moved out.
    Grow(u16),
    Erase(Vec<Index>),
    EraseSubject(u8),
    Checkpoint,
    Reopen,
    /// Older records are moved out.
    Seal(Index),
    Rebuild,
    /// The trail is backed up, and from there on the backup is the trail.
    MoveToBackup,
    Check,
}

/// What a record is made of.
#[derive(Clone, Debug)]
struct Draft {
    kind: u8,
    id: u8,
    name: u8,
    status: u8,
    minutes: u16,
    number: u32,
    words: Vec<u8>,
    is_erasable: bool,
    subject: Option<u8>,
}

fn draft() -> impl Strategy<Value = Draft> {
    let texts = (
        vec(0..4_u8, 0..4),
        any::<bool>(),
        proptest::option::of(0..3_u8),
    );
    (
        0..8_u8,
        0..12_u8,
        0..3_u8,
        0..4_u8,
        0..3_000_u16,
        0..1_000_000_u32,
        texts,
    )
        .prop_map(
            |(kind, id, name, status, minutes, number, (words, is_erasable, subject))| Draft {
                kind,
                id,
                name,
                status,
                minutes,
                number,
                words,
                is_erasable,
                subject,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => draft().prop_map(Step::Append),
        4 => vec(draft(), 1..40).prop_map(Step::Batch),
        2 => (vec(draft(), 0..20), 0..5_u8).prop_map(|(drafts, again)| Step::Apply(drafts, again)),
        2 => (100..400_u16).prop_map(Step::Grow),
        3 => vec(any::<Index>(), 1..6).prop_map(Step::Erase),
        2 => (0..3_u8).prop_map(Step::EraseSubject),
        1 => Just(Step::Checkpoint),
        2 => Just(Step::Reopen),
        2 => any::<Index>().prop_map(Step::Seal),
        1 => Just(Step::Rebuild),
        1 => Just(Step::MoveToBackup),
        2 => Just(Step::Check),
    ]
}

const BEGIN_NS: u64 = 1_770_000_000_000_000_000;
const MINUTE_NS: u64 = 60_000_000_000;

/// Both of them.
struct Both {
    root: tempfile::TempDir,
    /// How many folders there were.
    folders: usize,
    trail: Option<Trail>,
    naive: Naive,
    salts: u64,
    grown: u32,
}

impl Both {
    fn new() -> Self {
        let mut both = Self {
            root: tempfile::tempdir().unwrap(),
            folders: 0,
            trail: None,
            naive: Naive::default(),
            salts: 0,
            grown: 0,
        };
        both.open();
        both
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join(self.folders.to_string())
    }

    fn open(&mut self) {
        let key = SignerKey::from_seed("example.com/trail", &[7; 32]).unwrap();
        let options = Options::new()
            .origin("example.com/trail")
            .signer(key)
            .checkpoint_every(300)
            .wal_bytes(200_000);
        let trail = Trail::open(self.folder(), &options).unwrap();
        assert_eq!(trail.open_report().damage, []);
        self.trail = Some(trail);
    }

    fn trail(&self) -> &Trail {
        self.trail.as_ref().unwrap()
    }

    fn salt(&mut self) -> Salt {
        self.salts += 1;
        let mut bytes = [1; 32];
        bytes[..8].copy_from_slice(&self.salts.to_le_bytes());
        Salt::from_bytes(bytes)
    }

    fn text(&mut self, field: ErasableField, draft: &Draft) -> Option<Text> {
        let words = ["alpha", "beta", "gamma", "delta"];
        let words: Vec<_> = draft
            .words
            .iter()
            .map(|at| words[usize::from(*at)])
            .collect();
        let text = words.join(" ");
        match draft.is_erasable {
            _ if words.is_empty() => None,
            true => Some(Text::erasable(field, &text, self.salt())),
            false => Some(Text::plain(text)),
        }
    }

    fn record(&mut self, draft: &Draft) -> Record {
        let event_ns = BEGIN_NS + u64::from(draft.minutes) * MINUTE_NS + u64::from(draft.number);
        let name = usize::from(draft.name);
        let subject = draft.subject.map(|it| {
            let subject = format!("user {it}");
            ErasableText::new(ErasableField::Subject, &subject, self.salt())
        });
        match draft.kind {
            0..=3 => {
                let intent = ["transfer", "mint", "vote"][name];
                let status = ExecutionStatus::ALL[usize::from(draft.status)];
                let mut it = Execution::new(draft.id.to_string(), intent, status, event_ns);
                it.observed_ns += 5;
                it.result = self.text(ErasableField::Result, draft);
                it.bundle_hash = (draft.id < 6).then(|| format!("b{}", draft.id % 3));
                it.elapsed_ns =
                    (!draft.number.is_multiple_of(5)).then(|| u64::from(draft.number) * 97);
                let root = |number: u32| merkle_core::Hash::from_bytes([number as u8; 32]);
                it.merkle_root_before =
                    (!draft.number.is_multiple_of(3)).then(|| root(draft.number % 2));
                it.merkle_root_after =
                    (!draft.number.is_multiple_of(4)).then(|| root(draft.number / 7 % 2));
                for (at, layer) in ["overflow", "z3_prover"].into_iter().enumerate() {
                    let outcome = match (draft.number >> at) % 3 {
                        0 => LayerOutcome::Passed,
                        1 => LayerOutcome::Refused,
                        _ => LayerOutcome::Skipped,
                    };
                    it.layer_results.insert(layer.to_owned(), outcome);
                }
                it.telemetry
                    .insert("cpu".to_owned(), f64::from(draft.number) / 8.0);
                it.subject = subject;
                it.into()
            }
            4 | 5 => {
                let severity = Severity::from_micros(draft.number).unwrap();
                let kind = ["trojan", "injection", "overflow"][name];
                let layer = ["z3", "sanitizer"][usize::from(draft.status % 2)];
                let mut it = Attack::new(
                    draft.id.to_string(),
                    kind,
                    "code",
                    layer,
                    severity,
                    event_ns,
                );
                it.code_snippet = self.text(ErasableField::CodeSnippet, draft);
                it.subject = subject;
                it.into()
            }
            6 => {
                let name = ["latency", "queue", "memory"][name];
                let value = f64::from(draft.number) / 16.0;
                Metric::new(draft.id.to_string(), name, value, event_ns).into()
            }
            _ => {
                let mut it = Event::new(EventKind::Note, event_ns);
                it.message = self.text(ErasableField::Message, draft);
                it.subject = subject;
                it.into()
            }
        }
    }

    fn records(&mut self, drafts: &[Draft]) -> Vec<Record> {
        drafts.iter().map(|draft| self.record(draft)).collect()
    }

    /// Attacks that are known are not appended again; executions are.
    fn append(&mut self, drafts: &[Draft]) {
        let records = self.records(drafts);
        let expected: Vec<_> = (records.iter())
            .map(|record| {
                if let Record::Attack(it) = record
                    && let Some(index) = self.naive.attack(&it.attack_id)
                {
                    return Appended::Duplicate { index };
                }
                let index = self.naive.size();
                self.naive.push(record.clone());
                Appended::At { index }
            })
            .collect();
        let appended = self.trail().append_all(records).unwrap();
        assert_eq!(appended, expected);
    }

    fn apply(&mut self, drafts: &[Draft], again: u8) {
        let first = self.naive.size().saturating_sub(u64::from(again));
        // What was moved out is not asked for again.
        let first = first.max(self.naive.pruned);
        let known = self.naive.records[first as usize..].to_vec();
        let new = self.records(drafts);
        for record in &new {
            self.naive.push(record.clone());
        }
        let records: Vec<_> = (known.iter().chain(&new))
            .map(|record| record.encode().unwrap())
            .collect();
        let head = self.trail().apply(first, &records, Durability::Deferred);
        assert_eq!(head.unwrap().size.get(), self.naive.size());
    }

    fn grow(&mut self, count: u16) {
        let drafts: Vec<_> = (0..count)
            .map(|at| {
                self.grown += 1;
                let number = self.grown.wrapping_mul(2_654_435_761) % 1_000_000;
                Draft {
                    kind: [0, 1, 2, 6, 7][usize::from(at) % 5],
                    id: (number % 12) as u8,
                    name: (number % 3) as u8,
                    status: (number % 4) as u8,
                    minutes: (number % 3_000) as u16,
                    number,
                    words: vec![(number % 4) as u8; usize::from(at % 3)],
                    is_erasable: number.is_multiple_of(2),
                    subject: number.is_multiple_of(11).then_some((number % 3) as u8),
                }
            })
            .collect();
        self.append(&drafts);
    }

    fn erase(&mut self, what: &Erasure, expected: BTreeSet<u64>) {
        let erased = self.trail().erase(what, BEGIN_NS).unwrap();
        assert_eq!(erased.records, expected);
        assert!(erased.is_scrubbed);
        self.naive.erase(&expected);
        let count = u64::from(!expected.is_empty());
        assert_eq!(erased.redactions.len() as u64, count);
        for index in erased.redactions {
            let mut event = Event::new(EventKind::Redacted, BEGIN_NS);
            event.source = Some("vigilance".to_owned());
            event.count = Some(expected.len() as u64);
            event.ranges = IndexRange::over(&expected);
            assert_eq!(index, self.naive.size());
            self.naive.push(event.into());
        }
    }

    fn seal(&mut self, past: u64) {
        let newest = self.naive.size().saturating_sub(1);
        let past = past.min(newest) / 256 * 256;
        let sealed = self.trail().seal(past, Some(BEGIN_NS)).unwrap();
        if past <= self.naive.pruned {
            assert_eq!(sealed, None);
            return;
        }
        let sealed = sealed.unwrap();
        assert_eq!((sealed.first, sealed.past), (self.naive.pruned, past));
        let mut event = Event::new(EventKind::Pruned, BEGIN_NS);
        event.source = Some("vigilance".to_owned());
        event.hash = Some(sealed.digest);
        event.ranges = vec![IndexRange {
            first: sealed.first,
            count: past - sealed.first,
        }];
        self.naive.push(event.into());
        self.naive.pruned = past;
    }

    fn reopen(&mut self) {
        self.trail = None;
        self.open();
    }

    fn move_to_backup(&mut self) {
        self.folders += 1;
        let folder = self.folder();
        let head = self.trail().backup(&folder, |_| ControlFlow::Continue(()));
        assert_eq!(head.unwrap(), self.head());
        self.reopen();
    }

    fn head(&self) -> TreeHead {
        TreeHead {
            size: merkle_core::TreeSize::new(self.naive.size()),
            root: self.naive.root(),
        }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Append(draft) => self.append(std::slice::from_ref(draft)),
            Step::Batch(drafts) => self.append(drafts),
            Step::Apply(drafts, again) => self.apply(drafts, *again),
            Step::Grow(count) => self.grow(*count),
            Step::Erase(places) => {
                let size = self.naive.size() as usize;
                if size == 0 {
                    return;
                }
                let asked = places.iter().map(|place| place.index(size) as u64);
                let asked: BTreeSet<u64> = asked.collect();
                let expected = self.naive.with_texts(asked.iter().copied());
                self.erase(&Erasure::Records(asked), expected);
            }
            Step::EraseSubject(which) => {
                let subject = format!("user {which}");
                let expected = self.naive.about(&subject);
                self.erase(&Erasure::Subject(subject), expected);
            }
            Step::Checkpoint => {
                let note = self.trail().checkpoint().unwrap();
                let size = self.naive.size().to_string();
                assert_eq!(note.text().lines().nth(1), Some(&*size));
            }
            Step::Reopen => self.reopen(),
            Step::Seal(place) => self.seal(place.index(self.naive.size() as usize + 1) as u64),
            Step::Rebuild => {
                let report = self.trail().rebuild(|_| ControlFlow::Continue(()));
                assert_eq!(report.unwrap().damage, []);
            }
            Step::MoveToBackup => self.move_to_backup(),
            Step::Check => self.check(),
        }
        assert_eq!(self.trail().head(), self.head());
    }

    fn check(&self) {
        self.check_log();
        self.check_statistics();
        self.check_pages();
        let trail = self.trail();
        let report = trail.verify(Depth::Pages, |_| ControlFlow::Continue(()));
        let report = report.unwrap();
        assert_eq!((report.damage, trail.health()), (vec![], Health::Sound));
        assert_eq!(report.root, Some(self.naive.root()));
        assert_eq!(report.break_count, self.naive.breaks());
        let there: u64 = (0..self.naive.size()).map(|at| self.naive.texts(at)).sum();
        assert_eq!(report.texts, there);
        assert_eq!(report.erased, self.naive.erased.values().sum::<u64>());
    }

    fn check_log(&self) {
        let (trail, naive) = (self.trail(), &self.naive);
        let stored = trail.records(0, naive.records.len() + 1).unwrap();
        assert_eq!(stored.len(), naive.records.len());
        let head = self.head();
        for (index, stored) in (0..).zip(&stored) {
            assert_eq!(stored.record, naive.records[index as usize], "{index}");
            assert_eq!(stored.canonical, naive.canonical[index as usize], "{index}");
            if index % 61 == 0 || index + 1 == naive.size() {
                let proof = trail.prove_inclusion(index, naive.size()).unwrap();
                assert!(proof.verify_entry(&stored.canonical, &head).is_ok());
            }
        }
        let mut subscription = trail.subscribe(0);
        let mut seen = 0;
        while subscription.is_behind() {
            for stored in subscription.poll(100).unwrap() {
                assert_eq!(stored.index, seen);
                seen += 1;
            }
        }
        assert_eq!(seen, naive.size());
        for id in ["0", "3", "11"] {
            let found = trail.attack_by_id(id).unwrap().map(|it| it.index);
            assert_eq!(found, naive.attack(id));
            let found = trail.execution_by_tx(id).unwrap().map(|it| it.index);
            assert_eq!(found, naive.execution(id));
        }
    }

    fn check_statistics(&self) {
        let stats = self.trail().execution_stats().unwrap();
        let of = || self.naive.executions();
        let statuses = counts(of().map(|it| it.status.as_str()));
        assert_eq!(stats.total_executions, of().count() as u64);
        assert_eq!(stats.status_breakdown, statuses);
        let mut elapsed: Vec<u64> = of().filter_map(|it| it.elapsed_ns).collect();
        elapsed.sort_unstable();
        let sum: u64 = elapsed.iter().sum();
        let mean_ms = match elapsed.len() {
            0 => 0.0,
            count => sum as f64 / count as f64 / 1e6,
        };
        assert!((stats.avg_execution_time_ms - mean_ms).abs() < 1e-9);
        let proved = statuses.get("PROVED").copied().unwrap_or_default();
        let rate = proved as f64 / (of().count() as f64).max(1.0);
        assert!((stats.success_rate() - rate).abs() <= 1e-6);
        let sketch = stats.counts.elapsed_ns();
        assert_eq!(sketch.min(), elapsed.first().copied());
        assert_eq!(sketch.max(), elapsed.last().copied());
        for per_mille in [500, 900, 950, 990] {
            let exact = quantile(&elapsed, usize::from(per_mille));
            let found = sketch.quantile(per_mille);
            assert_eq!(found.is_some(), exact.is_some());
            if let (Some(exact), Some(found)) = (exact, found) {
                assert!(found.abs_diff(exact) <= exact / 128, "{found} for {exact}");
            }
        }
        let intents = counts(of().map(|it| it.intent_name.as_str()));
        let found = stats.counts.intents().iter();
        let found: BTreeMap<_, _> = found
            .map(|(name, it)| (name.to_owned(), it.count))
            .collect();
        assert_eq!(found, intents);
        let found = stats.counts.refused_by().iter();
        let found: BTreeMap<_, _> = found.map(|(name, it)| (name.to_owned(), *it)).collect();
        assert_eq!(found, counts(of().flat_map(refusals)));

        let stats = self.trail().attack_stats().unwrap();
        let of = || self.naive.attacks();
        assert_eq!(stats.total_attacks_blocked, of().count() as u64);
        let types = counts(of().map(|it| it.attack_type.as_str()));
        assert_eq!(stats.attack_type_breakdown, types);
        let layers = counts(of().map(|it| it.blocked_by_layer.as_str()));
        assert_eq!(stats.layer_breakdown, layers);
        let severity = stats.counts.severity_micros();
        let most = of().map(|it| u64::from(it.severity.micros())).max();
        assert_eq!(severity.max(), most);
        self.check_series();
    }

    fn check_series(&self) {
        let (from_ns, until_ns) = (BEGIN_NS + 100 * MINUTE_NS, BEGIN_NS + 2_000 * MINUTE_NS);
        for period in [Period::Minute, Period::Hour, Period::Day] {
            let length = period.length_ns().unwrap();
            let mut expected: BTreeMap<u64, u64> = BTreeMap::new();
            for it in self.naive.executions() {
                let start = it.event_ns / length * length;
                if start < until_ns && start + length > from_ns {
                    *expected.entry(start).or_default() += 1;
                }
            }
            let series = self.trail().execution_series(period, from_ns, until_ns);
            let found: BTreeMap<_, _> = (series.unwrap().iter())
                .map(|point| (point.start_ns, point.counts.total()))
                .collect();
            assert_eq!(found, expected, "{period:?}");
        }
    }

    fn check_pages(&self) {
        let (from_ns, until_ns) = (BEGIN_NS + 100 * MINUTE_NS, BEGIN_NS + 2_000 * MINUTE_NS);
        for (at, question) in Question::all(from_ns, until_ns).iter().enumerate() {
            let mut expected = self.naive.list(question);
            let limit = 7 + 13 * (at % 4);
            let (mut found, mut from) = (Vec::new(), PageFrom::Newest);
            loop {
                let page = self.trail().page(&question.filter, from, limit).unwrap();
                found.extend(page.records.iter().map(|it| it.index));
                match page.older {
                    Some(older) => from = PageFrom::Older(older),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{}", question.filter.canonical());
            let (mut found, mut from) = (Vec::new(), PageFrom::Oldest);
            loop {
                let page = self.trail().page(&question.filter, from, limit).unwrap();
                if page.records.is_empty() {
                    break;
                }
                found.extend(page.records.iter().rev().map(|it| it.index));
                from = PageFrom::Newer(page.newer.unwrap());
            }
            expected.reverse();
            assert_eq!(found, expected, "{} upwards", question.filter.canonical());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::with_cases(cases())
    })]

    #[test]
    fn a_trail_is_a_list_of_records(steps in vec(step(), 1..24)) {
        let mut both = Both::new();
        for step in &steps {
            both.run(step);
        }
        both.check();
        both.reopen();
        both.check();
    }
}

fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(24)
}
