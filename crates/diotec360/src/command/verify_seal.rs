//! `verify-seal`: a seal, offline.

use std::path::PathBuf;

use clap::Args;
use persistence::Seal;
use serde_json::json;

use super::Context;
use super::key::public_key;
use crate::exit::Code;
use crate::output::Paint;
use crate::proof_file::refuted;
use crate::store;

/// Check a seal offline with a public key.
#[derive(Args, Debug)]
pub(crate) struct VerifySeal {
    /// The seal.
    file: PathBuf,
    /// The public key of whoever runs the system: a text, or a file that holds it.
    #[arg(long, value_name = "KEY")]
    key: String,
}

impl VerifySeal {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let note = store::read_file(&self.file)?;
        let key = public_key(&self.key)?;
        let seal = Seal::verify(&note, &[key])
            .map_err(|error| refuted(format!("{} does not hold: {error}", self.file.display())))?;
        let json = json!({
            "holds": true, "origin": seal.origin, "number": seal.number, "version": seal.version,
            "state_root": seal.state_root.to_string(), "log_size": seal.log.size.get(),
            "log_root": seal.log.root.to_string(), "vault_root": seal.vault_root.to_string(),
            "time_ns": seal.time_ns,
        });
        context.output.show(&json, |output| {
            format!(
                "{}: a seal of {}\n  state    version {}, root {}\n  log      {} records, root {}\n  vault    {} objects, root {}",
                output.paint(Paint::Good, "holds"), seal.origin, seal.version, seal.state_root,
                seal.log.size.get(), seal.log.root, seal.vault_objects, seal.vault_root,
            )
        })?;
        Ok(Code::Done)
    }
}
