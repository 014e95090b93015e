//! Connections to the database, and what each may do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, OpenFlags};

use crate::{projection, schema};

/// Name of the database in the trail's folder.
pub(crate) const DATABASE: &str = "trail.db";

/// Opens the connection that writes. `page_size` and `journal_mode` hold from the creation on.
///
/// - WAL: readers and the writer do not wait for one another, and a commit is one append.
/// - `synchronous=NORMAL`: SQLite syncs around checkpoints. Commits are made durable by the writer
///   itself, which syncs the write-ahead log after each group (`writer.rs`).
/// - `secure_delete`: what is deleted is overwritten.
/// - `wal_autocheckpoint=0`: the writer decides when.
pub(crate) fn writer(path: &Path, cache_bytes: u64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    conn.pragma_update(None, "page_size", 4096)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "secure_delete", "ON")?;
    common(&conn, cache_bytes)?;
    Ok(conn)
}

/// Opens the connection that brings the write-ahead log in.
pub(crate) fn checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(conn)
}

/// Opens a connection that only reads.
pub(crate) fn reader(path: &Path, cache_bytes: u64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    conn.pragma_update(None, "query_only", true)?;
    common(&conn, cache_bytes)?;
    Ok(conn)
}

fn common(conn: &Connection, cache_bytes: u64) -> rusqlite::Result<()> {
    let kib = i64::try_from(cache_bytes / 1024)
        .unwrap_or(i64::MAX)
        .max(64);
    conn.pragma_update(None, "cache_size", -kib)?;
    // The file may have been written by somebody else: nothing in its schema is run but what is ours.
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// Lets maintenance (retention, rebuilding) past the guards for a while.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    open: Arc<AtomicBool>,
}

impl Gate {
    pub(crate) fn set(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }
}

/// Has the connection refuse to prepare what nobody here should want: changes of the log, of the schema,
/// of the settings that keep it safe, other databases.
pub(crate) fn guard(conn: &mut Connection, gate: &Gate) -> rusqlite::Result<()> {
    let projections = projection::all();
    let gate = gate.clone();
    conn.authorizer(Some(move |context: AuthContext<'_>| {
        let allowed = match context.action {
            AuthAction::Update { table_name, .. } | AuthAction::Delete { table_name } => {
                gate.is_open() || schema::may_change(table_name, &projections)
            }
            AuthAction::DropTable { .. }
            | AuthAction::DropTrigger { .. }
            | AuthAction::DropIndex { .. }
            | AuthAction::DropVtable { .. }
            | AuthAction::AlterTable { .. }
            | AuthAction::CreateTrigger { .. } => gate.is_open(),
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => false,
            AuthAction::Pragma { pragma_name, .. } => !matches!(
                pragma_name,
                "writable_schema" | "journal_mode" | "secure_delete"
            ),
            _ => true,
        };
        if allowed {
            Authorization::Allow
        } else {
            Authorization::Deny
        }
    }))
}
