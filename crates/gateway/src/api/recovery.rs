//! Panic mode, and the ways out of it.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use persistence::{Incident, WayOut};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::status::Integrity;
use crate::auth::Principal;
use crate::clock::rfc3339;
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
    /// What was found and done so far, the newest first, 100 at most: damage, ways out that were taken, and
    /// what administrators did while the log took no records.
    incidents: Vec<IncidentBody>,
}

/// Something that went wrong, or that was done about it.
#[derive(Debug, Serialize, ToSchema)]
struct IncidentBody {
    /// When, as far as it was known then.
    time: Option<String>,
    /// `panic`, `recovered`, `act`, `recorded` (the acts before it are in the log) or `unreadable`.
    #[schema(example = "act")]
    kind: String,
    /// The store that is to blame, if one is.
    store: Option<String>,
    /// The cause, the way out and its reason, or the act and whose it was.
    text: String,
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

impl IncidentBody {
    fn of(incident: Incident) -> Self {
        let known = incident.time_ns > 0;
        Self {
            time: known.then(|| rfc3339(incident.time_ns)),
            kind: incident.kind.to_string(),
            store: incident.store,
            text: incident.text,
        }
    }
}

/// Most incidents that are told.
const INCIDENTS_MAX: usize = 100;

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
        let incidents = app.store.incidents()?.into_iter().rev();
        Ok(Json(PanicBody {
            integrity: Integrity::of(&app.store.health()),
            ways_out: ways.collect(),
            incidents: incidents
                .take(INCIDENTS_MAX)
                .map(IncidentBody::of)
                .collect(),
        }))
    })
    .await
}

/// Takes a way out: the server lets running requests finish, closes the stores, takes the way, and opens
/// them again.
///
/// What is replaced is set aside; the ways of the state remove what they give up. Who asked and why is among
/// the incidents at once, and in the log once the stores are open.
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
    let who = principal.label();
    let act = format!("the way out {} asked for: {reason}", request.way);
    let reason = format!("{reason} (asked for by {who})");
    app.blocking(move |app| {
        let closed = || Problem::new(Kind::NotFound, "no such way is open: see GET /api/v1/panic");
        let ways = app.store.ways_out()?;
        let way = ways.into_iter().find(|way| way.name() == request.way);
        let way = way.ok_or_else(closed)?;
        if way == WayOut::Restore {
            let here = "a backup is restored by `diotec360 restore`, beside the damaged directory";
            return Err(Problem::new(Kind::Unprocessable, here));
        }
        app.note(&who, &act);
        app.recovery.ask(Recovery { way, reason });
        Ok(StatusCode::ACCEPTED.into_response())
    })
    .await
}
