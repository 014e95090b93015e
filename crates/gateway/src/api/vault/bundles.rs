//! Bundles: code, with the intent that it is for and what its verification came to.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64ct::{Base64, Encoding};
use persistence::{Bundle, BundleAddress, VerificationStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use truth_vault::{BundleManifest, BundleQuery, BundleSummary, Json as JsonText, Trust};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::clock::{now_ns, parse_rfc3339, rfc3339};
use crate::config::Limits;
use crate::extract::{Json, Path, Query};
use crate::page::{self, Page};
use crate::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(code))
        .routes(routes!(certificate))
        .routes(routes!(export))
}

pub(super) fn writing(limits: &Limits) -> OpenApiRouter<App> {
    let import = OpenApiRouter::new()
        .routes(routes!(import))
        .layer(DefaultBodyLimit::max(IMPORT_BYTES_MAX));
    let put = OpenApiRouter::new()
        .routes(routes!(put))
        .layer(DefaultBodyLimit::max(limits.body_bytes_max));
    OpenApiRouter::new().merge(import).merge(put)
}

/// What a verification came to.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verification {
    /// Nobody said anything about it.
    Unverified,
    /// The conditions hold for every input.
    Proved,
    /// There is a counter-example.
    Failed,
    /// A layer before the prover refused the code.
    Rejected,
    /// The prover came to no end.
    Timeout,
}

impl From<Verification> for VerificationStatus {
    fn from(status: Verification) -> Self {
        match status {
            Verification::Unverified => Self::Unverified,
            Verification::Proved => Self::Proved,
            Verification::Failed => Self::Failed,
            Verification::Rejected => Self::Rejected,
            Verification::Timeout => Self::Timeout,
        }
    }
}

/// A bundle to be stored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "intent transfer(from, to, amount) { conserve sum(balance) }", "intent": "transfer", "status": "PROVED"}))]
struct BundleRequest {
    /// The code, as text.
    code: Option<String>,
    /// The code in base64, where it is no text.
    code_base64: Option<String>,
    /// Name of the intent; may be empty.
    #[serde(default)]
    #[schema(max_length = 1024)]
    intent: String,
    /// What its verification came to.
    status: Verification,
    /// Whatever else is known: any JSON.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

/// A bundle that is in.
#[derive(Debug, Serialize, ToSchema)]
struct StoredBundle {
    /// Its address, by which executions name it.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    address: String,
    /// The address of its code.
    code: String,
}

/// A bundle in a list.
#[derive(Debug, Serialize, ToSchema)]
struct BundleRow {
    /// Its address.
    address: String,
    /// The address of its code.
    code: String,
    /// Name of the intent.
    #[schema(example = "transfer")]
    intent: String,
    /// What its verification came to.
    #[schema(example = "PROVED")]
    status: &'static str,
    /// When it was made.
    created: String,
    /// Whether it has a certificate, verified or not.
    certificate: bool,
    /// By what key the original system knew it.
    legacy_key: Option<String>,
}

/// What a bundle says of itself.
#[derive(Debug, Serialize, ToSchema)]
struct ManifestBody {
    /// Its address.
    address: String,
    /// The address of its code.
    code: String,
    /// The length of its code.
    code_bytes: u64,
    /// Name of the intent.
    #[schema(example = "transfer")]
    intent: String,
    /// What its verification came to.
    #[schema(example = "PROVED")]
    status: &'static str,
    /// When it was made.
    created: String,
    /// Whatever else is known.
    #[schema(value_type = Object)]
    metadata: Value,
    /// The address of its syntax tree.
    ast: Option<String>,
    /// The address of its certificate.
    certificate: Option<String>,
}

/// Which bundles, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BundlesQuery {
    /// Of this intent.
    #[param(example = "transfer")]
    intent: Option<String>,
    /// With this status.
    #[param(inline)]
    status: Option<Verification>,
    /// Of this code.
    code: Option<String>,
    /// Made from this time on, in RFC 3339.
    from: Option<String>,
    /// Made before this time.
    until: Option<String>,
    /// Behind this one: the `next` of the page before.
    after: Option<String>,
    /// How many at most; 1 to 200, 50 otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u64>,
}

impl BundlesQuery {
    fn query(&self, limit: usize) -> Result<BundleQuery, Problem> {
        let bad = |detail: &str| Problem::new(Kind::BadRequest, detail);
        let time = |text: &String| {
            parse_rfc3339(text).ok_or_else(|| bad("a time is written as 2026-11-29T08:00:00Z"))
        };
        let mut query = BundleQuery::new().limit(limit);
        if let Some(intent) = &self.intent {
            query = query.intent(intent);
        }
        if let Some(status) = self.status {
            query = query.status(status.into());
        }
        if let Some(code) = &self.code {
            query = query.code(super::address(code)?);
        }
        if let Some(from) = &self.from {
            query = query.created_from(time(from)?);
        }
        if let Some(until) = &self.until {
            query = query.created_before(time(until)?);
        }
        if let Some(after) = &self.after {
            let place = after.split_once('-').and_then(|(created, address)| {
                Some((created.parse().ok()?, address.parse().ok()?))
            });
            let (created, address) =
                place.ok_or_else(|| bad("after is not a cursor of this list"))?;
            query = query.after_place(created, address);
        }
        Ok(query)
    }
}

impl BundleRow {
    fn of(summary: &BundleSummary) -> Self {
        Self {
            address: summary.address.to_string(),
            code: summary.code.to_string(),
            intent: summary.intent.clone(),
            status: summary.status.name(),
            created: rfc3339(summary.created_ns),
            certificate: summary.has_certificate,
            legacy_key: summary.legacy_key.map(|key| key.to_string()),
        }
    }
}

impl ManifestBody {
    fn of(manifest: &BundleManifest) -> Self {
        Self {
            address: manifest.address().to_string(),
            code: manifest.code.address.to_string(),
            code_bytes: manifest.code.bytes,
            intent: manifest.intent.clone(),
            status: manifest.status.name(),
            created: rfc3339(manifest.created_ns),
            metadata: serde_json::from_str(manifest.metadata.as_str()).unwrap_or(Value::Null),
            ast: manifest.ast.as_ref().map(|part| part.address.to_string()),
            certificate: (manifest.certificate.as_ref()).map(|part| part.address.to_string()),
        }
    }
}

/// The bundles of the vault, the oldest first.
#[utoipa::path(get, path = "/api/v1/vault/bundles", tag = "vault", params(BundlesQuery), responses(
    (status = 200, description = "A page of bundles; `Link` leads to the next", body = Page<BundleRow>),
))]
async fn list(
    State(app): State<App>,
    uri: Uri,
    Query(query): Query<BundlesQuery>,
) -> Result<Response, Problem> {
    let limit = page::limit(query.limit, 50, 200)?;
    let asked = query.query(limit)?;
    app.blocking(move |app| {
        let found = app.store.vault().bundles(&asked)?;
        let last = found.last().filter(|_| found.len() == limit);
        let next = last.map(|last| format!("{}-{}", last.created_ns, last.address));
        let items = found.iter().map(BundleRow::of).collect();
        Ok(Page { items, next }.answer(&uri, "after"))
    })
    .await
}

/// What a bundle says of itself.
#[utoipa::path(get, path = "/api/v1/vault/bundles/{address}", tag = "vault", params(("address" = String, Path, description = "Its address", example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")), responses(
    (status = 200, description = "The bundle without its parts", body = ManifestBody),
    (status = 404, description = "There is no such bundle"),
))]
async fn one(
    State(app): State<App>,
    Path(text): Path<String>,
) -> Result<Json<ManifestBody>, Problem> {
    let address = address(&text)?;
    app.blocking(move |app| {
        let manifest = app.store.vault().manifest(&address)?;
        let manifest = manifest.ok_or_else(missing)?;
        Ok(Json(ManifestBody::of(&manifest)))
    })
    .await
}

/// The code of a bundle.
#[utoipa::path(get, path = "/api/v1/vault/bundles/{address}/code", tag = "vault", params(("address" = String, Path, description = "The bundle's address", example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")), responses(
    (status = 200, description = "The code", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 404, description = "There is no such bundle"),
))]
async fn code(State(app): State<App>, Path(text): Path<String>) -> Result<Response, Problem> {
    file(app, &text, "application/octet-stream", "code", |bundle| {
        Some(bundle.code().to_vec())
    })
    .await
}

/// The certificate of a bundle: a signed envelope (DSSE) around an in-toto statement. Whose it is, is for
/// the caller to judge.
#[utoipa::path(get, path = "/api/v1/vault/bundles/{address}/certificate", tag = "vault", params(("address" = String, Path, description = "The bundle's address", example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")), responses(
    (status = 200, description = "The envelope", body = Object, content_type = "application/vnd.dsse.envelope.v1+json"),
    (status = 404, description = "There is no such bundle, or it has no certificate"),
))]
async fn certificate(
    State(app): State<App>,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let media = "application/vnd.dsse.envelope.v1+json";
    file(app, &text, media, "dsse.json", |bundle| {
        bundle.certificate().map(|certificate| certificate.encode())
    })
    .await
}

/// A bundle as an `.ae_bundle` file.
#[utoipa::path(get, path = "/api/v1/vault/bundles/{address}/export", tag = "vault", params(("address" = String, Path, description = "The bundle's address", example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")), responses(
    (status = 200, description = "The file, as docs/formats/bundle.md has it", body = Object, content_type = "application/json"),
    (status = 404, description = "There is no such bundle"),
))]
async fn export(State(app): State<App>, Path(text): Path<String>) -> Result<Response, Problem> {
    file(app, &text, "application/json", "ae_bundle", |bundle| {
        Some(bundle.export())
    })
    .await
}

/// A part of a bundle as a file.
async fn file(
    app: App,
    text: &str,
    media: &'static str,
    ending: &'static str,
    part: impl FnOnce(&Bundle) -> Option<Vec<u8>> + Send + 'static,
) -> Result<Response, Problem> {
    let address = address(text)?;
    app.blocking(move |app| {
        let bundle = app.store.vault().bundle(&address)?.ok_or_else(missing)?;
        let bytes = part(&bundle).ok_or_else(missing)?;
        let name = format!("attachment; filename=\"{address}.{ending}\"");
        let headers = [
            (CONTENT_TYPE, media.to_owned()),
            (CONTENT_DISPOSITION, name),
        ];
        Ok((headers, bytes).into_response())
    })
    .await
}

/// Stores code as a bundle. The audit log says that it is there, so that a vault which lacks it is found.
#[utoipa::path(post, path = "/api/v1/vault/bundles", tag = "vault", request_body = BundleRequest, responses(
    (status = 201, description = "It is in, now or before", body = StoredBundle),
))]
async fn put(
    State(app): State<App>,
    Json(request): Json<BundleRequest>,
) -> Result<Response, Problem> {
    let bad = |detail: &str| Problem::new(Kind::Unprocessable, detail);
    let code = match (request.code, request.code_base64) {
        (Some(code), None) => code.into_bytes(),
        (None, Some(code)) => {
            Base64::decode_vec(&code).map_err(|_| bad("code_base64 is not base64"))?
        }
        _ => return Err(bad("give code or code_base64, and not both")),
    };
    let refused = |error: truth_vault::BundleError| bad(&error.to_string());
    let bundle = Bundle::new(code, &request.intent, request.status.into(), now_ns());
    let mut bundle = bundle.map_err(refused)?;
    if let Some(metadata) = &request.metadata {
        let metadata = JsonText::of(metadata).map_err(|error| bad(&error.to_string()))?;
        bundle = bundle.with_metadata(metadata).map_err(refused)?;
    }
    store(app, bundle).await
}

/// Stores a bundle from an `.ae_bundle` file, once every layer of it was verified.
///
/// One of the original system is taken too, if it matches its own hashes.
#[utoipa::path(post, path = "/api/v1/vault/bundles/import", tag = "vault",
    request_body(content = Object, description = "The file", content_type = "application/json"), responses(
    (status = 201, description = "It is in, now or before", body = StoredBundle),
    (status = 422, description = "It does not hold: the detail says which layer"),
))]
async fn import(State(app): State<App>, bytes: Bytes) -> Result<Response, Problem> {
    let bundle = Bundle::import(&bytes, &Trust::Integrity);
    let refused = |error: truth_vault::ImportError| {
        Problem::new(Kind::Unprocessable, crate::problem::chain(&error))
    };
    store(app, bundle.map_err(refused)?).await
}

async fn store(app: App, bundle: Bundle) -> Result<Response, Problem> {
    app.blocking(move |app| {
        let address = app.store.put_bundle(&bundle, now_ns())?;
        let place = [(LOCATION, format!("/api/v1/vault/bundles/{address}"))];
        let body = StoredBundle {
            address: address.to_string(),
            code: bundle.code_address().to_string(),
        };
        Ok((StatusCode::CREATED, place, Json(body)).into_response())
    })
    .await
}

fn address(text: &str) -> Result<BundleAddress, Problem> {
    let bad = "the address of a bundle is 64 hexadecimal digits";
    text.parse()
        .map_err(|_| Problem::new(Kind::BadRequest, bad))
}

fn missing() -> Problem {
    Problem::new(
        Kind::NotFound,
        "there is no such bundle, or no such part of it",
    )
}

/// Bytes of a bundle's file, at most: they are in memory. Larger ones are put in by `diotec360 vault import`.
const IMPORT_BYTES_MAX: usize = 16 << 20;
