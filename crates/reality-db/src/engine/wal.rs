//! An engine behind a log of our own: what is written is durable once it is in the log, and goes to
//! the engine later, many commits together.
//!
//! Engines write a commit more than once and make their files longer while they do; a sync waits for
//! all of it. A log in files whose room was made beforehand costs one write and one sync of what was
//! written, little more than the disk itself asks for. `docs/decisions/0023` has the figures.
//!
//! Two files take turns. While one is written, the content of the other goes to the engine, in a
//! thread of its own; once the engine has it durably it is overwritten. What the engine does not have
//! yet is held in memory too, and every read looks there first. The bytes: `docs/formats/journal.md`.

mod frame;
mod log;
mod pending;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use super::{End, Engine, EngineBatch, EngineError, Entry};
use crate::volume::Volume;
use log::Log;
use pending::{Changes, Pending};

/// How the log is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WalOptions {
    /// Bytes of a file after which the other one is written.
    pub(crate) file_bytes: u64,
    /// Whether a thread brings the content of a full file to the engine. Without one, whoever fills
    /// it does.
    pub(crate) thread: bool,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self {
            file_bytes: 8 << 20,
            thread: true,
        }
    }
}

/// An engine behind a log.
pub(crate) struct WalEngine {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    engine: Box<dyn Engine>,
    options: WalOptions,
    /// Held by whoever writes. Taken before `pending`.
    log: Mutex<Log>,
    pending: Mutex<Pending>,
    /// What the thread, and whoever waits for it, waits for.
    changed: Condvar,
    /// Set by the first write or sync that failed: nobody knows what of it is on disk.
    refusal: OnceLock<Refusal>,
}

/// What an error said.
struct Refusal {
    kind: Option<io::ErrorKind>,
    why: String,
}

impl WalEngine {
    /// Puts the log in `volume` before `engine`, and reads what it has that the engine has not.
    pub(crate) fn open(
        volume: Arc<dyn Volume>,
        engine: Box<dyn Engine>,
        options: WalOptions,
    ) -> Result<Self, EngineError> {
        let (log, pending) = Log::open(volume, stored(&*engine)?)?;
        let shared = Arc::new(Shared {
            engine,
            options,
            log: Mutex::new(log),
            pending: Mutex::new(pending),
            changed: Condvar::new(),
            refusal: OnceLock::new(),
        });
        let mut opened = Self {
            shared,
            thread: None,
        };
        // Nothing is written before somebody writes: a store is read where no space is left, too.
        if options.thread {
            let shared = opened.shared.clone();
            let thread = thread::Builder::new().name("reality-db-log".to_owned());
            opened.thread = Some(thread.spawn(move || shared.serve())?);
        }
        Ok(opened)
    }

    /// Ends it as the end of the process would: nothing of it is brought to the engine any more.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn abandon(self) {
        let gone = EngineError::Broken("the process is gone".to_owned());
        self.shared.refuse(gone);
    }
}

impl Engine for WalEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        if let Some(value) = self.shared.pending().get(key) {
            return Ok(value.map(|value| value.to_vec()));
        }
        self.shared.engine.get(key)
    }

    fn edge(&self, end: End, from: &[u8], to: &[u8]) -> Result<Option<Entry>, EngineError> {
        self.shared.steadily(|| {
            let (mut from, mut to) = (from.to_vec(), to.to_vec());
            let changed = self.shared.pending().edge(end, &from, &to);
            loop {
                let Some(stored) = self.shared.engine.edge(end, &from, &to)? else {
                    return Ok(changed);
                };
                let comes_first = |changed: &Entry| match end {
                    End::First => changed.0 <= stored.0,
                    End::Last => changed.0 >= stored.0,
                };
                if changed.as_ref().is_some_and(comes_first) {
                    return Ok(changed);
                }
                if self.shared.pending().get(&stored.0).is_none() {
                    return Ok(Some(stored));
                }
                // It is removed: look behind it.
                match end {
                    End::First => from = after(stored.0),
                    End::Last => to = stored.0,
                }
            }
        })
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, EngineError> {
        self.shared.steadily(|| {
            let changes = self.shared.pending().changes(from, to);
            let mut found = Vec::new();
            let mut from = from.to_vec();
            while found.len() < limit && from.as_slice() < to {
                let wanted = limit - found.len();
                let stored = self.shared.engine.scan(&from, to, wanted)?;
                // What lies behind the last one is not known yet, if there is more of it.
                let end = match stored.last() {
                    Some((last, _)) if stored.len() == wanted => after(last.clone()),
                    _ => to.to_vec(),
                };
                changes.merge(&from, &end, stored, limit, &mut found);
                from = end;
            }
            Ok(found)
        })
    }

    fn write(&self, batch: EngineBatch) -> Result<(), EngineError> {
        let shared = &*self.shared;
        shared.wait_for_room();
        if batch.changes.is_empty() {
            return shared.check();
        }
        // Whoever never asks for a sync goes on in the other file nevertheless.
        let mut log = shared.log();
        if log.end() >= shared.options.file_bytes && !shared.pending().is_turned() {
            log = shared.sync_and_turn(log)?;
        }
        shared.check()?;
        let written = log.append(&batch);
        written.map_err(|error| shared.refuse(error.into()))?;
        if shared.pending().add(batch) {
            shared.turned();
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), EngineError> {
        let shared = &*self.shared;
        shared.sync_and_turn(shared.log()).map(drop)
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        let log = self.shared.log().disk_bytes()?;
        Ok(self.shared.engine.disk_bytes()? + log)
    }

    fn wastes_disk(&self, live_bytes: u64) -> Result<bool, EngineError> {
        self.shared.engine.wastes_disk(live_bytes)
    }

    /// Brings everything to the engine first, which still has what is removed in the log.
    fn reclaim(&self, live_bytes: u64) -> Result<(), EngineError> {
        let shared = &*self.shared;
        if !shared.pending().is_written() {
            return Ok(()); // what the log had when it was opened is not brought before the first write
        }
        // Once for what is on its way already, and once for the rest.
        for _ in 0..2 {
            let mut log = shared.log();
            shared.sync(&mut log)?;
            shared.turn(&mut log);
            drop(log);
            shared.wait_for_engine();
        }
        shared.check()?;
        shared.engine.reclaim(live_bytes)
    }
}

impl Shared {
    /// Reads, and again if changes began or ended their way to the engine meanwhile: some may have
    /// been seen in neither place, or only some of those that belong together.
    fn steadily<T>(&self, read: impl Fn() -> Result<T, EngineError>) -> Result<T, EngineError> {
        loop {
            let turns = self.pending().turns();
            let answer = read()?;
            if self.pending().turns() == turns {
                return Ok(answer);
            }
        }
    }

    /// Makes all that was written durable.
    fn sync(&self, log: &mut Log) -> Result<(), EngineError> {
        self.check()?;
        log.sync().map_err(|error| self.refuse(error.into()))
    }

    /// The same, and then goes on in the other file if this one is as long as it should be.
    fn sync_and_turn<'l>(
        &self,
        mut log: MutexGuard<'l, Log>,
    ) -> Result<MutexGuard<'l, Log>, EngineError> {
        self.sync(&mut log)?;
        if log.end() >= self.options.file_bytes {
            self.turn(&mut log);
        }
        Ok(log)
    }

    /// Goes on in the other file, if the engine has the content of that; what is in this one goes to
    /// the engine.
    fn turn(&self, log: &mut Log) {
        {
            let mut pending = self.pending();
            if pending.is_turned() {
                return; // the engine is slower than the commits: this file gets longer
            }
            if let Err(error) = log.turn() {
                drop(pending);
                self.refuse(error.into());
                return;
            }
            pending.turn(log.sequence());
        }
        self.turned();
    }

    /// Sees to it that what was turned away from goes to the engine.
    fn turned(&self) {
        if self.options.thread {
            self.changed.notify_all();
        } else {
            // What was synced is durable whatever comes of this: the next write is told of a failure.
            let _ = self.drain();
        }
    }

    /// Brings what was turned away from to the engine, if there is anything.
    fn drain(&self) -> Result<(), EngineError> {
        let Some((changes, sequence)) = self.pending().turned() else {
            return Ok(());
        };
        let drained = self.bring(&changes, sequence);
        match drained {
            Ok(()) => self.pending().forget(),
            Err(error) => return Err(self.refuse(error)),
        }
        self.changed.notify_all();
        Ok(())
    }

    /// Writes changes to the engine, durably, and that it has all up to `sequence`.
    ///
    /// A batch of the engine's is part of them: none is seen before all are there, since reads look
    /// at the changes first, also after a crash.
    fn bring(&self, changes: &Changes, sequence: u64) -> Result<(), EngineError> {
        let mut batch = EngineBatch::default();
        let mut bytes = 0;
        for (key, value) in changes.iter() {
            bytes += key.len() + value.as_ref().map_or(0, |value| value.len());
            let value = value.as_ref().map(|value| value.to_vec());
            batch.changes.push((key.clone(), value));
            if bytes >= BATCH_BYTES {
                self.engine.write(std::mem::take(&mut batch))?;
                bytes = 0;
            }
        }
        let stored = sequence.to_be_bytes().to_vec();
        batch.changes.push((STORED.to_vec(), Some(stored)));
        self.engine.write(batch)?;
        self.engine.sync()
    }

    /// What the thread does.
    fn serve(&self) {
        loop {
            {
                let mut pending = self.pending();
                while !pending.is_due() && !pending.is_closing() {
                    let waited = self.changed.wait(pending);
                    pending = waited.unwrap_or_else(PoisonError::into_inner);
                }
                if pending.is_closing() {
                    return;
                }
            }
            if let Err(error) = self.drain() {
                tracing::warn!(%error, "the log could not be brought to the engine");
                return;
            }
        }
    }

    /// Waits while the log is much longer than it should be.
    fn wait_for_room(&self) {
        if !self.options.thread || self.log().end() < FILES_MAX * self.options.file_bytes {
            return;
        }
        self.wait_for_engine();
    }

    /// Waits until the engine has what is on its way to it now.
    fn wait_for_engine(&self) {
        let mut pending = self.pending();
        let turns = pending.turns();
        while pending.is_due() && pending.turns() == turns && self.refusal.get().is_none() {
            let waited = self.changed.wait(pending);
            pending = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// After an error of a write or a sync: no more of them.
    fn refuse(&self, error: EngineError) -> EngineError {
        let kind = match &error {
            EngineError::Io(error) => Some(error.kind()),
            _ => None,
        };
        let why = format!("an earlier write failed: {error}");
        let _ = self.refusal.set(Refusal { kind, why });
        // Whoever waits for room finds out.
        drop(self.pending());
        self.changed.notify_all();
        error
    }

    fn check(&self) -> Result<(), EngineError> {
        match self.refusal.get() {
            None => Ok(()),
            Some(Refusal { kind, why }) => Err(match *kind {
                Some(kind) => EngineError::Io(io::Error::new(kind, why.clone())),
                None => EngineError::Broken(why.clone()),
            }),
        }
    }

    // What panics while they are locked leaves them whole.
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings everything to the engine.
    fn close(&self) -> Result<(), EngineError> {
        self.drain()?;
        let mut log = self.log();
        self.check()?;
        if self.pending().is_empty() {
            return Ok(());
        }
        log.sync()?;
        self.pending().turn(log.sequence());
        self.drain()
    }
}

impl Drop for WalEngine {
    /// Brings everything to the engine, unless a write failed: what is in the log is there when it is
    /// opened again.
    fn drop(&mut self) {
        self.shared.pending().close();
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // Had it panicked, that was printed then; the log has everything.
            let _ = thread.join();
        }
        if self.shared.refusal.get().is_none()
            && let Err(error) = self.shared.close()
        {
            tracing::warn!(%error, "the log could not be brought to the engine");
        }
    }
}

impl From<log::LogError> for EngineError {
    fn from(error: log::LogError) -> Self {
        match error {
            log::LogError::Io(error) => Self::Io(error),
            log::LogError::TooLarge => Self::Io(io::ErrorKind::FileTooLarge.into()),
        }
    }
}

/// The number of the last frame whose changes the engine has, all of them durably.
fn stored(engine: &dyn Engine) -> Result<u64, EngineError> {
    let stored = engine
        .get(STORED)?
        .and_then(|stored| stored.try_into().ok());
    Ok(stored.map_or(0, u64::from_be_bytes))
}

/// The first key behind `key`.
fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// The engine's key that holds how much of the log it has: behind all others.
const STORED: &[u8] = b"\xffwal";

/// Bytes that the engine is given at a time.
const BATCH_BYTES: usize = 64 << 10;

/// How many times as long as it should be a file may get before commits wait for the engine.
const FILES_MAX: u64 = 2;
