//! What can go wrong, by whose fault it is.

use std::io;
use std::path::PathBuf;

use crate::Address;

/// Why a vault was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is none, and none was to be created.
    #[error("there is no vault in {}", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds something else.
    #[error("{} holds files and is no vault", path.display())]
    NotAVault {
        /// The folder.
        path: PathBuf,
    },
    /// A vault of a version that is not known here.
    #[error("{name} is of format version {found}; this program knows version 1")]
    UnknownVersion {
        /// The file that says so.
        name: String,
        /// Its version.
        found: u8,
    },
    /// The file system.
    #[error("the files of the vault could not be used")]
    Storage(#[from] io::Error),
}

/// Why a blob was not put. Unless it says otherwise, the vault is as it was and may be used on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The bytes are not those that the caller expected.
    #[error("the bytes have the address {found}, not {expected}")]
    OtherAddress {
        /// What was expected.
        expected: Address,
        /// What they have.
        found: Address,
    },
    /// A put cannot go on from there: less is kept of the blob.
    #[error("{kept} bytes are kept of the blob: it cannot be resumed at {offset}")]
    NothingToResume {
        /// Where it was to go on.
        offset: u64,
        /// How much is kept.
        kept: u64,
    },
    /// The source of the bytes failed.
    #[error("the bytes could not be read")]
    Source(#[source] io::Error),
    /// The caller's progress function said to stop. Where the address was expected, what was read is
    /// kept: see [`Vault::partial_bytes`](crate::Vault::partial_bytes).
    #[error("cancelled")]
    Cancelled,
    /// The file system refused a write: the blob is not in.
    #[error("the blob could not be written")]
    Storage(#[source] io::Error),
    /// The file system failed to make blobs durable: this one and others since the last sync are not
    /// in, and have to be put again.
    #[error("blobs could not be made durable: those since the last sync have to be put again")]
    NotDurable(#[source] io::Error),
}

/// Why a blob was not got.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// What is stored are not the bytes of this address. A good copy that is put heals it.
    #[error("what is stored as {address} in {file} at byte {at} is damaged: {damage}")]
    Damaged {
        /// The blob.
        address: Address,
        /// The file it is in.
        file: String,
        /// Where its record begins.
        at: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// It was collected or removed while it was being read: what was written of it is its beginning.
    #[error("{address} vanished while it was being read")]
    Vanished {
        /// The blob.
        address: Address,
    },
    /// It is longer than the caller takes.
    #[error("{address} has {bytes} bytes, more than {max}")]
    TooLong {
        /// The blob.
        address: Address,
        /// Its length.
        bytes: u64,
        /// The most that the caller takes.
        max: u64,
    },
    /// The caller's progress function said to stop.
    #[error("cancelled")]
    Cancelled,
    /// The sink of the bytes failed.
    #[error("the bytes could not be written to where they were wanted")]
    Sink(#[source] io::Error),
    /// The file system.
    #[error("the vault could not be read")]
    Storage(#[from] io::Error),
}

/// What is wrong with what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The record's header is not that of this blob.
    #[error("its record has another header")]
    Header,
    /// The bytes have another hash.
    #[error("its bytes have another hash")]
    Content,
    /// The compressed bytes cannot be decompressed.
    #[error("its bytes cannot be decompressed")]
    Compression,
    /// The file ends before the blob does, or is gone.
    #[error("its file is shorter, or gone")]
    Missing,
    /// What ties the parts of a large blob to its address is damaged.
    #[error("the hashes of its parts are damaged")]
    Parts,
}
