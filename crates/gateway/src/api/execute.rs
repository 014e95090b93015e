//! Recording: executions, attacks, metrics.

mod body;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use persistence::{Executed, Recorded};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::clock::now_ns;
use crate::extract::Json;
use crate::problem::{Kind, Problem};

use body::{AttackBody, ExecutionBody, MetricBody};

pub(crate) fn routes(body_bytes_max: usize) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(execute))
        .routes(routes!(execution))
        .routes(routes!(attack))
        .routes(routes!(metric))
        .layer(DefaultBodyLimit::max(body_bytes_max))
}

/// What became of an execution.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExecutedBody {
    /// Its identifier.
    #[schema(example = "tx_001")]
    tx_id: String,
    /// How it ended: as it was handed over, or `REJECTED` if it was refused at commit.
    #[schema(example = "PROVED")]
    status: &'static str,
    /// Why it was refused at commit.
    refusal: Option<String>,
    /// Its place in the log.
    index: u64,
    /// The version of the state that carries its record.
    version: u64,
    /// The root of the state before it.
    merkle_root_before: String,
    /// The root after it: the same one if it changed nothing.
    merkle_root_after: String,
    /// Whether it had been committed before; this is what became of it then.
    repeated: bool,
}

/// Where a record is.
#[derive(Debug, Serialize, ToSchema)]
struct RecordedBody {
    /// Its place in the log.
    index: u64,
    /// The version of the state that carries it.
    version: u64,
    /// Whether it had been recorded before.
    repeated: bool,
}

/// Commits an execution: its writes, its record and what proves both, durable when this answers.
///
/// The same execution handed over again is committed once. Without a `tx_id`, the header
/// `Idempotency-Key` names it.
#[utoipa::path(post, path = "/execute", tag = "recording", request_body = ExecutionBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The `tx_id`, for a body without one")),
    responses(
        (status = 201, description = "Committed", body = ExecutedBody),
        (status = 200, description = "Had been committed before", body = ExecutedBody),
        (status = 409, description = "Another execution has this `tx_id`"),
        (status = 422, description = "A field out of bounds, or an unknown bundle"),
    ))]
async fn execute(
    State(app): State<App>,
    headers: HeaderMap,
    Json(body): Json<ExecutionBody>,
) -> Result<Response, Problem> {
    commit(&app, &headers, body).await
}

/// The same as `POST /execute`.
#[utoipa::path(post, path = "/api/v1/executions", tag = "recording", request_body = ExecutionBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The `tx_id`, for a body without one")),
    responses(
        (status = 201, description = "Committed", body = ExecutedBody),
        (status = 200, description = "Had been committed before", body = ExecutedBody),
        (status = 409, description = "Another execution has this `tx_id`"),
        (status = 422, description = "A field out of bounds, or an unknown bundle"),
    ))]
async fn execution(
    State(app): State<App>,
    headers: HeaderMap,
    Json(body): Json<ExecutionBody>,
) -> Result<Response, Problem> {
    commit(&app, &headers, body).await
}

async fn commit(app: &App, headers: &HeaderMap, body: ExecutionBody) -> Result<Response, Problem> {
    let execution = body.execution(idempotency_key(headers)?, now_ns())?;
    let done = app
        .blocking(move |app| Ok(app.store.execute(execution)?))
        .await?;
    Ok(ExecutedBody::answer(done))
}

/// Records an attack that was blocked. The same attack handed over again is recorded once.
#[utoipa::path(post, path = "/api/v1/attacks", tag = "recording", request_body = AttackBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The `attack_id`, for a body without one")),
    responses(
        (status = 201, description = "Recorded", body = RecordedBody),
        (status = 200, description = "Had been recorded before", body = RecordedBody),
        (status = 409, description = "Another attack has this `attack_id`"),
    ))]
async fn attack(
    State(app): State<App>,
    headers: HeaderMap,
    Json(body): Json<AttackBody>,
) -> Result<Response, Problem> {
    let attack = body.attack(idempotency_key(&headers)?, now_ns())?;
    let done = app
        .blocking(move |app| Ok(app.store.save_attack(attack)?))
        .await?;
    Ok(located(done.index, done.repeated, RecordedBody::of(&done)))
}

/// Records a number that was measured.
#[utoipa::path(post, path = "/api/v1/metrics", tag = "recording", request_body = MetricBody, responses(
    (status = 201, description = "Recorded", body = RecordedBody),
))]
async fn metric(State(app): State<App>, Json(body): Json<MetricBody>) -> Result<Response, Problem> {
    let metric = body.metric(now_ns())?;
    let done = app
        .blocking(move |app| Ok(app.store.log_metric(metric)?))
        .await?;
    Ok(located(done.index, done.repeated, RecordedBody::of(&done)))
}

impl ExecutedBody {
    /// What became of it, and where its record is.
    pub(crate) fn answer(done: Executed) -> Response {
        located(done.index, done.repeated, Self::of(done))
    }

    fn of(done: Executed) -> Self {
        Self {
            tx_id: done.tx_id,
            status: done.status.as_str(),
            refusal: done.refusal,
            index: done.index,
            version: done.version,
            merkle_root_before: done.root_before.to_string(),
            merkle_root_after: done.root_after.to_string(),
            repeated: done.repeated,
        }
    }
}

impl RecordedBody {
    fn of(done: &Recorded) -> Self {
        Self {
            index: done.index,
            version: done.version,
            repeated: done.repeated,
        }
    }
}

fn located(index: u64, repeated: bool, body: impl Serialize) -> Response {
    let status = if repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let mut response = (status, Json(body)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/audit/records/{index}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let bad = |_| Problem::new(Kind::BadRequest, "an Idempotency-Key is visible ASCII");
    // A structured header has it in quotes; many callers leave them out.
    let text = key.to_str().map_err(bad)?.trim_matches('"');
    Ok(Some(text.to_owned()))
}
