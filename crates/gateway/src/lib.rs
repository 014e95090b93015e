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
mod page;
mod pool;
mod problem;
mod rate;
mod request_id;
mod server;
mod shell;
mod telemetry;
mod tls;

use std::path::Path;
use std::sync::Arc;

use ::persistence::Persistence;

use api::App;
use shell::Shell;

pub use auth::{Scope, Secret, TokenError, TokenFile, TokenRecord};
pub use config::{Access, Config, ConfigError, Limits, Listen, Tls, TokenPolicy};
pub use server::{ServeError, Server};
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
    let server = Server::bind(shell, router).await?;
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
