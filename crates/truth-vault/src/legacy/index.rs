//! `index.json` of the original vault.

use super::{LegacyKey, LegacyVaultError};
use crate::json::tree::Tree;

/// What the index says about one bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegacyIndexEntry {
    /// What it knows the bundle by.
    pub key: LegacyKey,
    /// The name of the intent, if it has one.
    pub intent: Option<String>,
    /// v0.7: the hash of the bundle's logic.
    pub logic_hash: Option<LegacyKey>,
    /// v0.7: the status, as it was written.
    pub status: Option<String>,
    /// v2.1: where the bundle lay; perhaps on another system.
    pub path: Option<String>,
}

/// Reads the index, all of it.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<LegacyIndexEntry>, LegacyVaultError> {
    let text = str::from_utf8(bytes).ok();
    let tree = text.and_then(|text| Tree::parse(text).ok());
    let Some(Tree::Object(members)) = tree else {
        return Err(LegacyVaultError::BadIndex);
    };
    let entries = members.iter().map(|(key, row)| {
        let text = |name| row.get(name).and_then(Tree::as_str).map(str::to_owned);
        let logic_hash = text("logic_hash").map(|text| text.parse());
        Some(LegacyIndexEntry {
            key: key.parse().ok()?,
            intent: text("intent_name"),
            logic_hash: logic_hash.transpose().ok()?,
            status: text("status"),
            path: text("bundle_path"),
        })
    });
    let entries = entries.collect::<Option<Vec<_>>>();
    entries.ok_or(LegacyVaultError::BadIndex)
}

/// The last part of a path of either kind of system.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}
