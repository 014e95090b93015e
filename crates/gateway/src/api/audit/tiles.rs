//! The log as the files that C2SP tlog-tiles names.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use merkle_core::{Tile, TilePathError};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::extract::Path;
use crate::problem::{Kind, Problem};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(checkpoint))
        .routes(routes!(tile))
}

/// Size and root of the log, signed: a C2SP checkpoint.
#[utoipa::path(get, path = "/checkpoint", tag = "audit", responses(
    (status = 200, description = "A signed note", body = String, content_type = "text/plain"),
))]
async fn checkpoint(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    app.blocking(|app| {
        let note = app.store.audit().checkpoint()?;
        Ok((
            [(CONTENT_TYPE, "text/plain; charset=utf-8")],
            note.to_string(),
        ))
    })
    .await
}

/// A tile of the log's hashes, or an entry bundle: `0/x001/067`, `1/000.p/4`, `entries/000.p/17`.
///
/// The address is the server's with `tile/` and the path of C2SP tlog-tiles behind it, slashes and all.
#[utoipa::path(get, path = "/tile/{*path}", tag = "audit", params(("path" = String, Path, description = "The path below `tile/`", example = "0/000.p/1")), responses(
    (status = 200, description = "The tile", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 404, description = "No path of a tile, or the log does not reach so far"),
))]
async fn tile(
    State(app): State<App>,
    Path(path): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let missing = |error: TilePathError| Problem::new(Kind::NotFound, error.to_string());
    let tile: Tile = format!("tile/{path}").parse().map_err(missing)?;
    app.blocking(move |app| {
        let bytes = app.store.audit().tile(tile)?;
        let headers = [
            (CONTENT_TYPE, "application/octet-stream"),
            (CACHE_CONTROL, "private, max-age=31536000, immutable"), // what it holds never changes
        ];
        Ok((headers, bytes))
    })
    .await
}
