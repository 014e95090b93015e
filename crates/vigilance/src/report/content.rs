//! What a report says: a function of its statement and of the records of the range.

use std::collections::BTreeMap;
use std::convert::Infallible;

use merkle_core::Hash;

use super::ReportKind;
use super::html;
use super::statement::Statement;
use super::verify::sha256;
use crate::export::{csv_header, csv_row, json_line};
use crate::json::{Object, array};
use crate::rollup::{Cell, Fold};
use crate::stats::{AttackStats, ExecutionStats};
use crate::{
    AttackCell, EventCell, EventKind, ExecutionCell, Family, MetricCell, Period, Record,
    RecordKind, civil,
};

/// The three documents.
#[derive(Clone, Debug)]
pub(super) struct Documents {
    pub(super) json: String,
    pub(super) csv: String,
    pub(super) html: String,
    pub(super) matching: u64,
}

/// What the documents show.
#[derive(Debug)]
pub(super) struct Content<'r> {
    pub(super) statement: &'r Statement,
    pub(super) records: Vec<(u64, &'r Record)>,
    pub(super) executions: ExecutionStats,
    pub(super) attacks: AttackStats,
    pub(super) metrics: MetricCell,
    pub(super) events: EventCell,
    pub(super) continuity: Continuity,
    /// Attacks with a severity of 0.9 or more.
    pub(super) critical: usize,
    /// Records for each hour or day, whichever makes a readable row of columns.
    pub(super) series: BTreeMap<u64, u64>,
    pub(super) period: Period,
}

/// Whether the state's roots join from one execution to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Continuity {
    pub(super) joined: u64,
    /// Indexes of the executions that do not begin where the one before ended.
    pub(super) breaks: Vec<u64>,
}

impl Documents {
    /// Makes the documents from all records of the range. The digests and the count in the statement are
    /// not looked at.
    pub(super) fn of(statement: &Statement, range: &[Record]) -> Self {
        let content = Content::of(statement, range);
        Self {
            json: content.json(),
            csv: content.csv(),
            html: html::page(&content),
            matching: content.records.len() as u64,
        }
    }

    pub(super) fn digests(&self) -> [String; 3] {
        [&self.json, &self.csv, &self.html].map(|text| sha256(text))
    }
}

impl<'r> Content<'r> {
    fn of(statement: &'r Statement, range: &'r [Record]) -> Self {
        let matching = |(_, record): &(u64, &Record)| statement.scope.matches(record);
        let records: Vec<_> = (statement.range.0..).zip(range).filter(matching).collect();
        let mut fold = Fold::default();
        for (_, record) in &records {
            let Ok(()) = fold.record(record, |_| Ok::<_, Infallible>(None));
        }
        let (mut executions, mut attacks) = (ExecutionCell::default(), AttackCell::default());
        let (mut metrics, mut events) = (MetricCell::default(), EventCell::default());
        let mut series = BTreeMap::from([
            (Period::Hour, BTreeMap::new()),
            (Period::Day, BTreeMap::new()),
        ]);
        for (key, cell) in fold.take_changed() {
            if let Some(counts) = series.get_mut(&key.period) {
                *counts.entry(key.start_ns()).or_insert(0) += cell.total();
            }
            match (key.period, cell) {
                (Period::All, Cell::Executions(cell)) => executions = cell.clone(),
                (Period::All, Cell::Attacks(cell)) => attacks = cell.clone(),
                (Period::All, Cell::Metrics(cell)) => metrics = cell.clone(),
                (Period::All, Cell::Events(cell)) => events = cell.clone(),
                _ => {}
            }
        }
        let hours = series.remove(&Period::Hour).unwrap_or_default();
        let days = series.remove(&Period::Day).unwrap_or_default();
        let are_few = hours.len() <= COLUMNS_MAX && days.len() <= 4;
        let (period, series) = if are_few {
            (Period::Hour, hours)
        } else {
            (Period::Day, days)
        };
        Self {
            statement,
            continuity: Continuity::of(&records),
            critical: records
                .iter()
                .filter(|(_, record)| is_critical(record))
                .count(),
            records,
            executions: ExecutionStats::of(executions),
            attacks: AttackStats::of(attacks),
            metrics,
            events,
            series,
            period,
        }
    }

    /// How many records of a family.
    pub(super) const fn count(&self, family: Family) -> u64 {
        match family {
            Family::Executions => self.executions.total_executions,
            Family::Attacks => self.attacks.total_attacks_blocked,
            Family::Metrics => self.metrics.total(),
            Family::Events => self.events.total(),
        }
    }

    /// Kinds of events that occurred, and how often.
    pub(super) fn event_kinds(&self) -> BTreeMap<String, u64> {
        let counts = EventKind::ALL.map(|kind| (kind.to_string(), self.events.of_kind(kind)));
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn json(&self) -> String {
        let statement = self.statement;
        let scope = &statement.scope;
        let mut json = Object::new();
        json.put("report", scope.kind.as_str())
            .put("title", statement.title.as_str());
        let mut period = Object::new();
        period.put("from", civil::rfc3339(scope.from_ns));
        period.put("until", civil::rfc3339(scope.until_ns));
        json.put("period", period);
        json.raw("scope", &scope.canonical());
        json.put("issued_at", civil::rfc3339(statement.issued_ns));
        let mut log = Object::new();
        log.put("origin", statement.origin.as_str());
        log.put("size", statement.head.size.get());
        log.put("root", statement.head.root.to_string());
        log.put("first", statement.range.0)
            .put("end", statement.range.1);
        json.put("log", log);
        json.put("texts_included", statement.has_texts);
        json.put("matching", self.records.len() as u64);
        json.put("summary", self.summary());
        json.raw(
            "records",
            &array(self.records.iter().map(|(index, it)| json_line(*index, it))),
        );
        json.finish() + "\n"
    }

    fn summary(&self) -> Object {
        let mut summary = Object::new();
        let kind = self.statement.scope.kind;
        if kind != ReportKind::Attacks {
            summary.raw("executions", &self.executions.to_json());
            summary.put("state_continuity", self.continuity.json());
        }
        if kind != ReportKind::Executions {
            summary.raw("attacks", &self.attacks.to_json());
        }
        if kind == ReportKind::Compliance {
            summary.put("metrics", self.metrics.total());
            summary.raw("events", &crate::stats::counts_json(&self.event_kinds()));
        }
        summary
    }

    fn csv(&self) -> String {
        let kind = match self.statement.scope.kind {
            ReportKind::Executions => RecordKind::Execution,
            ReportKind::Attacks => RecordKind::Attack,
            ReportKind::Compliance => return self.totals(),
        };
        let rows = self
            .records
            .iter()
            .map(|(index, record)| csv_row(*index, record));
        std::iter::once(csv_header(kind)).chain(rows).collect()
    }

    /// The totals of a compliance report as a table.
    fn totals(&self) -> String {
        let mut rows = vec!["section,name,value".to_owned()];
        for (name, family) in [
            ("executions", Family::Executions),
            ("attacks", Family::Attacks),
            ("metrics", Family::Metrics),
            ("events", Family::Events),
        ] {
            rows.push(format!("records,{name},{}", self.count(family)));
        }
        for (section, counts) in [
            ("status", &self.executions.status_breakdown),
            ("event", &self.event_kinds()),
            ("attack_type", &self.attacks.attack_type_breakdown),
            ("blocked_by_layer", &self.attacks.layer_breakdown),
        ] {
            let row = |(name, count): (&String, &u64)| {
                format!("{section},{},{count}", crate::export::csv_field(name))
            };
            rows.extend(counts.iter().map(row));
        }
        rows.push(format!(
            "state_continuity,joined,{}",
            self.continuity.joined
        ));
        rows.push(format!(
            "state_continuity,breaks,{}",
            self.continuity.breaks.len()
        ));
        rows.join("\r\n") + "\r\n"
    }
}

fn is_critical(record: &Record) -> bool {
    matches!(record, Record::Attack(it) if it.severity.micros() >= 900_000)
}

impl Continuity {
    /// Over the executions among these, in the order of the log.
    fn of(records: &[(u64, &Record)]) -> Self {
        let mut continuity = Self::default();
        let mut state: Option<Hash> = None;
        for (index, record) in records {
            let Record::Execution(it) = record else {
                continue;
            };
            if let (Some(state), Some(before)) = (state, it.merkle_root_before) {
                if state == before {
                    continuity.joined += 1;
                } else {
                    continuity.breaks.push(*index);
                }
            }
            state = it.merkle_root_after.or(it.merkle_root_before).or(state);
        }
        continuity
    }

    fn json(&self) -> Object {
        let mut json = Object::new();
        json.put("joined", self.joined);
        json.raw("breaks", &array(self.breaks.iter().map(u64::to_string)));
        json
    }
}

/// Most columns of hours; more become days.
const COLUMNS_MAX: usize = 96;
