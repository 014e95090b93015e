//! CAR files: many blobs in one stream, each with its CID.

mod cid;
mod error;
mod header;
mod reader;
mod writer;

pub use cid::CarCid;
pub use error::CarError;
pub use reader::{CarBlock, CarReader};
pub use writer::{CarWriter, IndexedCarWriter};

/// The version of a CAR file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CarVersion {
    /// A header and blocks, one behind the other.
    V1,
    /// A CARv1 in a frame, mostly with an index.
    V2,
}

/// The first bytes of every CARv2: what to a reader of CARv1 is a header of an unknown version.
const PRAGMA: [u8; 11] = *b"\x0a\xa1\x67version\x02";

/// Bytes of the header behind the pragma.
const V2_HEADER_BYTES: usize = 40;

#[cfg(test)]
mod tests;
