//! Reports over a period, with the proof that nothing was left out.

use axum::Extension;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vigilance::{Coverage, ReportKind, ReportRequest};

use super::App;
use crate::auth::Principal;
use crate::clock::{now_ns, parse_rfc3339};
use crate::extract::{Json, Path};
use crate::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(make))
        .routes(routes!(file))
}

/// About what, and when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"kind": "compliance", "from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}))]
struct ReportBody {
    /// About what.
    kind: About,
    /// What happened from this time on, in RFC 3339.
    from: String,
    /// What happened before this time, in RFC 3339; now otherwise.
    until: Option<String>,
    /// A title, on one line.
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// Whether the proof is to hold all of the log, so that nobody's statement is needed for completeness.
    #[serde(default)]
    whole_log: bool,
}

/// About what a report is.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum About {
    /// Executions: success, latency, intents, refusing layers.
    Executions,
    /// Attacks: types, categories, layers, severity.
    Attacks,
    /// Everything: totals, what happened to the system, whether the state's roots join.
    Compliance,
}

/// Where the files of a report are.
#[derive(Debug, Serialize, ToSchema)]
struct ReportFiles {
    /// Its number.
    id: u64,
    /// The signed statement: what the report is about, and the hashes of its files.
    statement: String,
    /// One JSON object.
    json: String,
    /// A table.
    csv: String,
    /// A page for the screen and for paper.
    html: String,
    /// What `diotec360 verify-report` checks the others with.
    proof: String,
}

/// Makes a report over a period. Its files are there for a while: the newest sixteen reports are kept.
#[utoipa::path(post, path = "/api/v1/reports", tag = "audit", request_body = ReportBody, responses(
    (status = 201, description = "The report; `Location` is that of its JSON", body = ReportFiles),
    (status = 422, description = "No times or no title, or a period of too many records"),
))]
async fn make(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    Json(body): Json<ReportBody>,
) -> Result<Response, Problem> {
    let time = |text: &str| {
        let bad = "a time is written as 2026-11-29T08:00:00Z";
        parse_rfc3339(text).ok_or_else(|| Problem::new(Kind::Unprocessable, bad))
    };
    let now = now_ns();
    let until = body.until.as_deref().map_or(Ok(now), time)?;
    let kind = match body.kind {
        About::Executions => ReportKind::Executions,
        About::Attacks => ReportKind::Attacks,
        About::Compliance => ReportKind::Compliance,
    };
    let mut request = ReportRequest::new(kind, time(&body.from)?, until, now);
    if let Some(title) = &body.title {
        request = request.title(title);
    }
    if body.whole_log {
        request = request.coverage(Coverage::WholeLog);
    }
    app.blocking(move |app| {
        app.store.catch_up()?;
        let report = app.store.audit().report(&request)?;
        let made = app.reports.keep(kind.as_str(), report);
        app.note(
            &principal.label(),
            &format!("report {} on {kind} made", made.id),
        );
        let place = |ending: &str| format!("/api/v1/reports/{}/{ending}", made.id);
        let body = ReportFiles {
            id: made.id,
            statement: made.report.statement.clone(),
            json: place("json"),
            csv: place("csv"),
            html: place("html"),
            proof: place("proof"),
        };
        let location = [(LOCATION, body.json.clone())];
        Ok((StatusCode::CREATED, location, Json(body)).into_response())
    })
    .await
}

/// A file of a report.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Ending {
    Json,
    Csv,
    Html,
    Proof,
}

/// A file of a report that was made.
#[utoipa::path(get, path = "/api/v1/reports/{id}/{file}", tag = "audit", params(
    ("id" = u64, Path, description = "The report's number", example = 1),
    ("file" = inline(Ending), Path, description = "Which file", example = "json"),
), responses(
    (status = 200, description = "The file", content(
        (Object = "application/json"), (String = "text/csv"), (String = "text/html"), (Vec<u8> = "application/octet-stream"),
    )),
    (status = 404, description = "There is no such report, or no longer"),
))]
async fn file(
    State(app): State<App>,
    Path((id, ending)): Path<(u64, Ending)>,
) -> Result<Response, Problem> {
    let missing = || Problem::new(Kind::NotFound, "there is no such report, or no longer");
    let made = app.reports.get(id).ok_or_else(missing)?;
    let report = &made.report;
    let (media, ending, bytes) = match ending {
        Ending::Json => ("application/json", "json", report.json.as_bytes()),
        Ending::Csv => ("text/csv; charset=utf-8", "csv", report.csv.as_bytes()),
        Ending::Html => ("text/html; charset=utf-8", "html", report.html.as_bytes()),
        Ending::Proof => ("application/octet-stream", "proof", &report.proof[..]),
    };
    let name = format!("attachment; filename=\"{}-{id}.{ending}\"", made.kind);
    let mut response = ([(CONTENT_TYPE, media)], bytes.to_vec()).into_response();
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
