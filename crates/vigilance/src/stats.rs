//! Statistics: read from the counts that are kept, whatever the size of the trail.

use std::collections::BTreeMap;

use crate::error::ReadError;
use crate::health::Damage;
use crate::json::Object;
use crate::rollup::{Cell, CellKey};
use crate::{
    AttackCell, Breakdown, EventCell, ExecutionCell, ExecutionStatus, Family, MetricCell, Period,
    Sketch, Trail,
};

/// What `get_execution_stats` of the original gives, and more.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ExecutionStats {
    /// Executions.
    pub total_executions: u64,
    /// Executions by status; statuses that never occurred are not there.
    pub status_breakdown: BTreeMap<String, u64>,
    /// Mean duration in milliseconds, of those executions whose duration is known; 0 without any.
    pub avg_execution_time_ms: f64,
    /// All counts that these are made of.
    pub counts: ExecutionCell,
}

/// What `get_attack_stats` of the original gives, and more.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AttackStats {
    /// Attacks.
    pub total_attacks_blocked: u64,
    /// Attacks by type.
    pub attack_type_breakdown: BTreeMap<String, u64>,
    /// Attacks by the layer that blocked them.
    pub layer_breakdown: BTreeMap<String, u64>,
    /// All counts that these are made of.
    pub counts: AttackCell,
}

/// The counts of one stretch of time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SeriesPoint<C> {
    /// When it begins, in nanoseconds since 1970.
    pub start_ns: u64,
    /// The counts.
    pub counts: C,
}

impl ExecutionStats {
    pub(crate) fn of(counts: ExecutionCell) -> Self {
        let statuses = ExecutionStatus::ALL.map(|it| (it.to_string(), counts.with_status(it)));
        Self {
            total_executions: counts.total(),
            status_breakdown: statuses.into_iter().filter(|it| it.1 > 0).collect(),
            avg_execution_time_ms: mean_ms(counts.elapsed_ns()),
            counts,
        }
    }

    /// The part that was proved, from 0 to 1; 0 without any executions.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a part of a million")]
    pub fn success_rate(&self) -> f64 {
        self.counts.success_micros().unwrap_or_default() as f64 / 1e6
    }

    /// As JSON: the original's members first, then `success_rate`, `latency_ms`, `by_intent`,
    /// `refused_by` and `out_of_order`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut intents = Object::new();
        for (name, it) in self.counts.intents().iter() {
            let mut intent = Object::new();
            intent.put("count", it.count).put("proved", it.proved);
            intents.put(name, intent);
        }
        let mut json = Object::new();
        json.put("total_executions", self.total_executions);
        json.raw("status_breakdown", &counts_json(&self.status_breakdown));
        json.put("avg_execution_time_ms", self.avg_execution_time_ms);
        json.put("success_rate", self.success_rate());
        json.put("latency_ms", quantiles_json(self.counts.elapsed_ns(), 1e6));
        json.put("by_intent", intents);
        json.raw("refused_by", &counts_json(&named(self.counts.refused_by())));
        json.put("out_of_order", self.counts.out_of_order());
        json.finish()
    }
}

impl AttackStats {
    pub(crate) fn of(counts: AttackCell) -> Self {
        Self {
            total_attacks_blocked: counts.total(),
            attack_type_breakdown: named(counts.types()),
            layer_breakdown: named(counts.layers()),
            counts,
        }
    }

    /// As JSON: the original's members first, then `category_breakdown`, `severity` and
    /// `out_of_order`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = Object::new();
        json.put("total_attacks_blocked", self.total_attacks_blocked);
        json.raw(
            "attack_type_breakdown",
            &counts_json(&self.attack_type_breakdown),
        );
        json.raw("layer_breakdown", &counts_json(&self.layer_breakdown));
        json.raw(
            "category_breakdown",
            &counts_json(&named(self.counts.categories())),
        );
        json.put(
            "severity",
            quantiles_json(self.counts.severity_micros(), 1e6),
        );
        json.put("out_of_order", self.counts.out_of_order());
        json.finish()
    }
}

impl Trail {
    /// Counts of all executions. Costs the same at any size of the trail.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn execution_stats(&self) -> Result<ExecutionStats, ReadError> {
        let cell = self.all_time(Family::Executions)?;
        Ok(ExecutionStats::of(executions(cell).unwrap_or_default()))
    }

    /// Counts of all attacks. Costs the same at any size of the trail.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn attack_stats(&self) -> Result<AttackStats, ReadError> {
        let cell = self.all_time(Family::Attacks)?;
        Ok(AttackStats::of(attacks(cell).unwrap_or_default()))
    }

    /// Counts of all metrics.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn metric_stats(&self) -> Result<MetricCell, ReadError> {
        match self.all_time(Family::Metrics)? {
            Some(Cell::Metrics(cell)) => Ok(cell),
            _ => Ok(MetricCell::default()),
        }
    }

    /// Counts of all events of the system.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn event_stats(&self) -> Result<EventCell, ReadError> {
        match self.all_time(Family::Events)? {
            Some(Cell::Events(cell)) => Ok(cell),
            _ => Ok(EventCell::default()),
        }
    }

    /// Counts of executions for each minute, hour or day that overlaps `[from_ns, until_ns)`, by when
    /// they happened, oldest first; those without any are left out. At most 10,000, the newest ones.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn execution_series(
        &self,
        period: Period,
        from_ns: u64,
        until_ns: u64,
    ) -> Result<Vec<SeriesPoint<ExecutionCell>>, ReadError> {
        self.series(Family::Executions, period, from_ns, until_ns, executions)
    }

    /// The same of attacks.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn attack_series(
        &self,
        period: Period,
        from_ns: u64,
        until_ns: u64,
    ) -> Result<Vec<SeriesPoint<AttackCell>>, ReadError> {
        self.series(Family::Attacks, period, from_ns, until_ns, attacks)
    }

    fn all_time(&self, family: Family) -> Result<Option<Cell>, ReadError> {
        let key = CellKey::of(family, Period::All, 0);
        let cells = self.cells(key, key)?;
        Ok(cells.into_iter().next().map(|(_, cell)| cell))
    }

    fn series<C>(
        &self,
        family: Family,
        period: Period,
        from_ns: u64,
        until_ns: u64,
        of: fn(Option<Cell>) -> Option<C>,
    ) -> Result<Vec<SeriesPoint<C>>, ReadError> {
        if from_ns >= until_ns {
            return Ok(Vec::new());
        }
        let most = i64::MAX.cast_unsigned();
        let [first, last] =
            [from_ns, until_ns - 1].map(|ns| CellKey::of(family, period, ns.min(most)));
        let mut points: Vec<_> = (self.cells(first, last)?.into_iter())
            .filter_map(|(key, cell)| {
                Some(SeriesPoint {
                    start_ns: key.start_ns(),
                    counts: of(Some(cell))?,
                })
            })
            .collect();
        points.reverse();
        Ok(points)
    }

    /// The cells between two of one family and period, newest first.
    fn cells(&self, first: CellKey, last: CellKey) -> Result<Vec<(CellKey, Cell)>, ReadError> {
        let read = self.shared().read(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT id, cell FROM rollups WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?",
            )?;
            let mut rows = select.query((first.id(), last.id(), POINTS_MAX))?;
            let mut cells = Vec::new();
            while let Some(row) = rows.next()? {
                let id = row.get(0)?;
                let key = CellKey::from_id(id).ok_or_else(|| damage(id))?;
                let bytes = row.get_ref(1)?.as_bytes().map_err(|_| damage(id))?;
                let cell = Cell::decode(key.family, bytes).ok_or_else(|| damage(id))?;
                cells.push((key, cell));
            }
            Ok(cells)
        });
        self.noticed(read)
    }
}

fn executions(cell: Option<Cell>) -> Option<ExecutionCell> {
    match cell {
        Some(Cell::Executions(cell)) => Some(cell),
        _ => None,
    }
}

fn attacks(cell: Option<Cell>) -> Option<AttackCell> {
    match cell {
        Some(Cell::Attacks(cell)) => Some(cell),
        _ => None,
    }
}

fn damage(id: i64) -> ReadError {
    ReadError::from(Damage::Projection {
        table: "rollups".into(),
        row: format!("id {id}"),
        column: "cell".into(),
        index: None,
    })
}

/// Names and their counts; what there was no room for is under `(other)`.
pub(crate) fn named(breakdown: &Breakdown<u64>) -> BTreeMap<String, u64> {
    let mut names: BTreeMap<_, _> = (breakdown.iter())
        .map(|(name, count)| (name.to_owned(), *count))
        .collect();
    if *breakdown.other() > 0 {
        names.insert("(other)".into(), *breakdown.other());
    }
    names
}

pub(crate) fn counts_json(counts: &BTreeMap<String, u64>) -> String {
    let mut json = Object::new();
    for (name, count) in counts {
        json.put(name, *count);
    }
    json.finish()
}

/// Count, least, mean, quantiles and greatest, divided by `unit`.
#[expect(clippy::cast_precision_loss, reason = "quantiles are off by more")]
pub(crate) fn quantiles_json(sketch: &Sketch, unit: f64) -> Object {
    let shown = |value: Option<u64>| value.map(|value| value as f64 / unit);
    let mut json = Object::new();
    json.put("count", sketch.count());
    json.put("min", shown(sketch.min()));
    json.put("mean", shown(sketch.mean()));
    for (name, per_mille) in [("p50", 500), ("p90", 900), ("p95", 950), ("p99", 990)] {
        json.put(name, shown(sketch.quantile(per_mille)));
    }
    json.put("max", shown(sketch.max()));
    json
}

#[expect(clippy::cast_precision_loss, reason = "the original's unit")]
fn mean_ms(sketch: &Sketch) -> f64 {
    match sketch.count() {
        0 => 0.0,
        count => sketch.sum() as f64 / count as f64 / 1e6,
    }
}

/// Most points of a series.
const POINTS_MAX: i64 = 10_000;
