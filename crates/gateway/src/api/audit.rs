//! The audit log: pages, records, proofs, its checkpoint.

mod record;
mod tiles;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use persistence::{EventKind, ExecutionStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vigilance::{Cursor, Filter, PageFrom, StoredRecord};

use super::App;
use crate::clock::parse_rfc3339;
use crate::encoding::base64;
use crate::extract::{Json, Path, Query};
use crate::page::{self, Page};
use crate::problem::{Kind, Problem};

pub(super) use record::{
    RecordBody, RecordSummary, attack as attack_fields, execution as execution_fields, ms,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(records))
        .routes(routes!(one))
        .routes(routes!(by_tx))
        .routes(routes!(inclusion))
        .routes(routes!(consistency))
        .merge(tiles::routes())
}

/// Which kind of record.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RecordKindName {
    /// Attempts to execute an intent.
    Execution,
    /// Attacks that were blocked.
    Attack,
    /// Numbers that were measured.
    Metric,
    /// What happened to the system itself.
    Event,
}

/// Which records, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RecordsQuery {
    /// Only this kind. A status or an intent means executions, a type, category or layer attacks,
    /// and a search without a kind looks through executions.
    #[param(inline)]
    kind: Option<RecordKindName>,
    /// Executions with this status: `PROVED`, `FAILED`, `REJECTED` or `TIMEOUT`.
    status: Option<String>,
    /// Executions of this intent.
    intent: Option<String>,
    /// Attacks of this type.
    attack_type: Option<String>,
    /// Attacks of this category.
    category: Option<String>,
    /// Attacks that this layer blocked.
    layer: Option<String>,
    /// Events of this kind, such as `checkpointed`.
    event: Option<String>,
    /// That happened from this time on, in RFC 3339.
    from: Option<String>,
    /// That happened before this time, in RFC 3339.
    until: Option<String>,
    /// Words to look for; `"several words"`, `word*` and `-word` have their meanings.
    q: Option<String>,
    /// Where an earlier page ended: its `next`.
    before: Option<String>,
    /// How many at most; 1 to 200, 25 otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u64>,
}

impl RecordsQuery {
    /// The filter that is asked for; none for all records.
    fn filter(&self) -> Result<Option<Filter>, Problem> {
        let of_execution = self.status.is_some() || self.intent.is_some();
        let of_attack =
            self.attack_type.is_some() || self.category.is_some() || self.layer.is_some();
        let timed = self.from.is_some() || self.until.is_some() || self.q.is_some();
        let mut filter = match self.kind {
            Some(RecordKindName::Execution) => Filter::executions(),
            Some(RecordKindName::Attack) => Filter::attacks(),
            Some(RecordKindName::Metric) => Filter::metrics(),
            Some(RecordKindName::Event) => Filter::events(),
            None if of_attack => Filter::attacks(),
            None if self.event.is_some() => Filter::events(),
            None if of_execution || timed => Filter::executions(),
            None => return Ok(None),
        };
        if let Some(status) = &self.status {
            let status: ExecutionStatus = status.parse().map_err(|_| bad("no such status"))?;
            filter = filter.status(status);
        }
        if let Some(kind) = &self.event {
            let kind: EventKind = kind.parse().map_err(|_| bad("no such kind of event"))?;
            filter = filter.event_kind(kind);
        }
        if let Some(intent) = &self.intent {
            filter = filter.intent(intent);
        }
        if let Some(name) = &self.attack_type {
            filter = filter.attack_type(name);
        }
        if let Some(category) = &self.category {
            filter = filter.category(category);
        }
        if let Some(layer) = &self.layer {
            filter = filter.layer(layer);
        }
        if self.from.is_some() || self.until.is_some() {
            let from = time(self.from.as_deref())?.unwrap_or(0);
            filter = filter.between(from, time(self.until.as_deref())?.unwrap_or(u64::MAX));
        }
        if let Some(words) = &self.q {
            filter = filter.text(
                words
                    .parse()
                    .map_err(|error: vigilance::TextQueryError| bad(&error.to_string()))?,
            );
        }
        Ok(Some(filter))
    }
}

fn time(text: Option<&str>) -> Result<Option<u64>, Problem> {
    let read =
        |text| parse_rfc3339(text).ok_or_else(|| bad("a time is written as 2026-11-29T08:00:00Z"));
    text.map(read).transpose()
}

fn bad(detail: &str) -> Problem {
    Problem::new(Kind::BadRequest, detail)
}

/// Records of the log, the newest first; filtered and searched. Pages cost the same at any depth.
#[utoipa::path(get, path = "/api/v1/audit/records", tag = "audit", params(RecordsQuery), responses(
    (status = 200, description = "A page of records; `Link` leads to the next", body = Page<RecordSummary>),
))]
async fn records(
    State(app): State<App>,
    uri: Uri,
    Query(query): Query<RecordsQuery>,
) -> Result<Response, Problem> {
    let limit = page::limit(query.limit, 25, 200)?;
    let filter = query.filter()?;
    app.blocking(move |app| {
        let (records, next) = match filter {
            None => newest(app, query.before.as_deref(), limit)?,
            Some(filter) => filtered(app, &filter, query.before.as_deref(), limit)?,
        };
        let items = records.iter().map(RecordSummary::of).collect();
        Ok(Page { items, next }.answer(&uri, "before"))
    })
    .await
}

/// All records, by their place in the log.
fn newest(
    app: &App,
    before: Option<&str>,
    limit: usize,
) -> Result<(Vec<StoredRecord>, Option<String>), Problem> {
    let trail = app.store.audit();
    let size = trail.size();
    let before = before.map(|before| {
        (before.parse::<u64>()).map_err(|_| bad("before is not a cursor of this list"))
    });
    let (page, next) = page::below(before.transpose()?, limit, 0..size);
    let count = usize::try_from(page.end - page.start).unwrap_or(limit);
    let mut records = trail.records(page.start, count)?;
    records.reverse();
    Ok((records, next))
}

fn filtered(
    app: &App,
    filter: &Filter,
    before: Option<&str>,
    limit: usize,
) -> Result<(Vec<StoredRecord>, Option<String>), Problem> {
    let from = match before {
        Some(text) => {
            let cursor: Cursor = text
                .parse()
                .map_err(|error: vigilance::CursorError| bad(&error.to_string()))?;
            PageFrom::Older(cursor)
        }
        None => PageFrom::Newest,
    };
    let page = app.store.audit().page(filter, from, limit)?;
    Ok((page.records, page.older.map(|cursor| cursor.to_string())))
}

/// A record in full.
#[utoipa::path(get, path = "/api/v1/audit/records/{index}", tag = "audit", params(("index" = u64, Path, description = "Its place in the log, from 0", example = 0)), responses(
    (status = 200, description = "The record", body = RecordBody),
    (status = 404, description = "The log has no such record"),
))]
async fn one(State(app): State<App>, Path(index): Path<u64>) -> Result<Json<RecordBody>, Problem> {
    app.blocking(move |app| Ok(Json(RecordBody::of(&app.store.audit().record(index)?))))
        .await
}

/// The record of an execution, by its `tx_id`.
#[utoipa::path(get, path = "/api/v1/executions/{tx_id}", tag = "audit", params(("tx_id" = String, Path, description = "Its identifier", example = "tx_001")), responses(
    (status = 200, description = "The record", body = RecordBody),
    (status = 404, description = "No such execution was committed"),
))]
async fn by_tx(
    State(app): State<App>,
    Path(tx_id): Path<String>,
) -> Result<Json<RecordBody>, Problem> {
    app.blocking(move |app| {
        let missing = || Problem::new(Kind::NotFound, "no such execution was committed");
        let found = app
            .store
            .audit()
            .execution_by_tx(&tx_id)?
            .ok_or_else(missing)?;
        Ok(Json(RecordBody::of(&found)))
    })
    .await
}

/// As of which log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SizeQuery {
    /// The log of the first so many records; the newest one otherwise.
    size: Option<u64>,
}

/// That a record is in the log.
#[derive(Debug, Serialize, ToSchema)]
struct Inclusion {
    /// The record's place in the log.
    index: u64,
    /// Records in the log that the proof is about.
    size: u64,
    /// The root of that log.
    root: String,
    /// The leaf's hash: SHA-256 of a zero byte and the record.
    leaf: String,
    /// The record's canonical bytes, as docs/formats/audit.md has them, in base64.
    record: String,
    /// The hashes beside the way from the leaf to the root.
    path: Vec<String>,
    /// The proof in its binary form, as docs/formats/log.md has it, in base64.
    proof: String,
}

/// A record's canonical bytes and the proof that they are in the log.
#[utoipa::path(get, path = "/api/v1/audit/records/{index}/proof", tag = "audit", params(("index" = u64, Path, description = "Its place in the log, from 0", example = 0), SizeQuery), responses(
    (status = 200, description = "The proof", body = Inclusion),
    (status = 404, description = "The log has no such record or size"),
))]
async fn inclusion(
    State(app): State<App>,
    Path(index): Path<u64>,
    Query(query): Query<SizeQuery>,
) -> Result<Json<Inclusion>, Problem> {
    app.blocking(move |app| {
        let trail = app.store.audit();
        let head = trail.head();
        let size = query.size.unwrap_or(head.size.get());
        let stored = trail.record(index)?;
        let proof = trail.prove_inclusion(index, size)?;
        let root = if size == head.size.get() {
            head.root
        } else {
            trail.root_at(size)?
        };
        Ok(Json(Inclusion {
            index,
            size,
            root: root.to_string(),
            leaf: merkle_core::log_leaf_hash(&stored.canonical).to_string(),
            record: base64(&stored.canonical),
            path: proof.hashes().iter().map(ToString::to_string).collect(),
            proof: base64(&proof.encode()),
        }))
    })
    .await
}

/// Between which logs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConsistencyQuery {
    /// Records of the older log.
    #[param(example = 0)]
    from: u64,
    /// Records of the newer log; the newest one otherwise.
    to: Option<u64>,
}

/// That a log is the beginning of another.
#[derive(Debug, Serialize, ToSchema)]
struct Consistency {
    /// Records of the older log.
    from: u64,
    /// Its root.
    from_root: String,
    /// Records of the newer log.
    to: u64,
    /// Its root.
    to_root: String,
    /// The hashes of the proof.
    path: Vec<String>,
    /// The proof in its binary form, in base64.
    proof: String,
}

/// The proof that the log was only ever appended to between two sizes.
#[utoipa::path(get, path = "/api/v1/audit/consistency", tag = "audit", params(ConsistencyQuery), responses(
    (status = 200, description = "The proof", body = Consistency),
    (status = 404, description = "The log has fewer records"),
))]
async fn consistency(
    State(app): State<App>,
    Query(query): Query<ConsistencyQuery>,
) -> Result<Json<Consistency>, Problem> {
    app.blocking(move |app| {
        let trail = app.store.audit();
        let (from, to) = (query.from, query.to.unwrap_or_else(|| trail.size()));
        let proof = trail.prove_consistency(from, to)?;
        Ok(Json(Consistency {
            from,
            from_root: trail.root_at(from)?.to_string(),
            to,
            to_root: trail.root_at(to)?.to_string(),
            path: proof.hashes().iter().map(ToString::to_string).collect(),
            proof: base64(&proof.encode()),
        }))
    })
    .await
}
