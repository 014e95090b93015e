//! The dashboard's files, in the binary.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

/// A file that is served as it was built in.
#[derive(Debug)]
struct Asset {
    path: &'static str,
    media: &'static str,
    bytes: &'static [u8],
}

/// Embeds files under `assets/`, by their media type.
macro_rules! assets {
    ($($media:literal: $($path:literal),+ $(,)?;)+) => {
        &[$($(Asset {
            path: $path,
            media: $media,
            bytes: include_bytes!(concat!("../assets/", $path)),
        }),+),+]
    };
}

static ASSETS: &[Asset] = assets! {
    "text/html; charset=utf-8": "index.html", "docs.html";
    "text/css; charset=utf-8": "style.css";
    "image/svg+xml": "icon.svg";
    "text/javascript; charset=utf-8":
        "app.js", "docs.js", "theme.js",
        "lib/api.js", "lib/chart.js", "lib/dom.js", "lib/format.js", "lib/i18n.js", "lib/print.js",
        "lib/words-en.js", "lib/words-pt.js",
        "verify/audit.js",
        "verify/bytes.js", "verify/file.js", "verify/hash.js", "verify/log.js", "verify/map.js",
        "verify/note.js", "verify/receipt.js",
        "verify/record.js", "verify/seal.js", "verify/state.js",
        "verify/transition.js",
        "view/jobs.js", "view/judge.js", "view/log.js", "view/operations.js", "view/overview.js",
        "view/panic.js", "view/parts.js", "view/record.js", "view/recovery.js", "view/seals.js", "view/state.js", "view/system.js", "view/token.js",
        "view/verify.js";
};

/// One tag for all files: they are replaced together, with the binary.
static TAG: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = ASSETS
        .iter()
        .fold(Sha256::new(), |hash, asset| hash.chain_update(asset.bytes));
    let mut text = String::from("\"");
    for byte in &digest.finalize()[..12] {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
    }
    text.push('"');
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("\"assets\""))
});

/// Routes to every file; `/` and `/docs` are pages.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new();
    for asset in ASSETS {
        let path = match asset.path {
            "index.html" => "/".to_owned(),
            "docs.html" => "/docs".to_owned(),
            path => format!("/{path}"),
        };
        router = router.route(
            &path,
            get(move |headers: HeaderMap| async move { serve(asset, &headers) }),
        );
    }
    router
}

fn serve(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let known = headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known == *TAG);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        asset.bytes.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, TAG.clone());
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn files(folder: &Path, prefix: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                found.extend(files(&entry.path(), &format!("{name}/")));
            } else {
                found.insert(name);
            }
        }
        found
    }

    #[test]
    fn every_file_of_the_folder_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        let embedded = ASSETS.iter().map(|asset| asset.path.to_owned());
        assert_eq!(embedded.collect::<BTreeSet<_>>(), files(&folder, ""));
    }

    #[test]
    fn no_file_asks_another_host_or_holds_what_the_policy_forbids() {
        for asset in ASSETS {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for banned in [
                "http://",
                "https://",
                "innerHTML",
                "eval(",
                "style=\"",
                "onclick=\"",
                "<style",
            ] {
                assert!(!text.contains(banned), "{}: {banned}", asset.path);
            }
        }
    }
}
