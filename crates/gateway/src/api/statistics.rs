//! Numbers: the original system's endpoints, and series for charts.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vigilance::{AttackCell, ExecutionCell, ExecutionStatus, Period, Record, SeriesPoint, Sketch};

use super::App;
use super::audit::{attack_fields, execution_fields, ms};
use crate::clock::{now_ns, rfc3339};
use crate::extract::{Json, Query};
use crate::page;
use crate::problem::Problem;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(stats))
        .routes(routes!(logs))
        .routes(routes!(attacks))
        .routes(routes!(integrity))
        .routes(routes!(series))
}

/// The original system's numbers.
#[derive(Debug, Serialize, ToSchema)]
struct Stats {
    /// Root of the state.
    merkle_root: String,
    /// Bundles in the vault.
    total_bundles: u64,
    executions: ExecutionNumbers,
    attacks: AttackNumbers,
}

/// About executions.
#[derive(Debug, Serialize, ToSchema)]
struct ExecutionNumbers {
    /// How many there are.
    total_executions: u64,
    /// How many of each status.
    status_breakdown: BTreeMap<String, u64>,
    /// Their average duration in milliseconds.
    avg_execution_time_ms: f64,
}

/// About attacks.
#[derive(Debug, Serialize, ToSchema)]
struct AttackNumbers {
    /// How many were blocked.
    total_attacks_blocked: u64,
    /// How many of each type.
    attack_type_breakdown: BTreeMap<String, u64>,
    /// How many each layer blocked.
    layer_breakdown: BTreeMap<String, u64>,
}

/// The numbers of the dashboard, in the original system's shape.
#[utoipa::path(get, path = "/api/persistence/stats", tag = "original", responses(
    (status = 200, description = "The numbers", body = Stats),
))]
async fn stats(State(app): State<App>) -> Result<Json<Stats>, Problem> {
    app.blocking(|app| {
        let stats = app.store.dashboard_stats()?;
        Ok(Json(Stats {
            merkle_root: stats.merkle_root,
            total_bundles: stats.total_bundles,
            executions: ExecutionNumbers {
                total_executions: stats.executions.total_executions,
                status_breakdown: stats.executions.status_breakdown,
                avg_execution_time_ms: stats.executions.avg_execution_time_ms,
            },
            attacks: AttackNumbers {
                total_attacks_blocked: stats.attacks.total_attacks_blocked,
                attack_type_breakdown: stats.attacks.attack_type_breakdown,
                layer_breakdown: stats.attacks.layer_breakdown,
            },
        }))
    })
    .await
}

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LimitQuery {
    /// How many at most; 1 to 200, 10 otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u64>,
}

/// The newest executions, in the original system's shape.
#[utoipa::path(get, path = "/api/persistence/logs", tag = "original", params(LimitQuery), responses(
    (status = 200, description = "Executions, the newest first", body = Vec<Object>),
))]
async fn logs(
    State(app): State<App>,
    Query(query): Query<LimitQuery>,
) -> Result<Json<Vec<Value>>, Problem> {
    let limit = page::limit(query.limit, 10, 200)?;
    app.blocking(move |app| Ok(Json(originals(app.store.audit().recent_executions(limit)?))))
        .await
}

/// The newest attacks, in the original system's shape.
#[utoipa::path(get, path = "/api/persistence/attacks", tag = "original", params(LimitQuery), responses(
    (status = 200, description = "Attacks, the newest first", body = Vec<Object>),
))]
async fn attacks(
    State(app): State<App>,
    Query(query): Query<LimitQuery>,
) -> Result<Json<Vec<Value>>, Problem> {
    let limit = page::limit(query.limit, 10, 200)?;
    app.blocking(move |app| Ok(Json(originals(app.store.audit().recent_attacks(limit)?))))
        .await
}

/// Records as the original system's rows: its fields, and the time in seconds.
fn originals(records: Vec<vigilance::StoredRecord>) -> Vec<Value> {
    let row = |stored: vigilance::StoredRecord| {
        let mut fields = match &stored.record {
            Record::Execution(it) => execution_fields(it),
            Record::Attack(it) => attack_fields(it),
            _ => Value::Null,
        };
        if let Value::Object(fields) = &mut fields {
            let seconds = ms(stored.record.event_ns()) / 1e3;
            fields.insert("timestamp".to_owned(), seconds.into());
        }
        fields
    };
    records.into_iter().map(row).collect()
}

/// Whether the state is as it was proved, in the original system's shape.
#[derive(Debug, Serialize, ToSchema)]
struct IntegrityNumbers {
    /// Whether nothing is known to be damaged.
    integrity: bool,
    /// Root of the state.
    merkle_root: String,
    /// What was found, if anything.
    detail: Option<String>,
}

/// Whether the state is as it was proved, in the original system's shape.
#[utoipa::path(get, path = "/api/persistence/integrity", tag = "original", responses(
    (status = 200, description = "Sound or not", body = IntegrityNumbers),
))]
async fn integrity(State(app): State<App>) -> Json<IntegrityNumbers> {
    let health = super::status::Integrity::of(&app.store.health());
    Json(IntegrityNumbers {
        integrity: health.cause.is_none(),
        merkle_root: app.store.heads().state_root.to_string(),
        detail: health.cause,
    })
}

/// How far back.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
enum Span {
    /// By the minute.
    #[default]
    #[serde(rename = "1h")]
    Hour,
    /// By the hour.
    #[serde(rename = "24h")]
    Day,
    /// By the day.
    #[serde(rename = "30d")]
    Month,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SeriesQuery {
    /// The last hour by the minute, day by the hour, or thirty days by the day.
    #[param(inline)]
    range: Option<Span>,
}

/// Counts over time, oldest first, without gaps.
#[derive(Debug, Serialize, ToSchema)]
struct Series {
    /// Executions.
    executions: Vec<ExecutionPoint>,
    /// Attacks.
    attacks: Vec<AttackPoint>,
}

/// Executions in one stretch of time.
#[derive(Debug, Serialize, ToSchema)]
struct ExecutionPoint {
    /// When it begins.
    time: String,
    /// Executions that were proved.
    proved: u64,
    /// Executions that failed.
    failed: u64,
    /// Executions that were rejected.
    rejected: u64,
    /// Executions that took too long.
    timeout: u64,
    /// Half of them took no longer, in milliseconds.
    p50_ms: Option<f64>,
    /// 95 % of them took no longer.
    p95_ms: Option<f64>,
    /// 99 % of them took no longer.
    p99_ms: Option<f64>,
}

/// Attacks in one stretch of time.
#[derive(Debug, Serialize, ToSchema)]
struct AttackPoint {
    /// When it begins.
    time: String,
    /// How many of each type.
    by_type: BTreeMap<String, u64>,
    /// How many each layer blocked.
    by_layer: BTreeMap<String, u64>,
}

impl Span {
    /// The period, its nanoseconds, and how many there are.
    fn steps(self) -> (Period, u64, u64) {
        const MINUTE: u64 = 60_000_000_000;
        match self {
            Self::Hour => (Period::Minute, MINUTE, 60),
            Self::Day => (Period::Hour, 60 * MINUTE, 24),
            Self::Month => (Period::Day, 1_440 * MINUTE, 30),
        }
    }
}

/// Counts over time for charts. Costs the same however much was recorded.
#[utoipa::path(get, path = "/api/v1/series", tag = "operations", params(SeriesQuery), responses(
    (status = 200, description = "The series", body = Series),
    (status = 400, description = "No such range"),
))]
async fn series(
    State(app): State<App>,
    Query(query): Query<SeriesQuery>,
) -> Result<Json<Series>, Problem> {
    let (period, step, count) = query.range.unwrap_or_default().steps();
    app.blocking(move |app| {
        let now = now_ns();
        let last = now - now % step;
        let starts: Vec<_> = (0..count)
            .rev()
            .map(|back| last.saturating_sub(back * step))
            .collect();
        let trail = app.store.audit();
        let executions = trail.execution_series(period, starts[0], last + step)?;
        let attacks = trail.attack_series(period, starts[0], last + step)?;
        Ok(Json(Series {
            executions: filled(&starts, &executions)
                .map(|(start, cell)| ExecutionPoint::of(start, cell))
                .collect(),
            attacks: filled(&starts, &attacks)
                .map(|(start, cell)| AttackPoint::of(start, cell))
                .collect(),
        }))
    })
    .await
}

/// Each start with its counts, where there are any.
fn filled<'s, C>(
    starts: &'s [u64],
    points: &'s [SeriesPoint<C>],
) -> impl Iterator<Item = (u64, Option<&'s C>)> {
    starts.iter().map(|start| {
        let place = points.binary_search_by_key(start, |point| point.start_ns);
        (*start, place.ok().map(|place| &points[place].counts))
    })
}

impl ExecutionPoint {
    fn of(start: u64, cell: Option<&ExecutionCell>) -> Self {
        let with = |status| cell.map_or(0, |cell| cell.with_status(status));
        let quantile = |per_mille| {
            cell.map(ExecutionCell::elapsed_ns)
                .and_then(|sketch: &Sketch| sketch.quantile(per_mille))
                .map(ms)
        };
        Self {
            time: rfc3339(start),
            proved: with(ExecutionStatus::Proved),
            failed: with(ExecutionStatus::Failed),
            rejected: with(ExecutionStatus::Rejected),
            timeout: with(ExecutionStatus::Timeout),
            p50_ms: quantile(500),
            p95_ms: quantile(950),
            p99_ms: quantile(990),
        }
    }
}

impl AttackPoint {
    fn of(start: u64, cell: Option<&AttackCell>) -> Self {
        let named = |counts: &vigilance::Breakdown<u64>| {
            counts
                .iter()
                .map(|(name, count)| (name.to_owned(), *count))
                .collect()
        };
        Self {
            time: rfc3339(start),
            by_type: cell.map(|cell| named(cell.types())).unwrap_or_default(),
            by_layer: cell.map(|cell| named(cell.layers())).unwrap_or_default(),
        }
    }
}
