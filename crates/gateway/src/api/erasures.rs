//! Erasing texts of the audit trail.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::State;
use persistence::Erasure;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::auth::Principal;
use crate::clock::now_ns;
use crate::extract::Json;
use crate::problem::{Kind, Problem};

pub(super) fn admin_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(erase))
}

/// Which texts are to be erased: those of some records, or those about a subject.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"subject": "mallory@example.com"}))]
struct ErasureRequest {
    /// Places in the log.
    #[schema(max_items = 10_000)]
    records: Option<BTreeSet<u64>>,
    /// A person, or whatever the records call their subject.
    subject: Option<String>,
}

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
struct ErasedBody {
    /// How many records had texts, and have none any more.
    records: u64,
    /// Where the log says so.
    redactions: Vec<u64>,
    /// Whether no copy is left in any file of the trail; if not, a reader was in the way: ask once more.
    scrubbed: bool,
}

/// Erases texts for good: the log says that they are gone, salts and texts are overwritten.
///
/// Leaves, roots, receipts and proofs stay as they are. Only texts that were recorded as erasable can be
/// erased: `code_snippet`, `metadata` and `subject` of attacks that came with `erasable`.
#[utoipa::path(post, path = "/api/v1/audit/erasures", tag = "audit", request_body = ErasureRequest, responses(
    (status = 200, description = "What was erased; nothing, if there was nothing", body = ErasedBody),
    (status = 404, description = "The log has no such record"),
    (status = 422, description = "Neither records nor a subject, or both"),
))]
async fn erase(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    Json(request): Json<ErasureRequest>,
) -> Result<Json<ErasedBody>, Problem> {
    let erasure = match (request.records, request.subject) {
        (Some(records), None) if (1..=10_000).contains(&records.len()) => Erasure::Records(records),
        (None, Some(subject)) if !subject.is_empty() => Erasure::Subject(subject),
        _ => {
            let bad = "name 1 to 10,000 records, or a subject, and not both";
            return Err(Problem::new(Kind::Unprocessable, bad));
        }
    };
    app.blocking(move |app| {
        let erased = app.store.erase(&erasure, now_ns())?;
        // Never whom it was about: that is what was to be forgotten.
        let count = erased.records.len() as u64;
        let what = format!("texts of {count} records erased");
        app.note(&principal.label(), &what);
        Ok(Json(ErasedBody {
            records: count,
            redactions: erased.redactions,
            scrubbed: erased.is_scrubbed,
        }))
    })
    .await
}
