//! What an export says of itself, first of all.

use merkle_core::Hash;

use super::ExportFileError;
use crate::{KeyMode, Profile, Version};

/// Bytes of an encoded header.
pub(super) const HEADER_BYTES: usize = CHECKED_BYTES + 32;

const MAGIC: &[u8; 8] = b"rdbexprt";
const FORMAT: u8 = 1;
const CHECKED_BYTES: usize = 8 + 3 + 8 + 32 + 8;
const CHECK_CONTEXT: &str = "reality-db 2026-11 export header";

/// What an export is of.
///
/// The root vouches for everything in the file but the version's number and the key mode: nothing in
/// the content says which version it was, or whether keys were hashed. Who has to be sure knows the
/// number and the root from elsewhere, and [says](crate::Options::key_mode) which key mode is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportHeader {
    /// The version that was exported.
    pub version: Version,
    /// How its tree hashes.
    pub profile: Profile,
    /// How its keys become places in the tree.
    pub key_mode: KeyMode,
    /// Number of entries.
    pub entries: u64,
}

impl ExportHeader {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let profile = match self.profile {
            Profile::Sha256 => 0,
            Profile::Blake3 => 1,
        };
        let key_mode = match self.key_mode {
            KeyMode::Ordered => 0,
            KeyMode::Hashed => 1,
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..11].copy_from_slice(&[FORMAT, profile, key_mode]);
        bytes[11..19].copy_from_slice(&self.version.number.to_be_bytes());
        bytes[19..51].copy_from_slice(self.version.root.as_bytes());
        bytes[51..59].copy_from_slice(&self.entries.to_be_bytes());
        let check = blake3::derive_key(CHECK_CONTEXT, &bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..].copy_from_slice(&check);
        bytes
    }

    /// Reads a header; any bytes give one or an error.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, ExportFileError> {
        let (magic, rest) = split(bytes)?;
        if magic != MAGIC {
            return Err(ExportFileError::NotAnExport);
        }
        let ([found], rest) = split(rest)?;
        if *found != FORMAT {
            return Err(ExportFileError::UnknownFormat {
                found: *found,
                known: FORMAT,
            });
        }
        let ([profile, key_mode], rest) = split(rest)?;
        let (number, rest) = split(rest)?;
        let (root, rest) = split(rest)?;
        let (entries, _) = split(rest)?;
        let header = Self {
            version: Version {
                number: u64::from_be_bytes(*number),
                root: Hash::from_bytes(*root),
            },
            profile: match profile {
                0 => Profile::Sha256,
                1 => Profile::Blake3,
                _ => return Err(ExportFileError::Header),
            },
            key_mode: match key_mode {
                0 => KeyMode::Ordered,
                1 => KeyMode::Hashed,
                _ => return Err(ExportFileError::Header),
            },
            entries: u64::from_be_bytes(*entries),
        };
        // The check is part of the encoding.
        let is_sound = header.encode() == *bytes && header.is_possible();
        is_sound.then_some(header).ok_or(ExportFileError::Header)
    }

    /// Whether a version can be like this: version 0 is empty, and only what is empty has no entry.
    fn is_possible(&self) -> bool {
        use merkle_core::Hasher;
        let is_empty = self.version.root == self.profile.empty();
        is_empty == (self.entries == 0)
            && (is_empty || self.version.number > 0)
            && self.version.number < u64::MAX
    }
}

fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), ExportFileError> {
    bytes.split_first_chunk().ok_or(ExportFileError::Header)
}
