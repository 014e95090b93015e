#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod checkpoint;
mod hash;
mod hasher;
mod log;
mod map;
#[cfg(feature = "note")]
mod note;
mod proof;
#[cfg(test)]
mod testing;
mod tile;
mod uvarint;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use hash::Hash;
pub use hasher::{Blake3, Hasher, Sha256};
pub use log::{
    CompactRange, ConsistencyPlan, ConsistencyProof, EMPTY_LOG_ROOT, InclusionPlan, InclusionProof,
    LeafIndex, Log, LogDecodeError, LogError, LogProofError, NodeId, ProvenEntry, ProvenExtension,
    ProvenLeaf, RangeNodes, RootPlan, TreeHead, TreeSize, log_inner_hash, log_leaf_hash,
};
pub use map::{
    AssembleError, Batch, Difference, Differences, Entries, Fetched, IntoSubtrees, KEY_BYTES_MAX,
    KeyError, Map, Missing, PartialMap, REFERENCE_BYTES_MAX, Subtree, SubtreeDecodeError,
    SubtreeEntries, SubtreeRef, Subtrees, SupplyError, Tally, Undo, Value,
};
#[cfg(feature = "note")]
pub use note::{
    NoteError, NoteKeyError, NoteSignature, SignedNote, SignerKey, VerifiedNote, VerifierKey,
};
#[cfg(feature = "ics23")]
pub use proof::Ics23Error;
pub use proof::{
    Lookup, NotCovered, Proof, ProofDecodeError, ProofError, Query, Revealed, TransitionError, View,
};
pub use tile::{EntryBundle, Tile, TileError, TileKind, TilePathError, TilePlan, VerifiedTiles};
