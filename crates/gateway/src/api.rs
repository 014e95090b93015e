//! The HTTP API: what handlers share, and the routes by what they ask of a caller.

mod audit;
mod backups;
mod document;
mod erasures;
mod events;
mod execute;
mod jobs;
mod operations;
mod recovery;
mod reports;
mod seals;
mod snapshots;
mod state;
mod statistics;
mod status;
mod vault;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::middleware::from_fn_with_state;
use persistence::Persistence;
use reality_db::Snapshot;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;

use events::Seen;
pub(crate) use events::watch_heads;

use crate::assets;
use crate::auth::Scope;
use crate::clock::{now_ns, parse_rfc3339};
use crate::jobs::Jobs;
use crate::problem::{Kind, Problem};
use crate::reports::Reports;
use crate::server::RecoveryDesk;
use crate::shell::{Shell, guard, require};

/// What every handler has.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) shell: Arc<Shell>,
    pub(crate) store: Persistence,
    /// When the server was set up, in nanoseconds since 1970.
    started_ns: u64,
    /// What event streams wait for.
    seen: Arc<watch::Sender<Seen>>,
    /// Earlier versions that were read last: making one again takes a while.
    snapshots: Arc<Mutex<VecDeque<Snapshot>>>,
    jobs: Arc<Jobs>,
    reports: Arc<Reports>,
    pub(crate) recovery: Arc<RecoveryDesk>,
}

/// Earlier versions that are kept ready.
const SNAPSHOTS_MAX: usize = 4;

impl App {
    pub(crate) fn new(shell: Arc<Shell>, store: Persistence) -> Self {
        let seen = Arc::new(watch::Sender::new(Seen::of(&store)));
        Self {
            shell,
            store,
            started_ns: now_ns(),
            seen,
            snapshots: Arc::default(),
            jobs: Arc::default(),
            reports: Arc::default(),
            recovery: Arc::default(),
        }
    }

    /// Runs what may block where it may.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let app = self.clone();
        self.shell.pool.run(move || call(&app)).await
    }

    /// Records an act of an administrator: in the log, or among the incidents until the log takes it.
    pub(crate) fn note(&self, who: &str, what: &str) {
        tracing::info!(who, what, "administration");
        let text = format!("{what}, by {who}");
        if let Err(error) = self.store.log_act(now_ns(), "gateway", &text) {
            tracing::error!(%error, who, what, "an act of an administrator is not on record");
        }
    }

    /// The state as of a version, a time, or now.
    pub(crate) fn snapshot(
        &self,
        at: Option<u64>,
        time: Option<&str>,
    ) -> Result<Snapshot, Problem> {
        let at = match (at, time) {
            (None, None) => return Ok(self.store.state().snapshot()?),
            (Some(at), None) => at,
            (None, Some(time)) => self.version_at(time)?,
            (Some(_), Some(_)) => {
                return Err(Problem::new(
                    Kind::BadRequest,
                    "name a version or a time, not both",
                ));
            }
        };
        let ready =
            |kept: &VecDeque<Snapshot>| kept.iter().find(|one| one.version().number == at).cloned();
        if let Some(snapshot) = ready(&self.kept()) {
            return Ok(snapshot);
        }
        let snapshot = self.store.state().at(at)?;
        let mut kept = self.kept();
        kept.push_front(snapshot.clone());
        kept.truncate(SNAPSHOTS_MAX);
        Ok(snapshot)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<Snapshot>> {
        self.snapshots
            .lock()
            .unwrap_or_else(|held| held.into_inner())
    }

    /// The last version of a time in RFC 3339. Times of versions never go back.
    pub(crate) fn version_at(&self, time: &str) -> Result<u64, Problem> {
        let bad = || {
            Problem::new(
                Kind::BadRequest,
                "a time is written as 2026-11-29T08:00:00Z",
            )
        };
        let ns = parse_rfc3339(time).ok_or_else(bad)?;
        let db = self.store.state();
        let (mut low, mut high) = (db.oldest()?, db.version().number);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if db.info(middle)?.time_ns <= ns {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }
}

/// Everything that is served, and the document about it.
pub(crate) fn router(app: &App) -> Router {
    let guarded = |mut routes: OpenApiRouter<App>, scope: Scope| {
        document::secure(routes.get_openapi_mut(), scope);
        routes.route_layer(from_fn_with_state(scope, require))
    };
    let open = OpenApiRouter::new().merge(operations::routes());
    let counters = guarded(operations::metrics_routes(), Scope::Metrics);
    let api = OpenApiRouter::with_openapi(document::base())
        .merge(open)
        .merge(counters)
        .merge(guarded(reading(), Scope::Read))
        .merge(guarded(writing(app), Scope::Write))
        .merge(guarded(administering(), Scope::Admin));
    let (routes, document) = api.split_for_parts();
    let document = document::finish(document);
    routes
        .merge(assets::routes())
        .merge(document::routes(&document))
        .fallback(document::not_found)
        .method_not_allowed_fallback(document::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&app.shell), guard))
        .with_state(app.clone())
}

fn reading() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(status::routes())
        .merge(statistics::routes())
        .merge(state::routes())
        .merge(audit::routes())
        .merge(seals::routes())
        .merge(events::routes())
        .merge(vault::routes())
        .merge(snapshots::routes())
        .merge(reports::routes())
        .merge(backups::routes())
        .merge(jobs::routes())
        .merge(recovery::routes())
}

fn writing(app: &App) -> OpenApiRouter<App> {
    execute::routes(app.shell.config.limits.body_bytes_max).merge(vault::writing(app))
}

fn administering() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(seals::admin_routes())
        .merge(snapshots::admin_routes())
        .merge(backups::admin_routes())
        .merge(jobs::admin_routes())
        .merge(recovery::admin_routes())
        .merge(erasures::admin_routes())
        .merge(state::admin_routes())
}
