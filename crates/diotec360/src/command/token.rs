//! `token`: who may use the HTTP API.

use std::path::PathBuf;

use clap::Subcommand;
use gateway::{Scope, TokenFile};
use serde_json::json;

use super::Context;
use super::snapshot::{SOURCE, record};
use crate::cli::Globals;
use crate::clock::now_ns;
use crate::exit::{Code, Failure};
use crate::output::Paint;
use crate::store;

/// Make, list and revoke the tokens of the HTTP API.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token. It is shown once; only its hash is kept.
    Create {
        /// Whom it is for.
        name: String,
        /// What it may do: metrics, read, write or admin, each covering those before it.
        #[arg(long, default_value = "read")]
        scope: Scope,
        /// After how many days it ends; never otherwise.
        #[arg(long, value_name = "DAYS")]
        days: Option<u32>,
    },
    /// List the tokens, without their secrets.
    List,
    /// Revoke a token by its id.
    Revoke {
        /// Its id, as `list` shows it.
        id: String,
    },
}

impl Token {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let path = token_file(context.globals);
        match self {
            Self::Create { name, scope, days } => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                let now = now_ns();
                let ends = days.map(|days| now + u64::from(days) * 86_400_000_000_000);
                let secret = TokenFile::create(&path, name, &[*scope], now, ends)?;
                let id = secret.id();
                on_record(context, &format!("token {id} ({name}) made, scope {scope}"));
                let json =
                    json!({"id": secret.id(), "scope": scope.name(), "token": secret.reveal()});
                context
                    .output
                    .note("keep it: it is shown once and stored nowhere");
                context.output.show(&json, |_| secret.reveal().to_owned())?;
            }
            Self::List => {
                for token in TokenFile::read(&path)?.tokens() {
                    let json = serde_json::to_value(token)?;
                    context.output.show(&json, |output| {
                        let scopes: Vec<_> =
                            token.scopes.iter().map(|scope| scope.name()).collect();
                        let id = output.paint(Paint::Strong, &token.id);
                        format!("{id}  {:<7}  {}", scopes.join(","), token.name)
                    })?;
                }
            }
            Self::Revoke { id } => {
                let token = TokenFile::revoke(&path, id)?;
                on_record(context, &format!("token {id} ({}) revoked", token.name));
                context.output.show(&json!({"revoked": id}), |_| {
                    format!("{id} ({}) is revoked", token.name)
                })?;
            }
        }
        Ok(Code::Done)
    }
}

/// Puts it on record that a token was made or revoked. A server that is running does that itself; where the
/// stores do not open, it is among the incidents until they do.
fn on_record(context: &Context<'_>, what: &str) {
    let recorded = match store::open(context.globals) {
        Ok(store) => record(&store, what),
        Err(error) if is_in_use(&error) => Ok(()),
        Err(_) => store::config(context.globals)
            .and_then(|config| Ok(persistence::note_act(&config, now_ns(), SOURCE, what)?)),
    };
    if let Err(error) = recorded {
        context
            .output
            .note(&format!("this is not in the audit log: {error:#}"));
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    let failure = error.downcast_ref::<Failure>();
    failure.is_some_and(|failure| failure.code == Code::InUse)
}

/// Where the hashes of the tokens are.
pub(crate) fn token_file(globals: &Globals) -> PathBuf {
    globals.data.join(TokenFile::NAME)
}
