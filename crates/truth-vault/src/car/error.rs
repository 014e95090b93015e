//! Why a CAR file was refused.

use std::io;

use crate::Address;

/// Why a CAR file was refused, or could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarError {
    /// Reading or writing failed.
    #[error("cannot read or write the CAR file")]
    Io(#[from] io::Error),
    /// It does not begin with a header.
    #[error("not a CAR file")]
    NoCar,
    /// A CAR file of another version than 1 or 2.
    #[error("a CAR file of version {version}")]
    UnknownVersion {
        /// Its version.
        version: u64,
    },
    /// The header is longer than a mebibyte, or its parts do not fit.
    #[error("the header of the CAR file is malformed")]
    BadHeader,
    /// It ends in the middle of something.
    #[error("the CAR file ends early, at byte {offset}")]
    Truncated {
        /// How long it is, or its CARv1 part is.
        offset: u64,
    },
    /// A block has no length, or no CID, or a CID longer than the block.
    #[error("no block at byte {offset}")]
    BadBlock {
        /// Where it begins in the CARv1 part.
        offset: u64,
    },
    /// A block is not the one that its CID is of.
    #[error("the block at byte {offset} is not {address}")]
    BlockAltered {
        /// Where it begins in the CARv1 part.
        offset: u64,
        /// What its CID says.
        address: Address,
    },
    /// The CID is of another hash function than SHA-256: the block can only be skipped.
    #[error("the block at byte {offset} has the hash function {code:#x}, not sha2-256 (0x12)")]
    OtherHash {
        /// Where it begins in the CARv1 part.
        offset: u64,
        /// The function's number in the multicodec table.
        code: u64,
    },
    /// The block is longer than the caller wants to hold.
    #[error("a block of {bytes} bytes is too long")]
    BlockTooLong {
        /// Its length.
        bytes: u64,
    },
    /// Writing: what was to be written is not the blob of that address and length.
    #[error("the bytes to be written are not {address}")]
    NotTheBlob {
        /// The address.
        address: Address,
    },
    /// Writing: it failed before, in the middle of a block. The file is of no use.
    #[error("writing the CAR file failed before")]
    Broken,
}
