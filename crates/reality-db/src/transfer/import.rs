//! Making a database of an export.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;

use merkle_core::Hash;

use super::chunk::Chunk;
use super::file::ExportFile;
use super::{Control, ExportFileError, ExportHeader, ImportError, TransferProgress, importing};
use crate::db::lock;
use crate::format::Format;
use crate::journal::Journal;
use crate::record::{Changes, CommitKind, Record, TooLarge};
use crate::storage::Storage;
use crate::{CommitError, CommitOptions, Damage, OpenError, Options, ReadError, RealityDb};

/// Bytes of changes from which on they are committed, if there is a version to commit them as.
const COMMIT_BYTES: usize = 4 << 20;

impl RealityDb {
    /// Makes a database in the folder `path` of an [export](crate::Snapshot::export), verifying each
    /// chunk against the root before anything of it is written.
    ///
    /// The new database has one version: the exported one, with its number and its root. Earlier
    /// versions are [pruned](crate::ReadError::Pruned), also those as which the import commits the
    /// content bit by bit.
    ///
    /// If it ends early, or the process dies, the same call goes on behind what is durable; the file
    /// may be another export of the same version. Until the import is finished the folder is
    /// [not opened](OpenError::ImportUnfinished). After that, the same call opens it.
    ///
    /// The options are those of the new database. Profile and key mode are taken from the export,
    /// and one that asks for others is refused; the backend is free: this moves a database from one
    /// to another. [`Options::expect`] says which version and root the caller knows; without it the
    /// import is as trustworthy as where the file came from.
    ///
    /// `control` is called after each chunk, and may end the import. Memory is that of a chunk, some
    /// MiB of changes, and what the options give to the tree; commits of up to
    /// [`COMMIT_BYTES_MAX`](crate::COMMIT_BYTES_MAX) if the version's number is so small that there
    /// are not enough below it.
    ///
    /// # Errors
    ///
    /// [`ImportError`]; it says what is left behind.
    ///
    /// ```
    /// # use std::ops::ControlFlow;
    /// # use reality_db::{Backend, ExportOptions, Options, RealityDb};
    /// # let options = Options::new().backend(Backend::Memory);
    /// # let db = RealityDb::open("unused", &options)?;
    /// let version = db.put(b"alice", b"900")?;
    /// let mut file = Vec::new();
    /// let go_on = |_| ControlFlow::Continue(());
    /// db.snapshot()?.export(&mut file, &ExportOptions::new(), go_on)?;
    ///
    /// let options = options.expect(version.number, version.root);
    /// let copy = RealityDb::import("elsewhere.db", &options, &file[..], go_on)?;
    /// assert_eq!(copy.version(), version);
    /// assert_eq!(copy.get(b"alice")?.as_deref(), Some(&b"900"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn import(
        path: impl AsRef<Path>,
        options: &Options,
        reader: impl Read,
        mut control: impl FnMut(TransferProgress) -> ControlFlow<()>,
    ) -> Result<Self, ImportError> {
        let file = ExportFile::open(reader, options.expected)?;
        let options = options_of(file.header(), options)?;
        let (storage, format) = Storage::open(path.as_ref(), &options)?;
        import(storage, format, &options, file, COMMIT_BYTES, &mut control)
    }
}

/// The options of a database with what `header` describes.
pub(crate) fn options_of(header: &ExportHeader, options: &Options) -> Result<Options, OpenError> {
    let exported = Format {
        profile: header.profile,
        key_mode: header.key_mode,
        backend: options.backend.unwrap_or_default(),
    };
    exported.check(options)?;
    let mut options = options.clone();
    options.expected = None; // the header was compared with it
    Ok(options.profile(header.profile).key_mode(header.key_mode))
}

/// Imports into storage that is ours alone.
pub(crate) fn import<R: Read>(
    storage: Storage,
    format: Option<Format>,
    options: &Options,
    file: ExportFile<R>,
    commit_bytes: usize,
    control: &mut Control<'_>,
) -> Result<RealityDb, ImportError> {
    let header = *file.header();
    let _span = tracing::debug_span!("import", version = header.version.number).entered();
    let folder = storage.folder.clone();
    match importing::read(&*folder)? {
        Some(begun) if begun == header => {}
        Some(begun) => {
            return Err(ImportError::OtherExport {
                begun: begun.version,
            });
        }
        None if format.is_some() => return finished(storage, format, options, &header),
        None => importing::write(&*folder, &header).map_err(OpenError::from)?,
    }
    let db = RealityDb::start_importing(storage, format, options)?;
    let import = Import {
        durable: last_key(&db, &header)?,
        entries: db.snapshot()?.len()?,
        pending: Changes::default(),
        commit_bytes,
        header,
        db: &db,
    };
    import.run(file, control)?;
    db.sync()?;
    importing::remove(&*folder).map_err(OpenError::from)?;
    let imported = &db.shared.imported;
    imported.store(header.version.number, Ordering::Release);
    Ok(db)
}

/// The database that an earlier call made of the same version, and finished.
fn finished(
    storage: Storage,
    format: Option<Format>,
    options: &Options,
    header: &ExportHeader,
) -> Result<RealityDb, ImportError> {
    let db = RealityDb::start(storage, format, options)?;
    let was_imported = db.shared.imported.load(Ordering::Acquire) == header.version.number;
    if was_imported && db.version() == header.version {
        return Ok(db);
    }
    Err(ImportError::Exists {
        found: db.version(),
    })
}

/// The last key that an earlier call made durable; empty if there is none.
fn last_key(db: &RealityDb, header: &ExportHeader) -> Result<Vec<u8>, ImportError> {
    let version = db.version().number;
    if version == 0 {
        return Ok(Vec::new());
    }
    let damaged = || OpenError::Damaged(Damage::Record { version });
    let journal = Journal::new(db.shared.storage.engine.clone());
    let bytes = journal.read(version).map_err(ReadError::from)?;
    let bytes = bytes.ok_or_else(damaged)?;
    let record = Record::decode(&bytes).map_err(|_| damaged())?;
    let expected = CommitKind::Import {
        version: header.version.number,
    };
    let last = record.changes.changes().last();
    match last {
        Some((key, _)) if record.header.kind == expected => Ok(key.to_vec()),
        // The last commit of an import may have nothing to bring in.
        None if version == header.version.number => Ok(Vec::new()),
        _ => Err(damaged().into()),
    }
}

/// An import under way.
struct Import<'d> {
    db: &'d RealityDb,
    header: ExportHeader,
    commit_bytes: usize,
    /// The last key that an earlier call made durable; empty if there is none.
    durable: Vec<u8>,
    /// Entries that were verified, those that are pending too.
    entries: u64,
    /// What was verified and not yet committed.
    pending: Changes,
}

impl Import<'_> {
    fn run<R: Read>(
        mut self,
        mut file: ExportFile<R>,
        control: &mut Control<'_>,
    ) -> Result<(), ImportError> {
        if self.db.version() == self.header.version && self.header.version.number > 0 {
            return Ok(()); // only the mark was left to be removed
        }
        while let Some(chunk) = file.next_chunk()? {
            self.take(&file, &chunk)?;
            let progress = file.progress(self.entries);
            let is_break = control(progress).is_break();
            if self.pending.len_bytes() >= self.commit_bytes || is_break {
                self.commit_part()?;
            }
            if is_break {
                return Err(ImportError::File(ExportFileError::Cancelled {
                    chunks: progress.chunks,
                }));
            }
        }
        self.commit_last()
    }

    /// Verifies a chunk, unless all of it is in already.
    fn take<R: Read>(&mut self, file: &ExportFile<R>, chunk: &Chunk) -> Result<(), ImportError> {
        if !chunk.is_last() && chunk.to() <= &self.durable[..] {
            return Ok(());
        }
        let proof = chunk.proof().map_err(|fault| file.bad(chunk, fault))?;
        let entries = chunk.verify(&proof, &self.header);
        for (key, value) in entries.map_err(|fault| file.bad(chunk, fault))? {
            // Another export may have been cut elsewhere.
            if key > &self.durable[..] {
                self.push(key, value)?;
                self.entries += 1;
            }
        }
        if self.entries > self.header.entries || (chunk.is_last() && self.lacks_entries()) {
            return Err(ImportError::File(ExportFileError::Entries {
                expected: self.header.entries,
                found: self.entries,
            }));
        }
        Ok(())
    }

    fn lacks_entries(&self) -> bool {
        self.entries < self.header.entries
    }

    fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), ImportError> {
        let pushed = self.pending.push(key, Some(value));
        pushed.map_err(|error| match error {
            TooLarge::Commit { .. } => ImportError::TooFewVersions {
                version: self.header.version.number,
            },
            error => CommitError::from(error).into(),
        })
    }

    /// Commits what is pending as a version of its own, if there is one left for it: of the numbers
    /// below the exported version, no larger share is used than of the entries.
    fn commit_part(&mut self) -> Result<(), ImportError> {
        let number = self.db.version().number + 1;
        let below = u128::from(self.header.version.number.saturating_sub(1));
        let allowed = below * u128::from(self.entries) / u128::from(self.header.entries.max(1));
        if u128::from(number) > allowed || self.pending.count() == 0 {
            return Ok(());
        }
        self.commit(number)
    }

    /// Commits the rest as the exported version, if that has the root of the exported version.
    fn commit_last(&mut self) -> Result<(), ImportError> {
        let expected = self.header.version.root;
        let computed = self.root_after()?;
        if computed != expected {
            return Err(ImportError::Root { expected, computed });
        }
        match self.header.version.number {
            0 => Ok(()), // it is there since the creation
            number => self.commit(number),
        }
    }

    /// The root with what is pending.
    fn root_after(&self) -> Result<Hash, ImportError> {
        let shared = &self.db.shared;
        let mut state = shared.noticed(self.db.snapshot()?.state())?;
        shared.noticed(state.update(&self.pending.batch()))?;
        Ok(state.link().root)
    }

    fn commit(&mut self, number: u64) -> Result<(), ImportError> {
        let options = CommitOptions::new()
            .importing(self.header.version.number)
            .number(number);
        self.db.commit_changes(&self.pending, &options)?;
        self.pending = Changes::default();
        // Else the tree has to stay in memory.
        let shared = &self.db.shared;
        let behind = shared.behind(&lock(&shared.writer));
        if !shared.options.background
            && behind.bytes >= behind.limit_bytes
            && let Err(error) = self.db.checkpoint(|_| ControlFlow::Continue(()))
        {
            tracing::warn!(%error, "no checkpoint was written");
        }
        Ok(())
    }
}
