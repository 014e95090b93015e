//! The one who writes: appends records and keeps the mark of what was acknowledged.

use std::sync::Arc;

use crate::checkpoint::Pointer;
use crate::engine::{End, Engine, EngineBatch, EngineError};
use crate::error::Fault;
use crate::head::{Head, Mark};
use crate::journal::{Journal, Link};
use crate::options::Durability;
use crate::replay::{Roots, replay};
use crate::state::State;
use crate::storage::{Reopen, Storage};
use crate::volume::Volume;
use crate::{CommitError, Damage, checkpoints};

/// The one who writes.
pub(crate) struct Writer {
    journal: Journal,
    engine: Arc<Reopen>,
    folder: Arc<dyn Volume>,
    /// None if it was not there or damaged when the database was opened: until a way out is taken.
    mark: Option<Head>,
    durability: Durability,
    /// The newest record written, if it is not known to be durable.
    unsynced: Option<Mark>,
    /// What was marked last, or would be if there were need.
    marked: Mark,
    /// A write or sync failed: where the journal stands is not known.
    interrupted: bool,
    /// Bytes of all records so far, those of pruned versions too.
    journal_bytes: u64,
    /// The same when it was opened.
    opened_bytes: u64,
}

impl Writer {
    /// A writer behind `journal_bytes` of records, the last of which is that of `marked`.
    pub(crate) fn new(
        storage: &Storage,
        mark: Option<Head>,
        marked: Mark,
        durability: Durability,
        journal_bytes: u64,
    ) -> Self {
        Self {
            journal: Journal::new(storage.engine.clone()),
            engine: storage.engine.clone(),
            folder: storage.folder.clone(),
            mark,
            durability,
            unsynced: None,
            marked,
            interrupted: false,
            journal_bytes,
            opened_bytes: journal_bytes,
        }
    }

    /// Bytes of all records so far.
    pub(crate) fn journal_bytes(&self) -> u64 {
        self.journal_bytes
    }

    /// Bytes of the records written since it was opened.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.journal_bytes - self.opened_bytes
    }

    /// Says that a write of somebody else's failed: the engine must be opened again.
    pub(crate) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Writes records and makes them durable as far as was asked; `head` is the last of them.
    pub(crate) fn persist(
        &mut self,
        records: &[(u64, Vec<u8>)],
        head: &Link,
    ) -> Result<(), CommitError> {
        if let Err(error) = self.journal.append(records) {
            self.interrupted = true;
            return Err(CommitError::Unknown(error));
        }
        self.unsynced = Some(Mark::of(head));
        if self.durability == Durability::Synced {
            self.sync()?;
        }
        // Those of a commit that failed are counted when it turns out that they are there.
        self.journal_bytes += (records.iter())
            .map(|(_, record)| record.len() as u64)
            .sum::<u64>();
        Ok(())
    }

    /// Writes small records that are not part of the journal, durably, and counts it in the mark.
    pub(crate) fn write_small(
        &mut self,
        mut changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) -> Result<(), CommitError> {
        let small = self.marked.small + 1;
        changes.push((SMALL.to_vec(), Some(small.to_be_bytes().to_vec())));
        let written = self.engine.write(EngineBatch { changes });
        written.and_then(|()| self.engine.sync()).map_err(|error| {
            self.interrupted = true;
            CommitError::Unknown(error)
        })?;
        self.marked.small = small;
        let mark = self.unsynced.take().unwrap_or(self.marked);
        self.write_mark(mark);
        Ok(())
    }

    /// Makes what was written durable, and marks it as acknowledged.
    pub(crate) fn sync(&mut self) -> Result<(), CommitError> {
        let Some(mark) = self.unsynced.take() else {
            return Ok(());
        };
        if let Err(error) = self.engine.sync() {
            self.interrupted = true;
            return Err(CommitError::Unknown(error));
        }
        self.write_mark(mark);
        Ok(())
    }

    /// Marks what is durable already: the mark is what tells later that the journal lost its tail.
    fn write_mark(&mut self, mark: Mark) {
        let small = self.marked.small;
        self.marked = Mark { small, ..mark };
        // Who commits is not in panic mode, and so has a mark.
        let written = self.mark.as_mut().map(|file| file.write(&self.marked));
        if let Some(Err(error)) = written {
            tracing::warn!(%error, version = mark.version, "the mark could not be written");
        }
    }

    /// Marks another version as the last acknowledged one, durably and all or nothing: in a new mark, for
    /// the old one may be damaged or gone.
    pub(crate) fn mark_again(&mut self, mark: Mark) -> Result<(), EngineError> {
        self.engine.sync()?;
        let small = small_records(&*self.engine)?;
        self.marked = Mark { small, ..mark };
        let made = Head::create(self.folder.clone(), &self.marked);
        self.mark = Some(made.map_err(|error| EngineError::Broken(error.to_string()))?);
        self.unsynced = None;
        self.interrupted = false;
        Ok(())
    }

    /// Opens the engine again after a failure and brings `head` to where the journal stands.
    ///
    /// Returns which checkpoints there are, and the oldest version that can be made: the failure may
    /// have been in a change of those.
    pub(crate) fn resume(&mut self, head: &mut State) -> Result<(Vec<Pointer>, u64), Fault> {
        self.engine.reopen()?;
        let last = self.journal.edge(End::Last)?;
        let acknowledged = head.link().version;
        if last.is_none_or(|last| last < acknowledged) {
            return Err(Damage::TailLost {
                acknowledged,
                found: last,
            }
            .into());
        }
        // Beside the head, which stays as it is if a record turns out bad.
        let begin = || Ok(head.clone());
        let replayed = replay(&self.journal, &begin, u64::MAX, Roots::Last)?;
        self.journal_bytes += replayed.bytes;
        let state = replayed.sound()?;
        self.engine.sync()?;
        let pointers = checkpoints::list(&*self.engine)?;
        let oldest = checkpoints::oldest(&self.journal, &*self.engine)?;
        let small = small_records(&*self.engine)?;
        if small < self.marked.small {
            return Err(Damage::SmallLost {
                acknowledged: self.marked.small,
                found: small,
            }
            .into());
        }
        self.marked.small = small;
        head.replace(state);
        self.interrupted = false;
        self.unsynced = Some(Mark::of(&head.link()));
        tracing::info!(version = head.link().version, "resumed after a failure");
        self.sync().map_err(|error| match error {
            CommitError::Unknown(error) => Fault::from(error),
            _ => EngineError::Broken("sync failed".to_owned()).into(),
        })?;
        Ok((pointers, oldest))
    }
}

/// How many small records were written beside the journal, by the engine.
pub(crate) fn small_records(engine: &dyn Engine) -> Result<u64, EngineError> {
    let count = engine.get(SMALL)?.and_then(|count| count.try_into().ok());
    Ok(count.map_or(0, u64::from_be_bytes))
}

/// The engine's key that holds how many small records were written.
const SMALL: &[u8] = b"n";

impl Mark {
    /// The mark of a version, as long as nothing small was written.
    pub(crate) fn of(link: &Link) -> Self {
        Self {
            version: link.version,
            root: link.root,
            record: link.record_hash,
            small: 0,
        }
    }
}
