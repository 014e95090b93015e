//! Blobs into the vault, as streams in constant memory.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use persistence::Health;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use truth_vault::{Address, PutOptions};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::address;
use crate::api::App;
use crate::clock::now_ns;
use crate::extract::{Json, Path, Query};
use crate::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(post))
        .routes(routes!(put))
        .routes(routes!(partial))
}

/// A blob that is in.
#[derive(Debug, Serialize, ToSchema)]
struct Stored {
    /// Its address: the SHA-256 of its bytes.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    address: String,
    /// The same as a CID of IPFS.
    cid: String,
    /// Its length.
    bytes: u64,
}

/// How much of a blob is kept of a put that broke off.
#[derive(Debug, Serialize, ToSchema)]
struct Partial {
    /// Where to go on.
    bytes: u64,
}

/// Where a put goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PutQuery {
    /// The place of the first byte that is sent, where a put broke off; 0 otherwise.
    offset: Option<u64>,
}

/// Stores a blob of any length; its address is the SHA-256 of its bytes. It is durable when this answers.
#[utoipa::path(post, path = "/api/v1/vault/blobs", tag = "vault",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 201, description = "It is in", body = Stored),
))]
async fn post(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let options = PutOptions::new().time_ns(now_ns());
    take(app, &headers, body, options).await
}

/// Stores the blob with this address, and refuses other bytes. A large one that breaks off is kept and can
/// go on: `GET .../partial` says where.
#[utoipa::path(put, path = "/api/v1/vault/blobs/{address}", tag = "vault", params(
    ("address" = String, Path, description = "Its address in hexadecimal digits, or its CID", example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    PutQuery,
), request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 201, description = "It is in", body = Stored),
    (status = 409, description = "Less is kept of it than was to be gone on from"),
    (status = 422, description = "The bytes have another address"),
))]
async fn put(
    State(app): State<App>,
    headers: HeaderMap,
    Path(text): Path<String>,
    Query(query): Query<PutQuery>,
    body: Body,
) -> Result<Response, Problem> {
    let options = PutOptions::new()
        .time_ns(now_ns())
        .expect(address(&text)?)
        .resume_at(query.offset.unwrap_or(0));
    take(app, &headers, body, options).await
}

/// How much is kept of a blob whose put broke off.
#[utoipa::path(get, path = "/api/v1/vault/blobs/{address}/partial", tag = "vault", params(
    ("address" = String, Path, description = "Its address", example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
), responses(
    (status = 200, description = "Where to go on; 0 if nothing is kept", body = Partial),
))]
async fn partial(
    State(app): State<App>,
    Path(text): Path<String>,
) -> Result<Json<Partial>, Problem> {
    let address = address(&text)?;
    app.blocking(move |app| {
        let bytes = app.store.vault().partial_bytes(&address)?;
        Ok(Json(Partial { bytes }))
    })
    .await
}

async fn take(
    app: App,
    headers: &HeaderMap,
    body: Body,
    options: PutOptions,
) -> Result<Response, Problem> {
    let most = app.shell.config.limits.blob_bytes_max;
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > most) {
        discard(&mut body.into_data_stream()).await;
        return Err(too_large(most));
    }
    let places = Arc::clone(&app.shell.blob_streams);
    let busy = |_| Problem::new(Kind::Busy, "too many blobs are on their way");
    let _place = places.try_acquire_owned().map_err(busy)?;
    let (to, frames) = mpsc::channel(FRAMES);
    let storing = app.blocking(move |app| {
        let mut source = Incoming {
            frames,
            frame: Bytes::new(),
            ended: false,
        };
        if let Health::Panic(panic) = app.store.health() {
            return Err(Problem::new(Kind::Panic, panic.to_string()));
        }
        let address = app.store.vault().put_reader(&mut source, &options)?;
        let stat = app.store.vault().stat(&address)?;
        let gone = || Problem::new(Kind::Internal, "the blob was stored, and is not there");
        Ok((address, stat.ok_or_else(gone)?.bytes))
    });
    let idle = app.shell.config.limits.idle();
    let sending = send(body.into_data_stream(), to, most, idle);
    let (stored, sent) = tokio::join!(storing, sending);
    // Why the source failed says more than that it did.
    sent?;
    let (address, bytes): (Address, u64) = stored?;
    let place = [(LOCATION, format!("/api/v1/vault/blobs/{address}"))];
    let body = Stored {
        address: address.to_string(),
        cid: address.to_cid(),
        bytes,
    };
    Ok((StatusCode::CREATED, place, Json(body)).into_response())
}

/// Hands the body over, frame by frame, and its end; stops where it is too long, or too slow, or breaks off.
async fn send(
    mut body: BodyDataStream,
    to: mpsc::Sender<Option<Bytes>>,
    most: u64,
    idle: Duration,
) -> Result<(), Problem> {
    let mut taken = 0_u64;
    loop {
        let slow = |_| Problem::new(Kind::Timeout, "no byte of the blob came for too long");
        let frame = tokio::time::timeout(idle, body.next()).await;
        let frame = match frame.map_err(slow)? {
            Some(frame) => {
                frame.map_err(|_| Problem::new(Kind::BadRequest, "the body broke off"))?
            }
            None => {
                // Whoever stores may have ended: its own answer says why.
                let _ = to.send(None).await;
                return Ok(());
            }
        };
        taken += frame.len() as u64;
        if taken > most {
            discard(&mut body).await;
            return Err(too_large(most));
        }
        if to.send(Some(frame)).await.is_err() {
            discard(&mut body).await;
            return Ok(());
        }
    }
}

/// Takes what is still coming, for a while, so that a refusal arrives: a connection that is closed on bytes
/// which nobody read is reset, and the answer with it.
async fn discard(body: &mut BodyDataStream) {
    let mut left = DISCARDED_MAX;
    let rest = async {
        while let Some(Ok(frame)) = body.next().await {
            left = left.saturating_sub(frame.len());
            if left == 0 {
                return;
            }
        }
    };
    // Who is slower than that has its answer, or not.
    let _ = tokio::time::timeout(DISCARD_TIME, rest).await;
}

fn too_large(most: u64) -> Problem {
    let detail = format!("a blob has {most} bytes at most: limits.blob_bytes_max");
    Problem::new(Kind::TooLarge, detail)
}

/// A body as a source of bytes. It ends only where its end was said: one that broke off is an error, so
/// that its beginning is not taken for a blob.
struct Incoming {
    frames: mpsc::Receiver<Option<Bytes>>,
    frame: Bytes,
    ended: bool,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.frame.is_empty() && !self.ended {
            match self.frames.blocking_recv() {
                Some(Some(frame)) => self.frame = frame,
                Some(None) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = buffer.len().min(self.frame.len());
        self.frame.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Bytes of a refused body that are taken all the same.
const DISCARDED_MAX: usize = 16 << 20;

/// For how long.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Frames of a body that may wait to be stored.
const FRAMES: usize = 8;
