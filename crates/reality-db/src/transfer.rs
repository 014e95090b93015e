//! Export and import: one version as a file that proves itself.
//!
//! The content goes in chunks, each a complete range of the tree and, in its bytes, nothing but the
//! proof of that range against the root: a chunk is refused where it stands. The bytes:
//! `docs/formats/export.md`.

mod chunk;
mod error;
mod export;
pub(crate) mod file;
mod header;
pub(crate) mod import;
pub(crate) mod importing;
mod verify;

pub use chunk::ChunkFault;
pub use error::{ExportError, ExportFileError, ImportError};
pub use export::{ExportOptions, ExportReport};
pub use header::ExportHeader;
pub use verify::verify_export;

use std::ops::ControlFlow;

/// How far an export, an import or a verification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferProgress {
    /// Chunks of the file that are done.
    pub chunks: u64,
    /// Entries that are done; of an import, those that an earlier call brought in too.
    pub entries: u64,
    /// Entries of the version.
    pub entries_total: u64,
    /// Bytes of the file that are done.
    pub bytes: u64,
}

/// Called after each chunk; may end the operation.
type Control<'c> = dyn FnMut(TransferProgress) -> ControlFlow<()> + 'c;
