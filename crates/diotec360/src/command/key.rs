//! `key`: the public key of a data directory.

use std::path::Path;

use clap::Args;
use persistence::VerifierKey;
use serde_json::json;

use super::Context;
use crate::exit::{Code, Failure};
use crate::store;

/// Print the public key that seals and receipts are verified with.
#[derive(Args, Debug)]
pub(crate) struct Key;

impl Key {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        let key = store.verifier_key();
        context
            .output
            .show(&json!({"name": key.name(), "key": key.to_string()}), |_| {
                key.to_string()
            })?;
        Ok(Code::Done)
    }
}

/// A public key, from its text or from a file that holds it.
pub(crate) fn public_key(given: &str) -> anyhow::Result<VerifierKey> {
    let text = match Path::new(given) {
        path if path.is_file() => String::from_utf8(store::read_file(path)?)?,
        _ => given.to_owned(),
    };
    text.trim().parse().map_err(|error| {
        Failure::new(
            Code::Failed,
            format!("{given:?} is neither a public key nor a file with one: {error}"),
        )
        .hint("`diotec360 key` prints it where the data is")
        .into()
    })
}
