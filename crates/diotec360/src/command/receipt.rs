//! `receipt`: what proves an execution to anybody.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Context;
use crate::exit::Code;
use crate::store;

/// Write the receipt of an execution to a file.
///
/// Whoever has the public key (`diotec360 key`) checks it with `diotec360 verify-receipt`, without
/// this database: the record, its place in the log, what it did to the state, and the bundle that ran.
#[derive(Args, Debug)]
pub(crate) struct ReceiptOf {
    /// Name of the execution.
    tx: String,
    /// Where to write it; `<TX>.receipt` otherwise.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl ReceiptOf {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        let receipt = store.receipt(&self.tx)?.encode();
        let path = self
            .out
            .clone()
            .unwrap_or_else(|| PathBuf::from(format!("{}.receipt", file_name(&self.tx))));
        store::write_file(&path, &receipt)?;
        let json = json!({"file": path, "bytes": receipt.len(), "tx_id": self.tx});
        context.output.show(&json, |_| {
            format!(
                "{}: the receipt of {}, {} bytes",
                path.display(),
                self.tx,
                receipt.len()
            )
        })?;
        Ok(Code::Done)
    }
}

/// A name of an execution as that of a file: names may hold anything, paths may not.
fn file_name(tx: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    tx.chars()
        .map(|char| if plain(char) { char } else { '_' })
        .collect()
}
