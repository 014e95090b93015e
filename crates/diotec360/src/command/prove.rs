//! `prove`: a proof of a value, or of its absence, as a file.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Context;
use crate::bytes::given;
use crate::clock::now_ns;
use crate::exit::Code;
use crate::proof_file::ProofFile;
use crate::store;

/// Write a proof of a value, or of its absence, to a file.
///
/// Whoever has the root, or the public key (`diotec360 key`) if the proof is sealed, checks it with
/// `diotec360 verify-proof`, without this database.
#[derive(Args, Debug)]
pub(crate) struct Prove {
    /// The key: text, or hexadecimal digits behind 0x.
    key: String,
    /// Where to write it; to standard output otherwise.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A version; the newest one otherwise.
    #[arg(long, value_name = "VERSION", conflicts_with = "sealed")]
    at: Option<u64>,
    /// Make a seal, which signs the root, and put it into the file.
    #[arg(long)]
    sealed: bool,
}

impl Prove {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let key = given(&self.key)?;
        let store = store::open_existing(context.globals)?;
        let state = store.state();
        let mut seal = None;
        let snapshot = if self.sealed {
            let version = store.seal(now_ns())?.version;
            seal = store.last_seal().map(|(_, note)| note);
            state.at(version)?
        } else if let Some(version) = self.at {
            state.at(version)?
        } else {
            state.snapshot()?
        };
        let value = snapshot.get(&key)?;
        let version = snapshot.version();
        let version = (version.number, version.root);
        let proof = snapshot.prove(&key)?;
        let mut file = ProofFile::make(&key, value.as_deref(), version, state.profile(), &proof);
        file.seal = seal.map(String::from_utf8).transpose()?;
        let text = serde_json::to_string_pretty(&file)? + "\n";
        let Some(path) = &self.out else {
            context.output.write(text.as_bytes())?;
            return Ok(Code::Done);
        };
        store::write_file(path, text.as_bytes())?;
        let json =
            json!({"file": path, "version": version.0, "root": file.root, "present": file.present});
        context.output.show(&json, |_| {
            let what = if file.present {
                "the value"
            } else {
                "that there is no value"
            };
            format!(
                "{} proves {what} at version {}, root {}",
                path.display(),
                version.0,
                file.root
            )
        })?;
        Ok(Code::Done)
    }
}
