//! One signature of a note.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64ct::{Base64, Encoding};

use super::key::is_key_name;
use super::{NoteKeyError, SignedNote, VerifierKey};

/// A signature as a note has it: whose, and bytes that mean something to that key's algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    // INVARIANT: the name is a key name; at least one byte.
    name: String,
    key_id: u32,
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// A signature made elsewhere, by a key of any algorithm.
    ///
    /// # Errors
    ///
    /// [`NoteKeyError::BadName`] or [`NoteKeyError::BadSignatureLength`].
    pub fn new(name: &str, key_id: u32, bytes: Vec<u8>) -> Result<Self, NoteKeyError> {
        if !is_key_name(name) {
            return Err(NoteKeyError::BadName);
        }
        if bytes.is_empty() || bytes.len() > SignedNote::BYTES_MAX {
            return Err(NoteKeyError::BadSignatureLength { bytes: bytes.len() });
        }
        Ok(Self {
            name: name.into(),
            key_id,
            bytes,
        })
    }

    pub(super) fn from_key(key: &VerifierKey, bytes: Vec<u8>) -> Self {
        Self {
            name: key.name().into(),
            key_id: key.key_id(),
            bytes,
        }
    }

    /// The name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the key, which goes with the name.
    #[must_use]
    pub const fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The signature itself, without the key id.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads a signature line, without its newline.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (name, base64) = line.strip_prefix(PREFIX)?.split_once(' ')?;
        let decoded = Base64::decode_vec(base64).ok()?;
        let (key_id, bytes) = decoded.split_first_chunk()?;
        Self::new(name, u32::from_be_bytes(*key_id), bytes.to_vec()).ok()
    }

    pub(super) fn line_bytes(&self) -> usize {
        let base64 = (KEY_ID_BYTES + self.bytes.len()).div_ceil(3) * 4;
        PREFIX.len() + self.name.len() + 1 + base64 + 1
    }

    pub(super) fn is_by(&self, key: &VerifierKey) -> bool {
        self.key_id == key.key_id() && self.name == key.name()
    }

    pub(super) fn is_of_same_key(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.name == other.name
    }
}

/// The signature line, without its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id.to_be_bytes()[..], &self.bytes].concat();
        write!(f, "{PREFIX}{} {}", self.name, Base64::encode_string(&bytes))
    }
}

const PREFIX: &str = "\u{2014} ";
const KEY_ID_BYTES: usize = 4;
