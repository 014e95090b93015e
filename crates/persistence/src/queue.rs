//! Callers wait here for the thread that commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use merkle_core::Hash;
use vigilance::Record;

use crate::writer::Writer;
use crate::{ExecuteError, Executed, Execution, Recorded};

/// What a caller asks of the thread that commits.
pub(crate) enum Request {
    Execute(Box<ExecuteRequest>),
    Record(Box<RecordRequest>),
    /// Something to be done between two groups.
    Control(Box<dyn FnOnce(&mut Writer) + Send>),
}

pub(crate) struct ExecuteRequest {
    pub(crate) execution: Execution,
    pub(crate) asked: Asked,
    pub(crate) answer: Answer<Executed>,
}

pub(crate) struct RecordRequest {
    pub(crate) record: Record,
    pub(crate) asked: Asked,
    pub(crate) answer: Answer<Recorded>,
}

/// What is known of a request before it is committed.
pub(crate) struct Asked {
    /// SHA-256 of what was asked for.
    pub(crate) digest: Hash,
    /// Its identifier, if it has one: it is committed once.
    pub(crate) id: Option<Id>,
    /// Records of the audit trail that were searched for the identifier.
    pub(crate) searched: u64,
    /// Bytes that its record takes.
    pub(crate) record_bytes: usize,
}

/// What identifies a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Id {
    Execution(String),
    Attack(String),
}

impl Id {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Execution(text) | Self::Attack(text) => text,
        }
    }
}

/// The writer's end of a ticket.
pub(crate) struct Answer<T> {
    stage: Arc<AtomicU8>,
    to: SyncSender<Result<T, ExecuteError>>,
}

impl<T> Answer<T> {
    /// Takes the request up, unless it was cancelled before.
    pub(crate) fn take(&self) -> bool {
        self.move_on(TAKEN)
    }

    pub(crate) fn send(self, outcome: Result<T, ExecuteError>) {
        // Whoever asked may have stopped waiting.
        drop(self.to.send(outcome));
    }

    fn move_on(&self, to: u8) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        (self.stage.compare_exchange(WAITING, to, success, failure)).is_ok()
    }
}

/// A request that waits to be committed, or was.
///
/// Dropping it does not cancel the request.
pub struct Ticket<T> {
    stage: Arc<AtomicU8>,
    from: Receiver<Result<T, ExecuteError>>,
}

impl<T> Ticket<T> {
    /// A ticket, and the end of it that answers.
    pub(crate) fn new() -> (Self, Answer<T>) {
        let stage = Arc::new(AtomicU8::new(WAITING));
        let (to, from) = sync_channel(1);
        let ticket = Self {
            stage: stage.clone(),
            from,
        };
        (ticket, Answer { stage, to })
    }

    /// Waits until it is durable, or refused.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`].
    pub fn wait(self) -> Result<T, ExecuteError> {
        self.from.recv().unwrap_or(Err(ExecuteError::Closed))
    }

    /// Waits for so long at most; gives the ticket back if there is no answer by then.
    ///
    /// # Errors
    ///
    /// The ticket.
    pub fn wait_for(self, time: Duration) -> Result<Result<T, ExecuteError>, Self> {
        match self.from.recv_timeout(time) {
            Ok(outcome) => Ok(outcome),
            Err(RecvTimeoutError::Disconnected) => Ok(Err(ExecuteError::Closed)),
            Err(RecvTimeoutError::Timeout) => Err(self),
        }
    }

    /// Cancels the request, unless it is being committed already. Whether it was cancelled: then
    /// nothing of it is recorded.
    pub fn cancel(&self) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        (self.stage)
            .compare_exchange(WAITING, CANCELLED, success, failure)
            .is_ok()
    }
}

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const CANCELLED: u8 = 2;
