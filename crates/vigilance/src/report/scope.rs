//! What belongs to a report.

use super::{ReportError, ReportKind};
use crate::filter::Filter;
use crate::json::Object;
use crate::{Record, RecordKind};

/// Which records belong to a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) kind: ReportKind,
    pub(super) from_ns: u64,
    pub(super) until_ns: u64,
    filter: Option<Filter>,
}

impl Scope {
    pub(super) const fn new(kind: ReportKind, from_ns: u64, until_ns: u64) -> Self {
        let filter = match kind {
            ReportKind::Executions => Some(Filter::executions().between(from_ns, until_ns)),
            ReportKind::Attacks => Some(Filter::attacks().between(from_ns, until_ns)),
            ReportKind::Compliance => None,
        };
        Self {
            kind,
            from_ns,
            until_ns,
            filter,
        }
    }

    pub(super) fn with_filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter.between(self.from_ns, self.until_ns));
        self
    }

    pub(super) fn check(&self) -> Result<(), ReportError> {
        let kind = match self.kind {
            ReportKind::Executions => Some(RecordKind::Execution),
            ReportKind::Attacks => Some(RecordKind::Attack),
            ReportKind::Compliance => None,
        };
        let found = self.filter.as_ref().map(Filter::kind);
        let asks_for_words = (self.filter.as_ref()).is_some_and(|it| it.text_query().is_some());
        if found != kind || asks_for_words {
            return Err(ReportError::BadFilter { kind: self.kind });
        }
        self.filter.as_ref().map_or(Ok(()), Filter::check)?;
        Ok(())
    }

    pub(super) fn matches(&self, record: &Record) -> bool {
        let happened = record.event_ns();
        match &self.filter {
            Some(filter) => filter.matches(record),
            None => self.from_ns <= happened && happened < self.until_ns,
        }
    }

    /// Tables that may hold records of it.
    pub(super) const fn tables(&self) -> &'static [&'static str] {
        match self.kind {
            ReportKind::Executions => &["executions"],
            ReportKind::Attacks => &["attacks"],
            ReportKind::Compliance => &["executions", "attacks", "metrics", "events"],
        }
    }

    /// One text for one scope.
    pub(super) fn canonical(&self) -> String {
        match &self.filter {
            Some(filter) => filter.canonical(),
            None => {
                let mut json = Object::new();
                json.put("records", "all");
                json.put("from_ns", self.from_ns)
                    .put("until_ns", self.until_ns);
                json.finish()
            }
        }
    }

    /// The scope with this text.
    pub(super) fn parse(kind: ReportKind, text: &str) -> Option<Self> {
        let json: serde_json::Value = serde_json::from_str(text).ok()?;
        let (from_ns, until_ns) = (json["from_ns"].as_u64()?, json["until_ns"].as_u64()?);
        let mut scope = Self::new(kind, from_ns, until_ns);
        if scope.filter.is_some() {
            scope.filter = Some(Filter::from_json(&json)?);
        }
        scope.check().ok()?;
        (scope.canonical() == text).then_some(scope)
    }
}
