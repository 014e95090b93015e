//! Named snapshots: versions that are kept whatever is pruned.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use reality_db::NamedSnapshot;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::auth::Principal;
use crate::extract::{Json, Path};
use crate::page::Page;
use crate::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

pub(super) fn admin_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(make))
        .routes(routes!(forget))
}

/// A version with a name.
#[derive(Debug, Serialize, ToSchema)]
struct SnapshotBody {
    /// Its name.
    #[schema(example = "before the audit")]
    name: String,
    /// The version: what `at` takes wherever the state is read.
    version: u64,
    /// Its root.
    root: String,
}

/// Which version, and its name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "before the audit"}))]
struct SnapshotRequest {
    /// The name.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// The version; the newest one otherwise.
    version: Option<u64>,
}

impl SnapshotBody {
    fn of(named: NamedSnapshot) -> Self {
        Self {
            name: named.name,
            version: named.version.number,
            root: named.version.root.to_string(),
        }
    }
}

/// The named snapshots, by name.
#[utoipa::path(get, path = "/api/v1/snapshots", tag = "state", responses(
    (status = 200, description = "The snapshots", body = Page<SnapshotBody>),
))]
async fn list(State(app): State<App>) -> Result<Json<Page<SnapshotBody>>, Problem> {
    app.blocking(|app| {
        let named = app.store.state().named_snapshots()?.into_iter();
        let items = named.map(SnapshotBody::of).collect();
        Ok(Json(Page { items, next: None }))
    })
    .await
}

/// Gives a version a name, which keeps it and all after it. The same once more changes nothing.
#[utoipa::path(post, path = "/api/v1/snapshots", tag = "state", request_body = SnapshotRequest, responses(
    (status = 201, description = "The snapshot", body = SnapshotBody),
    (status = 404, description = "No such version"),
    (status = 409, description = "Another version has the name"),
    (status = 410, description = "The version is no longer kept"),
))]
async fn make(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    Json(request): Json<SnapshotRequest>,
) -> Result<Response, Problem> {
    app.blocking(move |app| {
        let db = app.store.state();
        let version = request.version.unwrap_or_else(|| db.version().number);
        let named = db.name_snapshot(&request.name, version)?;
        app.note(
            &principal.label(),
            &format!("version {version} named {:?}", request.name),
        );
        Ok((StatusCode::CREATED, Json(SnapshotBody::of(named))).into_response())
    })
    .await
}

/// Takes a name away; what it kept may be pruned then.
#[utoipa::path(delete, path = "/api/v1/snapshots/{name}", tag = "state", params(("name" = String, Path, description = "The name", example = "before the audit")), responses(
    (status = 204, description = "The name is taken away"),
    (status = 404, description = "There is no such snapshot"),
))]
async fn forget(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    app.blocking(move |app| {
        if !app.store.state().forget_snapshot(&name)? {
            return Err(Problem::new(Kind::NotFound, "there is no such snapshot"));
        }
        app.note(
            &principal.label(),
            &format!("the name {name:?} of a version taken away"),
        );
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
