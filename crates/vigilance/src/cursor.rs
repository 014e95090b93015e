//! Where a page ends.

use std::fmt;
use std::str::FromStr;

use merkle_core::log_leaf_hash;

use crate::filter::Filter;

/// A place between two records of a filtered list, from which pages go on in both directions.
///
/// It stays valid for ever, whatever is appended. As a text it is opaque: it names the filter it was
/// made for by a digest, and a changed text is refused. It holds no secret, and a forged one opens
/// nothing: it is no more than a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    filter: [u8; DIGEST_BYTES],
    pub(crate) place: Place,
}

/// A record's place in the order of a list: time, then log. Lists of a text query are in the order
/// of the log: their time is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) event_ns: i64,
    pub(crate) index: i64,
}

/// Why a text is not a cursor, or a cursor not one of this filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The text is no cursor, or was changed.
    #[error("not a cursor")]
    NotACursor,
    /// It was made by another version of this library.
    #[error("a cursor of version {version} is not known here")]
    UnknownVersion {
        /// The version that it names.
        version: u8,
    },
    /// It was made for another filter.
    #[error("the cursor belongs to another filter")]
    OtherFilter,
}

impl Cursor {
    pub(crate) fn new(filter: &Filter, place: Place) -> Self {
        Self {
            filter: digest(filter.canonical().as_bytes()),
            place,
        }
    }

    /// The place, if it is one in the list of this filter.
    pub(crate) fn place_in(&self, filter: &Filter) -> Result<Place, CursorError> {
        if self.filter != digest(filter.canonical().as_bytes()) {
            return Err(CursorError::OtherFilter);
        }
        Ok(self.place)
    }

    fn content(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.filter);
        bytes.extend_from_slice(&self.place.event_ns.to_be_bytes());
        bytes.extend_from_slice(&self.place.index.to_be_bytes());
        bytes
    }
}

/// Hexadecimal.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = self.content();
        let checksum = digest(&content);
        content
            .iter()
            .chain(&checksum)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads exactly what `Display` writes.
impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes = from_hex(text).ok_or(CursorError::NotACursor)?;
        let (content, checksum) =
            (bytes.split_last_chunk::<DIGEST_BYTES>()).ok_or(CursorError::NotACursor)?;
        if digest(content) != *checksum {
            return Err(CursorError::NotACursor);
        }
        match content {
            [VERSION, rest @ ..] => Self::read(rest).ok_or(CursorError::NotACursor),
            [version, ..] => Err(CursorError::UnknownVersion { version: *version }),
            [] => Err(CursorError::NotACursor),
        }
    }
}

impl Cursor {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (filter, bytes) = bytes.split_first_chunk()?;
        let (event_ns, bytes) = bytes.split_first_chunk()?;
        let index = bytes.try_into().ok()?;
        let place = Place {
            event_ns: i64::from_be_bytes(*event_ns),
            index: i64::from_be_bytes(index),
        };
        (place.event_ns >= 0 && place.index >= 0).then_some(Self {
            filter: *filter,
            place,
        })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let byte = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    (text.len() <= 2 * BYTES_MAX).then(|| pairs.iter().map(byte).collect())?
}

fn digest(content: &[u8]) -> [u8; DIGEST_BYTES] {
    let hash = log_leaf_hash(content);
    let (first, _) = (hash.as_bytes().split_first_chunk()).expect("a hash has 32 bytes");
    *first
}

const VERSION: u8 = 1;
const DIGEST_BYTES: usize = 8;
const BYTES_MAX: usize = 64;
