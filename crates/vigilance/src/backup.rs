//! A copy of a trail while it goes on.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::connection::DATABASE;
use crate::error::{AppendError, StorageError};
use crate::outside::{self, Outside};
use crate::trail::Trail;
use crate::writer::Writer;

use merkle_core::TreeHead;

/// How far a backup is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupProgress {
    /// Pages that are copied.
    pub copied: u64,
    /// Pages of the database.
    pub pages: u64,
}

/// Why no backup was made. What was written of it is to be removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The folder has something in it.
    #[error("the folder of the backup is not empty")]
    NotEmpty,
    /// The caller broke it off.
    #[error("the backup was broken off")]
    Cancelled,
    /// What it would copy could not be made durable.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Trail {
    /// Copies the trail as it is now into an empty folder, while records come in. Gives the head of the
    /// copy, which opens as a trail that was closed with it.
    ///
    /// Put in the place of a trail that has gone on, the copy is recognized as older: by the marks outside
    /// the database, if those are not replaced too, and by a checkpoint that somebody kept.
    ///
    /// # Errors
    ///
    /// [`BackupError`].
    pub fn backup(
        &self,
        folder: &Path,
        mut progress: impl FnMut(BackupProgress) -> ControlFlow<()>,
    ) -> Result<TreeHead, BackupError> {
        fs::create_dir_all(folder)?;
        if fs::read_dir(folder)?.next().is_some() {
            return Err(BackupError::NotEmpty);
        }
        let (conn, head, mark) = self.run(Writer::begin_backup)??;
        let file = folder.join(DATABASE);
        let mut copy = Connection::open(&file)?;
        {
            let backup = Backup::new(&conn, &mut copy)?;
            loop {
                let step = backup.step(PAGES_A_STEP)?;
                let now = backup.progress();
                let [pages, left] =
                    [now.pagecount, now.remaining].map(|pages| u64::try_from(pages).unwrap_or(0));
                let copied = pages - left.min(pages);
                if progress(BackupProgress { copied, pages }).is_break() {
                    return Err(BackupError::Cancelled);
                }
                if matches!(step, StepResult::Done) {
                    break;
                }
            }
        }
        copy.close().map_err(|(_, error)| error)?;
        conn.execute_batch("COMMIT")?;
        File::open(&file)?.sync_all()?;
        self.copy_segments(folder)?;
        let mut beside = Outside::new(folder, &self.options().origin, Vec::new());
        beside.mark(&mark)?;
        let checkpoints = self.run(|writer| writer.outside.again())??.checkpoints;
        for (size, text) in checkpoints {
            if size <= head.size.get() {
                beside.add(&text)?;
            }
        }
        beside.sync()?;
        Ok(head)
    }
}

impl Writer {
    /// A connection that reads what is durable now, its head, and a mark that says that it ends there.
    fn begin_backup(&mut self) -> Result<(Connection, TreeHead, String), BackupError> {
        self.make_durable()?;
        let conn = crate::connection::reader(self.shared.database(), 4 << 20)?;
        conn.execute_batch("BEGIN")?;
        conn.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0))?;
        let head = self.edge.head();
        let key = self.options.signer.as_ref();
        let mark = outside::closing_text(&self.options.origin, head, key);
        let mark = mark.map_err(|_| StorageError::other("the mark cannot be signed"))?;
        Ok((conn, head, mark))
    }
}

/// A step lets the reader's snapshot go on; more pages at a time are faster and are reported less often.
const PAGES_A_STEP: i32 = 2_048;
