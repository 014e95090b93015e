//! What is counted of each family of records.

use super::breakdown::{Breakdown, Counts};
use super::codec::{Reader, Writer};
use super::key::Family;
use crate::{Attack, EventKind, Execution, ExecutionStatus, LayerOutcome, Metric, Record, Sketch};

/// The counts of one family in one stretch of time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Executions(ExecutionCell),
    Attacks(AttackCell),
    Metrics(MetricCell),
    Events(EventCell),
}

/// When the records of a cell happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    count: u64,
    first_ns: u64,
    last_ns: u64,
    out_of_order: u64,
}

/// Counts of executions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExecutionCell {
    span: Span,
    statuses: [u64; ExecutionStatus::ALL.len()],
    elapsed_ns: Sketch,
    intents: Breakdown<IntentCounts>,
    refused_by: Breakdown<u64>,
}

/// Counts of the executions of one intent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntentCounts {
    /// Executions.
    pub count: u64,
    /// Of them, those proved.
    pub proved: u64,
    /// Of them, those whose duration is known.
    pub timed: u64,
    /// The sum of those durations, in nanoseconds.
    pub elapsed_ns_sum: u128,
    /// The longest of them, in nanoseconds.
    pub elapsed_ns_max: u64,
}

/// Counts of attacks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttackCell {
    span: Span,
    types: Breakdown<u64>,
    categories: Breakdown<u64>,
    layers: Breakdown<u64>,
    severity_micros: Sketch,
}

/// Counts of metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricCell {
    span: Span,
    names: Breakdown<MetricCounts>,
}

/// Counts of the values of one metric.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct MetricCounts {
    /// Values.
    pub count: u64,
    /// Their sum, added in the order of the log.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The one that came last.
    pub last: f64,
}

/// Counts of events of the system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventCell {
    span: Span,
    kinds: Breakdown<u64>,
}

impl Cell {
    pub(crate) fn empty(family: Family) -> Self {
        match family {
            Family::Executions => Self::Executions(ExecutionCell::default()),
            Family::Attacks => Self::Attacks(AttackCell::default()),
            Family::Metrics => Self::Metrics(MetricCell::default()),
            Family::Events => Self::Events(EventCell::default()),
        }
    }

    /// Counts a record, if it is of this family.
    pub(super) fn count(&mut self, record: &Record) {
        match (self, record) {
            (Self::Executions(cell), Record::Execution(it)) => cell.count(it),
            (Self::Attacks(cell), Record::Attack(it)) => cell.count(it),
            (Self::Metrics(cell), Record::Metric(it)) => cell.count(it),
            (Self::Events(cell), Record::Event(it)) => {
                cell.span.count(it.event_ns);
                add(cell.kinds.at(it.kind.as_str()), 1);
            }
            (cell, record) => debug_assert!(false, "{record:?} counted in {cell:?}"),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = Writer::new(self.family().code());
        match self {
            Self::Executions(cell) => cell.write(&mut to),
            Self::Attacks(cell) => cell.write(&mut to),
            Self::Metrics(cell) => {
                cell.span.write(&mut to);
                cell.names.write(&mut to);
            }
            Self::Events(cell) => {
                cell.span.write(&mut to);
                cell.kinds.write(&mut to);
            }
        }
        to.finish()
    }

    /// The cell of this family that the bytes encode; `None` where they do not.
    pub(crate) fn decode(family: Family, bytes: &[u8]) -> Option<Self> {
        let (found, mut from) = Reader::new(bytes)?;
        if found != family.code() {
            return None;
        }
        let from = &mut from;
        let cell = match family {
            Family::Executions => Self::Executions(ExecutionCell::read(from)?),
            Family::Attacks => Self::Attacks(AttackCell::read(from)?),
            Family::Metrics => Self::Metrics(MetricCell {
                span: Span::read(from)?,
                names: Breakdown::read(from)?,
            }),
            Family::Events => Self::Events(EventCell {
                span: Span::read(from)?,
                kinds: Breakdown::read(from)?,
            }),
        };
        from.is_empty().then_some(cell)
    }

    /// How many records are counted.
    pub(crate) const fn total(&self) -> u64 {
        match self {
            Self::Executions(cell) => cell.total(),
            Self::Attacks(cell) => cell.total(),
            Self::Metrics(cell) => cell.total(),
            Self::Events(cell) => cell.total(),
        }
    }

    fn family(&self) -> Family {
        match self {
            Self::Executions(_) => Family::Executions,
            Self::Attacks(_) => Family::Attacks,
            Self::Metrics(_) => Family::Metrics,
            Self::Events(_) => Family::Events,
        }
    }
}

impl ExecutionCell {
    /// How many.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.span.count
    }

    /// How many with this status.
    #[must_use]
    pub fn with_status(&self, status: ExecutionStatus) -> u64 {
        self.statuses[place_of(status)]
    }

    /// How many of a million were proved; `None` where there are none.
    #[must_use]
    pub fn success_micros(&self) -> Option<u64> {
        let proved = u128::from(self.with_status(ExecutionStatus::Proved));
        let micros = (proved * 1_000_000).checked_div(u128::from(self.span.count))?;
        u64::try_from(micros).ok()
    }

    /// How long they took, in nanoseconds, as far as that is known.
    #[must_use]
    pub const fn elapsed_ns(&self) -> &Sketch {
        &self.elapsed_ns
    }

    /// By intent.
    #[must_use]
    pub const fn intents(&self) -> &Breakdown<IntentCounts> {
        &self.intents
    }

    /// By the layer that refused; an execution that several refused counts for each.
    #[must_use]
    pub const fn refused_by(&self) -> &Breakdown<u64> {
        &self.refused_by
    }

    /// How many came behind one that happened later: clocks set back, records held up.
    #[must_use]
    pub const fn out_of_order(&self) -> u64 {
        self.span.out_of_order
    }

    /// When the first and the last of them happened, in nanoseconds since 1970.
    #[must_use]
    pub fn span_ns(&self) -> Option<(u64, u64)> {
        self.span.times()
    }

    /// Adds other counts. Order within and between them is not known afterwards.
    pub fn merge(&mut self, other: &Self) {
        self.span.merge(&other.span);
        for (count, more) in self.statuses.iter_mut().zip(other.statuses) {
            *count = count.saturating_add(more);
        }
        self.elapsed_ns.merge(&other.elapsed_ns);
        self.intents.merge(&other.intents);
        self.refused_by.merge(&other.refused_by);
    }

    fn count(&mut self, it: &Execution) {
        self.span.count(it.event_ns);
        add(&mut self.statuses[place_of(it.status)], 1);
        let intent = self.intents.at(&it.intent_name);
        let mut one = IntentCounts {
            count: 1,
            proved: u64::from(it.status == ExecutionStatus::Proved),
            ..IntentCounts::default()
        };
        if let Some(elapsed_ns) = it.elapsed_ns {
            one.timed = 1;
            one.elapsed_ns_sum = u128::from(elapsed_ns);
            one.elapsed_ns_max = elapsed_ns;
            self.elapsed_ns.insert(elapsed_ns);
        }
        intent.merge(&one);
        for (layer, outcome) in &it.layer_results {
            if *outcome == LayerOutcome::Refused {
                add(self.refused_by.at(layer), 1);
            }
        }
    }

    fn write(&self, to: &mut Writer) {
        self.span.write(to);
        self.statuses.iter().for_each(|count| to.number(*count));
        to.other(|bytes| self.elapsed_ns.encode_into(bytes));
        self.intents.write(to);
        self.refused_by.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let span = Span::read(from)?;
        let mut statuses = [0; ExecutionStatus::ALL.len()];
        for count in &mut statuses {
            *count = from.number()?;
        }
        Some(Self {
            span,
            statuses,
            elapsed_ns: from.other(Sketch::take)?,
            intents: Breakdown::read(from)?,
            refused_by: Breakdown::read(from)?,
        })
    }
}

impl AttackCell {
    /// How many.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.span.count
    }

    /// By type.
    #[must_use]
    pub const fn types(&self) -> &Breakdown<u64> {
        &self.types
    }

    /// By category.
    #[must_use]
    pub const fn categories(&self) -> &Breakdown<u64> {
        &self.categories
    }

    /// By the layer that blocked them.
    #[must_use]
    pub const fn layers(&self) -> &Breakdown<u64> {
        &self.layers
    }

    /// How severe they were, in millionths.
    #[must_use]
    pub const fn severity_micros(&self) -> &Sketch {
        &self.severity_micros
    }

    /// How many came behind one that happened later.
    #[must_use]
    pub const fn out_of_order(&self) -> u64 {
        self.span.out_of_order
    }

    /// When the first and the last of them happened, in nanoseconds since 1970.
    #[must_use]
    pub fn span_ns(&self) -> Option<(u64, u64)> {
        self.span.times()
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        self.span.merge(&other.span);
        self.types.merge(&other.types);
        self.categories.merge(&other.categories);
        self.layers.merge(&other.layers);
        self.severity_micros.merge(&other.severity_micros);
    }

    fn count(&mut self, it: &Attack) {
        self.span.count(it.event_ns);
        add(self.types.at(&it.attack_type), 1);
        add(self.categories.at(&it.category), 1);
        add(self.layers.at(&it.blocked_by_layer), 1);
        self.severity_micros.insert(u64::from(it.severity.micros()));
    }

    fn write(&self, to: &mut Writer) {
        self.span.write(to);
        self.types.write(to);
        self.categories.write(to);
        self.layers.write(to);
        to.other(|bytes| self.severity_micros.encode_into(bytes));
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            span: Span::read(from)?,
            types: Breakdown::read(from)?,
            categories: Breakdown::read(from)?,
            layers: Breakdown::read(from)?,
            severity_micros: from.other(Sketch::take)?,
        })
    }
}

impl MetricCell {
    /// How many.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.span.count
    }

    /// By name.
    #[must_use]
    pub const fn names(&self) -> &Breakdown<MetricCounts> {
        &self.names
    }

    fn count(&mut self, it: &Metric) {
        self.span.count(it.event_ns);
        let counts = self.names.at(&it.metric_name);
        let one = MetricCounts {
            count: 1,
            sum: it.metric_value,
            min: it.metric_value,
            max: it.metric_value,
            last: it.metric_value,
        };
        counts.merge(&one);
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        self.span.merge(&other.span);
        self.names.merge(&other.names);
    }
}

impl EventCell {
    /// How many.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.span.count
    }

    /// How many of a kind.
    #[must_use]
    pub fn of_kind(&self, kind: EventKind) -> u64 {
        self.kinds.get(kind.as_str()).copied().unwrap_or_default()
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        self.span.merge(&other.span);
        self.kinds.merge(&other.kinds);
    }
}

impl Span {
    fn count(&mut self, event_ns: u64) {
        if self.count == 0 {
            (self.first_ns, self.last_ns) = (event_ns, event_ns);
        }
        add(&mut self.out_of_order, u64::from(event_ns < self.last_ns));
        self.first_ns = self.first_ns.min(event_ns);
        self.last_ns = self.last_ns.max(event_ns);
        add(&mut self.count, 1);
    }

    fn times(&self) -> Option<(u64, u64)> {
        (self.count > 0).then_some((self.first_ns, self.last_ns))
    }

    fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        self.count = self.count.saturating_add(other.count);
        self.out_of_order = self.out_of_order.saturating_add(other.out_of_order);
        self.first_ns = self.first_ns.min(other.first_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
    }

    fn write(&self, to: &mut Writer) {
        to.number(self.count);
        to.number(self.first_ns);
        to.number(self.last_ns);
        to.number(self.out_of_order);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let span = Self {
            count: from.number()?,
            first_ns: from.number()?,
            last_ns: from.number()?,
            out_of_order: from.number()?,
        };
        (span.first_ns <= span.last_ns && span.out_of_order <= span.count).then_some(span)
    }
}

impl Counts for IntentCounts {
    fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.proved = self.proved.saturating_add(other.proved);
        self.timed = self.timed.saturating_add(other.timed);
        self.elapsed_ns_sum = self.elapsed_ns_sum.saturating_add(other.elapsed_ns_sum);
        self.elapsed_ns_max = self.elapsed_ns_max.max(other.elapsed_ns_max);
    }

    fn write(&self, to: &mut Writer) {
        to.number(self.count);
        to.number(self.proved);
        to.number(self.timed);
        to.wide(self.elapsed_ns_sum);
        to.number(self.elapsed_ns_max);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            count: from.number()?,
            proved: from.number()?,
            timed: from.number()?,
            elapsed_ns_sum: from.wide()?,
            elapsed_ns_max: from.number()?,
        })
    }

    fn is_zero(&self) -> bool {
        self.count == 0
    }
}

impl Counts for MetricCounts {
    fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.last = other.last;
    }

    fn write(&self, to: &mut Writer) {
        to.number(self.count);
        for value in [self.sum, self.min, self.max, self.last] {
            to.real(value);
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            count: from.number()?,
            sum: from.real()?,
            min: from.real()?,
            max: from.real()?,
            last: from.real()?,
        })
    }

    fn is_zero(&self) -> bool {
        self.count == 0
    }
}

/// Counts up, as far as there are numbers: a stored cell may hold any.
const fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}

/// The place of a status in [`ExecutionStatus::ALL`], which is part of the format.
fn place_of(status: ExecutionStatus) -> usize {
    usize::from(status.code() - 1)
}
