//! Keys and entity tags as they come in requests.

use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;
use reality_db::Snapshot;

use crate::problem::{Kind, Problem};

/// A key from a query.
pub(super) struct Key(pub(super) Vec<u8>);

impl Key {
    /// From text or digits; one of them, not both.
    pub(super) fn read(text: Option<String>, digits: Option<String>) -> Result<Self, Problem> {
        match (text, digits) {
            (Some(text), None) => Ok(Self(text.into_bytes())),
            (None, Some(digits)) => Self::from_hex(&digits),
            (None, None) => Err(Problem::new(
                Kind::BadRequest,
                "name a key: `key`, or `key_hex`",
            )),
            (Some(_), Some(_)) => Err(Problem::new(
                Kind::BadRequest,
                "name one key: `key` or `key_hex`, not both",
            )),
        }
    }

    /// The same, and no key at all where none is named.
    pub(super) fn read_or_all(
        text: Option<String>,
        digits: Option<String>,
    ) -> Result<Self, Problem> {
        if text.is_none() && digits.is_none() {
            return Ok(Self(Vec::new()));
        }
        Self::read(text, digits)
    }

    pub(super) fn from_hex(digits: &str) -> Result<Self, Problem> {
        let bad = || {
            Problem::new(
                Kind::BadRequest,
                "a key in hexadecimal has digits 0-9 and a-f, two a byte",
            )
        };
        hex::decode(digits).map(Self).map_err(|_| bad())
    }
}

/// The first key behind all that begin with `prefix`; none where there is no end.
pub(super) fn behind(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

pub(super) fn tag(snapshot: &Snapshot) -> String {
    let version = snapshot.version();
    format!("\"{}-{}\"", version.number, version.root)
}

/// Whether the caller has the answer already.
pub(super) fn is_known(headers: &HeaderMap, snapshot: &Snapshot) -> bool {
    let Some(known) = headers
        .get(IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok())
    else {
        return false;
    };
    let tag = tag(snapshot);
    known
        .split(',')
        .any(|one| one.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_behind_a_prefix_is_the_first_without_it() {
        assert_eq!(behind(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(behind(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(behind(b"\xff"), None);
        assert_eq!(behind(b""), None);
    }
}
