//! The hash profile of a database, chosen when it is created.

use merkle_core::{Blake3, Hash, Hasher, Sha256};

/// How a database hashes. Chosen when it is created, recorded in it, the same ever after.
///
/// It is a [`Hasher`]: hand it to the verification of this database's proofs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// SHA-256, exactly ICS-23's Tendermint spec: proofs that verifiers elsewhere accept.
    #[default]
    Sha256,
    /// BLAKE3: faster.
    Blake3,
}

impl Profile {
    pub(crate) const ALL: &[Self] = &[Self::Sha256, Self::Blake3];

    /// Its name, as in the description of a store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake3 => "blake3",
        }
    }
}

/// Passes a call on to the profile's hasher.
macro_rules! dispatch {
    ($profile:expr, $hasher:ident => $call:expr) => {
        match $profile {
            Profile::Sha256 => {
                let $hasher = Sha256;
                $call
            }
            Profile::Blake3 => {
                let $hasher = Blake3;
                $call
            }
        }
    };
}

impl Hasher for Profile {
    fn empty(&self) -> Hash {
        dispatch!(self, hasher => hasher.empty())
    }

    fn value(&self, value: &[u8]) -> Hash {
        dispatch!(self, hasher => hasher.value(value))
    }

    fn leaf(&self, key: &[u8], value_hash: &Hash) -> Hash {
        dispatch!(self, hasher => hasher.leaf(key, value_hash))
    }

    fn inner(&self, left: &Hash, right: &Hash) -> Hash {
        dispatch!(self, hasher => hasher.inner(left, right))
    }

    fn value_many(&self, values: &[&[u8]], out: &mut [Hash]) {
        dispatch!(self, hasher => hasher.value_many(values, out));
    }

    fn leaf_many(&self, leaves: &[(&[u8], Hash)], out: &mut [Hash]) {
        dispatch!(self, hasher => hasher.leaf_many(leaves, out));
    }

    fn inner_many(&self, nodes: &[[Hash; 2]], out: &mut [Hash]) {
        dispatch!(self, hasher => hasher.inner_many(nodes, out));
    }
}
