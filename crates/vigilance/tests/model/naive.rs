//! The specification, written naively: a list of records, and answers that look at all of them.

use std::collections::{BTreeMap, BTreeSet};

use merkle_core::{EMPTY_LOG_ROOT, Hash, log_inner_hash, log_leaf_hash};
use vigilance::{
    Attack, EventKind, Execution, ExecutionStatus, Filter, LayerOutcome, Record, Severity, Text,
};

/// A list of records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Naive {
    /// As they are to be read: erased texts are not in them.
    pub(crate) records: Vec<Record>,
    pub(crate) canonical: Vec<Vec<u8>>,
    /// How many were moved out.
    pub(crate) pruned: u64,
    /// Erased texts, by record.
    pub(crate) erased: BTreeMap<u64, u64>,
}

/// RFC 9162, section 2.1.1, as written there.
fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_LOG_ROOT,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
            log_inner_hash(&root_of(left), &root_of(right))
        }
    }
}

impl Naive {
    pub(crate) fn size(&self) -> u64 {
        self.records.len() as u64
    }

    pub(crate) fn root(&self) -> Hash {
        let leaves: Vec<_> = (self.canonical.iter())
            .map(|canonical| log_leaf_hash(canonical))
            .collect();
        root_of(&leaves)
    }

    pub(crate) fn push(&mut self, record: Record) {
        self.canonical.push(record.encode().unwrap().canonical);
        self.records.push(record);
    }

    /// The newest attack with an id, of those that were not moved out.
    pub(crate) fn attack(&self, id: &str) -> Option<u64> {
        self.newest(|it| matches!(it, Record::Attack(it) if it.attack_id == id))
    }

    /// The newest execution of a transaction, of those that were not moved out.
    pub(crate) fn execution(&self, id: &str) -> Option<u64> {
        self.newest(|it| matches!(it, Record::Execution(it) if it.tx_id == id))
    }

    fn newest(&self, is_it: impl Fn(&Record) -> bool) -> Option<u64> {
        let kept = (0..).zip(&self.records).skip(self.pruned as usize);
        let found = kept.filter(|(_, record)| is_it(record));
        found.last().map(|(index, _)| index)
    }

    /// Those of some records that have texts that can be erased.
    pub(crate) fn with_texts(&self, asked: impl Iterator<Item = u64>) -> BTreeSet<u64> {
        asked.filter(|index| self.texts(*index) > 0).collect()
    }

    /// How many erasable texts of a record are there.
    pub(crate) fn texts(&self, index: u64) -> u64 {
        let texts = self.records[index as usize].erasable();
        let there = texts.iter().filter(|(_, text)| text.text().is_some());
        there.count() as u64
    }

    /// Records about somebody.
    pub(crate) fn about(&self, subject: &str) -> BTreeSet<u64> {
        let is_about = |record: &Record| {
            let subject_of = match record {
                Record::Execution(it) => it.subject.as_ref(),
                Record::Attack(it) => it.subject.as_ref(),
                Record::Event(it) => it.subject.as_ref(),
                _ => None,
            };
            subject_of.and_then(|it| it.text()) == Some(subject)
        };
        let all = (0..).zip(&self.records);
        let found = all.filter(|(_, record)| is_about(record));
        found.map(|(index, _)| index).collect()
    }

    pub(crate) fn erase(&mut self, records: &BTreeSet<u64>) {
        for index in records {
            *self.erased.entry(*index).or_default() += self.texts(*index);
            let at = *index as usize;
            self.records[at] = Record::decode(&self.canonical[at]).unwrap();
        }
    }

    pub(crate) fn executions(&self) -> impl Iterator<Item = &Execution> {
        self.records.iter().filter_map(|record| match record {
            Record::Execution(it) => Some(it),
            _ => None,
        })
    }

    pub(crate) fn attacks(&self) -> impl Iterator<Item = &Attack> {
        self.records.iter().filter_map(|record| match record {
            Record::Attack(it) => Some(it),
            _ => None,
        })
    }

    /// Where an execution does not begin at the root at which the one before ended.
    pub(crate) fn breaks(&self) -> u64 {
        let (mut state, mut breaks) = (None, 0);
        for it in self.executions() {
            let broken =
                matches!((state, it.merkle_root_before), (Some(is), Some(was)) if is != was);
            breaks += u64::from(broken);
            state = it.merkle_root_after.or(state);
        }
        breaks
    }

    /// Indices of the records that are shown in pages, newest first.
    pub(crate) fn list(&self, question: &Question) -> Vec<u64> {
        let kept = (0..).zip(&self.records).skip(self.pruned as usize);
        let found = kept.filter(|(_, record)| (question.is_it)(record));
        let mut list: Vec<(u64, u64)> = match question.by_index {
            true => found.map(|(index, _)| (0, index)).collect(),
            false => found.map(|(index, it)| (it.event_ns(), index)).collect(),
        };
        list.sort_unstable();
        list.into_iter().rev().map(|(_, index)| index).collect()
    }
}

/// A filter, and what it should mean.
pub(crate) struct Question {
    pub(crate) filter: Filter,
    is_it: Box<dyn Fn(&Record) -> bool>,
    by_index: bool,
}

impl Question {
    fn of(filter: Filter, is_it: impl Fn(&Record) -> bool + 'static) -> Self {
        Self {
            filter,
            is_it: Box::new(is_it),
            by_index: false,
        }
    }

    fn executions(
        filter: impl Fn(Filter) -> Filter,
        is_it: impl Fn(&Execution) -> bool + 'static,
    ) -> Self {
        Self::of(
            filter(Filter::executions()),
            move |record| matches!(record, Record::Execution(it) if is_it(it)),
        )
    }

    fn attacks(
        filter: impl Fn(Filter) -> Filter,
        is_it: impl Fn(&Attack) -> bool + 'static,
    ) -> Self {
        Self::of(
            filter(Filter::attacks()),
            move |record| matches!(record, Record::Attack(it) if is_it(it)),
        )
    }

    /// What is asked of every trail.
    pub(crate) fn all(from_ns: u64, until_ns: u64) -> Vec<Self> {
        let severe = Severity::from_micros(500_000).unwrap();
        let mut all = vec![
            Self::executions(|it| it, |_| true),
            Self::executions(|it| it.intent("mint"), |it| it.intent_name == "mint"),
            Self::executions(
                |it| it.status(ExecutionStatus::Failed).intent("vote"),
                |it| it.status == ExecutionStatus::Failed && it.intent_name == "vote",
            ),
            Self::executions(
                |it| it.bundle("b1"),
                |it| it.bundle_hash.as_deref() == Some("b1"),
            ),
            Self::executions(|it| it.tx("3"), |it| it.tx_id == "3"),
            Self::executions(
                move |it| it.between(from_ns, until_ns),
                move |it| from_ns <= it.event_ns && it.event_ns < until_ns,
            ),
            Self::attacks(|it| it, |_| true),
            Self::attacks(
                |it| it.attack_type("trojan"),
                |it| it.attack_type == "trojan",
            ),
            Self::attacks(
                move |it| it.severity_at_least(severe).layer("z3"),
                move |it| it.severity >= severe && it.blocked_by_layer == "z3",
            ),
            Self::of(
                Filter::metrics().metric("queue"),
                |record| matches!(record, Record::Metric(it) if it.metric_name == "queue"),
            ),
            Self::of(
                Filter::events().event_kind(EventKind::Redacted),
                |record| matches!(record, Record::Event(it) if it.kind == EventKind::Redacted),
            ),
        ];
        for word in ["alpha", "beta"] {
            let query = word.parse().unwrap();
            let mut question = Self::attacks(
                move |it| it.text(query_of(&query)),
                move |it| has_word(it.code_snippet.as_ref(), word),
            );
            question.by_index = true;
            all.push(question);
            let query = word.parse().unwrap();
            let mut question = Self::executions(
                move |it| it.text(query_of(&query)),
                move |it| has_word(it.result.as_ref(), word),
            );
            question.by_index = true;
            all.push(question);
        }
        all
    }
}

fn query_of(query: &vigilance::TextQuery) -> vigilance::TextQuery {
    query.clone()
}

fn has_word(text: Option<&Text>, word: &str) -> bool {
    let text = text.and_then(Text::as_str).unwrap_or_default();
    text.split(' ').any(|it| it == word)
}

/// How many there are of each.
pub(crate) fn counts<'r>(names: impl Iterator<Item = &'r str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

/// The layers that refused, once for each execution that they refused.
pub(crate) fn refusals(it: &Execution) -> impl Iterator<Item = &str> {
    let refused = it.layer_results.iter();
    let refused = refused.filter(|(_, outcome)| **outcome == LayerOutcome::Refused);
    refused.map(|(layer, _)| layer.as_str())
}

/// The number of rank `ceil(count * per_mille / 1000)`.
pub(crate) fn quantile(sorted: &[u64], per_mille: usize) -> Option<u64> {
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied()
}
