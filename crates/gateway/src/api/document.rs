//! The OpenAPI document, and answers for what is not in it.

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

use super::App;
use crate::problem::{Kind, Problem};

/// The document before any operation is in it.
pub(super) fn base() -> OpenApi {
    let licence = LicenseBuilder::new()
        .name("MIT OR Apache-2.0")
        .identifier(Some("MIT OR Apache-2.0"));
    let info = InfoBuilder::new()
        .title("DIOTEC 360 persistence")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("State, code and history, and the proofs of them."))
        .license(Some(licence.build()));
    OpenApiBuilder::new().info(info.build()).build()
}

/// The document as it is served: with the security scheme and the kinds of problem.
pub(super) fn finish(mut document: OpenApi) -> Arc<str> {
    let mut components = document.components.take().unwrap_or_default();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme("token", bearer);
    document.components = Some(components);
    let none = SecurityRequirement::default(); // a loopback server may need no token
    let token = SecurityRequirement::new("token", Vec::<String>::new());
    document.security = Some(vec![none, token]);
    let mut document = serde_json::to_value(&document).unwrap_or_default(); // made of strings and numbers
    if let Value::Object(fields) = &mut document {
        fields.insert("x-problems".to_owned(), problems());
    }
    document.to_string().into()
}

fn problems() -> Value {
    let kinds = Kind::ALL.iter().map(|kind| {
        let (status, code, title) = kind.facts();
        json!({ "code": code, "status": status.as_u16(), "title": title })
    });
    kinds.collect()
}

pub(super) fn routes(document: &Arc<str>) -> Router<App> {
    let document = Arc::clone(document);
    let serve = move || async move { ([(CONTENT_TYPE, "application/json")], document.to_string()) };
    Router::new().route("/openapi.json", get(serve))
}

pub(super) async fn not_found() -> impl IntoResponse {
    Problem::new(Kind::NotFound, "there is nothing here: see /docs")
}

pub(super) async fn method_not_allowed() -> impl IntoResponse {
    Problem::new(
        Kind::MethodNotAllowed,
        "see /docs for what may be asked here",
    )
}
