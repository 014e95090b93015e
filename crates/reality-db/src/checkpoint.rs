//! Checkpoints: the tree on disk, so that opening is quick and memory is bounded.
//!
//! A checkpoint is a *catalogue* of all subtrees of the tree at one version, which says where the
//! entries of each lie: in *buckets*, in the checkpoint's own file or, if they did not change, in an
//! older one. Files never change once a checkpoint refers to them. The engine keeps a [`Pointer`] for
//! each checkpoint, with the hash of its catalogue; the catalogue has the hashes of the subtrees, which
//! vouch for their buckets; and all of them together make up the root, which the journal knows too. The
//! bytes: `docs/formats/checkpoint.md`.
//!
//! Nothing here is needed for correctness: all of it can be made again from the journal.

mod bucket;
mod catalogue;
mod error;
mod file;
mod passing;
mod place;
mod places;
mod pointer;
mod reader;
mod retire;
mod reuse;
mod row;
mod spill;
#[cfg(test)]
mod tests;
mod verify;
mod write;

#[cfg(fuzzing)]
pub(crate) use bucket::decode as decode_bucket;
pub(crate) use bucket::encode as encode_bucket;
pub(crate) use catalogue::Catalogue;
pub use error::{CheckpointError, Damage};
pub(crate) use error::{is_gone, is_unreadable, read_again};
pub use file::CheckpointProgress;
pub(crate) use file::{Control, pause};
pub(crate) use passing::{Passed, Passing};
pub(crate) use place::{CHECKED_TOGETHER, Place, check_all};
pub(crate) use places::Places;
pub(crate) use pointer::Pointer;
pub(crate) use retire::{Numbers, remove_behind, remove_unreferenced};
pub(crate) use reuse::{Counting, Usage};
pub(crate) use spill::{Spill, Spilled};
pub use verify::{BadPart, CheckpointReport, VerifyProgress};
pub(crate) use write::NewCheckpoint;
