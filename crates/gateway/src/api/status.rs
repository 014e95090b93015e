//! Everything at a glance, and whether it is as it was proved.

use axum::extract::State;
use persistence::{Cause, Health, Seal};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::clock::rfc3339;
use crate::extract::Json;
use crate::problem::Problem;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(integrity))
}

/// Where everything stands.
#[derive(Debug, Serialize, ToSchema)]
struct Glance {
    state: StateHead,
    log: LogHead,
    vault: VaultHead,
    /// The newest seal; none before the first.
    seal: Option<SealHead>,
    integrity: Integrity,
    server: ServerFacts,
}

/// The newest version of the state.
#[derive(Debug, Serialize, ToSchema)]
struct StateHead {
    /// Its root.
    root: String,
    /// Its number.
    version: u64,
    /// Keys that it has.
    entries: u64,
    /// How it hashes: `sha256` or `blake3`.
    #[schema(example = "sha256")]
    profile: String,
}

/// The audit log.
#[derive(Debug, Serialize, ToSchema)]
struct LogHead {
    /// Records in it.
    size: u64,
    /// Its root.
    root: String,
}

/// The vault.
#[derive(Debug, Serialize, ToSchema)]
struct VaultHead {
    /// Root over the addresses of all that it holds.
    root: String,
    /// Objects that it holds.
    objects: u64,
}

/// A seal in short.
#[derive(Debug, Serialize, ToSchema)]
struct SealHead {
    /// Its place in the chain.
    number: u64,
    /// When it was made.
    time: String,
    /// Records that it covers.
    log_size: u64,
}

/// Whether everything is as it was proved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Integrity {
    /// `ok`, or `panic`: writes are refused.
    #[schema(example = "ok")]
    pub(super) status: &'static str,
    /// What was found first.
    pub(super) cause: Option<String>,
    /// All that was found, each with the store it was found in.
    pub(super) causes: Vec<CauseBody>,
}

/// Something that is not as it was proved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CauseBody {
    /// The store.
    #[schema(example = "state")]
    store: String,
    /// What it is.
    what: String,
}

/// The server itself.
#[derive(Debug, Serialize, ToSchema)]
struct ServerFacts {
    /// Its version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// When it was started.
    started: String,
    /// The name in its seals.
    origin: String,
    /// The key that verifies its seals.
    public_key: String,
}

impl Integrity {
    pub(super) fn of(health: &Health) -> Self {
        let Health::Panic(panic) = health else {
            return Self {
                status: "ok",
                cause: None,
                causes: Vec::new(),
            };
        };
        Self {
            status: "panic",
            cause: Some(panic.to_string()),
            causes: panic.causes.iter().map(CauseBody::of).collect(),
        }
    }
}

impl CauseBody {
    pub(super) fn of(cause: &Cause) -> Self {
        Self {
            store: cause.store().to_string(),
            what: cause.to_string(),
        }
    }
}

impl SealHead {
    fn of(seal: &Seal) -> Option<Self> {
        Some(Self {
            number: seal.number?,
            time: rfc3339(seal.time_ns),
            log_size: seal.log.size.get(),
        })
    }
}

/// Everything at a glance.
#[utoipa::path(get, path = "/api/v1/status", tag = "operations", responses(
    (status = 200, description = "Where everything stands", body = Glance),
))]
async fn status(State(app): State<App>) -> Result<Json<Glance>, Problem> {
    app.blocking(|app| {
        let snapshot = app.store.state().snapshot()?;
        let (version, head) = (snapshot.version(), app.store.heads());
        let key = app.store.verifier_key();
        Ok(Json(Glance {
            state: StateHead {
                root: version.root.to_string(),
                version: version.number,
                entries: snapshot.len()?,
                profile: app.store.state().profile().name().to_owned(),
            },
            log: LogHead {
                size: head.log.size.get(),
                root: head.log.root.to_string(),
            },
            vault: VaultHead {
                root: head.vault_root.to_string(),
                objects: head.vault_objects,
            },
            seal: app
                .store
                .last_seal()
                .and_then(|(seal, _)| SealHead::of(&seal)),
            integrity: Integrity::of(&app.store.health()),
            server: ServerFacts {
                version: env!("CARGO_PKG_VERSION"),
                started: rfc3339(app.started_ns),
                origin: key.name().to_owned(),
                public_key: key.to_string(),
            },
        }))
    })
    .await
}

/// Whether everything is as it was proved, as far as it was read. `POST /api/v1/jobs/verify` reads everything.
#[utoipa::path(get, path = "/api/v1/integrity", tag = "operations", responses(
    (status = 200, description = "Sound, or in panic mode with its causes", body = Integrity),
))]
async fn integrity(State(app): State<App>) -> Json<Integrity> {
    Json(Integrity::of(&app.store.health()))
}
