//! Pages: how many items, where the next one begins, and the links that say so.

use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};

use crate::problem::{Kind, Problem};

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
pub(crate) fn linked(
    answer: impl IntoResponse,
    uri: &Uri,
    parameter: &str,
    next: Option<&str>,
) -> Response {
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
    fn a_limit_is_within_its_bounds() {
        assert_eq!(limit(None, 25, 100).unwrap(), 25);
        assert_eq!(limit(Some(100), 25, 100).unwrap(), 100);
        assert!(limit(Some(0), 25, 100).is_err());
        assert!(limit(Some(101), 25, 100).is_err());
    }
}
