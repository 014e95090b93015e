//! The vault: blobs by their addresses, bundles, what a copy elsewhere needs, and proofs of all that.

mod blobs;
mod bundles;
mod copy;
mod range;
mod upload;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use truth_vault::{Address, verify_membership};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::encoding::base64;
use crate::extract::{Json, Query};
use crate::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(head))
        .routes(routes!(proof))
        .merge(blobs::routes())
        .merge(bundles::routes())
        .merge(copy::routes())
}

pub(super) fn writing(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(upload::routes())
        .merge(bundles::writing(&app.shell.config.limits))
}

/// How many blobs there are, and the root over their addresses.
#[derive(Debug, Serialize, ToSchema)]
struct Head {
    /// How many there are.
    blobs: u64,
    /// The root over their addresses.
    root: String,
    /// How many bundles there are.
    bundles: u64,
}

/// How many blobs and bundles there are, and the root over the addresses of all blobs.
#[utoipa::path(get, path = "/api/v1/vault", tag = "vault", responses(
    (status = 200, description = "The head of the vault", body = Head),
))]
async fn head(State(app): State<App>) -> Result<Json<Head>, Problem> {
    app.blocking(|app| {
        let vault = app.store.vault();
        let head = vault.head()?;
        Ok(Json(Head {
            blobs: head.blobs,
            root: head.root.to_string(),
            bundles: vault.bundle_count()?,
        }))
    })
    .await
}

/// Which blobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ProofQuery {
    /// Their addresses, 1 to 256, with commas between them.
    #[param(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    addresses: String,
}

/// Which blobs are in the vault, and which are not, proved.
#[derive(Debug, Serialize, ToSchema)]
struct Membership {
    /// The root over the addresses of all blobs.
    root: String,
    /// How many there are.
    blobs: u64,
    /// What is proved of each address.
    members: Vec<Member>,
    /// The proof, as docs/formats/map.md has it, in base64.
    proof: String,
}

/// What is proved of an address.
#[derive(Debug, Serialize, ToSchema)]
struct Member {
    /// The address.
    address: String,
    /// Whether it is in the vault.
    present: bool,
}

/// That blobs are in the vault, or that they are not, with the proof of it.
#[utoipa::path(get, path = "/api/v1/vault/proof", tag = "vault", params(ProofQuery), responses(
    (status = 200, description = "What is proved, and the proof", body = Membership),
))]
async fn proof(
    State(app): State<App>,
    Query(query): Query<ProofQuery>,
) -> Result<Json<Membership>, Problem> {
    let addresses: Result<Vec<Address>, Problem> =
        query.addresses.split(',').map(address).collect();
    let addresses = addresses?;
    if addresses.len() > PROVED_MAX {
        let many = format!("{PROVED_MAX} addresses at most");
        return Err(Problem::new(Kind::BadRequest, many));
    }
    app.blocking(move |app| {
        let (head, proof) = app.store.vault().prove(&addresses)?;
        let found = verify_membership(&proof, &head.root, &addresses);
        let found = found.map_err(|error| Problem::internal(&error))?;
        let members = addresses
            .iter()
            .zip(found)
            .map(|(address, present)| Member {
                address: address.to_string(),
                present,
            });
        Ok(Json(Membership {
            root: head.root.to_string(),
            blobs: head.blobs,
            members: members.collect(),
            proof: base64(&proof),
        }))
    })
    .await
}

/// An address as it comes in a request: hexadecimal digits, or a CID.
fn address(text: &str) -> Result<Address, Problem> {
    let bad = |error: truth_vault::AddressError| {
        Problem::new(Kind::BadRequest, format!("not an address: {error}"))
    };
    text.trim().parse().map_err(bad)
}

/// Addresses that one proof is about, at most.
const PROVED_MAX: usize = 256;
