//! What all handles and threads share.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use merkle_core::{Hash, SignerKey, TreeHead, VerifierKey};
use reality_db::{CommitError, RealityDb};

use crate::audit::{Audit, AuditError};
use crate::envelope::Envelope;
use crate::follower::Work;
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

    /// Makes a durable version visible, and has the trail take its records.
    pub(crate) fn publish(&self, work: Work) {
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = work.head;
        self.trail().work.push_back(work);
        self.trail_changed.notify_all();
    }

    /// All that the trail is to take next; none once no more can come.
    pub(crate) fn next_work(&self) -> Option<Vec<Work>> {
        let mut trail = self.trail();
        loop {
            if !trail.work.is_empty() {
                let some = trail.work.len().min(WORK_MAX);
                return Some(trail.work.drain(..some).collect());
            }
            if trail.closed {
                return None;
            }
            trail = (self.trail_changed.wait(trail)).unwrap_or_else(PoisonError::into_inner);
        }
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
        let mut trail = self.trail();
        while newest - trail.applied.log.size.get() > self.config.lag {
            if let Some(error) = &trail.failure {
                return Err(ExecuteError::Storage(StorageError::Behind(error.clone())));
            }
            trail = (self.trail_changed.wait(trail)).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits until the trail has so many records; where everything stood then.
    pub(crate) fn wait_until_applied(&self, size: u64) -> Result<Head, StorageError> {
        let mut trail = self.trail();
        while trail.applied.log.size.get() < size {
            if let Some(error) = &trail.failure {
                return Err(StorageError::Behind(error.clone()));
            }
            trail = (self.trail_changed.wait(trail)).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(trail.applied)
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

    /// What became of a request with this identifier, as the stores say: slow.
    pub(crate) fn find(&self, id: &Id) -> Result<Option<(Hash, Outcome)>, StorageError> {
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
