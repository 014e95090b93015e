//! The address of a blob: the SHA-256 of its bytes.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

mod cid;

/// The SHA-256 of a blob's plain bytes: 64 hex digits, or a CIDv1 of the codec `raw`.
///
/// Both texts name the same 32 bytes, and [`FromStr`] reads either:
///
/// ```
/// use truth_vault::Address;
///
/// let address = Address::of(b"hello\n");
/// let hex = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
/// let cid = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";
/// assert_eq!(address.to_string(), hex);
/// assert_eq!(address.to_cid(), cid);
/// assert_eq!(cid.parse(), Ok(address));
/// assert_eq!(hex.parse(), Ok(address));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 32]);

impl Address {
    /// Bytes of an address.
    pub const LEN: usize = 32;

    /// Bytes of its binary CID.
    pub const CID_LEN: usize = 36;

    /// The address of a blob with the content `bytes`: hashes all of it.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The address that has these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The address that 64 lower-case hex digits name: its form without a CID.
    ///
    /// # Errors
    ///
    /// [`AddressError::BadLength`] or [`AddressError::BadDigit`].
    pub fn from_hex(text: &str) -> Result<Self, AddressError> {
        let length = text.chars().count();
        if length != 2 * Self::LEN {
            return Err(AddressError::BadLength { length });
        }
        let mut bytes = [0; Self::LEN];
        for (at, digit) in text.chars().enumerate() {
            let value = hex_value(digit).ok_or(AddressError::BadDigit { at })?;
            bytes[at / 2] = bytes[at / 2] << 4 | value;
        }
        Ok(Self(bytes))
    }

    /// The CID as text: version 1, codec `raw`, SHA-256, in lower-case base32.
    #[must_use]
    #[doc(alias = "ipfs")]
    pub fn to_cid(&self) -> String {
        cid::to_text(&self.to_cid_bytes())
    }

    /// The CID as bytes: `0x01 || 0x55 || 0x12 || 0x20 || address`.
    #[must_use]
    pub fn to_cid_bytes(&self) -> [u8; Self::CID_LEN] {
        cid::to_bytes(self)
    }

    /// Reads exactly the texts that [`to_cid`](Self::to_cid) writes.
    ///
    /// # Errors
    ///
    /// [`AddressError`]: other encodings, versions, codecs and hash functions are named as such.
    pub fn from_cid(text: &str) -> Result<Self, AddressError> {
        cid::from_text(text)
    }

    /// Reads exactly the bytes that [`to_cid_bytes`](Self::to_cid_bytes) makes.
    ///
    /// # Errors
    ///
    /// [`AddressError`]: other versions, codecs and hash functions are named as such.
    pub fn from_cid_bytes(bytes: &[u8]) -> Result<Self, AddressError> {
        cid::from_bytes(bytes)
    }
}

/// 64 lower-case hex digits.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Reads either form: 64 lower-case hex digits, or a CID.
impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        // A CID of ours has 59 characters, so their lengths tell the forms apart.
        if text.len() == 2 * Self::LEN {
            return Self::from_hex(text);
        }
        Self::from_cid(text)
    }
}

/// Why a text or bytes are not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Neither 64 hex digits nor as long as a CID of ours.
    #[error("an address of {length} characters or bytes")]
    BadLength {
        /// How long it is: in characters if it is a text, else in bytes.
        length: usize,
    },
    /// A character that the encoding does not have, or bits set where there must be none.
    #[error("not a digit of an address at character {at}")]
    BadDigit {
        /// Which character, counted from 0.
        at: usize,
    },
    /// A CID in another encoding than lower-case base32 (`b`).
    #[error("a CID in the multibase encoding {prefix:?}, not 'b'")]
    OtherEncoding {
        /// The character that stands for the encoding.
        prefix: char,
    },
    /// A CID of another version than 1. Version 0 (`Qm...`) never is the address of a blob.
    #[error("a CID of version {version}, not 1")]
    OtherVersion {
        /// Its version.
        version: u64,
    },
    /// A CID of something else than plain bytes.
    #[error("a CID of the codec {codec:#x}, not raw (0x55)")]
    OtherCodec {
        /// The codec's number in the multicodec table.
        codec: u64,
    },
    /// A CID with another hash function than SHA-256.
    #[error("a CID with the hash function {code:#x}, not sha2-256 (0x12)")]
    OtherHash {
        /// The function's number in the multicodec table.
        code: u64,
    },
}

/// The value of a lower-case hex digit.
fn hex_value(digit: char) -> Option<u8> {
    let value = match digit {
        '0'..='9' => u32::from(digit) - u32::from('0'),
        'a'..='f' => u32::from(digit) - u32::from('a') + 10,
        _ => return None,
    };
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests;
