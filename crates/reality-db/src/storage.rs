//! What a database stands on: an engine for the journal, folders for the rest.

use std::sync::{Arc, RwLock, RwLockReadGuard};

use crate::engine::{End, Engine, EngineBatch, EngineError, Entry};
use crate::volume::Volume;

/// What a database stands on.
#[derive(Clone)]
pub(crate) struct Storage {
    /// Holds the journal and small records.
    pub(crate) engine: Arc<Reopen>,
    /// Holds the description and the mark.
    pub(crate) folder: Arc<dyn Volume>,
    /// Holds the checkpoints.
    pub(crate) checkpoints: Arc<dyn Volume>,
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
        self.with(Engine::sync)
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        self.with(Engine::disk_bytes)
    }
}
