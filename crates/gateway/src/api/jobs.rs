//! Jobs: what runs on after the request that began it, and how far it is.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::status::CauseBody;
use crate::auth::Principal;
use crate::clock::{now_ns, rfc3339};
use crate::extract::{Json, Path};
use crate::jobs::{Job, JobKind, Progress, Standing};
use crate::page::Page;
use crate::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
}

pub(super) fn admin_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(verify))
        .routes(routes!(cancel))
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": 1, "kind": "verify", "status": "running", "started": "2026-11-29T08:00:00.000Z", "ended": null,
    "progress": [{"store": "state", "done": 120, "total": 480}], "left_s": 3.5, "result": null, "problem": null
}))]
pub(super) struct JobBody {
    /// Its number.
    id: u64,
    /// `verify` or `backup`.
    kind: &'static str,
    /// `running`, `done`, `failed` or `cancelled`.
    status: &'static str,
    /// When it was begun.
    started: String,
    /// When it ended.
    ended: Option<String>,
    /// How far it is, by store.
    progress: Vec<ProgressBody>,
    /// Seconds that it will still take, if it goes on as fast as it went.
    left_s: Option<f64>,
    /// What it came to, once it is done.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// Why it failed.
    problem: Option<Problem>,
}

/// How far a job is in one store.
#[derive(Debug, Serialize, ToSchema)]
struct ProgressBody {
    /// The store.
    store: String,
    /// How much is done.
    done: u64,
    /// How much there is.
    total: u64,
}

impl JobBody {
    fn of(job: &Job) -> Self {
        let standing = job.standing();
        let (result, problem) = match standing.outcome.clone() {
            None => (None, None),
            Some(Ok(result)) => (Some(result), None),
            Some(Err(problem)) => (None, Some(problem)),
        };
        let status = match (&result, &problem) {
            (None, None) => "running",
            (Some(_), _) => "done",
            (None, Some(_)) if job.is_cancelled() => "cancelled",
            (None, Some(_)) => "failed",
        };
        let progress = standing.progress.iter().map(|progress| ProgressBody {
            store: progress.store.to_string(),
            done: progress.done,
            total: progress.total,
        });
        Self {
            id: job.id,
            kind: job.kind.name(),
            status,
            started: rfc3339(job.started_ns),
            ended: standing.ended_ns.map(rfc3339),
            progress: progress.collect(),
            left_s: seconds_left(job.started_ns, &standing),
            result,
            problem,
        }
    }
}

/// What is left by what the slowest store took so far.
#[expect(clippy::cast_precision_loss, reason = "a guess, for people")]
fn seconds_left(started_ns: u64, standing: &Standing) -> Option<f64> {
    if standing.outcome.is_some() {
        return None;
    }
    let took = now_ns().saturating_sub(started_ns) as f64 / 1e9;
    let left = standing.progress.iter().filter(|one| one.done > 0);
    let left = left.map(|one| took * one.total.saturating_sub(one.done) as f64 / one.done as f64);
    left.reduce(f64::max)
}

impl JobKind {
    fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Verify => "verify",
        }
    }
}

impl App {
    /// Begins a job on a thread of its own, on behalf of `principal`; says where to ask for it.
    pub(super) fn start(
        &self,
        kind: JobKind,
        principal: &Principal,
        work: impl FnOnce(&Self, &Job) -> Result<Value, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let busy = |running: Arc<Job>| {
            let running = format!("job {} is doing that already", running.id);
            Problem::new(Kind::Conflict, running)
        };
        let job = self.jobs.begin(kind).map_err(busy)?;
        let body = JobBody::of(&job);
        let (app, who) = (self.clone(), principal.label());
        tokio::task::spawn_blocking(move || {
            app.note(&who, &format!("{} begun, job {}", kind.name(), job.id));
            let outcome = catch_unwind(AssertUnwindSafe(|| work(&app, &job)));
            // A job that never ended would keep others of its kind from being begun.
            job.end(outcome.unwrap_or_else(|_| {
                tracing::error!(job = job.id, "a job panicked");
                Err(Problem::new(Kind::Internal, ""))
            }));
        });
        let place = [(LOCATION, format!("/api/v1/jobs/{}", body.id))];
        Ok((StatusCode::ACCEPTED, place, Json(body)).into_response())
    }

    /// Whether a job is to go on, once it is told how far it is.
    pub(super) fn go_on(&self, job: &Job, progress: Progress) -> ControlFlow<()> {
        job.tell(progress);
        if job.is_cancelled() || *self.shell.stopping.borrow() {
            job.cancel();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn job(&self, id: u64) -> Result<Arc<Job>, Problem> {
        let missing = || Problem::new(Kind::NotFound, "there is no such job, or no longer");
        self.jobs.get(id).ok_or_else(missing)
    }
}

/// The jobs since the server was started, the newest first; those that ended long ago are forgotten.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "operations", responses(
    (status = 200, description = "The jobs", body = Page<JobBody>),
))]
async fn list(State(app): State<App>) -> Json<Page<JobBody>> {
    let items = app.jobs.all().iter().map(|job| JobBody::of(job)).collect();
    Json(Page { items, next: None })
}

/// A job, and how far it is.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "operations", params(("id" = u64, Path, description = "Its number", example = 1)), responses(
    (status = 200, description = "The job", body = JobBody),
    (status = 404, description = "There is no such job, or no longer"),
))]
async fn one(State(app): State<App>, Path(id): Path<u64>) -> Result<Json<JobBody>, Problem> {
    Ok(Json(JobBody::of(&*app.job(id)?)))
}

/// Asks a job to end. It does so at its next step.
#[utoipa::path(delete, path = "/api/v1/jobs/{id}", tag = "operations", params(("id" = u64, Path, description = "Its number", example = 1)), responses(
    (status = 202, description = "It was asked", body = JobBody),
    (status = 404, description = "There is no such job, or no longer"),
))]
async fn cancel(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<u64>,
) -> Result<Response, Problem> {
    let job = app.job(id)?;
    job.cancel();
    app.blocking(move |app| {
        app.note(&principal.label(), &format!("job {id} asked to end"));
        Ok((StatusCode::ACCEPTED, Json(JobBody::of(&job))).into_response())
    })
    .await
}

/// Begins to check everything: each store by itself, and all of them against one another.
///
/// The result says what was checked, and what is not as it was proved; damage puts the server into panic
/// mode.
#[utoipa::path(post, path = "/api/v1/jobs/verify", tag = "operations", responses(
    (status = 202, description = "It is begun; `Location` says how far it is", body = JobBody),
    (status = 409, description = "It is running already"),
))]
async fn verify(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
) -> Result<Response, Problem> {
    app.start(JobKind::Verify, &principal, |app, job| {
        let report = app.store.verify_all(|told| {
            let progress = Progress {
                store: told.store,
                done: told.checked,
                total: told.total,
            };
            app.go_on(job, progress)
        })?;
        if !report.complete {
            return Err(Problem::new(Kind::Conflict, "cancelled before its end"));
        }
        let causes: Vec<_> = report.causes.iter().map(CauseBody::of).collect();
        Ok(json!({
            "sound": causes.is_empty(), "causes": causes, "versions": report.versions, "records": report.records,
            "objects": report.objects, "bundles": report.bundles, "seals": report.seals,
        }))
    })
}
