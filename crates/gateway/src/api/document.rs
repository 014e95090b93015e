//! The OpenAPI document, and answers for what is not in it.

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

use super::App;
use crate::auth::Scope;
use crate::problem::{Kind, Problem};

/// Name of the scheme by which a token is shown.
const SCHEME: &str = "token";

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

/// Says of operations which scope they need; none where a loopback server has no tokens.
pub(super) fn secure(document: &mut OpenApi, scope: Scope) {
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
        ];
        for operation in operations.into_iter().filter_map(Option::as_mut) {
            let none = SecurityRequirement::default();
            let token = SecurityRequirement::new(SCHEME, [scope.name()]);
            operation.security = Some(vec![none, token]);
        }
    }
}

/// The document as it is served: with the security scheme, what any operation may refuse, and the kinds of
/// problem.
pub(super) fn finish(mut document: OpenApi) -> Arc<str> {
    let mut components = document.components.take().unwrap_or_default();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme(SCHEME, bearer);
    let problem = ("Problem".to_owned(), Problem::schema());
    components.schemas.extend([problem]);
    document.components = Some(components);
    let mut document = serde_json::to_value(&document).unwrap_or_default(); // made of strings and numbers
    let mut paths = Map::new();
    for (path, mut item) in taken(&mut document, "paths") {
        let operations = item.as_object_mut().into_iter().flat_map(Map::values_mut);
        for operation in operations.filter_map(Value::as_object_mut) {
            add_refusals(operation);
            if let Some(body) = operation.get_mut("requestBody") {
                let is_blob = body.pointer("/content/application~1octet-stream").is_some();
                body["required"] = (!is_blob).into(); // no bytes are a blob too
            }
        }
        // A path of several elements has no form of its own in OpenAPI.
        paths.insert(path.replace("{*", "{"), item);
    }
    document["paths"] = paths.into();
    name_unsigned(&mut document);
    if let Value::Object(fields) = &mut document {
        fields.insert("x-problems".to_owned(), problems());
    }
    document.to_string().into()
}

/// A member of an object, taken out of it; empty if there is none.
fn taken(object: &mut Value, name: &str) -> Map<String, Value> {
    match object.get_mut(name).map(Value::take) {
        Some(Value::Object(member)) => member,
        _ => Map::new(),
    }
}

/// Says of numbers that are not negative that they have 64 bits without a sign: `int64` ends at the half.
fn name_unsigned(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let has = |name: &str, wanted: Value| fields.get(name) == Some(&wanted);
            if has("format", "int64".into()) && has("minimum", 0.into()) {
                fields.insert("format".to_owned(), "uint64".into());
            }
            fields.values_mut().for_each(name_unsigned);
        }
        Value::Array(items) => items.iter_mut().for_each(name_unsigned),
        _ => {}
    }
}

/// The refusals that follow from what an operation is; one that says a refusal itself keeps its words.
fn add_refusals(operation: &mut Map<String, Value>) {
    let takes = |name: &str| operation.get(name).is_some();
    let mut kinds = vec![
        Kind::Timeout,
        Kind::Misdirected,
        Kind::TooManyRequests,
        Kind::Internal,
        Kind::Busy,
    ];
    if takes("parameters") || takes("requestBody") {
        kinds.push(Kind::BadRequest);
    }
    if takes("requestBody") {
        kinds.extend([
            Kind::TooLarge,
            Kind::UnsupportedMediaType,
            Kind::Unprocessable,
        ]);
    }
    if takes("security") {
        kinds.extend([Kind::Unauthorized, Kind::Forbidden]);
    }
    let Some(responses) = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    for kind in kinds {
        let (status, _, title) = kind.facts();
        responses
            .entry(status.as_str())
            .or_insert_with(|| json!({ "description": title }));
    }
    let refusals = responses
        .iter_mut()
        .filter(|(status, _)| status.starts_with(['4', '5']));
    for answer in refusals.filter_map(|(_, answer)| answer.as_object_mut()) {
        answer.entry("content").or_insert_with(
            || json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }),
        );
    }
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
