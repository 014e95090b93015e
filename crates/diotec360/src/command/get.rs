//! `get`: a value, now or at an earlier version.

use clap::Args;
use serde_json::json;

use super::Context;
use super::exec::not_found;
use crate::bytes::given;
use crate::exit::Code;
use crate::store;

/// Read a value, now or at an earlier version. The bytes are printed as they are.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The key: text, or hexadecimal digits behind 0x.
    key: String,
    /// A version; the newest one otherwise.
    #[arg(long, value_name = "VERSION")]
    at: Option<u64>,
}

impl Get {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let key = given(&self.key)?;
        let store = store::open_existing(context.globals)?;
        let state = store.state();
        let snapshot = match self.at {
            Some(version) => state.at(version)?,
            None => state.snapshot()?,
        };
        let version = snapshot.version();
        let Some(value) = snapshot.get(&key)? else {
            return Err(not_found(format!(
                "there is no key {:?} at version {}",
                self.key, version.number
            )));
        };
        let json = json!({
            "key_hex": hex::encode(&key),
            "value": std::str::from_utf8(&value).ok(),
            "value_hex": hex::encode(&value),
            "version": version.number,
            "root": version.root.to_string(),
        });
        if context.globals.json {
            context.output.show(&json, |_| String::new())?;
        } else {
            let mut value = value;
            value.push(b'\n');
            context.output.write(&value)?;
        }
        Ok(Code::Done)
    }
}
