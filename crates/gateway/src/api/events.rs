//! Events as they happen, by server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use persistence::{Health, Persistence};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events))
}

/// How often the newest version is looked at: faster than a reader can follow, and as good as free.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often something is sent where nothing happens, so that a broken connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Where everything stands, as event streams see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    version: u64,
    panicked: bool,
}

impl Seen {
    pub(super) fn of(store: &Persistence) -> Self {
        Self {
            version: store.state().version().number,
            panicked: store.health() != Health::Sound,
        }
    }
}

/// Looks on behalf of all event streams, until the server stops.
pub(crate) async fn watch_heads(app: App) {
    let mut stopping = app.shell.stopping.subscribe();
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        for change in app.shell.tokens.changes() {
            // Waits for a commit, on a thread that may.
            let recorded = app.blocking(move |app| {
                app.note("whoever can write the token file", &change);
                Ok(())
            });
            let _ = recorded.await; // the log has it in any case
        }
        let now = Seen::of(&app.store);
        app.seen
            .send_if_modified(|seen| std::mem::replace(seen, now) != now);
    }
}

/// The newest version whenever it changes, ten times a second at most, and panic mode.
///
/// `event: head` has `{version, root, time_ns}`, `event: health` the status. The id of an event is
/// the version: who comes back with `Last-Event-ID` hears at once if anything has changed since.
#[utoipa::path(get, path = "/api/v1/events", tag = "operations",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen")),
    responses(
        (status = 200, description = "Events without end", body = String, content_type = "text/event-stream"),
        (status = 503, description = "Too many event streams"),
    ))]
async fn events(State(app): State<App>, headers: HeaderMap) -> Result<impl IntoResponse, Problem> {
    let permit = Arc::clone(&app.shell.event_streams).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::new(Kind::Busy, "too many event streams"))?;
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(Follower::new(app, permit, last).stream()).keep_alive(keep_alive))
}

/// One event stream.
struct Follower {
    app: App,
    seen: watch::Receiver<Seen>,
    stopping: watch::Receiver<bool>,
    /// What its reader knows.
    told: Option<Seen>,
    ready: VecDeque<Event>,
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Follower {
    fn new(app: App, permit: OwnedSemaphorePermit, last: Option<u64>) -> Self {
        let told = last.map(|version| Seen {
            version,
            panicked: false,
        });
        Self {
            seen: app.seen.subscribe(),
            stopping: app.shell.stopping.subscribe(),
            told,
            ready: VecDeque::new(),
            _permit: permit,
            _counted: Counted::new(&app),
            app,
        }
    }

    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        unfold(self, |mut this| async move {
            let event = this.next().await?;
            Some((Ok(event), this))
        })
    }

    /// The next event; none once the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let now = *self.seen.borrow_and_update();
            self.tell(now);
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                _ = self.stopping.wait_for(|stop| *stop) => return None,
                changed = self.seen.changed() => changed.ok()?,
            }
        }
    }

    fn tell(&mut self, now: Seen) {
        let before = self.told.replace(now);
        if before.is_none_or(|before| before.version != now.version) {
            let version = self.app.store.state().version();
            let data = json!({ "version": version.number, "root": version.root.to_string() });
            self.push("head", version.number, &data);
        }
        if before.is_some_and(|before| before.panicked != now.panicked)
            || (before.is_none() && now.panicked)
        {
            let status = if now.panicked { "panic" } else { "ok" };
            self.push("health", now.version, &json!({ "status": status }));
        }
    }

    fn push(&mut self, name: &str, id: u64, data: &serde_json::Value) {
        let event = Event::default()
            .event(name)
            .id(id.to_string())
            .data(data.to_string());
        self.ready.push_back(event);
    }
}

/// Counts an event stream for as long as it is there.
struct Counted(App);

impl Counted {
    fn new(app: &App) -> Self {
        app.shell.telemetry.event_streams.inc();
        Self(app.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.shell.telemetry.event_streams.dec();
    }
}
