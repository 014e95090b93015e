//! The one thread that writes: it takes what waits as a group, writes it in one transaction, makes it
//! durable with one sync, and answers.

mod group;
pub(crate) mod plan;

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use merkle_core::{Hash, SignerKey, log_leaf_hash};
use rusqlite::Connection;

use crate::background::{self, Background};
use crate::connection::Gate;
use crate::content::Contents;
use crate::edge::Edge;
use crate::error::{AppendError, Known, StorageError};
use crate::health::Witness;
use crate::options::{DiskFull, Durability, Options};
use crate::outside::{self, Outside};
use crate::projection::{self, Projection};
use crate::queue::Weighed;
use crate::record::{EncodedRecord, ErasableContent, Record};
use crate::shared::Shared;

/// A record on its way to the writer, everything about it computed that can be beforehand.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) record: Record,
    pub(crate) encoded: EncodedRecord,
    pub(crate) leaf: Hash,
    /// The words that it is found by.
    pub(crate) words: String,
}

impl Prepared {
    /// Computes it, on the caller's thread: the one that writes has enough to do.
    pub(crate) fn new(record: Record, encoded: EncodedRecord) -> Self {
        Self {
            leaf: log_leaf_hash(&encoded.canonical),
            words: projection::text::words_of(&record),
            record,
            encoded,
        }
    }
}

/// What became of a record that was to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Appended {
    /// It is in the log.
    At {
        /// Its place.
        index: u64,
    },
    /// It was not appended, since a record with its id is there; see
    /// [`Duplicates::Answer`](crate::Duplicates::Answer).
    Duplicate {
        /// The place of the newest one.
        index: u64,
    },
    /// The disk is full, and it was dropped and counted; see
    /// [`DiskFull::FailOpenCounted`](crate::DiskFull::FailOpenCounted).
    Dropped,
}

impl Appended {
    /// Where the record, or the one that it repeats, is.
    #[must_use]
    pub const fn index(self) -> Option<u64> {
        match self {
            Self::At { index } | Self::Duplicate { index } => Some(index),
            Self::Dropped => None,
        }
    }
}

pub(crate) type Reply<T> = mpsc::SyncSender<Result<T, AppendError>>;

/// Something for the writer to do.
pub(crate) enum Job {
    Append {
        records: Vec<Prepared>,
        durability: Durability,
        reply: Reply<Vec<Appended>>,
    },
    Apply {
        first: u64,
        records: Vec<Prepared>,
        durability: Durability,
        reply: Reply<()>,
    },
    Stage {
        contents: Vec<ErasableContent>,
        reply: Reply<()>,
    },
    Sync {
        reply: Reply<()>,
    },
    /// Something that is done between groups.
    Run(Box<dyn FnOnce(&mut Writer) + Send>),
}

impl Weighed for Job {
    fn records(&self) -> usize {
        match self {
            Self::Append { records, .. } | Self::Apply { records, .. } => records.len(),
            Self::Stage { contents, .. } => contents.len(),
            Self::Sync { .. } | Self::Run(_) => 0,
        }
    }

    fn is_alone(&self) -> bool {
        matches!(self, Self::Run(_))
    }
}

/// What the writing thread has.
pub(crate) struct Writer {
    pub(crate) conn: Connection,
    pub(crate) shared: Arc<Shared>,
    pub(crate) projections: Vec<Box<dyn Projection>>,
    pub(crate) contents: Contents,
    pub(crate) edge: Arc<Edge>,
    /// The hash that the next record's is chained to.
    pub(crate) link: Hash,
    pub(crate) outside: Outside,
    pub(crate) options: Options,
    pub(crate) gate: Gate,
    pub(crate) wal: Wal,
    pub(crate) background: Background,
    /// How many records are durable.
    pub(crate) durable: u64,
    /// The size of the newest checkpoint.
    pub(crate) checkpointed: u64,
    /// What the caller vouched for on opening.
    pub(crate) known: Option<(Witness, Known)>,
    dropped: Option<Dropped>,
    is_stopped: bool,
}

/// Records that were dropped since the last that was written.
#[derive(Clone, Copy, Debug)]
struct Dropped {
    count: u64,
    first_ns: u64,
    last_ns: u64,
}

/// What the writer starts with.
pub(crate) struct Start {
    pub(crate) conn: Connection,
    pub(crate) shared: Arc<Shared>,
    pub(crate) projections: Vec<Box<dyn Projection>>,
    pub(crate) contents: Contents,
    pub(crate) link: Hash,
    pub(crate) outside: Outside,
    pub(crate) options: Options,
    pub(crate) gate: Gate,
    pub(crate) checkpointed: u64,
    pub(crate) known: Option<(Witness, Known)>,
    pub(crate) background: Background,
}

impl Writer {
    pub(crate) fn new(start: Start) -> Self {
        let edge = start.shared.edge();
        WAL_PAGES.set(0);
        Self {
            wal: Wal::new(start.shared.wal_path()),
            durable: edge.size(),
            edge,
            conn: start.conn,
            shared: start.shared,
            projections: start.projections,
            contents: start.contents,
            link: start.link,
            outside: start.outside,
            options: start.options,
            gate: start.gate,
            checkpointed: start.checkpointed,
            known: start.known,
            background: start.background,
            dropped: None,
            is_stopped: false,
        }
    }

    /// Writes until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        while let Some(jobs) = self.shared.queue().take(self.options.group_records) {
            self.group(jobs);
            let (pages, most) = (WAL_PAGES.get(), self.options.wal_bytes / 4096);
            if pages > most {
                self.background.ask();
            }
            // The rest that the other thread left; or all, if it does not get through.
            if self.background.take_done() || pages > 8 * most {
                self.bring_in();
            }
        }
        self.close();
    }

    /// What keeps everything from being written, if something does.
    fn refusal(&self) -> Option<AppendError> {
        if self.is_stopped {
            return Some(AppendError::Stopped);
        }
        self.shared
            .panic()
            .map(|damage| AppendError::Panic(Box::new(damage)))
    }

    /// Overwrites staged texts whose records never came.
    pub(crate) fn sweep_staged(&mut self) -> Result<usize, AppendError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        match self.contents.sweep(&self.conn) {
            Ok(swept) => {
                self.conn.execute_batch("COMMIT")?;
                self.wal.is_dirty = true;
                Ok(swept)
            }
            Err(error) => {
                self.conn.execute_batch("ROLLBACK")?;
                Err(error.into())
            }
        }
    }

    /// Makes everything written so far durable, and marks it outside.
    pub(crate) fn make_durable(&mut self) -> Result<(), AppendError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        if self.durable < self.edge.size() || self.wal.is_dirty {
            if let Err(error) = self.wal.sync() {
                // What the system says it could not write may be lost, or not: nobody knows.
                self.is_stopped = true;
                self.shared.stop();
                return Err(AppendError::Unknown(error.into()));
            }
            self.durable = self.edge.size();
        }
        self.mark();
        Ok(())
    }

    /// Marks the durable head outside. A mark that cannot be written leaves the one before: the next
    /// one will do.
    fn mark(&mut self) {
        if self.durable < self.edge.size() {
            return;
        }
        let key = self.options.signer.as_ref();
        let text = outside::text_of(&self.options.origin, self.edge.head(), key);
        let marked = text.map_err(|_| io::ErrorKind::InvalidInput.into());
        let marked = marked.and_then(|text| self.outside.mark(&text));
        self.shared.set_durable(self.durable);
        if marked.is_ok() && self.durable >= self.checkpointed + self.options.checkpoint_every {
            // As with marks, the next one will do.
            let _ = self.keep_checkpoint(None);
        }
    }

    /// Signs the durable head, also with `also`, and keeps the checkpoint outside and inside.
    pub(crate) fn keep_checkpoint(
        &mut self,
        also: Option<&SignerKey>,
    ) -> Result<String, StorageError> {
        let bad = |_| StorageError::other("the checkpoint cannot be signed");
        let key = self.options.signer.as_ref();
        let head = self.edge.head();
        let mut text = outside::text_of(&self.options.origin, head, key).map_err(bad)?;
        if let Some(also) = also {
            let mut note = merkle_core::SignedNote::parse(text.as_bytes()).map_err(bad)?;
            note.countersign(also).map_err(bad)?;
            text = note.to_string();
        }
        // Inside first: what is outside is always inside too, unless somebody removed it.
        {
            let mut insert = self
                .conn
                .prepare_cached("INSERT OR REPLACE INTO checkpoints (size, note) VALUES (?, ?)")?;
            insert.execute((head.size.get().cast_signed(), &text))?;
        }
        self.wal.sync()?;
        self.outside.add(&text)?;
        self.checkpointed = head.size.get();
        Ok(text)
    }

    /// Brings the write-ahead log into the database, so that it starts again from its beginning.
    fn bring_in(&mut self) {
        // A reader may be in the way: then it is the turn of a later group.
        if background::pass(&self.conn).unwrap_or(false) {
            WAL_PAGES.set(0);
        }
    }

    /// Leaves everything durable, checkpointed, and marked as closed.
    fn close(&mut self) {
        if self.refusal().is_some() || self.make_durable().is_err() {
            return;
        }
        // Nobody was promised what is written here: where it fails, the marks before it hold.
        if self.checkpointed < self.durable {
            let _ = self.keep_checkpoint(None);
        }
        let key = self.options.signer.as_ref();
        let text = outside::closing_text(&self.options.origin, self.edge.head(), key);
        if let Ok(text) = text {
            let _ = self.outside.mark(&text);
        }
        let _ = self.outside.sync();
    }
}

/// Has SQLite say after each commit how long the write-ahead log is.
pub(crate) fn watch_wal(conn: &mut Connection) -> rusqlite::Result<()> {
    conn.wal_hook(Some(count_pages))
}

/// The write-ahead log, which SQLite writes and we sync: once a group, with `fdatasync`, while SQLite's
/// own `synchronous=FULL` would be an `fsync` a transaction.
#[derive(Debug)]
pub(crate) struct Wal {
    path: PathBuf,
    file: Option<File>,
    /// Whether something was committed since the last sync.
    pub(crate) is_dirty: bool,
}

impl Wal {
    const fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            is_dirty: true,
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                // It is made by the first transaction, and stays while the connection is open.
                if let Some(folder) = self.path.parent() {
                    File::open(folder)?.sync_all()?;
                }
                none.insert(File::open(&self.path)?)
            }
        };
        file.sync_data()?;
        self.is_dirty = false;
        Ok(())
    }
}

thread_local! {
    /// Pages in the write-ahead log, as SQLite says after each commit of the writing thread.
    static WAL_PAGES: Cell<u64> = const { Cell::new(0) };
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature that SQLite's hook has"
)]
fn count_pages(_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int) -> rusqlite::Result<()> {
    WAL_PAGES.set(u64::try_from(pages).unwrap_or(0));
    Ok(())
}

impl Writer {
    /// Whether records that find the disk full are dropped.
    fn drops(&self) -> bool {
        self.options.disk_full == DiskFull::FailOpenCounted
    }
}
