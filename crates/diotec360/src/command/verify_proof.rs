//! `verify-proof`: a proof file, offline.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::Context;
use super::key::public_key;
use crate::bytes::{hash, readable, unhex};
use crate::exit::Code;
use crate::output::Paint;
use crate::proof_file::{ProofFile, Trust, refuted};
use crate::store;

/// Check a proof file offline: against its own root, or against one you trust.
#[derive(Args, Debug)]
pub(crate) struct VerifyProof {
    /// The file, as `prove` or `GET /api/v1/state/value` gives it.
    file: PathBuf,
    /// The root you trust.
    #[arg(long, value_name = "ROOT")]
    root: Option<String>,
    /// The public key you trust: the seal in the file must be signed by it.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

impl VerifyProof {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let bytes = store::read_file(&self.file)?;
        let file: ProofFile = serde_json::from_slice(&bytes).map_err(|error| {
            refuted(format!("{} is no proof file: {error}", self.file.display()))
        })?;
        let root = self.root.as_deref().map(hash).transpose()?;
        let key = self.key.as_deref().map(public_key).transpose()?;
        let trust = file.verify(root.as_ref(), key.as_ref())?;
        let key = unhex(&file.key_hex).context("just checked")?;
        let trusted = match trust {
            Trust::Itself => "itself",
            Trust::Root => "root",
            Trust::Seal => "seal",
        };
        let json = json!({
            "holds": true, "trusted": trusted, "key_hex": file.key_hex, "present": file.present,
            "value": file.value, "value_hex": file.value_hex, "version": file.version, "root": file.root,
        });
        context.output.show(&json, |output| {
            let holds = output.paint(Paint::Good, "holds");
            let what = match &file.value_hex {
                Some(value) => {
                    let value = unhex(value).unwrap_or_default();
                    format!("{} is {}", readable(&key), readable(&value))
                }
                None => format!("there is no key {}", readable(&key)),
            };
            let against = match trust {
                Trust::Itself => {
                    "against the root in the file, which nobody vouches for: give --root or --key"
                }
                Trust::Root => "against the root you trust",
                Trust::Seal => "against the seal, signed by the key you trust",
            };
            format!(
                "{holds}: {what}\n  version  {}\n  root     {}\n  checked  {against}",
                file.version, file.root
            )
        })?;
        Ok(Code::Done)
    }
}
