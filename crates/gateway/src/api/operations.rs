//! What machines ask: is it alive, is it ready, what does it count.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use persistence::Health;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::clock::now_ns;
use crate::extract::Json;
use crate::problem::Problem;

/// Asked without a token: they tell nothing but yes or no.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(live))
        .routes(routes!(ready))
}

pub(super) fn metrics_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// One word.
#[derive(Debug, Serialize, ToSchema)]
struct Word {
    /// `live`, `ready`, `panic` or `stopping`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// The process answers.
#[utoipa::path(get, path = "/health/live", tag = "operations", responses(
    (status = 200, description = "It does", body = Word),
))]
async fn live() -> Json<Word> {
    Json(Word { status: "live" })
}

/// Whether writes are taken: not while stopping, not in panic mode.
#[utoipa::path(get, path = "/health/ready", tag = "operations", responses(
    (status = 200, description = "They are", body = Word),
    (status = 503, description = "They are not", body = Word),
))]
async fn ready(State(app): State<App>) -> impl IntoResponse {
    let stopping = *app.shell.stopping.borrow();
    let (code, status) = match app.store.health() {
        _ if stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        Health::Sound => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "panic"),
    };
    (code, Json(Word { status }))
}

/// Counters of the server and of the stores, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses(
    (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
))]
async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    app.blocking(|app| {
        let gauges = &app.shell.telemetry.store;
        let snapshot = app.store.state().snapshot()?;
        gauges.version.set(snapshot.version().number);
        gauges.entries.set(snapshot.len()?);
        let counted = app.store.state().counters();
        gauges.failed_checkpoints.set(counted.failed_checkpoints);
        gauges.failed_spills.set(counted.failed_spills);
        gauges
            .panicked
            .set(i64::from(app.store.health() != Health::Sound));
        gauges.records.set(app.store.heads().log.size.get());
        if let Some((seal, _)) = app.store.last_seal() {
            let age_ns = now_ns().saturating_sub(seal.time_ns);
            gauges
                .seal_age
                .set(std::time::Duration::from_nanos(age_ns).as_secs_f64());
        }
        let text = app
            .shell
            .telemetry
            .text()
            .map_err(|error| Problem::internal(&error))?;
        let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Ok(([(CONTENT_TYPE, media)], text))
    })
    .await
}
