//! Panic mode, and the ways out of it.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use persistence::WayOut;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::status::Integrity;
use crate::auth::Principal;
use crate::extract::Json;
use crate::problem::{Kind, Problem};
use crate::server::Recovery;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(panic))
}

pub(super) fn admin_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(recover))
}

/// Whether writes are refused, and what leads out of that.
#[derive(Debug, Serialize, ToSchema)]
struct PanicBody {
    integrity: Integrity,
    /// The ways out, the one that costs least first; none where everything is sound.
    ways_out: Vec<WayBody>,
}

/// A way out.
#[derive(Debug, Serialize, ToSchema)]
struct WayBody {
    /// Its name, for `POST /api/v1/panic/recovery`.
    #[schema(example = "rebuild-trail")]
    name: String,
    /// What it does, and what it costs.
    what: String,
    /// Whether this server can take it. A backup is restored by `diotec360 restore`.
    here: bool,
}

/// Which way out, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"way": "rebuild-trail", "reason": "the disk of the audit trail was replaced"}))]
struct RecoveryRequest {
    /// Its name, as `GET /api/v1/panic` has it.
    way: String,
    /// Why: it is recorded.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

/// Panic mode: what was found, and the ways out.
///
/// Finding the ways out reads what each of them needs, which may take as long as a check of the state.
#[utoipa::path(get, path = "/api/v1/panic", tag = "operations", responses(
    (status = 200, description = "What was found, and the ways out", body = PanicBody),
))]
async fn panic(State(app): State<App>) -> Result<Json<PanicBody>, Problem> {
    app.blocking(|app| {
        let ways = app.store.ways_out()?;
        let ways = ways.iter().map(|way| WayBody {
            name: way.name(),
            what: way.to_string(),
            here: *way != WayOut::Restore,
        });
        Ok(Json(PanicBody {
            integrity: Integrity::of(&app.store.health()),
            ways_out: ways.collect(),
        }))
    })
    .await
}

/// Takes a way out: the server lets running requests finish, closes the stores, takes the way, and opens
/// them again.
///
/// Nothing is deleted: what is replaced is set aside. Who asked and why is recorded once the stores are
/// open.
#[utoipa::path(post, path = "/api/v1/panic/recovery", tag = "operations", request_body = RecoveryRequest, responses(
    (status = 202, description = "The server closes the stores to take it; `GET /health/ready` says when it is done"),
    (status = 404, description = "No such way is open"),
    (status = 422, description = "It cannot be taken here, or there is no reason"),
))]
async fn recover(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    Json(request): Json<RecoveryRequest>,
) -> Result<Response, Problem> {
    let reason = request.reason.trim();
    if reason.is_empty() || reason.len() > 1000 {
        let bad = "give a reason of 1 to 1,000 bytes: it is recorded";
        return Err(Problem::new(Kind::Unprocessable, bad));
    }
    let reason = format!("{reason} (asked for by {})", principal.label());
    app.blocking(move |app| {
        let closed = || Problem::new(Kind::NotFound, "no such way is open: see GET /api/v1/panic");
        let ways = app.store.ways_out()?;
        let way = ways.into_iter().find(|way| way.name() == request.way);
        let way = way.ok_or_else(closed)?;
        if way == WayOut::Restore {
            let here = "a backup is restored by `diotec360 restore`, beside the damaged directory";
            return Err(Problem::new(Kind::Unprocessable, here));
        }
        app.recovery.ask(Recovery { way, reason });
        Ok(StatusCode::ACCEPTED.into_response())
    })
    .await
}
