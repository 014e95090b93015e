//! What all handles and threads share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use merkle_core::{Hash, SignerKey, TreeHead, VerifierKey};
use reality_db::{CommitError, RealityDb};

use crate::audit::{Audit, AuditError};
use crate::envelope::Envelope;
use crate::follower::Work;
use crate::ids::Ids;
use crate::incident::Incident;
use crate::queue::Id;
use crate::recent::{Outcome, Transition, Transitions};
use crate::reconcile::TakenUp;
use crate::seal::SealFolder;
use crate::sealing::Chain;
use crate::vault::Code;
use crate::{Cause, Config, ExecuteError, Health, Panic, StorageError, VaultError};

/// What all handles and threads share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) db: RealityDb,
    pub(crate) audit: Audit,
    pub(crate) code: Code,
    pub(crate) signer: SignerKey,
    /// Keys whose seals are believed.
    pub(crate) keys: Vec<VerifierKey>,
    pub(crate) seals: SealFolder,
    /// The chain of seals.
    pub(crate) chain: Mutex<Chain>,
    /// Where everything stands as of the newest durable version.
    pub(crate) head: RwLock<Head>,
    pub(crate) trail: Mutex<Trail>,
    /// Told whenever the trail changes.
    pub(crate) trail_changed: Condvar,
    pub(crate) transitions: Mutex<Transitions>,
    /// The identifiers of what was committed.
    pub(crate) ids: Ids,
    /// The handle is being closed.
    pub(crate) closing: AtomicBool,
    pub(crate) health: RwLock<Health>,
}

/// Where the three stores stand as of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) log: TreeHead,
    pub(crate) version: u64,
    pub(crate) state_root: Hash,
    pub(crate) vault: VaultHead,
}

/// What the vault holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VaultHead {
    pub(crate) objects: u64,
    pub(crate) root: Hash,
}

/// What the audit trail has yet to take, and what it took last.
pub(crate) struct Trail {
    pub(crate) work: VecDeque<Work>,
    /// Where everything stood as of the newest record that the trail has.
    pub(crate) applied: Head,
    /// How many wait until the trail has what it has not yet.
    pub(crate) waiting: usize,
    /// Why it is behind, if it fails.
    pub(crate) failure: Option<Arc<AuditError>>,
    /// No more work comes.
    pub(crate) closed: bool,
}

impl Shared {
    pub(crate) fn head(&self) -> Head {
        *self.head.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn vault_head(&self) -> VaultHead {
        self.code.head()
    }

    fn trail(&self) -> MutexGuard<'_, Trail> {
        lock(&self.trail)
    }

    /// Where everything stood as of the newest record that the trail has.
    pub(crate) fn applied_head(&self) -> Head {
        self.trail().applied
    }

    /// How many records the trail has.
    pub(crate) fn applied(&self) -> u64 {
        self.trail().applied.log.size.get()
    }

    /// Makes durable versions visible, and has the trail take their records.
    pub(crate) fn publish(&self, works: Vec<Work>) {
        let Some(newest) = works.last() else { return };
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = newest.head;
        self.trail().work.extend(works);
        self.trail_changed.notify_all();
    }

    /// All that the trail is to take next; none once no more can come.
    ///
    /// Where nobody waits for it, a little more is waited for: a transaction of the trail costs much of
    /// what it costs whether it has ten records or a thousand.
    pub(crate) fn next_work(&self) -> Option<Vec<Work>> {
        let trail = self.trail();
        let is_idle = |trail: &mut Trail| trail.work.is_empty() && !trail.closed;
        let trail = self.trail_changed.wait_while(trail, is_idle);
        let trail = trail.unwrap_or_else(PoisonError::into_inner);
        let may_wait =
            |trail: &mut Trail| trail.work.len() < WORK_MAX && trail.waiting == 0 && !trail.closed;
        let waited = (self.trail_changed).wait_timeout_while(trail, FOLLOW, may_wait);
        let (mut trail, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let some = trail.work.len().min(WORK_MAX);
        let works: Vec<Work> = trail.work.drain(..some).collect();
        (!works.is_empty()).then_some(works)
    }

    pub(crate) fn applied_up_to(&self, head: Head) {
        let mut trail = self.trail();
        trail.applied = head;
        trail.failure = None;
        drop(trail);
        self.trail_changed.notify_all();
    }

    /// The trail failed to take records. Whether there is no use in trying again.
    pub(crate) fn trail_failed(&self, error: AuditError) -> bool {
        let is_final = error.is_final();
        if let Some(cause) = error.cause() {
            self.panic(cause);
        }
        tracing::warn!(%error, "the audit trail is behind");
        let mut trail = self.trail();
        trail.failure = Some(Arc::new(error));
        let given_up = is_final || trail.closed;
        drop(trail);
        self.trail_changed.notify_all();
        given_up
    }

    /// Waits until the trail is not too far behind.
    pub(crate) fn wait_for_trail(&self) -> Result<(), ExecuteError> {
        let newest = self.head().log.size.get();
        let lag = self.config.lag;
        self.wait_until_applied(newest.saturating_sub(lag))?;
        Ok(())
    }

    /// Waits until the trail has so many records; where everything stood then.
    pub(crate) fn wait_until_applied(&self, size: u64) -> Result<Head, StorageError> {
        let mut trail = self.trail();
        let is_behind = |trail: &Trail| trail.applied.log.size.get() < size;
        if !is_behind(&trail) {
            return Ok(trail.applied);
        }
        trail.waiting += 1;
        self.trail_changed.notify_all();
        let go_on = |trail: &mut Trail| is_behind(trail) && trail.failure.is_none();
        let waited = self.trail_changed.wait_while(trail, go_on);
        let mut trail = waited.unwrap_or_else(PoisonError::into_inner);
        trail.waiting -= 1;
        match &trail.failure {
            Some(error) if is_behind(&trail) => Err(StorageError::Behind(error.clone())),
            _ => Ok(trail.applied),
        }
    }

    /// No more versions come.
    pub(crate) fn close_trail(&self) {
        self.trail().closed = true;
        self.trail_changed.notify_all();
    }

    pub(crate) fn keep_transition(&self, version: u64, transition: Arc<Transition>) {
        lock(&self.transitions).insert(version, transition);
    }

    pub(crate) fn health(&self) -> Health {
        let health = self.health.read();
        let own = health.unwrap_or_else(PoisonError::into_inner).clone();
        if own != Health::Sound {
            return own;
        }
        let state = match self.db.health() {
            reality_db::Health::Panic(damage) => Some(Cause::State(damage)),
            _ => None,
        };
        let causes: Vec<Cause> = state.into_iter().chain(self.audit.damage()).collect();
        match causes.is_empty() {
            true => Health::Sound,
            false => Health::Panic(Panic { causes }),
        }
    }

    pub(crate) fn check_health(&self) -> Result<(), ExecuteError> {
        match self.health() {
            Health::Sound => Ok(()),
            Health::Panic(panic) => Err(ExecuteError::Panic(Box::new(panic))),
        }
    }

    /// Enters panic mode, or adds to what is known of it.
    pub(crate) fn panic(&self, cause: Cause) {
        tracing::error!(%cause, store = %cause.store(), "panic mode: writes are refused");
        self.note(&Incident::panic(self.config.time_ns, &cause));
        let mut health = self.health.write().unwrap_or_else(PoisonError::into_inner);
        match &mut *health {
            Health::Panic(panic) if panic.causes.contains(&cause) => {}
            Health::Panic(panic) => panic.causes.push(cause),
            Health::Sound => {
                *health = Health::Panic(Panic {
                    causes: vec![cause],
                });
            }
        }
        drop(health);
        self.trail_changed.notify_all();
    }

    pub(crate) fn note(&self, incident: &Incident) {
        crate::incident::note(&self.config, incident);
    }

    pub(crate) fn notice_commit(&self, error: &CommitError) {
        if let CommitError::Damaged(damage) | CommitError::Panic(damage) = error {
            self.panic(Cause::State(damage.clone()));
        }
    }

    /// An error of the vault: if it is damage, everything enters panic mode.
    pub(crate) fn notice_vault(&self, error: VaultError) -> StorageError {
        if let Some(cause) = error.cause() {
            self.panic(cause);
        }
        error.into()
    }

    /// Adds the identifiers of all records that were there at opening, so that what is new is known to be.
    /// Until then each is looked up in the trail.
    pub(crate) fn load_ids(&self, size: u64) {
        let mut next = 0;
        while next < size {
            if self.closing.load(Ordering::Relaxed) {
                return;
            }
            let page = match self.audit.trail().records(next, PAGE) {
                Ok(page) => page,
                // The trail knows of damage itself; look-ups go on without this.
                Err(error) => return tracing::warn!(%error, "identifiers are looked up one by one"),
            };
            let ids: Vec<Id> = (page.iter())
                .filter_map(|stored| Id::of(&stored.record))
                .collect();
            self.ids.add(&ids);
            next += page.len() as u64;
        }
        self.ids.completed();
    }

    /// What became of a request with this identifier, as the stores say: slow, unless it is new.
    pub(crate) fn find(&self, id: &Id) -> Result<Option<(Hash, Outcome)>, StorageError> {
        if self.ids.is_new(id) {
            return Ok(None);
        }
        let Some(stored) = self.audit.find(id)? else {
            return Ok(None);
        };
        let index = stored.index;
        let version = match crate::reconcile::version_of(&stored.record) {
            Some(version) => version,
            None => self.version_of_index(index)?,
        };
        let info = self.db.info(version)?;
        let found = TakenUp::of_version(&info).ok().and_then(|taken| {
            let taken = taken.into_iter().find(|taken| taken.index == index)?;
            let (_, outcome) = taken.outcome(version)?;
            Some((taken.request, outcome))
        });
        if found.is_none() {
            self.panic(Cause::Envelope { version });
        }
        Ok(found)
    }

    /// The version that carries the record at `index`.
    pub(crate) fn version_of_index(&self, index: u64) -> Result<u64, StorageError> {
        // A version carries one record at least, or it is version 0: not above `index` + 1.
        let head = self.head();
        let behind = head.log.size.get().saturating_sub(index);
        let (mut low, mut high) = (head.version.saturating_sub(behind), index + 1);
        high = high.min(head.version);
        while low < high {
            let middle = low.midpoint(high);
            let info = self.db.info(middle)?;
            let end = Envelope::decode(&info.metadata).map_or(0, |envelope| envelope.end());
            match end <= index {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }
}

/// Locks what is whole whoever panicked while holding it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Versions whose records the trail takes at a time.
const WORK_MAX: usize = 1024;

/// Records whose identifiers are read at a time.
const PAGE: usize = 1024;

/// How long the trail waits for more to take where nobody waits for it.
const FOLLOW: Duration = Duration::from_millis(50);
