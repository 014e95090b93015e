//! The part of a blob that a request asks for: `Range` and `If-Range` of RFC 9110.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{IF_RANGE, RANGE};

/// What to send of a blob.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Some(Range<u64>),
    /// Nothing: it ends before what was asked for.
    None,
}

impl Part {
    /// What `headers` ask for of a blob of `bytes` bytes with this entity tag. What is not understood, and
    /// more than one range, means all of it, as the standard allows.
    pub(super) fn asked(headers: &HeaderMap, bytes: u64, tag: &str) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let same = text(IF_RANGE).is_none_or(|condition| condition == tag);
        let range = text(RANGE).and_then(|range| range.strip_prefix("bytes="));
        match range.filter(|_| same).and_then(bounds) {
            None => Self::Whole,
            Some(Bounds::Last(0)) => Self::None,
            Some(Bounds::Last(count)) if bytes > 0 => {
                Self::Some(bytes.saturating_sub(count)..bytes)
            }
            Some(Bounds::Last(_)) => Self::None,
            Some(Bounds::From(first, _)) if first >= bytes => Self::None,
            Some(Bounds::From(first, last)) => {
                let end = last.map_or(bytes, |last| last.saturating_add(1).min(bytes));
                Self::Some(first..end)
            }
        }
    }
}

enum Bounds {
    /// From a place on, to another one if that is said.
    From(u64, Option<u64>),
    /// So many at the end.
    Last(u64),
}

/// Reads `a-b`, `a-` or `-n`.
fn bounds(range: &str) -> Option<Bounds> {
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // What is too large for us lies behind every blob.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) => (first <= last).then_some(Bounds::From(first, Some(last))),
        (Some(first), None) if last.is_empty() => Some(Bounds::From(first, None)),
        (None, Some(count)) if first.is_empty() => Some(Bounds::Last(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked(range: &'static str, bytes: u64) -> Part {
        let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static(range))]);
        Part::asked(&headers, bytes, "\"t\"")
    }

    #[test]
    fn parts_are_within_the_blob() {
        assert_eq!(asked("bytes=0-0", 10), Part::Some(0..1));
        assert_eq!(asked("bytes=2-", 10), Part::Some(2..10));
        assert_eq!(asked("bytes=2-99", 10), Part::Some(2..10));
        assert_eq!(asked("bytes=-3", 10), Part::Some(7..10));
        assert_eq!(asked("bytes=-30", 10), Part::Some(0..10));
        assert_eq!(
            asked("bytes=9-99999999999999999999999", 10),
            Part::Some(9..10)
        );
        for behind in [
            "bytes=10-",
            "bytes=10-12",
            "bytes=-0",
            "bytes=99999999999999999999999-",
        ] {
            assert_eq!(asked(behind, 10), Part::None, "{behind}");
        }
        assert_eq!(asked("bytes=0-", 0), Part::None);
        assert_eq!(asked("bytes=-1", 0), Part::None);
    }

    #[test]
    fn what_is_no_single_range_means_all() {
        for odd in [
            "bytes=3-2",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "lines=1-2",
            "bytes=+1-2",
        ] {
            assert_eq!(asked(odd, 10), Part::Whole, "{odd}");
        }
        let mut headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=0-0"))]);
        headers.insert(IF_RANGE, HeaderValue::from_static("\"other\""));
        assert_eq!(Part::asked(&headers, 10, "\"t\""), Part::Whole);
        headers.insert(IF_RANGE, HeaderValue::from_static("\"t\""));
        assert_eq!(Part::asked(&headers, 10, "\"t\""), Part::Some(0..1));
    }
}
