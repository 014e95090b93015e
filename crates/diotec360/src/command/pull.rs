//! `vault pull`: what another vault has and this one does not.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use persistence::Persistence;
use serde_json::json;
use truth_vault::{Durability, Options, SyncError, SyncPeer, Vault};

use super::Context;
use super::snapshot::record;
use crate::exit::{Code, Failure};
use crate::output::Paint;
use crate::remote::{Remote, is_untrusted};

/// Take from another vault every blob that this one does not have, each checked against its address.
#[derive(Args, Debug)]
pub(crate) struct Pull {
    /// The other vault: its folder, or the address of a server, as http://host:3600. Its token, if it needs
    /// one, is taken from DIOTEC360_TOKEN.
    source: String,
    /// For https: a file with the certificate of the server, or of the authority that vouches for it.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Read everything here first, and take good copies of what is damaged too.
    #[arg(long)]
    repair: bool,
}

impl Pull {
    pub(crate) fn run(&self, context: &Context<'_>, store: &Persistence) -> anyhow::Result<Code> {
        let mut source = self.source()?;
        let healed = match self.repair {
            true => repair(context, store, &mut *source)?,
            false => Vec::new(),
        };
        let bar = context.output.bar("taking");
        let taken = store
            .vault()
            .sync_from(&mut *source, Durability::Each, &mut |told| {
                bar.set_length(told.total);
                bar.set_position(told.done);
                ControlFlow::Continue(())
            });
        bar.finish_and_clear();
        let report = taken.map_err(failure)?;
        record(
            store,
            &format!("{} blobs taken from {}", report.blobs, self.source),
        )?;
        let refused: Vec<_> = report.refused.iter().map(ToString::to_string).collect();
        let json = json!({
            "blobs": report.blobs, "bytes": report.bytes, "questions": report.questions,
            "healed": healed, "refused": refused,
        });
        context.output.show(&json, |output| {
            let mut text = format!("{} blobs taken, {} bytes\n", report.blobs, report.bytes);
            for address in &healed {
                text += &format!("{} {address}\n", output.paint(Paint::Good, "healed"));
            }
            for address in &refused {
                let refused = output.paint(Paint::Bad, "refused");
                text += &format!(
                    "{refused} {address}: it was promised, and other bytes came, or none\n"
                );
            }
            text
        })?;
        if refused.is_empty() {
            return Ok(Code::Done);
        }
        let message = format!("{} blobs were not what their addresses say", refused.len());
        Err(Failure::new(Code::Refuted, message)
            .hint("scrub the other vault")
            .into())
    }

    fn source(&self) -> anyhow::Result<Box<dyn SyncPeer>> {
        if self.source.contains("://") {
            let token = std::env::var("DIOTEC360_TOKEN").ok();
            return Ok(Box::new(Remote::new(
                &self.source,
                token,
                self.ca.as_deref(),
            )?));
        }
        let opened = Vault::open(&self.source, &Options::new().create(false));
        match opened {
            Ok(vault) => Ok(Box::new(vault)),
            Err(error) => {
                let message = format!("{} is no vault: {error}", self.source);
                let hint = "name the folder of a vault (DATA/vault), or the address of a server";
                Err(Failure::new(Code::NotFound, message).hint(hint).into())
            }
        }
    }
}

/// What to do next about another vault that gives nothing.
fn failure(error: SyncError) -> anyhow::Error {
    if !is_untrusted(&error) {
        return error.into();
    }
    let hint = "give with --ca the certificate of that server, or of who vouches for it, as its operator has it; \
                and the name that is in it";
    anyhow::Error::from(error).context(Failure::new(Code::Refuted, UNTRUSTED).hint(hint))
}

const UNTRUSTED: &str = "the server shows a certificate that is not trusted";

/// Fetches good copies of what is damaged here; which blobs are good again.
fn repair(
    context: &Context<'_>,
    store: &Persistence,
    source: &mut dyn SyncPeer,
) -> anyhow::Result<Vec<String>> {
    let wait = context.output.waiting("checking");
    let found = store.vault().verify(&mut |bytes| {
        wait.set_message(format!("{} MiB checked", bytes >> 20));
        ControlFlow::Continue(())
    });
    wait.finish_and_clear();
    let found = found?;
    let bad: Vec<_> = found.bad.iter().map(|bad| bad.address).collect();
    let report = store.vault().repair(source, &bad).map_err(failure)?;
    Ok(report.healed.iter().map(ToString::to_string).collect())
}
