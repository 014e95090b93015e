//! Where a leaf is, how many there are, and what the tree over them hashes to.

use core::fmt;

use super::hash::EMPTY_LOG_ROOT;
use crate::Hash;

/// Place of a leaf in a log, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct LeafIndex(u64);

impl LeafIndex {
    /// The leaf at place `index`, counted from 0.
    #[must_use]
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The place as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for LeafIndex {
    fn from(index: u64) -> Self {
        Self(index)
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of leaves in a log: one more than its last index.
///
/// The largest is `u64::MAX`, so that the last leaf has index `u64::MAX - 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct TreeSize(u64);

impl TreeSize {
    /// The size of the log without leaves.
    pub const EMPTY: Self = Self(0);

    /// A log of `size` leaves.
    #[must_use]
    pub const fn new(size: u64) -> Self {
        Self(size)
    }

    /// The number of leaves.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for TreeSize {
    fn from(size: u64) -> Self {
        Self(size)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a log commits to at one size: the size and the root hash of the tree over its leaves.
///
/// Proofs are verified against a head. Where the head comes from decides what a proof is worth:
/// take it from a checkpoint whose signature was verified, or from storage of your own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TreeHead {
    /// How many leaves the root covers.
    pub size: TreeSize,
    /// Root hash of the tree over them, as RFC 9162, section 2.1.1 defines it.
    #[cfg_attr(feature = "serde", serde(with = "super::serde_form::hash"))]
    pub root: Hash,
}

impl TreeHead {
    /// The head of the log without leaves.
    pub const EMPTY: Self = Self {
        size: TreeSize::EMPTY,
        root: EMPTY_LOG_ROOT,
    };

    /// A head of `size` leaves with root hash `root`; nothing is checked.
    #[must_use]
    pub const fn new(size: TreeSize, root: Hash) -> Self {
        Self { size, root }
    }
}
