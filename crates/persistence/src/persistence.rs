//! The handle of the whole.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use reality_db::RealityDb;
use vigilance::{Attack, Event, Metric, Record};

use crate::queue::{Answer, Asked, ExecuteRequest, Id, RecordRequest, Request, Ticket};
use crate::recent::Outcome;
use crate::shared::{Shared, lock};
use crate::writer::Writer;
use crate::{
    ExecuteError, Executed, Execution, Hash, Health, Recorded, Seal, StorageError, VerifierKey,
    request,
};

/// State, code and audit trail, opened together. Cloning the handle is cheap; all clones share it, in
/// all threads.
///
/// Calls may block on the disk: asynchronous callers hand them to a thread that may block. When the
/// last clone is dropped, what was asked for is committed, and the stores are closed.
#[derive(Clone)]
pub struct Persistence {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    requests: Option<SyncSender<Request>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Persistence {
    pub(crate) fn new(
        shared: Arc<Shared>,
        requests: SyncSender<Request>,
        threads: Vec<JoinHandle<()>>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared,
                requests: Some(requests),
                threads: Mutex::new(threads),
            }),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// Commits an execution: its writes, its record, and what proves them, with one sync.
    ///
    /// When it returns, all of it is durable. An execution that is not
    /// [proved](vigilance::ExecutionStatus::Proved), or that an invariant refuses, is recorded and
    /// writes nothing. The same execution handed over again is not committed again: what became of it
    /// the first time is returned. Waits while as many callers are waiting as may.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`]; it says whether anything was recorded.
    pub fn execute(&self, execution: Execution) -> Result<Executed, ExecuteError> {
        self.submit(execution)?.wait()
    }

    /// Hands an execution over without waiting for it to be durable.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`], if it was refused at once.
    pub fn submit(&self, execution: Execution) -> Result<Ticket<Executed>, ExecuteError> {
        let (ticket, answer) = Ticket::new();
        if let Some(request) = self.execute_request(execution, answer)? {
            self.send(request)?;
        }
        Ok(ticket)
    }

    /// The same, but does not wait if too many are waiting.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::Busy`] then; else as for [`submit`](Self::submit).
    pub fn try_submit(&self, execution: Execution) -> Result<Ticket<Executed>, ExecuteError> {
        let (ticket, answer) = Ticket::new();
        let Some(request) = self.execute_request(execution, answer)? else {
            return Ok(ticket);
        };
        match self.requests()?.try_send(request) {
            Ok(()) => Ok(ticket),
            Err(TrySendError::Full(_)) => Err(ExecuteError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(ExecuteError::Closed),
        }
    }

    /// Records an attack that was blocked. The same attack handed over again is not recorded again.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`].
    pub fn save_attack(&self, attack: Attack) -> Result<Recorded, ExecuteError> {
        let id = Id::Attack(attack.attack_id.clone());
        self.record(Record::Attack(attack), Some(id))?.wait()
    }

    /// Records a number that was measured.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`].
    pub fn log_metric(&self, metric: Metric) -> Result<Recorded, ExecuteError> {
        self.record(Record::Metric(metric), None)?.wait()
    }

    /// Records something that happened to the system itself.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`].
    pub fn log_event(&self, event: Event) -> Result<Recorded, ExecuteError> {
        self.record(Record::Event(event), None)?.wait()
    }

    /// The state: reads, proofs and earlier versions. Commits go through [`execute`](Self::execute)
    /// alone: a version without its record is found, and is damage.
    #[must_use]
    pub fn state(&self) -> &RealityDb {
        &self.shared().db
    }

    /// Whether everything is as it was proved.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared().health()
    }

    /// Makes the next seal of the chain, `time_ns` nanoseconds after 1970.
    ///
    /// Waits until the audit trail has everything that was committed, and is durable too.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`].
    pub fn seal(&self, time_ns: u64) -> Result<Seal, ExecuteError> {
        let sealed = self.control(move |writer| writer.seal(time_ns))??;
        Ok(sealed.seal.clone())
    }

    /// The newest seal of the chain, signed: give it to others, and they can tell if anything behind
    /// it changes.
    #[must_use]
    pub fn last_seal(&self) -> Option<(Seal, Vec<u8>)> {
        let last = lock(&self.shared().chain).last.clone()?;
        Some((last.seal.clone(), last.note.clone()))
    }

    /// The public key of the seals and receipts: what others verify them with.
    #[must_use]
    pub fn verifier_key(&self) -> VerifierKey {
        self.shared().signer.verifier_key()
    }

    /// Has the thread that commits do something between two groups.
    pub(crate) fn control<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, ExecuteError> {
        let (to, from) = std::sync::mpsc::sync_channel(1);
        self.send(Request::Control(Box::new(move |writer| {
            drop(to.send(work(writer)));
        })))?;
        from.recv().map_err(|_| ExecuteError::Closed)
    }

    fn requests(&self) -> Result<&SyncSender<Request>, ExecuteError> {
        self.inner.requests.as_ref().ok_or(ExecuteError::Closed)
    }

    fn send(&self, request: Request) -> Result<(), ExecuteError> {
        let sent = self.requests()?.send(request);
        sent.map_err(|_| ExecuteError::Closed)
    }

    /// The request of an execution; none if it was answered, since it was committed before.
    fn execute_request(
        &self,
        mut execution: Execution,
        answer: Answer<Executed>,
    ) -> Result<Option<Request>, ExecuteError> {
        let shared = self.shared();
        shared.check_health()?;
        request::check_writes(&execution)?;
        let digest = request::digest_of_execution(&execution)?;
        if let Some(address) = &execution.bundle {
            execution.record.bundle_hash = Some(address.to_string());
        }
        let record = &mut execution.record;
        // As long as what is put in at commit.
        record.merkle_root_before = Some(Hash::default());
        record.merkle_root_after = Some(Hash::default());
        record.state_version = Some(0);
        let id = Id::Execution(record.tx_id.clone());
        let asked = match self.ask(&Record::Execution(record.clone()), digest, Some(id))? {
            Known::Not(asked) => asked,
            Known::As(outcome) => {
                answer.send(outcome.executed().ok_or(ExecuteError::Closed));
                return Ok(None);
            }
        };
        if let Some(address) = execution.bundle {
            let has = shared.code.has(&address).map_err(StorageError::from)?;
            if !has {
                return Err(ExecuteError::UnknownBundle { address });
            }
        }
        Ok(Some(Request::Execute(Box::new(ExecuteRequest {
            execution,
            asked,
            answer,
        }))))
    }

    pub(crate) fn record(
        &self,
        record: Record,
        id: Option<Id>,
    ) -> Result<Ticket<Recorded>, ExecuteError> {
        self.shared().check_health()?;
        let digest = request::digest_of_record(&record)?;
        let (ticket, answer) = Ticket::new();
        match self.ask(&record, digest, id)? {
            Known::Not(asked) => self.send(Request::Record(Box::new(RecordRequest {
                record,
                asked,
                answer,
            })))?,
            Known::As(outcome) => answer.send(outcome.recorded().ok_or(ExecuteError::Closed)),
        }
        Ok(ticket)
    }

    /// What the writer needs to know of a request, unless it was committed before. Makes texts that
    /// can be erased durable.
    fn ask(&self, record: &Record, digest: Hash, id: Option<Id>) -> Result<Known, ExecuteError> {
        let shared = self.shared();
        let encoded = record.encode()?;
        let searched = shared.applied();
        if let Some(id) = &id
            && let Some((known, outcome)) = shared.find(id)?
        {
            return match known == digest {
                true => Ok(Known::As(outcome)),
                false => Err(ExecuteError::Conflict {
                    id: id.text().to_owned(),
                    index: outcome.index(),
                }),
            };
        }
        if !encoded.erasable.is_empty() {
            shared.audit.stage(&encoded).map_err(StorageError::from)?;
            crate::step::reached(crate::step::Step::Erasable);
        }
        Ok(Known::Not(Asked {
            digest,
            id,
            searched,
            record_bytes: encoded.canonical.len(),
        }))
    }
}

/// Whether a request was committed before.
enum Known {
    Not(Asked),
    As(Outcome),
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The writer ends when nobody can ask any more, then the follower when no more can come.
        self.requests = None;
        self.shared.closing.store(true, Ordering::Relaxed);
        let mut threads = lock(&self.threads);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread panicked");
            }
        }
        let shared = &self.shared;
        if shared.health() != Health::Sound {
            return;
        }
        let synced = shared.audit.sync().map_err(StorageError::from);
        if let Err(error) = synced.and_then(|()| shared.leave_mark(&shared.applied_head())) {
            tracing::warn!(%error, "no mark was left of what is durable");
        }
    }
}
