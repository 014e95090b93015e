//! `serve`: the HTTP API and the dashboard.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use gateway::{Ended, Recovery};
use persistence::Persistence;
use serde_json::json;
use tokio::signal;

use super::Context;
use super::token::token_file;
use crate::clock::now_ns;
use crate::exit::Code;
use crate::output::Paint;
use crate::{ledger, store};

/// Start the HTTP API and the dashboard.
///
/// Listens on this machine alone unless it is told otherwise, and beyond it only with tokens
/// (`diotec360 token create`). Ctrl-C or SIGTERM lets running requests finish.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Address and port; port 0 lets the system choose. Default 127.0.0.1:3600.
    #[arg(long, value_name = "ADDRESS", env = "DIOTEC360_LISTEN")]
    listen: Option<SocketAddr>,
    /// A file that says how to listen, whom to let in and what to refuse: docs/configuration.md.
    #[arg(long, value_name = "FILE", env = "DIOTEC360_SERVER_CONFIG")]
    server_config: Option<PathBuf>,
    /// The folder that backups asked for over HTTP are written into; without it, none are made.
    #[arg(long, value_name = "DIR", env = "DIOTEC360_BACKUPS")]
    backups: Option<PathBuf>,
    /// Load the example ledger first, unless it is there.
    #[arg(long)]
    example: bool,
    /// What to log: off, error, warn, info, debug, or a filter of tracing's.
    #[arg(
        long,
        value_name = "FILTER",
        env = "DIOTEC360_LOG",
        default_value = "info"
    )]
    log: String,
}

impl Serve {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        self.start_logging(context)?;
        let mut config = match &self.server_config {
            Some(path) => {
                let text = String::from_utf8(store::read_file(path)?)?;
                gateway::Config::parse(&text).with_context(|| format!("{}", path.display()))?
            }
            None => gateway::Config::default(),
        };
        if let Some(address) = self.listen {
            config.listen.address = address;
        }
        if self.backups.is_some() {
            config.backups.folder.clone_from(&self.backups);
        }
        // Damage is shown, not hidden behind a server that does not start.
        let stores = store::config(context.globals)?.accept_damage(true);
        let (store, report) = store::open_with(stores.clone())?;
        for cause in &report.causes {
            context.output.note(&format!(
                "{}: {}: {cause}",
                context.output.paint(Paint::Bad, "damage"),
                cause.store()
            ));
        }
        if self.example {
            let loaded = ledger::load_example(&store, now_ns())?;
            context.output.note(&format!(
                "the example ledger: {} records loaded",
                loaded.recorded
            ));
        }
        self.serve(context, config, &stores, store)
    }

    /// Serves until it is told to stop. A way out of panic mode is taken in between, while the stores are
    /// closed.
    fn serve(
        &self,
        context: &Context<'_>,
        mut config: gateway::Config,
        stores: &persistence::Config,
        mut store: Persistence,
    ) -> anyhow::Result<Code> {
        loop {
            let ended = self.serve_once(context, &mut config, store)?;
            if !ended.drained {
                context.output.note("some requests did not finish in time");
            }
            let Some(Recovery { way, reason, .. }) = ended.recovery else {
                return Ok(Code::Done);
            };
            let sound = stores.clone().accept_damage(false).time_ns(now_ns());
            store = match Persistence::recover(sound, &way, &reason) {
                Ok((store, _)) => {
                    tracing::warn!(way = way.name(), reason, "a way out was taken");
                    store
                }
                Err(error) => {
                    let error = anyhow::Error::new(error);
                    tracing::error!(way = way.name(), "the way out led nowhere: {error:#}");
                    store::open_with(stores.clone())?.0
                }
            };
        }
    }

    /// Serves until it is to stop, or the stores are to be closed: all handles to them are gone then.
    fn serve_once(
        &self,
        context: &Context<'_>,
        config: &mut gateway::Config,
        store: Persistence,
    ) -> anyhow::Result<Ended> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let tokens = token_file(context.globals);
            let server = gateway::bind(config.clone(), &tokens, store).await?;
            config.listen.address = server.address(); // the same one, if it serves again
            let url = server.url();
            let json = json!({"url": url, "data": context.globals.data});
            context.output.show(&json, |output| {
                format!("{}  (Ctrl-C stops)", output.paint(Paint::Strong, &url))
            })?;
            anyhow::Ok(server.serve(stop()).await)
        })
    }

    fn start_logging(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let filter = tracing_subscriber::EnvFilter::try_new(&self.log)
            .with_context(|| format!("{:?} is no filter of logs", self.log))?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(context.output.colours_errors())
            .with_writer(std::io::stderr);
        match context.globals.json {
            true => log.json().init(),
            false => log.init(),
        }
        Ok(())
    }
}

/// Ends when the process is asked to stop.
async fn stop() {
    #[cfg(unix)]
    {
        let mut terminate = match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            // Then Ctrl-C alone stops it.
            Err(_) => return wait_for_interrupt().await,
        };
        tokio::select! {
            () = wait_for_interrupt() => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    wait_for_interrupt().await;
}

async fn wait_for_interrupt() {
    if signal::ctrl_c().await.is_err() {
        // It cannot be waited for: the server goes on until it is killed.
        std::future::pending::<()>().await;
    }
}
