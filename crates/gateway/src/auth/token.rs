//! A token: what it may, and the secret that proves its holder.

use std::fmt::{self, Debug, Display, Formatter};
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a token may do. `admin` covers `write`, which covers `read`, which covers `metrics`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scope {
    /// Read the counters of `/metrics`, and nothing else.
    Metrics,
    /// Read everything that is stored, with its proofs.
    Read,
    /// Record executions, attacks and metrics; store code.
    Write,
    /// Snapshots, backups, seals, erasure, recovery.
    Admin,
}

impl Scope {
    /// All scopes, the least first.
    pub const ALL: [Self; 4] = [Self::Metrics, Self::Read, Self::Write, Self::Admin];

    /// Whether who holds this scope may do what `wanted` allows.
    pub fn covers(self, wanted: Self) -> bool {
        self >= wanted
    }

    /// Its name, as files and command lines have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl Display for Scope {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| format!("no scope `{text}`: metrics, read, write or admin"))
    }
}

/// What the holder of a token shows: `d360_<id>_<43 characters>`. Shown once, stored never.
#[derive(Clone)]
pub struct Secret {
    id: String,
    text: String,
}

const PREFIX: &str = "d360_";
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;

impl Secret {
    /// A new one, from the system's random bytes.
    ///
    /// # Errors
    ///
    /// Where the system has no random bytes to give.
    pub(super) fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; ID_BYTES + SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        let (id, secret) = bytes.split_at(ID_BYTES);
        let id = hex::encode(id);
        let text = format!("{PREFIX}{id}_{}", Base64UrlUnpadded::encode_string(secret));
        Ok(Self { id, text })
    }

    /// Reads what a caller shows; `None` for what cannot be a token of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let well_formed = id.len() == 2 * ID_BYTES && secret.len() == 43;
        (well_formed && text.is_ascii()).then(|| Self {
            id: id.to_owned(),
            text: text.to_owned(),
        })
    }

    /// The part that is no secret, by which a token is listed and revoked.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole text, for the one time it is shown.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What the file keeps instead. 256 random bits need no salt and no slow hash.
    pub(super) fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.text.as_bytes()))
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
