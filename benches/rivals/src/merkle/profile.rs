//! The two hash profiles, each with what the rows need to know of it.

use merkle_core::{Blake3, Hasher, Sha256};
use nomt_core::hasher::{Blake3Hasher, NodeHasher, Sha2Hasher, ValueHasher};

/// A hash profile and its counterpart in nomt-core.
pub(super) trait Profile: Hasher + Default {
    /// How rows name it.
    const NAME: &'static str;
    /// Updates a second that a batch of 1,000 is to reach.
    const UPDATES_GOAL: f64;
    /// Whether peers that know SHA-256 alone are measured beside it.
    const IS_SHA256: bool;
    /// The same hash function in nomt-core.
    type Nomt: NodeHasher + ValueHasher;
}

impl Profile for Blake3 {
    const NAME: &'static str = "blake3";
    const UPDATES_GOAL: f64 = 1e6;
    const IS_SHA256: bool = false;
    type Nomt = Blake3Hasher;
}

impl Profile for Sha256 {
    const NAME: &'static str = "sha256";
    const UPDATES_GOAL: f64 = 6e5;
    const IS_SHA256: bool = true;
    type Nomt = Sha2Hasher;
}
