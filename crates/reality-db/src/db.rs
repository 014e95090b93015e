//! The handle of an open database.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use merkle_core::KeyError;

use crate::checkpoint::{Numbers, Pointer};
use crate::checkpoints::{Files, RetentionFloor};
use crate::counters::Counting;
use crate::engine::EngineError;
use crate::error::Fault;
use crate::format::Format;
use crate::open::OpenReport;
use crate::state::{self, State};
use crate::storage::Storage;
use crate::worker::{Signal, Worker};
use crate::writer::Writer;
use crate::{
    Batch, CommitError, Damage, Health, KeyMode, Options, Profile, ReadError, Retention, Snapshot,
    Version,
};

/// An open database. Cloning the handle is cheap; all clones share it, in all threads.
///
/// Every call may block on the disk, if only for the fraction of a millisecond that a sync takes:
/// asynchronous callers hand them to a thread that may block (`spawn_blocking`).
///
/// A commit holds the newest version from the update of the tree until it is durable. Whatever begins with the
/// newest version waits for the commit in flight: [`get`](Self::get), [`get_many`](Self::get_many),
/// [`snapshot`](Self::snapshot), [`prepare`](Self::prepare), [`at`](Self::at) and the other calls about the
/// past, [`stats`](Self::stats). A [`Snapshot`] or [`Prepared`](crate::Prepared) that was taken waits for no
/// commit, and no commit for it. A commit waits for reads of the newest version, mostly for as long as one
/// looks something up in memory; while one loads what it needs from disk, everybody else waits for it.
/// [`version`](Self::version), [`counters`](Self::counters), [`last_checked`](Self::last_checked) and
/// [`health`](Self::health) wait for nothing.
#[derive(Clone)]
pub struct RealityDb {
    /// Ends with the last handle, before what it works on.
    _worker: Option<Arc<Worker>>,
    pub(crate) shared: Arc<Shared>,
}

/// What all handles share.
pub(crate) struct Shared {
    pub(crate) format: Format,
    pub(crate) options: Options,
    pub(crate) storage: Storage,
    /// The newest durable version. Held for writing during a commit, until it is durable.
    pub(crate) head: RwLock<State>,
    /// Which it is, for those who do not wait for a commit.
    pub(crate) version: Mutex<Version>,
    /// Whoever commits holds this first, and then the head.
    pub(crate) writer: Mutex<Writer>,
    pub(crate) health: RwLock<Health>,
    /// How many ways out were taken by this handle and its clones. Raised under the lock of the health.
    pub(crate) ways_taken: AtomicU64,
    /// The checkpoints that are kept, in order.
    pub(crate) pointers: Mutex<Vec<Pointer>>,
    /// Where checkpoints lie, by the number of their own file, as far as that is known.
    pub(crate) files: Mutex<BTreeMap<u64, Files>>,
    /// Numbers for new files.
    pub(crate) numbers: Arc<Numbers>,
    /// Which versions are to stay.
    pub(crate) retention: Mutex<Retention>,
    /// What the last pruning found out for it.
    pub(crate) floor: Mutex<RetentionFloor>,
    /// Held while a checkpoint is written: one at a time.
    pub(crate) checkpointing: Mutex<()>,
    /// The oldest version that can be read, unless the journal begins later.
    pub(crate) oldest: AtomicU64,
    /// The version that the journal begins with importing, or 0: those before it cannot be read.
    pub(crate) imported: AtomicU64,
    pub(crate) report: OpenReport,
    pub(crate) counting: Arc<Counting>,
    pub(crate) signal: Arc<Signal>,
}

impl RealityDb {
    /// The first handle. With it begins the thread that writes checkpoints, if there is to be one.
    pub(crate) fn new(shared: Shared) -> io::Result<Self> {
        let shared = Arc::new(shared);
        let behind = shared.behind(&lock(&shared.writer));
        shared.signal.committed(behind, false);
        let worker = match shared.options.background {
            true => Some(Arc::new(Worker::start(&shared)?)),
            false => None,
        };
        Ok(Self {
            _worker: worker,
            shared,
        })
    }

    /// The newest version: while a commit is being made, the one before it. Waits for nothing.
    #[must_use]
    pub fn version(&self) -> Version {
        *lock(&self.shared.version)
    }

    /// How this database hashes: what its proofs are verified with.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.shared.format.profile
    }

    /// How this database places keys.
    #[must_use]
    pub fn key_mode(&self) -> KeyMode {
        self.shared.format.key_mode
    }

    /// Where `key` is in the tree, and so in proofs: the key itself, or its hash.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn tree_key(&self, key: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(self.shared.tree_key(key)?.into_owned())
    }

    /// The newest version, to read from: it stays as it is whatever is committed meanwhile.
    ///
    /// Taking it waits while a commit is being made; once it is taken it waits for none.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`] after a panic in another thread.
    pub fn snapshot(&self) -> Result<Snapshot, ReadError> {
        let ways_taken = self.shared.ways_taken();
        let state = state::read(&self.shared.head)?.clone();
        Ok(Snapshot::new(state, self.shared.clone(), ways_taken))
    }

    /// The value of `key` in the newest version.
    ///
    /// Waits while a commit is being made; a [snapshot](Self::snapshot) that was taken before does not.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; damage is told, never returned as a value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let key = self.shared.tree_key(key)?;
        let ways_taken = self.shared.ways_taken();
        let value = state::get(&self.shared.head, &key);
        self.shared.noticed_since(ways_taken, value)
    }

    /// The values of `keys` in the newest version, in the order in which they are asked for: all of
    /// one version, and faster than one by one; see [`Snapshot::get_many`].
    ///
    /// Waits while a commit is being made; a [snapshot](Self::snapshot) that was taken before does not.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; damage is told, never returned as a value.
    pub fn get_many<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        let keys = self.shared.tree_keys(keys)?;
        let ways_taken = self.shared.ways_taken();
        let values = state::get_many(&self.shared.head, &keys);
        self.shared.noticed_since(ways_taken, values)
    }

    /// Commits one entry.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<Version, CommitError> {
        let mut batch = Batch::new();
        batch.put(key, value)?;
        self.commit(&batch)
    }

    /// Commits the removal of one entry.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub fn delete(&self, key: &[u8]) -> Result<Version, CommitError> {
        let mut batch = Batch::new();
        batch.delete(key)?;
        self.commit(&batch)
    }

    /// Whether the database is sound, or in panic mode.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// Finds out where the journal stands after the storage failed, and goes on from there. The next
    /// commit does so too. Nothing to do if nothing failed.
    ///
    /// The version it returns is the last acknowledged one, or one whose commit failed as
    /// [`Unknown`](CommitError::Unknown) and is there.
    ///
    /// # Errors
    ///
    /// [`CommitError::Storage`] while the storage still fails; [`CommitError::Panic`].
    pub fn recover(&self) -> Result<Version, CommitError> {
        let writer = self.shared.writer()?;
        drop(writer);
        Ok(self.version())
    }

    /// Makes all commits durable, for [`Durability::Buffered`](crate::Durability::Buffered).
    ///
    /// # Errors
    ///
    /// [`CommitError::Unknown`] or [`CommitError::Panic`].
    pub fn sync(&self) -> Result<(), CommitError> {
        self.shared.writer()?.sync()
    }
}

impl Shared {
    /// The right to commit: refused in panic mode; finds out first where the journal stands if the
    /// storage failed before.
    pub(crate) fn writer(&self) -> Result<MutexGuard<'_, Writer>, CommitError> {
        let mut writer = self.writer.lock().map_err(|_| {
            EngineError::Broken("an earlier commit on this handle panicked".to_owned())
        })?;
        if let Health::Panic(damage) = self.health() {
            return Err(CommitError::Panic(damage));
        }
        if writer.is_interrupted() {
            let mut head = state::write(&self.head)?;
            // No way out is taken while the writer is held.
            let resumed = writer.resume(&mut head);
            self.set_version(&head);
            let (pointers, oldest) = self.noticed_by_commit(self.ways_taken(), resumed)?;
            *lock(&self.pointers) = pointers;
            self.oldest.fetch_max(oldest, Ordering::AcqRel);
        }
        Ok(writer)
    }

    /// Says that this is the newest version. `head` is still held: whoever waits for it finds no older one.
    pub(crate) fn set_version(&self, head: &State) {
        *lock(&self.version) = Version::of(&head.link());
    }

    /// The checkpoints that are kept, in order.
    pub(crate) fn pointers(&self) -> Vec<Pointer> {
        lock(&self.pointers).clone()
    }

    pub(crate) fn health(&self) -> Health {
        let health = self.health.read();
        health.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Enters panic mode if damage was found.
    ///
    /// A record that is gone because its version was pruned meanwhile is no damage.
    pub(crate) fn noticed<T>(&self, outcome: Result<T, Fault>) -> Result<T, ReadError> {
        self.noticed_since(self.ways_taken(), outcome)
    }

    /// The same, of what was read when so many ways out were [taken](Self::ways_taken): damage of what a later
    /// one gave up is told, and is none of the store.
    pub(crate) fn noticed_since<T>(
        &self,
        ways_taken: u64,
        outcome: Result<T, Fault>,
    ) -> Result<T, ReadError> {
        let oldest = self.oldest.load(Ordering::Acquire);
        match outcome {
            Err(Fault::Damage(
                Damage::Record { version }
                | Damage::Chain {
                    follows: version, ..
                },
            )) if version < oldest => Err(ReadError::Pruned { version, oldest }),
            outcome => {
                self.notice(ways_taken, &outcome);
                Ok(outcome?)
            }
        }
    }

    pub(crate) fn noticed_by_commit<T>(
        &self,
        ways_taken: u64,
        outcome: Result<T, Fault>,
    ) -> Result<T, CommitError> {
        self.notice(ways_taken, &outcome);
        Ok(outcome?)
    }

    fn notice<T>(&self, ways_taken: u64, outcome: &Result<T, Fault>) {
        if let Err(Fault::Damage(damage)) = outcome {
            self.panic_since(ways_taken, damage);
        }
    }

    /// How many ways out were taken. To be asked before what may be damaged is read.
    pub(crate) fn ways_taken(&self) -> u64 {
        self.ways_taken.load(Ordering::Acquire)
    }

    /// Enters panic mode: the first damage found is the one that it tells.
    pub(crate) fn panic(&self, damage: &Damage) {
        self.panic_since(self.ways_taken(), damage);
    }

    fn panic_since(&self, ways_taken: u64, damage: &Damage) {
        let health = self.health.write();
        let mut health = health.unwrap_or_else(PoisonError::into_inner);
        if matches!(*health, Health::Sound) && ways_taken == self.ways_taken() {
            tracing::error!(%damage, "panic mode: writes are refused");
            *health = Health::Panic(damage.clone());
        }
    }

    pub(crate) fn notice_commit(&self, outcome: &Result<(), CommitError>) {
        if let Err(CommitError::Damaged(damage)) = outcome {
            self.panic(damage);
        }
    }

    /// How far the journal is behind the newest checkpoint, and how far it may be.
    pub(crate) fn behind(&self, writer: &Writer) -> Behind {
        let newest = lock(&self.pointers).last().copied();
        let (before, live) =
            newest.map_or((0, 0), |newest| (newest.journal_bytes, newest.live_bytes));
        Behind {
            bytes: writer.journal_bytes().saturating_sub(before),
            limit_bytes: (self.options.checkpoint_bytes)
                .unwrap_or_else(|| CHECKPOINT_BYTES_MIN.max(live / LIVE_A_CHECKPOINT)),
        }
    }
}

/// How far the journal is behind the newest checkpoint.
#[derive(Clone, Copy)]
pub(crate) struct Behind {
    pub(crate) bytes: u64,
    /// How far it may be.
    pub(crate) limit_bytes: u64,
}

/// Journal behind a checkpoint before the next is written, at least, unless the caller says how much.
const CHECKPOINT_BYTES_MIN: u64 = 64 << 20;

/// The part of the entries' bytes that the journal may be long behind a checkpoint. Changes all over
/// the tree have all of it written again.
const LIVE_A_CHECKPOINT: u64 = 4;

/// Locks what is whole whoever panicked while holding it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
