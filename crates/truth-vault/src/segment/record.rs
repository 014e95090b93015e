//! The header of a record, which stands before its stored bytes.

use crate::Address;

/// Bytes of a record's header.
pub(crate) const HEADER_BYTES: usize = 72;

const MAGIC: &[u8; 4] = b"TVR\x01";

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A blob: its bytes follow.
    Blob,
    /// A blob in a file of its own: what ties the file to the address follows.
    Large,
    /// A blob that is the manifest of a bundle: its bytes follow.
    Manifest,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Blob, Self::Large, Self::Manifest];

    /// Its number in records and in the index.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Blob => 1,
            Self::Large => 2,
            Self::Manifest => 3,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// How the bytes that follow are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As they are.
    Plain,
    /// One zstd frame.
    Zstd,
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) coding: Coding,
    /// Bytes that follow the header, without padding.
    pub(crate) stored_bytes: u64,
    /// Bytes of the blob.
    pub(crate) plain_bytes: u64,
    /// When it was put, in nanoseconds since 1970, as the caller said.
    pub(crate) time_ns: u64,
    pub(crate) address: Address,
}

impl Header {
    /// Bytes of the whole record, padding included.
    pub(crate) fn record_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + padded(self.stored_bytes)
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = self.kind.code();
        bytes[5] = match self.coding {
            Coding::Plain => 0,
            Coding::Zstd => 1,
        };
        bytes[8..16].copy_from_slice(&self.stored_bytes.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.plain_bytes.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.time_ns.to_le_bytes());
        bytes[32..64].copy_from_slice(self.address.as_bytes());
        let check = check(&bytes[..64]);
        bytes[64..].copy_from_slice(&check);
        bytes
    }

    /// `None` if these bytes are no header.
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        if bytes[..4] != *MAGIC || bytes[6..8] != [0, 0] || bytes[64..] != check(&bytes[..64]) {
            return None;
        }
        let number = |at: usize| {
            let bytes = bytes[at..at + 8].try_into().expect("eight bytes");
            u64::from_le_bytes(bytes)
        };
        let header = Self {
            kind: Kind::from_code(bytes[4])?,
            coding: match bytes[5] {
                0 => Coding::Plain,
                1 => Coding::Zstd,
                _ => return None,
            },
            stored_bytes: number(8),
            plain_bytes: number(16),
            time_ns: number(24),
            address: Address::from_bytes(bytes[32..64].try_into().expect("32 bytes")),
        };
        let plain_is_stored = header.kind == Kind::Large
            || header.coding != Coding::Plain
            || header.stored_bytes == header.plain_bytes;
        let bounded = header.stored_bytes <= BLOB_BYTES_MAX
            && (header.kind == Kind::Large || header.plain_bytes <= BLOB_BYTES_MAX);
        (plain_is_stored && bounded).then_some(header)
    }
}

/// Most bytes of a blob in a segment. Larger ones have files of their own.
pub(crate) const BLOB_BYTES_MAX: u64 = 1 << 20;

/// `len` and what is missing to a multiple of eight.
pub(crate) fn padded(len: u64) -> u64 {
    len.saturating_add(7) & !7
}

/// What stands behind bytes to tell a header from others: not a protection, since addresses are.
pub(super) fn check(bytes: &[u8]) -> [u8; 8] {
    let hash = blake3::hash(bytes);
    hash.as_bytes()[..8].try_into().expect("eight bytes")
}
