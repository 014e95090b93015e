//! What the original system wrote: bundles of two generations, and the folders they lie in.

mod bundle;
mod fault;
mod folder;
mod index;

use std::fmt;
use std::str::FromStr;

pub use bundle::{LegacyBundle, LegacyGeneration};
pub use fault::{LegacyError, LegacyFault};
pub use folder::{LegacyItem, LegacyNote, LegacyVault, LegacyVaultError};
pub use index::LegacyIndexEntry;

use crate::{Address, AddressError};

/// What the original system knew a bundle by: 64 hex digits.
///
/// In v2.1 the SHA-256 of the code, which is its address here too; in v0.7 that of the canonical JSON
/// of the AST.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegacyKey([u8; 32]);

impl LegacyKey {
    /// The key that has these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for LegacyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Address::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for LegacyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LegacyKey({self})")
    }
}

/// Reads 64 lower-case hex digits.
impl FromStr for LegacyKey {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Address::from_hex(text).map(|address| Self(*address.as_bytes()))
    }
}

#[cfg(test)]
mod tests;
