//! What can go wrong with an export, by whose fault it is.

use std::io;

use merkle_core::Hash;

use super::ChunkFault;
use crate::{CommitError, OpenError, ReadError, Version};

/// Why a version was not exported. What was written of the file is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The version could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file could not be written.
    #[error("the export could not be written")]
    Write(#[from] io::Error),
    /// An entry is larger than a chunk may be: its proof has too many nodes.
    #[error("the entries after key {after:02x?} do not fit a chunk")]
    ChunkTooLarge {
        /// The key after which the chunk would begin; empty for the first.
        after: Vec<u8>,
    },
    /// The caller ended it.
    #[error("the export was ended after {chunks} chunks")]
    Cancelled {
        /// Chunks written.
        chunks: u64,
    },
}

/// Why a file is not the export that it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFileError {
    /// The file could not be read.
    #[error("the export could not be read")]
    Read(#[source] io::Error),
    /// The file is something else.
    #[error("the file is no export")]
    NotAnExport,
    /// A format that this release does not know.
    #[error("the export has format {found}; this release reads format {known}")]
    UnknownFormat {
        /// The format of the file.
        found: u8,
        /// The format of this release.
        known: u8,
    },
    /// The header is damaged or contradicts itself.
    #[error("the header of the export is damaged")]
    Header,
    /// The export is of another version than the caller expects.
    #[error("expected was version {expected_version} with root {expected}, the export is of version {} with root {}", found.number, found.root)]
    Unexpected {
        /// Number of the version that the caller expects.
        expected_version: u64,
        /// Its root, as the caller knows it.
        expected: Hash,
        /// What the file is an export of.
        found: Version,
    },
    /// The file ends too early.
    #[error(
        "the export ends after {offset} bytes, before the end of chunk {chunk} or of what follows it"
    )]
    Truncated {
        /// Bytes that there are.
        offset: u64,
        /// The chunk that is incomplete, counted from 0; the number of chunks if all are there.
        chunk: u64,
    },
    /// A chunk is not what the root vouches for.
    #[error("chunk {chunk} of the export, keys after {after:02x?} up to {to:02x?}: {fault}")]
    Chunk {
        /// The chunk, counted from 0.
        chunk: u64,
        /// The key after which it begins; empty for the first.
        after: Vec<u8>,
        /// Its last key; none if it is the last chunk, or its keys are not known.
        to: Option<Vec<u8>>,
        /// What is wrong with it.
        fault: Box<ChunkFault>,
    },
    /// The chunks do not have the number of entries that the header says.
    #[error("the export has {found} entries, its header says {expected}")]
    Entries {
        /// What the header says.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// What follows the chunks is damaged, or says that another byte of the file is.
    #[error("the sum at the end of the export is not that of its {chunks} chunks")]
    Trailer {
        /// Chunks of the file.
        chunks: u64,
    },
    /// Something follows the export.
    #[error("bytes follow the export, which ends after {offset}")]
    TrailingBytes {
        /// Bytes of the export.
        offset: u64,
    },
    /// The caller ended it.
    #[error("ended after {chunks} chunks")]
    Cancelled {
        /// Chunks of the file that are done.
        chunks: u64,
    },
}

/// Why a version was not imported.
///
/// What was brought in stays in the folder: the same call goes on from there. Until one comes to its
/// end, the folder is not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file.
    #[error(transparent)]
    File(#[from] ExportFileError),
    /// The folder, or options that are not those of the export.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is a database already.
    #[error("there is a database, at version {}, with root {}", found.number, found.root)]
    Exists {
        /// Its newest version.
        found: Version,
    },
    /// An import of another export was begun in the folder and not finished.
    #[error("an import of version {} with root {} was begun here", begun.number, begun.root)]
    OtherExport {
        /// What that export is of.
        begun: Version,
    },
    /// What was brought in could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was brought in could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// More entries than the versions up to the exported one could have brought in: commits have at
    /// most [`COMMIT_BYTES_MAX`](crate::COMMIT_BYTES_MAX) bytes.
    #[error("the content is more than {version} commits can bring in")]
    TooFewVersions {
        /// Number of the exported version.
        version: u64,
    },
    /// What was brought in has another root. Every chunk was proved: this store was damaged.
    #[error("the content brought in has the root {computed}, not {expected}")]
    Root {
        /// Root of the exported version.
        expected: Hash,
        /// Root of what was brought in.
        computed: Hash,
    },
}
