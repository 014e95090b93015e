//! A name for each request, in its answer and in every line of the log about it.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const LENGTH_MAX: usize = 64;

/// Names that no two requests share: a random start, and a count.
#[derive(Debug)]
pub(crate) struct RequestIds {
    start: u64,
    count: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self {
            start: getrandom::u64()?,
            count: AtomicU64::new(0),
        })
    }

    /// The caller's own name for the request where it gave a harmless one, or else a new one.
    pub(crate) fn name(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(given) = headers.get(REQUEST_ID).filter(|given| is_harmless(given)) {
            return given.clone();
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:016x}-{count:x}", self.start);
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("0")) // digits and a hyphen
    }
}

fn is_harmless(value: &HeaderValue) -> bool {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=LENGTH_MAX).contains(&value.len()) && value.as_bytes().iter().all(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_callers_name_unless_it_could_hurt_a_log() {
        let ids = RequestIds::new().unwrap();
        let named = |name: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_static(name));
            ids.name(&headers)
        };
        assert_eq!(named("trace-1.a_B"), "trace-1.a_B");
        for name in ["", "a b", "\"", "a\u{9}b"] {
            assert_ne!(named(name), name);
        }
        assert_ne!(named(""), named(""));
    }
}
