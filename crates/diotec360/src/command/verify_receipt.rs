//! `verify-receipt`: a receipt, offline.

use std::path::PathBuf;

use clap::Args;
use persistence::verify_receipt;
use serde_json::json;

use super::Context;
use super::key::public_key;
use crate::bytes::readable;
use crate::exit::Code;
use crate::output::Paint;
use crate::proof_file::refuted;
use crate::store;

/// Check a receipt offline with a public key.
#[derive(Args, Debug)]
pub(crate) struct VerifyReceipt {
    /// The receipt.
    file: PathBuf,
    /// The public key of whoever runs the system: a text, or a file that holds it.
    #[arg(long, value_name = "KEY")]
    key: String,
}

impl VerifyReceipt {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let bytes = store::read_file(&self.file)?;
        let key = public_key(&self.key)?;
        let receipt = verify_receipt(&bytes, &key)
            .map_err(|error| refuted(format!("{} does not hold: {error}", self.file.display())))?;
        let record = &receipt.record;
        let writes: Vec<_> = (receipt.writes.iter())
            .map(|write| json!({"key_hex": hex::encode(&write.key), "value_hex": write.value.as_deref().map(hex::encode)}))
            .collect();
        let json = json!({
            "holds": true, "tx_id": record.tx_id, "intent_name": record.intent_name,
            "status": record.status.as_str(), "index": receipt.index, "version": receipt.version,
            "root_before": receipt.root_before.to_string(), "root_after": receipt.root_after.to_string(),
            "writes": writes, "origin": receipt.seal.origin, "log_size": receipt.seal.log.size.get(),
        });
        context.output.show(&json, |output| {
            let mut text = format!(
                "{}: {} {} {}\n  version  {}\n  before   {}\n  after    {}\n  log      {} of {}, sealed by {}",
                output.paint(Paint::Good, "holds"),
                record.tx_id, record.intent_name, record.status.as_str(), receipt.version,
                receipt.root_before, receipt.root_after, receipt.index, receipt.seal.log.size.get(),
                receipt.seal.origin,
            );
            for write in &receipt.writes {
                let value = write.value.as_deref().map_or_else(|| "(deleted)".to_owned(), readable);
                text += &format!("\n  wrote    {} = {value}", readable(&write.key));
            }
            text
        })?;
        Ok(Code::Done)
    }
}
