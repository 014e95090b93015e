//! Seals and receipts: what others keep, to check everything else against.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use persistence::{Event, EventKind, Record, Seal};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vigilance::{Cursor, Filter, PageFrom};

use super::App;
use crate::auth::Principal;
use crate::clock::{now_ns, rfc3339};
use crate::extract::{Json, Path, Query};
use crate::page::{self, Page};
use crate::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(seals))
        .routes(routes!(newest))
        .routes(routes!(receipt))
}

pub(super) fn admin_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(make))
}

/// What all three stores held at one moment, signed.
#[derive(Debug, Serialize, ToSchema)]
struct SealBody {
    /// Its place in the chain.
    number: u64,
    /// When it was made.
    time: String,
    /// The newest version of the state then.
    version: u64,
    /// The root of that version.
    state_root: String,
    /// Records in the audit log then.
    log_size: u64,
    /// The root of the log then.
    log_root: String,
    /// Root over the addresses of all that the vault held.
    vault_root: String,
    /// The signed note: keep a copy elsewhere.
    note: String,
    /// The key that signed it, as this server says. Trust one that you had before.
    public_key: String,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SealsQuery {
    /// Where an earlier page ended: its `next`.
    before: Option<String>,
    /// How many at most; 1 to 100, 20 otherwise.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
}

impl SealBody {
    fn of(app: &App, note: &str) -> Option<Self> {
        let key = app.store.verifier_key();
        let seal = Seal::verify(note.as_bytes(), std::slice::from_ref(&key)).ok()?;
        Some(Self {
            number: seal.number?,
            time: rfc3339(seal.time_ns),
            version: seal.version,
            state_root: seal.state_root.to_string(),
            log_size: seal.log.size.get(),
            log_root: seal.log.root.to_string(),
            vault_root: seal.vault_root.to_string(),
            note: note.to_owned(),
            public_key: key.to_string(),
        })
    }
}

/// The seal that an event of the log carries.
fn note_of(event: &Event) -> Option<&str> {
    let is_seal = event.kind == EventKind::Checkpointed
        && event.source.as_deref() == Some("persistence.seal");
    is_seal.then(|| event.message.as_ref()?.as_str()).flatten()
}

/// The chain of seals, the newest first. Each is checked against this server's key; seals that an earlier
/// key signed are in the log, as events.
#[utoipa::path(get, path = "/api/v1/seals", tag = "seals", params(SealsQuery), responses(
    (status = 200, description = "A page of seals; `Link` leads to the next", body = Page<SealBody>),
))]
async fn seals(
    State(app): State<App>,
    uri: axum::http::Uri,
    Query(query): Query<SealsQuery>,
) -> Result<Response, Problem> {
    let limit = page::limit(query.limit, 20, 100)?;
    app.blocking(move |app| {
        let from = match &query.before {
            Some(text) => {
                let cursor: Result<Cursor, _> = text.parse();
                PageFrom::Older(
                    cursor.map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?,
                )
            }
            None => PageFrom::Newest,
        };
        let filter = Filter::events().event_kind(EventKind::Checkpointed);
        let page = app.store.audit().page(&filter, from, limit)?;
        let items = page
            .records
            .iter()
            .filter_map(|stored| match &stored.record {
                Record::Event(event) => SealBody::of(app, note_of(event)?),
                _ => None,
            });
        let items = items.collect();
        let next = page.older.map(|cursor| cursor.to_string());
        Ok(Page { items, next }.answer(&uri, "before"))
    })
    .await
}

/// The newest seal, as the signed note that it is.
#[utoipa::path(get, path = "/api/v1/seals/newest", tag = "seals", responses(
    (status = 200, description = "A signed note", body = String, content_type = "text/plain"),
    (status = 404, description = "No seal was made yet"),
))]
async fn newest(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let missing = || Problem::new(Kind::NotFound, "no seal was made yet");
    let (_, note) = app.store.last_seal().ok_or_else(missing)?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], note))
}

/// Makes the next seal of the chain. It is recorded in the log, as every seal is.
#[utoipa::path(post, path = "/api/v1/seals", tag = "seals", responses(
    (status = 201, description = "The seal", body = SealBody),
))]
async fn make(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
) -> Result<Response, Problem> {
    app.blocking(move |app| {
        app.note(&principal.label(), "a seal asked for"); // first, so that the seal covers it
        app.store.seal(now_ns())?;
        let missing = || Problem::new(Kind::Internal, "the seal was made, and is not the newest");
        let (_, note) = app.store.last_seal().ok_or_else(missing)?;
        let body = SealBody::of(app, &String::from_utf8_lossy(&note)).ok_or_else(missing)?;
        Ok((StatusCode::CREATED, Json(body)).into_response())
    })
    .await
}

/// The receipt of an execution: a file that proves it to anybody who has the public key.
///
/// `diotec360 verify-receipt` checks it, the dashboard does, and so does docs/formats/verify_receipt.py.
#[utoipa::path(get, path = "/api/v1/receipts/{tx_id}", tag = "seals", params(("tx_id" = String, Path, description = "The execution's identifier", example = "tx_001")), responses(
    (status = 200, description = "The receipt, as docs/formats/receipt.md has it", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 404, description = "No such execution was committed"),
    (status = 410, description = "The versions that it needs are no longer kept"),
    (status = 422, description = "The execution was imported: nothing proves what it did to a state"),
))]
async fn receipt(
    State(app): State<App>,
    Path(tx_id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    app.blocking(move |app| {
        let receipt = app.store.receipt(&tx_id)?;
        let headers = [
            (CONTENT_TYPE, "application/octet-stream"),
            (CONTENT_DISPOSITION, "attachment; filename=\"receipt.d360\""),
        ];
        Ok((headers, receipt.encode()))
    })
    .await
}
