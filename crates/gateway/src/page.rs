//! Pages: how many items, where the next one begins, and the links that say so.

use std::ops::Range;

use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::Json;
use crate::problem::{Kind, Problem};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items; perhaps fewer than asked for, or none, while there are more behind `next`.
    pub(crate) items: Vec<T>,
    /// The cursor of the next page; none on the last one.
    pub(crate) next: Option<String>,
}

impl<T: Serialize> Page<T> {
    /// The page as an answer to `uri`, with a `Link` to the next one: the same address with its cursor in
    /// `parameter`.
    pub(crate) fn answer(self, uri: &Uri, parameter: &str) -> Response {
        let next = self.next.clone();
        linked(Json(self), uri, parameter, next.as_deref())
    }
}

/// The page of a numbered list that ends before `before`, newest items first: which numbers of `all` it
/// has, and where the next one ends.
pub(crate) fn below(
    before: Option<u64>,
    limit: usize,
    all: Range<u64>,
) -> (Range<u64>, Option<String>) {
    let end = before.map_or(all.end, |before| before.clamp(all.start, all.end));
    let first = end.saturating_sub(limit as u64).max(all.start);
    (first..end, (first > all.start).then(|| first.to_string()))
}

/// How many items a page may have: what was asked for, within bounds.
pub(crate) fn limit(asked: Option<u64>, default: usize, most: usize) -> Result<usize, Problem> {
    let Some(asked) = asked else {
        return Ok(default);
    };
    let asked = usize::try_from(asked).unwrap_or(usize::MAX);
    if (1..=most).contains(&asked) {
        Ok(asked)
    } else {
        Err(Problem::new(
            Kind::BadRequest,
            format!("limit is 1 to {most}"),
        ))
    }
}

/// Adds a `Link` to the next page: this request's address with `parameter` set to `next`.
fn linked(answer: impl IntoResponse, uri: &Uri, parameter: &str, next: Option<&str>) -> Response {
    let mut response = answer.into_response();
    if let Some(next) = next {
        let link = format!("<{}>; rel=\"next\"", with_parameter(uri, parameter, next));
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(LINK, link);
        }
    }
    response
}

fn with_parameter(uri: &Uri, parameter: &str, value: &str) -> String {
    let begins = format!("{parameter}=");
    let kept = uri.query().unwrap_or_default().split('&');
    let kept = kept.filter(|pair| !pair.is_empty() && !pair.starts_with(&begins));
    let pairs: Vec<_> = kept
        .map(str::to_owned)
        .chain([format!("{parameter}={value}")])
        .collect();
    format!("{}?{}", uri.path(), pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_everything_but_the_cursor() {
        let uri: Uri = "/api/v1/audit/records?kind=attack&before=9&limit=5"
            .parse()
            .unwrap();
        let response = linked((), &uri, "before", Some("4"));
        let link = response.headers()[LINK].to_str().unwrap();
        assert_eq!(
            link,
            "</api/v1/audit/records?kind=attack&limit=5&before=4>; rel=\"next\""
        );
        assert!(
            !linked((), &uri, "before", None)
                .headers()
                .contains_key(LINK)
        );
    }

    #[test]
    fn pages_of_numbers_end_where_the_one_before_began() {
        let (page, next) = below(None, 4, 3..10);
        assert_eq!((page, next.as_deref()), (6..10, Some("6")));
        let (page, next) = below(Some(6), 4, 3..10);
        assert_eq!((page, next), (3..6, None));
        assert_eq!(below(Some(99), 4, 0..0), (0..0, None));
        assert_eq!(below(Some(0), 4, 3..10), (3..3, None));
    }

    #[test]
    fn a_limit_is_within_its_bounds() {
        assert_eq!(limit(None, 25, 100).unwrap(), 25);
        assert_eq!(limit(Some(100), 25, 100).unwrap(), 100);
        assert!(limit(Some(0), 25, 100).is_err());
        assert!(limit(Some(101), 25, 100).is_err());
    }
}
