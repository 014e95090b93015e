//! What can go wrong with a log, by whose fault.

use crate::Hash;

/// The caller asked a log for what it does not have, or handed over what was not asked for.
///
/// Nothing has changed when an operation returns this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The leaf lies outside the tree.
    #[error("leaf index {index} is not below tree size {size}")]
    IndexOutOfRange {
        /// The index asked for.
        index: u64,
        /// The size it was asked at.
        size: u64,
    },
    /// The log has not grown to this size yet.
    #[error("tree size {size} is beyond the log's {available} leaves")]
    SizeOutOfRange {
        /// The size asked for.
        size: u64,
        /// The size the log has.
        available: u64,
    },
    /// The older size is above the newer one.
    #[error("old tree size {old} is above new tree size {new}")]
    SizesReversed {
        /// The size given as the older.
        old: u64,
        /// The size given as the newer.
        new: u64,
    },
    /// The hashes handed over are not as many as the nodes asked for.
    #[error("the plan needs {expected} node hashes and got {found}")]
    WrongNodeCount {
        /// How many the plan named.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// Two ranges to be merged do not touch.
    #[error("a range that ends at {end} cannot take one that begins at {begin}")]
    NotAdjacent {
        /// Where the left range ends.
        end: u64,
        /// Where the right range begins.
        begin: u64,
    },
    /// The log holds `u64::MAX` leaves.
    #[error("the log is full")]
    Full,
}

/// A proof was refused. It is either malformed or does not prove what it was checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogProofError {
    /// The leaf lies outside the tree.
    #[error("leaf index {index} is not below tree size {size}")]
    IndexOutOfRange {
        /// The index the proof gives.
        index: u64,
        /// The size the proof gives.
        size: u64,
    },
    /// The older size is above the newer one.
    #[error("old tree size {old} is above new tree size {new}")]
    SizesReversed {
        /// The size the proof gives as the older.
        old: u64,
        /// The size the proof gives as the newer.
        new: u64,
    },
    /// The range ends before it begins.
    #[error("a range cannot begin at {begin} and end at {end}")]
    RangeReversed {
        /// Where the range is said to begin.
        begin: u64,
        /// Where it is said to end.
        end: u64,
    },
    /// The sizes and indices determine the number of hashes, and it is another one.
    #[error("{expected} hashes belong here, not {found}")]
    WrongHashCount {
        /// How many there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The proof is for a tree of another size than the head it was checked against.
    #[error("the proof is for tree size {proof}, the head for {head}")]
    SizeMismatch {
        /// The size the proof gives.
        proof: u64,
        /// The size the head gives.
        head: u64,
    },
    /// The proof leads to another root: the leaf, the proof or the head is not genuine.
    #[error("the proof leads to root {computed}, not {expected}")]
    RootMismatch {
        /// The root that the proof leads to.
        computed: Hash,
        /// The root of the head.
        expected: Hash,
    },
    /// The consistency proof leads to another root for the older tree.
    #[error("the proof leads to old root {computed}, not {expected}")]
    OldRootMismatch {
        /// The root that the proof leads to.
        computed: Hash,
        /// The root of the older head.
        expected: Hash,
    },
}

/// Bytes were refused: they are not an encoding of what they were decoded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogDecodeError {
    /// The first byte names something else, or nothing known.
    #[error("kind {expected:#04x} expected, found {found:#04x}")]
    WrongKind {
        /// The kind asked for.
        expected: u8,
        /// The kind the bytes give.
        found: u8,
    },
    /// The format is newer than this code, or never existed.
    #[error("unknown format version {version}")]
    UnknownVersion {
        /// The version the bytes give.
        version: u8,
    },
    /// The bytes end too early.
    #[error("{missing} more bytes expected at the end")]
    Truncated {
        /// How many are missing at least.
        missing: usize,
    },
    /// More follows after the end.
    #[error("{count} bytes too many")]
    TrailingBytes {
        /// How many follow.
        count: usize,
    },
    /// An integer has a shorter form than the one written, or does not fit 64 bits.
    #[error("the integer at byte {offset} is not in its shortest 64-bit form")]
    BadInteger {
        /// Where the integer begins.
        offset: usize,
    },
    /// The parts are well written but do not belong together.
    #[error("the parts do not belong together")]
    Inconsistent(#[from] LogProofError),
}
