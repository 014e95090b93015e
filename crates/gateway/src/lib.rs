#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod assets;
mod auth;
mod clock;
mod config;
mod encoding;
mod extract;
mod headers;
mod idle;
mod jobs;
mod page;
mod pool;
mod problem;
mod rate;
mod reports;
mod request_id;
mod server;
mod shell;
mod telemetry;
mod tls;

/// The pages of docs/tutorials, whose code is run by the tests.
#[cfg(doctest)]
mod tutorials {
    #[doc = include_str!("../../../docs/tutorials/merkle-core.md")]
    struct MerkleCore;
    #[doc = include_str!("../../../docs/tutorials/reality-db.md")]
    struct RealityDb;
    #[doc = include_str!("../../../docs/tutorials/truth-vault.md")]
    struct TruthVault;
    #[doc = include_str!("../../../docs/tutorials/vigilance.md")]
    struct Vigilance;
    #[doc = include_str!("../../../docs/tutorials/persistence.md")]
    struct Persistence;
    #[doc = include_str!("../../../docs/tutorials/gateway.md")]
    struct Gateway;
}

use std::path::Path;
use std::sync::Arc;

use ::persistence::Persistence;

use api::App;
use shell::Shell;

pub use auth::{Scope, Secret, TokenError, TokenFile, TokenRecord};
pub use config::{Access, Backups, Config, ConfigError, Limits, Listen, Tls, TokenPolicy};
pub use server::{Ended, Recovery, ServeError, Server};
pub use shell::SetupError;
pub use tls::TlsError;

/// Sets a server up over `store` and has it hold its port: nothing is answered before
/// [`Server::serve`].
///
/// `tokens` is the file of tokens, which may not be there yet. Must be called within a Tokio runtime.
///
/// # Errors
///
/// [`SetupError`] where the configuration or the token file is refused, [`ServeError`] where the address
/// or the certificate is.
pub async fn bind(config: Config, tokens: &Path, store: Persistence) -> Result<Server, BindError> {
    let shell = Arc::new(Shell::new(config, tokens)?);
    let app = App::new(Arc::clone(&shell), store);
    let router = api::router(&app);
    let server = Server::bind(shell, router, Arc::clone(&app.recovery)).await?;
    tokio::spawn(api::watch_heads(app));
    Ok(server)
}

/// Why a server does not come up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// It could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// It could not listen.
    #[error(transparent)]
    Serve(#[from] ServeError),
}
