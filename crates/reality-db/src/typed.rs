//! Values of Rust types: as JSON for people, compact for machines.

use std::error::Error;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{CommitError, ReadError, RealityDb, Snapshot, VALUE_BYTES_MAX, Version};

/// How values of Rust types become bytes.
///
/// The bytes are the value, for proofs too. A type that changes its shape reads no values of its old
/// one: put a version into it that is read first, or use JSON with `#[serde(default)]`.
///
/// Equal values have equal bytes only if the type serializes in one order. A `HashMap` or `HashSet` does not:
/// it is encoded in another order in each process, and the same content has another root then. Use
/// `BTreeMap` and `BTreeSet`.
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
    /// The value of `key` in the newest version as a Rust type. Waits while a commit is being made.
    ///
    /// # Errors
    ///
    /// [`ReadError::Decode`] if the value is not of this type; the others as for
    /// [`get`](Self::get).
    ///
    /// ```
    /// # use reality_db::{Backend, Encoding, Options, RealityDb};
    /// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
    /// db.put_as(b"alice", &900_u64, Encoding::Compact)?;
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

    /// Commits one entry whose value is of a Rust type. Several in one version: a batch of what
    /// [`Encoding::encode`] gives.
    ///
    /// # Errors
    ///
    /// [`CommitError::Encode`] if the value does not become bytes; the others as for [`put`](Self::put).
    pub fn put_as<T: Serialize + ?Sized>(
        &self,
        key: &[u8],
        value: &T,
        encoding: Encoding,
    ) -> Result<Version, CommitError> {
        let value = encoding
            .encode(value)
            .map_err(|source| CommitError::Encode {
                key: key.to_vec(),
                source: source.into(),
            })?;
        self.put(key, &value)
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
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Backend, Health, Options};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Person { name: String },
        Contract(Vec<u8>),
        Closed,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Account {
        kind: Kind,
        balance: i128,
        limits: BTreeMap<String, Option<u64>>,
    }

    #[test]
    fn what_was_put_comes_back_in_both_encodings() {
        let name = "Ål\u{1f980}\"\0".to_owned();
        let kinds = [
            Kind::Person { name },
            Kind::Contract(vec![0, 255]),
            Kind::Closed,
        ];
        let limits = [("day".to_owned(), Some(u64::MAX)), (String::new(), None)];
        for encoding in [Encoding::Json, Encoding::Compact] {
            let options = Options::new().backend(Backend::Memory).background(false);
            let db = RealityDb::open("unused", &options).unwrap();
            for (number, kind) in (1_u8..).zip(&kinds) {
                let account = Account {
                    kind: kind.clone(),
                    balance: i128::from(i64::MIN) * i128::from(number),
                    limits: limits.clone().into(),
                };
                let version = db.put_as(&[number], &account, encoding).unwrap();
                assert_eq!(version.number, u64::from(number));
                assert_eq!(
                    db.get_as(&[number], encoding).unwrap(),
                    Some(account.clone())
                );
                let snapshot = db.snapshot().unwrap();
                assert_eq!(snapshot.get_as(&[number], encoding).unwrap(), Some(account));
            }
            assert_eq!(db.get_as::<Account>(b"absent", encoding).unwrap(), None);
            let snapshot = db.snapshot().unwrap();
            let others = [
                db.get_as::<Vec<String>>(&[1], encoding),
                snapshot.get_as(&[1], encoding),
            ];
            for other in others {
                let Err(ReadError::Decode { key, source }) = other else {
                    panic!("{other:?}");
                };
                assert_eq!(key, [1]);
                assert!(!source.to_string().is_empty());
            }
            assert_eq!(db.health(), Health::Sound);
        }
    }

    #[test]
    fn a_value_that_does_not_become_bytes_is_not_committed() {
        let options = Options::new().backend(Backend::Memory).background(false);
        let db = RealityDb::open("unused", &options).unwrap();
        // Keys of maps are strings in JSON.
        let refused = db.put_as(b"key", &BTreeMap::from([((1, 2), 3)]), Encoding::Json);
        assert!(matches!(refused, Err(CommitError::Encode { key, .. }) if key == b"key"));
        assert_eq!(db.version().number, 0);
    }

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
