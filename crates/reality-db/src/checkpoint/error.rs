//! Why a checkpoint was not written or not read.

use std::io;

use merkle_core::Hash;

/// Why a checkpoint could not be written, opened or read.
///
/// The journal holds everything that a checkpoint does: one that cannot be read costs time, not data.
/// After a failed write the earlier checkpoints are as they were, and the new file is gone unless
/// removing it failed too.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The operating system refused: no space, no permission, no such file, a failing device.
    #[error("checkpoint file {file} could not be read or written")]
    Io {
        /// Number of the file.
        file: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// The caller did not want to go on.
    #[error("the checkpoint was cancelled")]
    Cancelled,
    /// A file does not hold what was written to it.
    #[error("checkpoint file {file} is damaged at byte {offset}")]
    Damaged {
        /// Number of the file.
        file: u64,
        /// Where the damaged part starts, in bytes.
        offset: u64,
        /// What is wrong there.
        #[source]
        damage: Damage,
    },
    /// A subtree is neither in memory nor in the checkpoint before: ours or the caller's mistake.
    #[error("the subtree of the keys that begin with {prefix:02x?} is in no checkpoint")]
    NotStored {
        /// What the keys of the subtree begin with.
        prefix: Vec<u8>,
    },
    /// A value is not in the map itself: the caller's mistake, checkpoints hold values.
    #[error("the value of key {key:02x?} is kept elsewhere")]
    ValueElsewhere {
        /// The key.
        key: Vec<u8>,
    },
    /// The map does not have as many entries as the caller said: ours or the caller's mistake.
    #[error("{found} entries, not {expected}")]
    EntryCount {
        /// How many the caller said.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// The number of the new file is one that the checkpoint before uses: the caller's mistake.
    #[error("checkpoint file {file} is in use")]
    InUse {
        /// The number.
        file: u64,
    },
    /// The map has more subtrees than one catalogue can list, some eighty million.
    #[error("{subtrees} subtrees do not fit a catalogue")]
    TooLarge {
        /// How many there are.
        subtrees: usize,
    },
}

/// What is wrong with a part of a checkpoint file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The file is shorter or longer than it was when it was written.
    #[error("the file has {len} bytes and should have {expected}")]
    Length {
        /// Its length in bytes.
        len: u64,
        /// The length it had.
        expected: u64,
    },
    /// The file was written by a newer release.
    #[error("the file has the unknown format {format}")]
    UnknownFormat {
        /// What its first bytes say.
        format: u8,
    },
    /// The file does not start as a checkpoint file of this number does.
    #[error("the file does not start as checkpoint file {number} does")]
    Header {
        /// The number it was looked up by.
        number: u64,
    },
    /// The catalogue has another hash than its pointer says.
    #[error("the catalogue has the hash {computed}, its pointer says {expected}")]
    CatalogueHash {
        /// The hash that the pointer says.
        expected: Hash,
        /// The hash it has.
        computed: Hash,
    },
    /// The catalogue is none, though it has the right hash: it was written by other software.
    #[error("no catalogue from its byte {at} on")]
    Catalogue {
        /// Where reading ended, counted from the start of the catalogue.
        at: usize,
    },
    /// The catalogue does not add up to what its pointer says.
    #[error("the catalogue does not add up to what its pointer says")]
    Sums,
    /// The subtrees of the catalogue do not make up the root of its pointer.
    #[error("the catalogue does not lead to the root that its pointer says")]
    Root,
    /// A bucket is no sequence of as many entries as the catalogue says, in key order.
    #[error("the entries end at byte {at} of the bucket")]
    Entries {
        /// Where reading ended, counted from the start of the bucket.
        at: usize,
    },
    /// The entries of a bucket are not those of its subtree.
    #[error("the entries have another hash than their subtree")]
    Hash,
    /// It could not be read, and not when it was read again.
    #[error("it could not be read: {0}")]
    Unreadable(io::ErrorKind),
    /// The file does not hold what was written to it a moment ago.
    #[error("the file does not hold what was just written to it")]
    ReadBack,
}

impl CheckpointError {
    pub(super) fn io(file: u64) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { file, source }
    }
}

/// Reads, and once more if the system could not: an error that passes is none then.
pub(crate) fn read_again<T>(
    read: impl Fn() -> Result<T, CheckpointError>,
) -> Result<T, CheckpointError> {
    match read() {
        Err(CheckpointError::Io { .. }) => read(),
        read => read,
    }
}

/// Whether what was [read again](read_again) lies where nobody can read it. That the system lacked memory or
/// room for open files says nothing of what lies there.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    // On Unix ENFILE and EMFILE, which have no kind.
    let lacks_files = cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
        || cfg!(windows) && error.raw_os_error() == Some(4);
    let lacks = matches!(
        error.kind(),
        io::ErrorKind::OutOfMemory | io::ErrorKind::Interrupted
    );
    !lacks && !lacks_files
}

/// Whether the file is gone, or its end: that is damage. Other errors are the system's, and may pass.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
    )
}
