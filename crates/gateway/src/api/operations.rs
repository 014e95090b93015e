//! What machines ask: is it alive, is it ready, what does it count.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use persistence::Health;
use serde_json::json;

use super::App;
use crate::clock::now_ns;
use crate::extract::Json;
use crate::problem::Problem;

/// Asked without a token: they tell nothing but yes or no.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
}

pub(super) fn metrics_routes() -> Router<App> {
    Router::new().route("/metrics", get(metrics))
}

/// The process answers.
async fn live() -> impl IntoResponse {
    Json(json!({ "status": "live" }))
}

/// Whether writes are taken: not while stopping, not in panic mode.
async fn ready(State(app): State<App>) -> impl IntoResponse {
    let stopping = *app.shell.stopping.borrow();
    let (status, word) = match app.store.health() {
        _ if stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        Health::Sound => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "panic"),
    };
    (status, Json(json!({ "status": word })))
}

async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    app.blocking(|app| {
        let gauges = &app.shell.telemetry.store;
        let snapshot = app.store.state().snapshot()?;
        gauges.version.set(snapshot.version().number);
        gauges.entries.set(snapshot.len()?);
        gauges
            .panicked
            .set(i64::from(app.store.health() != Health::Sound));
        if let Some((seal, _)) = app.store.last_seal() {
            gauges.records.set(seal.log.size.get());
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
