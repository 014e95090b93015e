//! The state: values, absences and ranges with their proofs, as of any version.

mod history;
mod wire;

pub(crate) use history::{admin_routes, routes as history_routes};

use std::ops::Bound;

use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use merkle_core::Query as Asked;
use reality_db::{KeyMode, Snapshot};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::encoding::{base64, text_of};
use crate::extract::{Json, Query};
use crate::problem::{Kind, Problem};

use wire::{Key, is_known};

/// Routes that whoever may read may ask.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(value))
        .routes(routes!(range))
        .merge(history_routes())
}

/// Which key, of which version.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ValueQuery {
    /// The key, as text.
    #[param(example = "account:alice")]
    key: Option<String>,
    /// The key in hexadecimal digits, where it is no text.
    key_hex: Option<String>,
    /// A version; the newest one otherwise.
    at: Option<u64>,
    /// The last version of this time, in RFC 3339.
    at_time: Option<String>,
}

/// A value or its absence, and the proof of it.
#[derive(Debug, Serialize, ToSchema)]
struct Value {
    /// The key in hexadecimal digits.
    #[schema(example = "6163636f756e743a616c696365")]
    key_hex: String,
    /// Whether there is a value.
    present: bool,
    /// The value, where it is text.
    #[schema(example = "900")]
    value: Option<String>,
    /// The value in hexadecimal digits.
    #[schema(example = "393030")]
    value_hex: Option<String>,
    /// The version that was read.
    version: u64,
    /// Its root, which the proof leads to.
    root: String,
    /// How the state hashes: `sha256` or `blake3`.
    #[schema(example = "sha256")]
    profile: String,
    /// The proof, as docs/formats/map.md has it, in base64.
    proof: String,
}

/// The value of a key, or that it has none, with a proof of either.
///
/// The entity tag is the root: as long as `If-None-Match` names it, nothing has changed.
#[utoipa::path(get, path = "/api/v1/state/value", tag = "state", params(ValueQuery), responses(
    (status = 200, description = "The value, or that there is none; with its proof", body = Value),
    (status = 304, description = "The state is still the one of `If-None-Match`"),
    (status = 404, description = "No such version"),
    (status = 410, description = "The version is no longer kept"),
))]
async fn value(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<ValueQuery>,
) -> Result<Response, Problem> {
    let key = Key::read(query.key, query.key_hex)?;
    app.blocking(move |app| {
        let snapshot = app.snapshot(query.at, query.at_time.as_deref())?;
        if is_known(&headers, &snapshot) {
            return Ok(tagged(StatusCode::NOT_MODIFIED, &snapshot));
        }
        let found = snapshot.get(&key.0)?;
        let proof = snapshot.prove(&key.0)?;
        let version = snapshot.version();
        let body = Value {
            key_hex: hex::encode(key.0),
            present: found.is_some(),
            value: found.as_deref().and_then(text_of),
            value_hex: found.as_deref().map(hex::encode),
            version: version.number,
            root: version.root.to_string(),
            profile: app.store.state().profile().name().to_owned(),
            proof: base64(&proof.encode()),
        };
        Ok(tagged(Json(body), &snapshot))
    })
    .await
}

/// Which keys, of which version.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RangeQuery {
    /// Keys that begin with this text; all keys otherwise.
    #[param(example = "account:")]
    prefix: Option<String>,
    /// The same in hexadecimal digits.
    prefix_hex: Option<String>,
    /// Keys behind this one, in hexadecimal digits: the `next` of the page before.
    after_hex: Option<String>,
    /// How many at most; 1 to 1,000, 100 otherwise.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
    /// A version; the newest one otherwise. Pages of one listing should name one version.
    at: Option<u64>,
    /// The last version of this time, in RFC 3339.
    at_time: Option<String>,
    /// `false` leaves the proof out.
    proof: Option<bool>,
}

/// Keys in their order, and the proof that they are all.
#[derive(Debug, Serialize, ToSchema)]
struct Range {
    /// The entries, in key order.
    entries: Vec<Entry>,
    /// The `after_hex` of the next page; none on the last one.
    next: Option<String>,
    /// The version that was read.
    version: u64,
    /// Its root.
    root: String,
    /// How the state hashes.
    #[schema(example = "sha256")]
    profile: String,
    /// The proof that these are all keys from the start of the page to its last one, or to the end
    /// of the range on the last page; in base64.
    proof: Option<String>,
}

/// A key and its value.
#[derive(Debug, Serialize, ToSchema)]
struct Entry {
    /// The key, where it is text.
    #[schema(example = "account:alice")]
    key: Option<String>,
    /// The key in hexadecimal digits.
    key_hex: String,
    /// The value, where it is text.
    value: Option<String>,
    /// The value in hexadecimal digits.
    value_hex: String,
}

/// Keys in their order, a page at a time, with the proof that none was left out.
#[utoipa::path(get, path = "/api/v1/state/range", tag = "state", params(RangeQuery), responses(
    (status = 200, description = "A page of entries", body = Range),
    (status = 304, description = "The state is still the one of `If-None-Match`"),
    (status = 404, description = "No such version"),
    (status = 410, description = "The version is no longer kept"),
    (status = 422, description = "The keys of this state are hashed: they have no order"),
))]
async fn range(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<RangeQuery>,
) -> Result<Response, Problem> {
    let prefix = Key::read_or_all(query.prefix, query.prefix_hex)?;
    let after = query.after_hex.as_deref().map(Key::from_hex).transpose()?;
    let limit = crate::page::limit(query.limit, 100, 1_000)?;
    app.blocking(move |app| {
        let snapshot = app.snapshot(query.at, query.at_time.as_deref())?;
        if app.store.state().key_mode() == KeyMode::Hashed {
            return Err(Problem::new(
                Kind::Unprocessable,
                "the keys of this state are hashed: they have no order",
            ));
        }
        if is_known(&headers, &snapshot) {
            return Ok(tagged(StatusCode::NOT_MODIFIED, &snapshot));
        }
        let page = Page {
            prefix: &prefix.0,
            after: after.as_ref().map(|key| &key.0[..]),
            limit,
        };
        let mut body = page.read(&snapshot)?;
        body.profile = app.store.state().profile().name().to_owned();
        if query.proof.unwrap_or(true) {
            body.proof = Some(page.prove(&snapshot, body.next.as_deref())?);
        }
        Ok(tagged(Json(body), &snapshot))
    })
    .await
}

/// A stretch of keys: those with a prefix, behind one of them.
struct Page<'k> {
    prefix: &'k [u8],
    after: Option<&'k [u8]>,
    limit: usize,
}

impl Page<'_> {
    fn bounds(&self) -> (Bound<&[u8]>, Bound<Vec<u8>>) {
        let start = match self.after {
            Some(after) if after > self.prefix => Bound::Excluded(after),
            _ => Bound::Included(self.prefix),
        };
        (
            start,
            wire::behind(self.prefix).map_or(Bound::Unbounded, Bound::Excluded),
        )
    }

    fn read(&self, snapshot: &Snapshot) -> Result<Range, Problem> {
        let (start, end) = self.bounds();
        let end = end.as_ref().map(Vec::as_slice);
        let mut scan = snapshot.range((start, end))?;
        let mut entries = Vec::new();
        for entry in scan.by_ref().take(self.limit) {
            let (key, value) = entry?;
            entries.push(Entry {
                key: text_of(&key),
                key_hex: hex::encode(key),
                value: text_of(&value),
                value_hex: hex::encode(value),
            });
        }
        let more = scan.next().transpose()?.is_some();
        let last = entries.last().map(|entry| entry.key_hex.clone());
        let version = snapshot.version();
        Ok(Range {
            next: last.filter(|_| more),
            entries,
            version: version.number,
            root: version.root.to_string(),
            profile: String::new(),
            proof: None,
        })
    }

    /// Proves the page: to its last key where there are more, else to the end of the range.
    fn prove(&self, snapshot: &Snapshot, last: Option<&str>) -> Result<String, Problem> {
        let (start, end) = self.bounds();
        let last = last.map(Key::from_hex).transpose()?;
        let end = match &last {
            Some(last) => Bound::Included(&last.0[..]),
            None => end.as_ref().map(Vec::as_slice),
        };
        let proof = snapshot.prove_query(&Asked::new().range((start, end)))?;
        Ok(base64(&proof.encode()))
    }
}

/// An answer whose entity tag is the root that it comes from.
fn tagged(answer: impl IntoResponse, snapshot: &Snapshot) -> Response {
    let mut response = answer.into_response();
    if let Ok(tag) = HeaderValue::from_str(&wire::tag(snapshot)) {
        response.headers_mut().insert(ETAG, tag);
    }
    let cache = HeaderValue::from_static("private, no-cache");
    response
        .headers_mut()
        .insert(axum::http::header::CACHE_CONTROL, cache);
    response
}
