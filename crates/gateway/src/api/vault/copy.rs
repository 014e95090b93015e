//! What a vault elsewhere asks to become the same as this one: `diotec360 vault pull` does.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use truth_vault::{SyncError, SyncPeer};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::extract::{Json, Query};
use crate::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(summaries))
        .routes(routes!(addresses))
}

/// Which addresses.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PrefixQuery {
    /// Those that begin with these hexadecimal digits, two a byte; all of them otherwise.
    #[param(example = "e3", pattern = "^([0-9a-f]{2}){0,31}$")]
    prefix: Option<String>,
}

/// Addresses in short: by the byte behind a prefix.
#[derive(Debug, Serialize, ToSchema)]
struct Summaries {
    /// The root over all addresses: equal ones mean equal vaults.
    root: String,
    /// 256 of them, by that byte.
    summaries: Vec<SummaryBody>,
}

/// The addresses that begin alike, in short.
#[derive(Debug, Serialize, ToSchema)]
struct SummaryBody {
    /// How many there are.
    blobs: u64,
    /// The BLAKE3 of them, one behind the other.
    hash: String,
}

/// Addresses.
#[derive(Debug, Serialize, ToSchema)]
struct Addresses {
    /// The addresses, ascending.
    addresses: Vec<String>,
}

impl PrefixQuery {
    fn read(&self) -> Result<Vec<u8>, Problem> {
        let bad = || {
            let bad = "a prefix has hexadecimal digits, two a byte, of 31 bytes at most";
            Problem::new(Kind::BadRequest, bad)
        };
        let prefix = hex::decode(self.prefix.as_deref().unwrap_or_default());
        let prefix = prefix.ok().filter(|prefix| prefix.len() < 32);
        prefix.ok_or_else(bad)
    }
}

/// The addresses that begin with a prefix in short: what differs between two vaults is found by asking for
/// longer prefixes.
#[utoipa::path(get, path = "/api/v1/vault/summaries", tag = "vault", params(PrefixQuery), responses(
    (status = 200, description = "256 summaries", body = Summaries),
))]
async fn summaries(
    State(app): State<App>,
    Query(query): Query<PrefixQuery>,
) -> Result<Json<Summaries>, Problem> {
    let prefix = query.read()?;
    app.blocking(move |app| {
        let mut vault = app.store.vault().clone();
        let summaries = vault.summaries(&prefix)?.into_iter();
        Ok(Json(Summaries {
            root: vault.head()?.root.to_string(),
            summaries: summaries
                .map(|summary| SummaryBody {
                    blobs: summary.blobs,
                    hash: hex::encode(summary.hash),
                })
                .collect(),
        }))
    })
    .await
}

/// The addresses that begin with a prefix, where they are not too many.
#[utoipa::path(get, path = "/api/v1/vault/addresses", tag = "vault", params(PrefixQuery), responses(
    (status = 200, description = "The addresses", body = Addresses),
    (status = 422, description = "More than 10,000: ask for a longer prefix"),
))]
async fn addresses(
    State(app): State<App>,
    Query(query): Query<PrefixQuery>,
) -> Result<Json<Addresses>, Problem> {
    let prefix = query.read()?;
    app.blocking(move |app| {
        let addresses = app.store.vault().clone().addresses(&prefix)?;
        if addresses.len() > ADDRESSES_MAX {
            let many = "too many addresses begin like that: ask for a longer prefix";
            return Err(Problem::new(Kind::Unprocessable, many));
        }
        let addresses = addresses.iter().map(ToString::to_string).collect();
        Ok(Json(Addresses { addresses }))
    })
    .await
}

impl From<SyncError> for Problem {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Get(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

/// Addresses in one answer, at most.
const ADDRESSES_MAX: usize = 10_000;
