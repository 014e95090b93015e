//! What a database stands on: an engine for the journal, folders for the rest.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, RwLockReadGuard};

use crate::engine::memory::MemoryEngine;
use crate::engine::wal::{WalEngine, WalOptions};
use crate::engine::{End, Engine, EngineBatch, EngineError, Entry};
use crate::format::{self, Format};
use crate::lock::{FolderLock, LockError};
use crate::transfer::importing;
use crate::volume::Volume;
use crate::volume::disk::DiskVolume;
use crate::volume::memory::MemoryVolume;
use crate::{Backend, OpenError, Options};

/// What a database stands on.
#[derive(Clone)]
pub(crate) struct Storage {
    /// Holds the journal and small records.
    pub(crate) engine: Arc<Reopen>,
    /// Holds the description and the mark.
    pub(crate) folder: Arc<dyn Volume>,
    /// Holds the checkpoints.
    pub(crate) checkpoints: Arc<dyn Volume>,
    /// Dropped last: until then nobody else gets in.
    pub(crate) _lock: Option<Arc<FolderLock>>,
}

type OpenEngine = Box<dyn Fn() -> Result<Box<dyn Engine>, EngineError> + Send + Sync>;

/// An engine that can be opened again after it broke down.
pub(crate) struct Reopen {
    open: OpenEngine,
    /// None while it could not be opened again.
    engine: RwLock<Option<Box<dyn Engine>>>,
}

impl Reopen {
    /// Opens the engine for the first time.
    pub(crate) fn new(open: OpenEngine) -> Result<Self, EngineError> {
        let engine = RwLock::new(Some(open()?));
        Ok(Self { open, engine })
    }

    /// Closes the engine and opens it again: what it holds then is what is on the disk.
    pub(crate) fn reopen(&self) -> Result<(), EngineError> {
        let mut engine = self.engine.write().map_err(|_| broken())?;
        *engine = None;
        *engine = Some((self.open)()?);
        Ok(())
    }

    fn engine(&self) -> Result<RwLockReadGuard<'_, Option<Box<dyn Engine>>>, EngineError> {
        self.engine.read().map_err(|_| broken())
    }

    fn with<T>(
        &self,
        call: impl FnOnce(&dyn Engine) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        call(self.engine()?.as_deref().ok_or_else(broken)?)
    }
}

fn broken() -> EngineError {
    EngineError::Broken("it could not be opened again".to_owned())
}

impl Engine for Reopen {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.with(|engine| engine.get(key))
    }

    fn edge(&self, end: End, from: &[u8], to: &[u8]) -> Result<Option<Entry>, EngineError> {
        self.with(|engine| engine.edge(end, from, to))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, EngineError> {
        self.with(|engine| engine.scan(from, to, limit))
    }

    fn write(&self, batch: EngineBatch) -> Result<(), EngineError> {
        self.with(|engine| engine.write(batch))
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.with(|engine| engine.sync())
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        self.with(|engine| engine.disk_bytes())
    }

    fn wastes_disk(&self, live_bytes: u64) -> Result<bool, EngineError> {
        self.with(|engine| engine.wastes_disk(live_bytes))
    }

    fn reclaim(&self, live_bytes: u64) -> Result<(), EngineError> {
        self.with(|engine| engine.reclaim(live_bytes))
    }
}

impl Storage {
    /// Opens the storage of the folder `path`, and reads which format is there, if one is.
    pub(crate) fn open(
        path: &Path,
        options: &Options,
    ) -> Result<(Self, Option<Format>), OpenError> {
        if options.backend.unwrap_or_default() == Backend::Memory {
            return Ok((Self::in_memory()?, None));
        }
        let format = read_format(path)?;
        match &format {
            Some(format) => format.check(options)?,
            None if !options.create => {
                return Err(OpenError::NotFound {
                    path: path.to_owned(),
                });
            }
            None => {}
        }
        let io = |error: io::Error| OpenError::Storage(error.into());
        let folder = DiskVolume::open(path).map_err(io)?;
        let lock = FolderLock::take(path).map_err(|error| match error {
            LockError::Held { pid } => OpenError::Locked {
                path: path.to_owned(),
                holder: pid,
            },
            LockError::Io(error) => io(error),
        })?;
        // Whoever held the lock before may have made it just now.
        let format = format.map_or_else(|| read_format(path), |format| Ok(Some(format)))?;
        let backend = (format.map(|format| format.backend))
            .unwrap_or_else(|| options.backend.unwrap_or_default());
        let log: Arc<dyn Volume> = Arc::new(DiskVolume::open(&path.join("log")).map_err(io)?);
        let journal = path.join("journal");
        let open = || -> OpenEngine {
            let (log, behind) = (log.clone(), opener(backend, journal.clone()));
            Box::new(move || {
                let engine = WalEngine::open(log.clone(), behind()?, WalOptions::default())?;
                Ok(Box::new(engine))
            })
        };
        let engine = match Reopen::new(open()) {
            Err(EngineError::Damaged(why)) if format.is_none() && !was_created(path)? => {
                tracing::warn!(%why, "what a creation left behind is made again");
                fs::remove_dir_all(&journal).map_err(io)?;
                Reopen::new(open())?
            }
            engine => engine?,
        };
        let checkpoints = DiskVolume::open(&path.join("checkpoints")).map_err(io)?;
        let storage = Self {
            engine: Arc::new(engine),
            folder: Arc::new(folder),
            checkpoints: Arc::new(checkpoints),
            _lock: Some(Arc::new(lock)),
        };
        Ok((storage, format))
    }

    /// Storage that is gone when it is dropped.
    fn in_memory() -> Result<Self, EngineError> {
        let engine = MemoryEngine::default();
        Ok(Self {
            engine: Arc::new(Reopen::new(Box::new(move || Ok(Box::new(engine.clone()))))?),
            folder: Arc::new(MemoryVolume::default()),
            checkpoints: Arc::new(MemoryVolume::default()),
            _lock: None,
        })
    }
}

/// How the journal is opened.
#[cfg_attr(
    not(any(feature = "sled", feature = "rocksdb")),
    expect(unused_variables, reason = "memory has no path")
)]
fn opener(backend: Backend, path: PathBuf) -> OpenEngine {
    match backend {
        #[cfg(feature = "sled")]
        Backend::Sled => Box::new(move || {
            Ok(Box::new(crate::engine::sled::SledEngine::open(
                &path,
                crate::engine::sled::CACHE_BYTES,
            )?))
        }),
        #[cfg(feature = "rocksdb")]
        Backend::RocksDb => {
            Box::new(move || Ok(Box::new(crate::engine::rocksdb::RocksEngine::open(&path)?)))
        }
        Backend::Memory => {
            let engine = MemoryEngine::default();
            Box::new(move || Ok(Box::new(engine.clone())))
        }
    }
}

/// The description in the folder `path`; none if the folder is not there, or has nothing in it but
/// what a creation leaves behind that did not come to its end.
fn read_format(path: &Path) -> Result<Option<Format>, OpenError> {
    let io = |error: io::Error| OpenError::Storage(error.into());
    match fs::read(path.join(format::FILE)) {
        Ok(text) => return Ok(Some(Format::decode(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    for entry in entries {
        let name = entry.map_err(io)?.file_name();
        if !LEFT_BEHIND.iter().any(|known| name == *known) {
            return Err(OpenError::NotADatabase {
                path: path.to_owned(),
            });
        }
    }
    Ok(None)
}

/// Whether a creation in this folder, which has no description, came so far that its engine was
/// durable: then there is the mark, or what later came beside it. Before that there was nothing to lose.
fn was_created(path: &Path) -> Result<bool, OpenError> {
    let io = |error: io::Error| OpenError::Storage(error.into());
    if path.join("HEAD").try_exists().map_err(io)? {
        return Ok(true);
    }
    match fs::read_dir(path.join("checkpoints")) {
        Ok(mut checkpoints) => Ok(checkpoints.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io(error)),
    }
}

/// What a creation or import that did not come to its end may leave behind.
const LEFT_BEHIND: [&str; 9] = [
    "LOCK",
    "HEAD",
    "HEAD.new",
    "FORMAT.new",
    importing::NAME,
    importing::NEW_NAME,
    "journal",
    "log",
    "checkpoints",
];
