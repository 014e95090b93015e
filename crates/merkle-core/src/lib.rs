#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod hash;
mod hasher;

pub use hash::Hash;
pub use hasher::{Blake3, Hasher, Sha256};

mod checkpoint;
mod log;
#[cfg(feature = "note")]
mod note;
mod tile;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use log::{
    CompactRange, ConsistencyPlan, ConsistencyProof, EMPTY_LOG_ROOT, InclusionPlan, InclusionProof,
    LeafIndex, Log, LogDecodeError, LogError, LogProofError, NodeId, ProvenEntry, ProvenExtension,
    ProvenLeaf, RangeNodes, RootPlan, TreeHead, TreeSize, log_inner_hash, log_leaf_hash,
};
#[cfg(feature = "note")]
pub use note::{
    NoteError, NoteKeyError, NoteSignature, SignedNote, SignerKey, VerifiedNote, VerifierKey,
};
pub use tile::{EntryBundle, Tile, TileError, TileKind, TilePathError, TilePlan, VerifiedTiles};
