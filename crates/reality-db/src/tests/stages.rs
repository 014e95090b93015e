//! Storage for tests: where a database lives while it is closed.

#[cfg(feature = "sled")]
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::engine::memory::MemoryEngine;
use crate::format::{self, Format};
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
