//! Blobs out of the vault: whole, in parts, listed.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderName, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use truth_vault::Address;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::address;
use super::range::Part;
use crate::api::App;
use crate::encoding::base64;
use crate::extract::{Path, Query};
use crate::page::{self, Page};
use crate::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read))
}

/// Which page of addresses.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BlobsQuery {
    /// Addresses behind this one: the `next` of the page before.
    after: Option<String>,
    /// How many at most; 1 to 1,000, 100 otherwise.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// A blob.
#[derive(Debug, Serialize, ToSchema)]
struct BlobBody {
    /// Its address: the SHA-256 of its bytes.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    address: String,
    /// The same as a CID of IPFS.
    cid: String,
    /// Its length.
    bytes: u64,
}

/// The blobs of the vault, by address.
#[utoipa::path(get, path = "/api/v1/vault/blobs", tag = "vault", params(BlobsQuery), responses(
    (status = 200, description = "A page of blobs; `Link` leads to the next", body = Page<BlobBody>),
))]
async fn list(
    State(app): State<App>,
    uri: Uri,
    Query(query): Query<BlobsQuery>,
) -> Result<Response, Problem> {
    let limit = page::limit(query.limit, 100, 1_000)?;
    let after = query.after.as_deref().map(address).transpose()?;
    app.blocking(move |app| {
        let vault = app.store.vault();
        let addresses = vault.list(after.as_ref(), limit)?;
        let last = addresses.last().filter(|_| addresses.len() == limit);
        let next = last.map(ToString::to_string);
        let mut items = Vec::with_capacity(addresses.len());
        for address in &addresses {
            // One that was collected since is simply not there any more.
            if let Some(stat) = vault.stat(address)? {
                items.push(BlobBody {
                    address: address.to_string(),
                    cid: address.to_cid(),
                    bytes: stat.bytes,
                });
            }
        }
        Ok(Page { items, next }.answer(&uri, "after"))
    })
    .await
}

/// A blob, or a part of it (`Range`). Every byte is checked before it is sent; where stored data is
/// damaged, the answer breaks off.
#[utoipa::path(get, path = "/api/v1/vault/blobs/{address}", tag = "vault", params(
    ("address" = String, Path, description = "Its address in hexadecimal digits, or its CID", example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("Range" = Option<String>, Header, description = "Which bytes, as `bytes=0-99`; one range"),
), responses(
    (status = 200, description = "The blob; `Repr-Digest` has its SHA-256", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 206, description = "The part that was asked for", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 304, description = "The caller has it: `If-None-Match` names its address"),
    (status = 404, description = "There is no such blob"),
    (status = 416, description = "The blob ends before that part"),
))]
async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let address = address(&text)?;
    let tag = format!("\"{address}\"");
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok());
    let stat = app
        .blocking(move |app| Ok(app.store.vault().stat(&address)?))
        .await?;
    let missing = || Problem::new(Kind::NotFound, "there is no such blob");
    let bytes = stat.ok_or_else(missing)?.bytes;
    if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        describe(response.headers_mut(), &address, &tag);
        return Ok(response);
    }
    let (status, range) = match Part::asked(&headers, bytes, &tag) {
        Part::Whole => (StatusCode::OK, 0..bytes),
        Part::Some(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::None => {
            let detail = format!("the blob has {bytes} bytes");
            let mut response = Problem::new(Kind::RangeNotSatisfiable, detail).into_response();
            insert(
                response.headers_mut(),
                CONTENT_RANGE,
                &format!("bytes */{bytes}"),
            );
            return Ok(response);
        }
    };
    let places = Arc::clone(&app.shell.blob_streams);
    let busy = |_| Problem::new(Kind::Busy, "too many blobs are on their way");
    let place = places.try_acquire_owned().map_err(busy)?;
    let mut response = Response::new(Outgoing::new(app, address, range.clone(), place).body());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    describe(headers, &address, &tag);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let last = range.end.saturating_sub(1);
        let said = format!("bytes {}-{last}/{bytes}", range.start);
        insert(headers, CONTENT_RANGE, &said);
    }
    Ok(response)
}

fn describe(headers: &mut HeaderMap, address: &Address, tag: &str) {
    let digest = format!("sha-256=:{}:", base64(address.as_bytes()));
    let name = format!("attachment; filename=\"{address}.bin\"");
    let said = [
        (CONTENT_TYPE, "application/octet-stream"),
        (ACCEPT_RANGES, "bytes"),
        (CACHE_CONTROL, "private, max-age=31536000, immutable"),
        (ETAG, tag),
        (HeaderName::from_static("repr-digest"), &digest),
        (CONTENT_DISPOSITION, &name),
    ];
    for (name, value) in said {
        insert(headers, name, value);
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A blob on its way out.
struct Outgoing {
    app: App,
    address: Address,
    left: Range<u64>,
    _place: OwnedSemaphorePermit,
}

impl Outgoing {
    fn new(app: App, address: Address, left: Range<u64>, place: OwnedSemaphorePermit) -> Self {
        Self {
            app,
            address,
            left,
            _place: place,
        }
    }

    fn body(self) -> Body {
        let steps = unfold(self, |mut this| async move {
            if this.left.is_empty() {
                return None;
            }
            let step = this.step().await;
            if step.is_err() {
                this.left = 0..0; // and the connection is cut: the caller has less than was promised
            }
            Some((step, this))
        });
        Body::from_stream(steps)
    }

    async fn step(&mut self) -> Result<Bytes, std::io::Error> {
        let end = self
            .left
            .end
            .min(self.left.start.saturating_add(STEP_BYTES));
        let (range, address) = (self.left.start..end, self.address);
        let read = self.app.blocking(move |app| {
            let vanished = || Problem::new(Kind::NotFound, "the blob is gone");
            let step = app.store.vault().get_range(&address, range)?;
            step.ok_or_else(vanished)
        });
        let read = read.await;
        let step = read.map_err(|_| std::io::Error::other("a blob could not be read on"))?;
        self.left.start = end;
        Ok(step.into())
    }
}

/// What is read at a time.
const STEP_BYTES: u64 = 256 << 10;
