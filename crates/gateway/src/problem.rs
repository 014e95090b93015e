//! What went wrong, told to the caller: RFC 9457, `application/problem+json`.

mod map;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// An error as callers see it. What only the operator may know goes to the log instead.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "/docs/problems#not-found",
    "title": "Not found",
    "status": 404,
    "code": "not-found",
    "detail": "there is no execution tx-17"
}))]
pub(crate) struct Problem {
    /// Where the kind of problem is explained, on this server.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in a few words; the same for all of its kind.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The kind of problem, for programs.
    code: &'static str,
    /// What it was this time, and what to do next where there is something.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

/// The kinds of problem. Each is one status, one title and one code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Timeout,
    Conflict,
    Gone,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    Misdirected,
    Unprocessable,
    TooManyRequests,
    Internal,
    Busy,
    Panic,
    Stopping,
    Damaged,
}

impl Kind {
    pub(crate) const ALL: &[Self] = &[
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::Conflict,
        Self::Gone,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::RangeNotSatisfiable,
        Self::Misdirected,
        Self::Unprocessable,
        Self::TooManyRequests,
        Self::Internal,
        Self::Damaged,
        Self::Busy,
        Self::Panic,
        Self::Stopping,
    ];

    /// Status, code and title.
    pub(crate) fn facts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest => (S::BAD_REQUEST, "bad-request", "Bad request"),
            Self::Unauthorized => (S::UNAUTHORIZED, "unauthorized", "A token is needed"),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "Not allowed"),
            Self::NotFound => (S::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method", "Method not allowed"),
            Self::Timeout => (S::REQUEST_TIMEOUT, "timeout", "Too slow"),
            Self::Conflict => (S::CONFLICT, "conflict", "Conflict"),
            Self::Gone => (S::GONE, "gone", "No longer kept"),
            Self::PreconditionFailed => (
                S::PRECONDITION_FAILED,
                "precondition",
                "Precondition failed",
            ),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            Self::UnsupportedMediaType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "Unsupported media type",
            ),
            Self::RangeNotSatisfiable => (S::RANGE_NOT_SATISFIABLE, "range", "Behind the end"),
            Self::Misdirected => (
                S::MISDIRECTED_REQUEST,
                "misdirected",
                "Not this server's name",
            ),
            Self::Unprocessable => (
                S::UNPROCESSABLE_ENTITY,
                "unprocessable",
                "Not acceptable as it is",
            ),
            Self::TooManyRequests => (S::TOO_MANY_REQUESTS, "rate", "Too many requests"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "busy", "Busy"),
            Self::Panic => (
                S::SERVICE_UNAVAILABLE,
                "panic",
                "Panic mode: writes are refused",
            ),
            Self::Stopping => (S::SERVICE_UNAVAILABLE, "stopping", "The server is stopping"),
            Self::Damaged => (
                S::INTERNAL_SERVER_ERROR,
                "damaged",
                "Stored data is damaged",
            ),
        }
    }
}

impl Problem {
    /// A problem of `kind`; `detail` is for whoever asked.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, code, title) = kind.facts();
        Self {
            kind: format!("/docs/problems#{code}"),
            title,
            status: status.as_u16(),
            code,
            detail: detail.into(),
            retry_after_s: match kind {
                Kind::Busy | Kind::TooManyRequests => Some(1),
                Kind::Stopping => Some(10),
                _ => None,
            },
        }
    }

    /// A failure that is not the caller's: the cause goes to the log, and nothing of it outside.
    pub(crate) fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(cause = %chain(cause), "request failed");
        Self::new(
            Kind::Internal,
            "the cause is in the server's log, under this request id",
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default(); // strings and a number: always JSON
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        let media = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, media);
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Bearer realm=\"diotec360\"");
            headers.insert(WWW_AUTHENTICATE, realm);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_problem_json_with_what_its_status_asks_for() {
        let response = Problem::new(Kind::Unauthorized, "").into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
        let busy = Problem::new(Kind::Busy, "").into_response();
        assert_eq!(busy.headers()[RETRY_AFTER], "1");
    }

    #[test]
    fn keeps_an_internal_cause_to_itself() {
        let cause = std::io::Error::other("/secret/path");
        let text = serde_json::to_string(&Problem::internal(&cause)).unwrap();
        assert!(!text.contains("secret"), "{text}");
    }
}
