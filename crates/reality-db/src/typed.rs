//! Values of Rust types: as JSON for people, compact for machines.

use std::error::Error;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ReadError, RealityDb, Snapshot, VALUE_BYTES_MAX};

/// How values of Rust types become bytes.
///
/// The bytes are the value, for proofs too. A type that changes its shape reads no values of its old
/// one: put a version into it that is read first, or use JSON with `#[serde(default)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// JSON: for people and other languages.
    Json,
    /// bincode 2 in its standard configuration: small and fast, for programs that know the type.
    Compact,
}

/// A value that does not become bytes, or bytes that are no such value.
#[derive(Debug, thiserror::Error)]
#[error("not encoded as {encoding:?}")]
#[non_exhaustive]
pub struct EncodingError {
    /// The encoding.
    pub encoding: Encoding,
    /// What it says.
    pub source: Box<dyn Error + Send + Sync>,
}

impl Encoding {
    /// The bytes of a value, to be put into a batch.
    ///
    /// # Errors
    ///
    /// [`EncodingError`]: in JSON, the keys of a map must be strings.
    ///
    /// ```
    /// use reality_db::{Batch, Encoding};
    ///
    /// let value = Encoding::Json.encode(&("alice", 900))?;
    /// assert_eq!(value, br#"["alice",900]"#);
    /// let mut batch = Batch::new();
    /// batch.put(b"account/1", &value)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<u8>, EncodingError> {
        match self {
            Self::Json => serde_json::to_vec(value).map_err(|error| self.error(error)),
            Self::Compact => bincode::serde::encode_to_vec(value, bincode::config::standard())
                .map_err(|error| self.error(error)),
        }
    }

    /// The value that some bytes are. Bytes that are left over are an error, and so is a length that
    /// no value has.
    ///
    /// # Errors
    ///
    /// [`EncodingError`].
    ///
    /// ```
    /// use reality_db::Encoding;
    ///
    /// let bytes = Encoding::Compact.encode(&("alice", 900_u64))?;
    /// let (name, balance): (String, u64) = Encoding::Compact.decode(&bytes)?;
    /// assert_eq!((name.as_str(), balance), ("alice", 900));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, EncodingError> {
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(|error| self.error(error)),
            Self::Compact => {
                let config = bincode::config::standard().with_limit::<VALUE_BYTES_MAX>();
                let (value, len) = bincode::serde::decode_from_slice(bytes, config)
                    .map_err(|error| self.error(error))?;
                match bytes.len() - len {
                    0 => Ok(value),
                    left => Err(self.error(format!("{left} bytes are left over"))),
                }
            }
        }
    }

    fn error(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> EncodingError {
        EncodingError {
            encoding: self,
            source: source.into(),
        }
    }
}

impl Snapshot {
    /// The value of `key` as a Rust type.
    ///
    /// # Errors
    ///
    /// [`ReadError::Decode`] if the value is not of this type; the others as for
    /// [`get`](Self::get).
    pub fn get_as<T: DeserializeOwned>(
        &self,
        key: &[u8],
        encoding: Encoding,
    ) -> Result<Option<T>, ReadError> {
        decode_value(key, self.get(key)?, encoding)
    }
}

impl RealityDb {
    /// The value of `key` in the newest version as a Rust type.
    ///
    /// # Errors
    ///
    /// [`ReadError::Decode`] if the value is not of this type; the others as for
    /// [`get`](Self::get).
    ///
    /// ```
    /// # use reality_db::{Backend, Encoding, Options, RealityDb};
    /// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
    /// db.put(b"alice", &Encoding::Compact.encode(&900_u64)?)?;
    /// assert_eq!(db.get_as(b"alice", Encoding::Compact)?, Some(900_u64));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_as<T: DeserializeOwned>(
        &self,
        key: &[u8],
        encoding: Encoding,
    ) -> Result<Option<T>, ReadError> {
        decode_value(key, self.get(key)?, encoding)
    }
}

fn decode_value<T: DeserializeOwned>(
    key: &[u8],
    value: Option<Vec<u8>>,
    encoding: Encoding,
) -> Result<Option<T>, ReadError> {
    let decode = |value: Vec<u8>| {
        encoding.decode(&value).map_err(|source| ReadError::Decode {
            key: key.to_vec(),
            source: source.into(),
        })
    };
    value.map(decode).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_bytes_that_are_left_over_and_lengths_beyond_any_value() {
        let mut bytes = Encoding::Compact.encode("alice").unwrap();
        bytes.push(0);
        assert!(Encoding::Compact.decode::<String>(&bytes).is_err());
        // A length of 2^63: refused before anything is reserved for it.
        let hostile = [&[253][..], &(1_u64 << 63).to_le_bytes()].concat();
        assert!(Encoding::Compact.decode::<Vec<u64>>(&hostile).is_err());
        assert!(Encoding::Json.decode::<u8>(b"1 2").is_err());
    }
}
