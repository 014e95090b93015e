//! What the state was: versions, the history of a key, differences.

use std::collections::VecDeque;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use reality_db::{CommitInfo, RealityDb};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::wire::Key;
use crate::api::App;
use crate::api::execute::ExecutedBody;
use crate::auth::Principal;
use crate::clock::{now_ns, rfc3339};
use crate::encoding::text_of;
use crate::extract::{Json, Path, Query};
use crate::page::{self, Page};
use crate::problem::{Kind, Problem};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(versions))
        .routes(routes!(version))
        .routes(routes!(key_history))
        .routes(routes!(diff))
}

pub(crate) fn admin_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(roll_back))
}

/// Versions gone over for one answer, at most.
const VERSIONS_MAX: u64 = 10_000;

/// Which page of versions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct VersionsQuery {
    /// Versions before this one; the newest ones otherwise.
    before: Option<u64>,
    /// How many at most; 1 to 1,000, 50 otherwise.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// What the journal says of a version.
#[derive(Debug, Serialize, ToSchema)]
struct VersionInfo {
    /// Its number.
    version: u64,
    /// Its root.
    root: String,
    /// The root before it.
    root_before: String,
    /// When it was committed; none where nobody said.
    time: Option<String>,
    /// Keys that it has.
    entries: u64,
    /// Keys that it wrote or deleted.
    changes: u64,
}

impl VersionInfo {
    fn of(info: &CommitInfo) -> Self {
        Self {
            version: info.version.number,
            root: info.version.root.to_string(),
            root_before: info.root_before.to_string(),
            time: time_of(info.time_ns),
            entries: info.entries,
            changes: info.changes,
        }
    }
}

fn time_of(ns: u64) -> Option<String> {
    (ns > 0).then(|| rfc3339(ns))
}

/// The roots of the state, the newest first.
#[utoipa::path(get, path = "/api/v1/state/versions", tag = "state", params(VersionsQuery), responses(
    (status = 200, description = "A page of versions; `Link` leads to the next", body = Page<VersionInfo>),
))]
async fn versions(
    State(app): State<App>,
    uri: Uri,
    Query(query): Query<VersionsQuery>,
) -> Result<Response, Problem> {
    let limit = page::limit(query.limit, 50, 1_000)?;
    app.blocking(move |app| {
        let db = app.store.state();
        let (oldest, newest) = (db.oldest()?, db.version().number);
        let (page, next) = page::below(query.before, limit, oldest..newest + 1);
        let mut items = Vec::new();
        if !page.is_empty() {
            for info in db.infos(page.start..=page.end - 1)? {
                items.push(VersionInfo::of(&info?));
            }
        }
        items.reverse();
        Ok(Page { items, next }.answer(&uri, "before"))
    })
    .await
}

/// What the journal says of one version. `at` is a number, or a time in RFC 3339: the last version then.
#[utoipa::path(get, path = "/api/v1/state/versions/{at}", tag = "state", params(("at" = String, Path, description = "A number, or a time in RFC 3339", example = "1")), responses(
    (status = 200, description = "The version", body = VersionInfo),
    (status = 404, description = "No such version"),
    (status = 410, description = "The version is no longer kept"),
))]
async fn version(
    State(app): State<App>,
    Path(at): Path<String>,
) -> Result<Json<VersionInfo>, Problem> {
    app.blocking(move |app| {
        let number = match at.parse() {
            Ok(number) => number,
            Err(_) => app.version_at(&at)?,
        };
        Ok(Json(VersionInfo::of(&app.store.state().info(number)?)))
    })
    .await
}

/// Which key, and how far back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// The key, as text.
    #[param(example = "account:alice")]
    key: Option<String>,
    /// The key in hexadecimal digits, where it is no text.
    key_hex: Option<String>,
    /// Versions before this one; the newest ones otherwise.
    before: Option<u64>,
    /// How many changes at most; 1 to 1,000, 50 otherwise.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// One change of a key.
#[derive(Debug, Serialize, ToSchema)]
struct Change {
    /// The version that made it.
    version: u64,
    /// When; none where nobody said.
    time: Option<String>,
    /// The value from then on, where it is text.
    value: Option<String>,
    /// The value in hexadecimal digits; none where the key was deleted.
    value_hex: Option<String>,
}

/// What happened to a key, the newest change first. A page goes over 10,000 versions at most.
#[utoipa::path(get, path = "/api/v1/state/history", tag = "state", params(HistoryQuery), responses(
    (status = 200, description = "A page of changes; `Link` leads to the next", body = Page<Change>),
))]
async fn key_history(
    State(app): State<App>,
    uri: Uri,
    Query(query): Query<HistoryQuery>,
) -> Result<Response, Problem> {
    let key = Key::read(query.key, query.key_hex)?;
    let limit = page::limit(query.limit, 50, 1_000)?;
    app.blocking(move |app| {
        let page = changes(app.store.state(), &key.0, query.before, limit)?;
        Ok(page.answer(&uri, "before"))
    })
    .await
}

fn changes(
    db: &RealityDb,
    key: &[u8],
    before: Option<u64>,
    limit: usize,
) -> Result<Page<Change>, Problem> {
    let (oldest, newest) = (db.oldest()?, db.version().number);
    let versions = usize::try_from(VERSIONS_MAX).unwrap_or(usize::MAX);
    let (page, _) = page::below(before, versions, oldest..newest + 1);
    let (mut first, end) = (page.start, page.end);
    let mut last_ones = VecDeque::new();
    if first < end {
        for change in db.key_history(key, first..=end - 1)? {
            let change = change?;
            last_ones.push_front(Change {
                version: change.version.number,
                time: time_of(change.time_ns),
                value: change.value.as_deref().and_then(text_of),
                value_hex: change.value.as_deref().map(hex::encode),
            });
            if last_ones.len() > limit {
                last_ones.pop_back();
            }
        }
    }
    if last_ones.len() == limit {
        first = last_ones.back().map_or(first, |change| change.version);
    }
    Ok(Page {
        next: (first > oldest && first < end).then(|| first.to_string()),
        items: last_ones.into(),
    })
}

/// Which two versions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// The first version.
    #[param(example = 0)]
    from: u64,
    /// The second version; the newest one otherwise.
    to: Option<u64>,
}

/// How two versions differ.
#[derive(Debug, Serialize, ToSchema)]
struct Diff {
    /// The first version.
    from: u64,
    /// The second version.
    to: u64,
    /// The keys that differ, in key order.
    differences: Vec<Difference>,
}

/// How a key differs.
#[derive(Debug, Serialize, ToSchema)]
struct Difference {
    /// The key, where it is text.
    key: Option<String>,
    /// The key in hexadecimal digits.
    key_hex: String,
    /// Its value in the first version, in hexadecimal digits.
    before_hex: Option<String>,
    /// Its value in the second version, in hexadecimal digits.
    after_hex: Option<String>,
}

/// How two versions differ: all keys that have another value in one than in the other.
#[utoipa::path(get, path = "/api/v1/state/diff", tag = "state", params(DiffQuery), responses(
    (status = 200, description = "The differences", body = Diff),
    (status = 404, description = "No such version"),
    (status = 410, description = "A version is no longer kept"),
    (status = 422, description = "More than 10,000 versions lie between"),
))]
async fn diff(
    State(app): State<App>,
    Query(query): Query<DiffQuery>,
) -> Result<Json<Diff>, Problem> {
    app.blocking(move |app| {
        let db = app.store.state();
        let (from, to) = (query.from, query.to.unwrap_or_else(|| db.version().number));
        if from.abs_diff(to) > VERSIONS_MAX {
            let far = "more than 10,000 versions lie between: ask in steps";
            return Err(Problem::new(Kind::Unprocessable, far));
        }
        let differences = db.diff(from, to)?.into_iter().map(|difference| Difference {
            key: text_of(&difference.key),
            key_hex: hex::encode(difference.key),
            before_hex: difference.before.as_deref().map(hex::encode),
            after_hex: difference.after.as_deref().map(hex::encode),
        });
        Ok(Json(Diff {
            from,
            to,
            differences: differences.collect(),
        }))
    })
    .await
}

/// Which version to bring back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"version": 1, "tx_id": "rollback_001"}))]
struct RollBackRequest {
    /// The version.
    version: u64,
    /// The identifier of the execution that does it, which no other has.
    #[schema(min_length = 1, max_length = 256)]
    tx_id: String,
}

/// Brings the state back to what it was at a version, by an execution on the record: nothing is taken out
/// of the history.
#[utoipa::path(post, path = "/api/v1/state/rollbacks", tag = "state", request_body = RollBackRequest, responses(
    (status = 201, description = "Committed", body = ExecutedBody),
    (status = 200, description = "Had been committed before, on the same root", body = ExecutedBody),
    (status = 404, description = "No such version"),
    (status = 409, description = "An execution has this `tx_id`"),
    (status = 410, description = "The version is no longer kept"),
    (status = 422, description = "More than 10,000 versions lie between, or no name of an execution"),
))]
async fn roll_back(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    Json(request): Json<RollBackRequest>,
) -> Result<Response, Problem> {
    app.blocking(move |app| {
        let newest = app.store.state().version().number;
        if newest.saturating_sub(request.version) > VERSIONS_MAX {
            let far = "more than 10,000 versions lie between: go back in steps";
            return Err(Problem::new(Kind::Unprocessable, far));
        }
        let done = app
            .store
            .roll_back(request.version, &request.tx_id, now_ns())?;
        let what = format!("state brought back to version {}", request.version);
        app.note(&principal.label(), &what);
        Ok(ExecutedBody::answer(done))
    })
    .await
}
