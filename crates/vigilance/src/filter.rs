//! Which records: a typed filter, that SQL is made from, and that records are held against.

use crate::record::{Attack, Event, EventKind, Execution, ExecutionStatus, Metric, Severity};
use crate::search::searched_text;
use crate::{Record, RecordKind, TextQuery};

/// Which records of one kind are asked for. All conditions must hold.
///
/// ```
/// use vigilance::{Filter, Severity};
///
/// let filter = Filter::attacks()
///     .attack_type("injection")
///     .severity_at_least(Severity::from_f64(0.9)?)
///     .between(1_770_000_000_000_000_000, 1_780_000_000_000_000_000);
/// # let _ = filter;
/// # Ok::<(), vigilance::RecordError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    kind: RecordKind,
    from_ns: u64,
    until_ns: u64,
    // INVARIANT: columns are ones of the kind's table, in the order of `Column`, each once.
    equal: Vec<(Column, String)>,
    severity: Option<Severity>,
    text: Option<TextQuery>,
}

/// A column that is compared with a text. The first are the most selective, as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Column {
    TxId,
    BundleHash,
    Intent,
    AttackType,
    MetricName,
    Category,
    Layer,
    EventKind,
    Status,
}

impl Column {
    const ALL: [Self; 9] = [
        Self::TxId,
        Self::BundleHash,
        Self::Intent,
        Self::AttackType,
        Self::MetricName,
        Self::Category,
        Self::Layer,
        Self::EventKind,
        Self::Status,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TxId => "tx_id",
            Self::BundleHash => "bundle_hash",
            Self::Intent => "intent_name",
            Self::AttackType => "attack_type",
            Self::MetricName => "metric_name",
            Self::Category => "category",
            Self::Layer => "blocked_by_layer",
            Self::EventKind => "kind",
            Self::Status => "status",
        }
    }

    fn of_execution(self, it: &Execution) -> Option<&str> {
        match self {
            Self::TxId => Some(&it.tx_id),
            Self::BundleHash => it.bundle_hash.as_deref(),
            Self::Intent => Some(&it.intent_name),
            Self::Status => Some(it.status.as_str()),
            _ => None,
        }
    }

    fn of_attack(self, it: &Attack) -> Option<&str> {
        match self {
            Self::TxId => it.tx_id.as_deref(),
            Self::BundleHash => it.bundle_hash.as_deref(),
            Self::AttackType => Some(&it.attack_type),
            Self::Category => Some(&it.category),
            Self::Layer => Some(&it.blocked_by_layer),
            _ => None,
        }
    }

    fn of_metric(self, it: &Metric) -> Option<&str> {
        match self {
            Self::TxId => Some(&it.tx_id),
            Self::MetricName => Some(&it.metric_name),
            _ => None,
        }
    }

    fn of_event(self, it: &Event) -> Option<&str> {
        (self == Self::EventKind).then(|| it.kind.as_str())
    }
}

/// A condition that the kind of record has no field for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}s have no {field}")]
pub struct NoSuchField {
    /// The kind that is asked for.
    pub kind: RecordKind,
    /// The field that it does not have.
    pub field: &'static str,
}

impl Filter {
    /// All executions.
    #[must_use]
    pub const fn executions() -> Self {
        Self::new(RecordKind::Execution)
    }

    /// All attacks.
    #[must_use]
    pub const fn attacks() -> Self {
        Self::new(RecordKind::Attack)
    }

    /// All metrics.
    #[must_use]
    pub const fn metrics() -> Self {
        Self::new(RecordKind::Metric)
    }

    /// All events of the system.
    #[must_use]
    pub const fn events() -> Self {
        Self::new(RecordKind::Event)
    }

    /// All records of a kind.
    #[must_use]
    pub const fn new(kind: RecordKind) -> Self {
        Self {
            kind,
            from_ns: 0,
            until_ns: u64::MAX,
            equal: Vec::new(),
            severity: None,
            text: None,
        }
    }

    /// That happened from `from_ns` on and before `until_ns`, in nanoseconds since 1970.
    #[must_use]
    pub const fn between(mut self, from_ns: u64, until_ns: u64) -> Self {
        self.from_ns = from_ns;
        self.until_ns = until_ns;
        self
    }

    /// Executions with this status.
    #[must_use]
    pub fn status(self, status: ExecutionStatus) -> Self {
        self.equal(Column::Status, status.as_str())
    }

    /// Executions of this intent.
    #[must_use]
    pub fn intent(self, name: &str) -> Self {
        self.equal(Column::Intent, name)
    }

    /// Attacks of this type.
    #[must_use]
    pub fn attack_type(self, name: &str) -> Self {
        self.equal(Column::AttackType, name)
    }

    /// Attacks of this category.
    #[must_use]
    pub fn category(self, name: &str) -> Self {
        self.equal(Column::Category, name)
    }

    /// Attacks that this layer blocked.
    #[must_use]
    pub fn layer(self, name: &str) -> Self {
        self.equal(Column::Layer, name)
    }

    /// Attacks at least as severe.
    #[must_use]
    pub const fn severity_at_least(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// Values of this metric.
    #[must_use]
    pub fn metric(self, name: &str) -> Self {
        self.equal(Column::MetricName, name)
    }

    /// Events of this kind.
    #[must_use]
    pub fn event_kind(self, kind: EventKind) -> Self {
        self.equal(Column::EventKind, kind.as_str())
    }

    /// Records of this transaction.
    #[must_use]
    pub fn tx(self, tx_id: &str) -> Self {
        self.equal(Column::TxId, tx_id)
    }

    /// Records about this bundle.
    #[must_use]
    pub fn bundle(self, bundle_hash: &str) -> Self {
        self.equal(Column::BundleHash, bundle_hash)
    }

    /// Whose result, snippet or message is what a query looks for.
    #[must_use]
    pub fn text(mut self, query: TextQuery) -> Self {
        self.text = Some(query);
        self
    }

    fn equal(mut self, column: Column, value: &str) -> Self {
        self.equal.retain(|(it, _)| *it != column);
        self.equal.push((column, value.into()));
        self.equal.sort_by_key(|(column, _)| *column);
        self
    }

    /// The kind of record.
    #[must_use]
    pub const fn kind(&self) -> RecordKind {
        self.kind
    }

    /// From when until before when, in nanoseconds since 1970.
    #[must_use]
    pub const fn times_ns(&self) -> (u64, u64) {
        (self.from_ns, self.until_ns)
    }

    pub(crate) fn equals(&self) -> &[(Column, String)] {
        &self.equal
    }

    pub(crate) const fn least_severity(&self) -> Option<Severity> {
        self.severity
    }

    pub(crate) const fn text_query(&self) -> Option<&TextQuery> {
        self.text.as_ref()
    }

    /// Whether the kind of record has every field that a condition is about.
    pub(crate) fn check(&self) -> Result<(), NoSuchField> {
        use Column::{
            AttackType, BundleHash, Category, EventKind, Intent, Layer, MetricName, Status, TxId,
        };
        let columns: &[Column] = match self.kind {
            RecordKind::Execution => &[TxId, BundleHash, Intent, Status],
            RecordKind::Attack => &[TxId, BundleHash, AttackType, Category, Layer],
            RecordKind::Metric => &[TxId, MetricName],
            RecordKind::Event => &[EventKind],
        };
        let none = |field| NoSuchField {
            kind: self.kind,
            field,
        };
        let strange = (self.equal.iter()).find(|(column, _)| !columns.contains(column));
        if let Some((column, _)) = strange {
            return Err(none(column.name()));
        }
        if self.severity.is_some() && self.kind != RecordKind::Attack {
            return Err(none("severity"));
        }
        if self.text.is_some() && self.kind == RecordKind::Metric {
            return Err(none("text"));
        }
        Ok(())
    }

    /// Whether a record is one that is asked for. Without its text at hand it does not match a query.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        let happened = record.event_ns();
        record.kind() == self.kind
            && self.from_ns <= happened
            && happened < self.until_ns
            && (self.equal.iter()).all(|(column, value)| column_of(record, *column) == Some(value))
            && self
                .severity
                .is_none_or(|least| matches!(record, Record::Attack(it) if it.severity >= least))
            && self.text.as_ref().is_none_or(|query| {
                searched_text(record).is_some_and(|(_, text)| query.matches(text))
            })
    }

    /// The filter that [`canonical`](Self::canonical) writes so, without a query for words.
    pub(crate) fn from_json(json: &serde_json::Value) -> Option<Self> {
        let kinds = [
            RecordKind::Execution,
            RecordKind::Attack,
            RecordKind::Metric,
            RecordKind::Event,
        ];
        let kind = kinds
            .into_iter()
            .find(|kind| json["records"] == kind.as_str())?;
        let mut filter = Self::new(kind);
        for (name, value) in json.as_object()? {
            match name.as_str() {
                "records" => {}
                "from_ns" => filter.from_ns = value.as_u64()?,
                "until_ns" => filter.until_ns = value.as_u64()?,
                "severity_micros_min" => {
                    let micros = u32::try_from(value.as_u64()?).ok()?;
                    filter.severity = Some(Severity::from_micros(micros).ok()?);
                }
                name => {
                    let column = Column::ALL.into_iter().find(|it| it.name() == name)?;
                    filter = filter.equal(column, value.as_str()?);
                }
            }
        }
        Some(filter)
    }

    /// One text for one filter: what cursors and reports name it by.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut json = crate::json::Object::new();
        json.put("records", self.kind.as_str());
        json.put("from_ns", self.from_ns)
            .put("until_ns", self.until_ns);
        for (column, value) in &self.equal {
            json.put(column.name(), value.as_str());
        }
        if let Some(severity) = self.severity {
            json.put("severity_micros_min", u64::from(severity.micros()));
        }
        if let Some(text) = &self.text {
            json.put("text", text.to_string());
        }
        json.finish()
    }
}

fn column_of(record: &Record, column: Column) -> Option<&str> {
    match record {
        Record::Execution(it) => column.of_execution(it),
        Record::Attack(it) => column.of_attack(it),
        Record::Metric(it) => column.of_metric(it),
        Record::Event(it) => column.of_event(it),
    }
}
