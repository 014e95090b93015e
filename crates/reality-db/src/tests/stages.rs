//! Storage for tests: where a database lives while it is closed.

use std::ops::ControlFlow;
#[cfg(feature = "sled")]
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::engine::memory::MemoryEngine;
use crate::engine::{Engine, EngineBatch};
use crate::format::{self, Format};
use crate::journal::chunk_key;
use crate::storage::{Reopen, Storage};
use crate::volume::memory::MemoryVolume;
use crate::{Backend, OpenError, Options, RealityDb};

/// Where a database lives while it is closed.
pub(super) enum Stage {
    Memory {
        engine: MemoryEngine,
        folder: MemoryVolume,
        checkpoints: MemoryVolume,
    },
    Disk {
        folder: TempDir,
        backend: Backend,
    },
}

/// Nothing is done behind a test's back.
pub(super) fn options() -> Options {
    Options::new().background(false)
}

/// Ends nothing.
pub(crate) fn go_on<P>(_: P) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Changes a bit of the last byte.
pub(super) fn flip_last(bytes: &mut [u8]) {
    *bytes.last_mut().unwrap() ^= 1;
}

impl Stage {
    pub(super) fn memory() -> Self {
        Self::Memory {
            engine: MemoryEngine::default(),
            folder: MemoryVolume::default(),
            checkpoints: MemoryVolume::default(),
        }
    }

    pub(super) fn disk(backend: Backend) -> Self {
        Self::Disk {
            folder: tempfile::tempdir().unwrap(),
            backend,
        }
    }

    /// Where the journal lies in memory.
    pub(super) fn engine(&self) -> &MemoryEngine {
        match self {
            Self::Memory { engine, .. } => engine,
            Self::Disk { folder, .. } => panic!("it lies in {}", folder.path().display()),
        }
    }

    /// Puts or removes an entry of the engine behind the database's back.
    pub(super) fn write(&self, key: &[u8], value: Option<Vec<u8>>) {
        let changes = vec![(key.to_vec(), value)];
        self.engine().write(EngineBatch { changes }).unwrap();
    }

    /// Changes an entry of the engine behind the database's back.
    pub(super) fn edit(&self, key: &[u8], edit: impl FnOnce(&mut Vec<u8>)) {
        let mut value = self.engine().get(key).unwrap().unwrap();
        edit(&mut value);
        self.write(key, Some(value));
    }

    /// Changes the first chunk of the record of `version` behind the database's back.
    pub(super) fn edit_record(&self, version: u64, edit: impl FnOnce(&mut Vec<u8>)) {
        self.edit(&chunk_key(version, 0), edit);
    }

    /// Removes the record of `version`, which is of one chunk, behind the database's back.
    pub(super) fn remove_record(&self, version: u64) {
        self.write(&chunk_key(version, 0), None);
    }

    /// Where checkpoints lie in memory.
    pub(super) fn checkpoints(&self) -> &MemoryVolume {
        match self {
            Self::Memory { checkpoints, .. } => checkpoints,
            Self::Disk { folder, .. } => panic!("they lie in {}", folder.path().display()),
        }
    }

    /// Where it lives on disk.
    #[cfg(feature = "sled")]
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Disk { folder, .. } => folder.path(),
            Self::Memory { .. } => panic!("it lives in memory"),
        }
    }

    /// These options, with its backend.
    pub(super) fn options(&self, options: &Options) -> Options {
        match self {
            Self::Memory { .. } => options.clone(),
            Self::Disk { backend, .. } => options.clone().backend(*backend),
        }
    }

    /// Opens the database, or creates it.
    pub(super) fn open(&self, options: &Options) -> Result<RealityDb, OpenError> {
        let options = self.options(options);
        let (storage, format) = self.storage(&options)?;
        RealityDb::start(storage, format, &options)
    }

    /// The storage, and the description of the store if there is one.
    pub(super) fn storage(
        &self,
        options: &Options,
    ) -> Result<(Storage, Option<Format>), OpenError> {
        match self {
            Self::Memory {
                engine,
                folder,
                checkpoints,
            } => {
                let engine = engine.clone();
                let storage = Storage {
                    engine: Arc::new(Reopen::new(Box::new(move || Ok(Box::new(engine.clone()))))?),
                    folder: Arc::new(folder.clone()),
                    checkpoints: Arc::new(checkpoints.clone()),
                    _lock: None,
                };
                Ok((storage, format::read(folder)?))
            }
            Self::Disk { folder, .. } => Storage::open(folder.path(), &self.options(options)),
        }
    }
}
