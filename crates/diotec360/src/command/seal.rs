//! `seal`: a signed statement about everything.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Context;
use crate::clock::now_ns;
use crate::exit::Code;
use crate::store;

/// Make a seal over everything, and write it to a file for others to keep.
///
/// A seal signs the root of the state, the size and root of the audit log, and the root of the vault.
/// Kept elsewhere, it is what tells an older copy of the whole directory from the newest one: open
/// with `trusted_seal` in the configuration, or DIOTEC360_TRUSTED_SEAL.
#[derive(Args, Debug)]
pub(crate) struct MakeSeal {
    /// Where to write it; to standard output otherwise.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl MakeSeal {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        let seal = store.seal(now_ns())?;
        let (_, note) = store
            .last_seal()
            .ok_or_else(|| anyhow::anyhow!("the seal was not kept"))?;
        let text = String::from_utf8(note)?;
        let json = json!({
            "number": seal.number, "version": seal.version, "state_root": seal.state_root.to_string(),
            "log_size": seal.log.size.get(), "log_root": seal.log.root.to_string(),
            "vault_root": seal.vault_root.to_string(), "note": text,
        });
        match &self.out {
            Some(path) => {
                store::write_file(path, text.as_bytes())?;
                context.output.show(&json, |_| {
                    format!(
                        "{}: seal {} at version {}",
                        path.display(),
                        seal.number.unwrap_or(0),
                        seal.version
                    )
                })?;
            }
            None => context.output.show(&json, |_| text.clone())?,
        }
        Ok(Code::Done)
    }
}
