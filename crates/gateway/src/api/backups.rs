//! Backups, into the folder that the configuration names.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use persistence::Seal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::jobs::JobBody;
use crate::auth::Principal;
use crate::clock::rfc3339;
use crate::extract::Json;
use crate::jobs::{JobKind, Progress};
use crate::page::Page;
use crate::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

pub(super) fn admin_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(begin))
}

/// A backup.
#[derive(Debug, Serialize, ToSchema)]
struct BackupBody {
    /// Its name: that of its folder.
    #[schema(example = "daily")]
    name: String,
    /// The version of the state that it goes to; none where nobody signed it who is trusted here.
    version: Option<u64>,
    /// The root of that version.
    root: Option<String>,
    /// Records in the audit log that it carries.
    log_size: Option<u64>,
    /// When the newest seal in it was made.
    sealed: Option<String>,
}

/// Which backup.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "daily"}))]
struct BackupRequest {
    /// Its name: small letters, digits and dashes. What is there under it is added to.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9][a-z0-9-]*$")]
    name: String,
}

impl BackupRequest {
    /// A name is one folder, and nothing that leads elsewhere.
    fn check(&self) -> Result<(), Problem> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=64).contains(&self.name.len())
            && !self.name.starts_with('-')
            && self.name.bytes().all(fits);
        let bad = "a name has 1 to 64 small letters, digits and dashes, and begins with no dash";
        match is_name {
            true => Ok(()),
            false => Err(Problem::new(Kind::Unprocessable, bad)),
        }
    }
}

impl BackupBody {
    fn of(name: String, seal: Option<&Seal>) -> Self {
        Self {
            name,
            version: seal.map(|seal| seal.version),
            root: seal.map(|seal| seal.state_root.to_string()),
            log_size: seal.map(|seal| seal.log.size.get()),
            sealed: seal
                .filter(|seal| seal.time_ns > 0)
                .map(|seal| rfc3339(seal.time_ns)),
        }
    }
}

/// The backups in the folder that the configuration names, by name.
#[utoipa::path(get, path = "/api/v1/backups", tag = "operations", responses(
    (status = 200, description = "The backups", body = Page<BackupBody>),
))]
async fn list(State(app): State<App>) -> Result<Json<Page<BackupBody>>, Problem> {
    app.blocking(|app| {
        let mut items = Vec::new();
        let folder = app.shell.config.backups.folder.as_deref();
        let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            match app.store.backup_seal(&entry.path()) {
                Ok(Some(seal)) => items.push(BackupBody::of(name, Some(&seal))),
                Ok(None) => {} // no backup, or one that was never finished
                Err(error) => {
                    tracing::warn!(%error, "a backup cannot be believed");
                    items.push(BackupBody::of(name, None));
                }
            }
        }
        items.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Json(Page { items, next: None }))
    })
    .await
}

/// Begins a backup, or adds to the one of this name what came since. Commits go on meanwhile.
///
/// `diotec360 restore` makes stores of it, to the exact root. Texts that can be erased are not in it, nor
/// is the key of the seals.
#[utoipa::path(post, path = "/api/v1/backups", tag = "operations", request_body = BackupRequest, responses(
    (status = 202, description = "It is begun; `Location` says how far it is", body = JobBody),
    (status = 409, description = "One is being made already"),
    (status = 422, description = "No name, or the configuration names no folder for backups"),
))]
async fn begin(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    Json(request): Json<BackupRequest>,
) -> Result<Response, Problem> {
    request.check()?;
    let missing = || {
        let detail =
            "no folder for backups is configured: `serve --backups DIR`, or backups.folder";
        Problem::new(Kind::Unprocessable, detail)
    };
    let folder = app.shell.config.backups.folder.clone();
    let folder = folder.ok_or_else(missing)?.join(&request.name);
    app.start(JobKind::Backup, &principal, move |app, job| {
        let report = app.store.backup_with(&folder, &mut |told| {
            let progress = Progress {
                store: told.store,
                done: told.done,
                total: told.total,
            };
            app.go_on(job, progress)
        })?;
        Ok(json!({
            "name": request.name, "version": report.version, "root": report.root.to_string(),
            "versions_added": report.versions, "objects_added": report.objects,
        }))
    })
}
