//! The one thread that commits.

mod group;
mod stage;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use merkle_core::{CompactRange, Hash};
use reality_db::CommitError;

use crate::follower::Work;
use crate::queue::{Id, Request};
use crate::recent::{Outcome, Recent};
use crate::shared::{Head, Shared};
use crate::{ExecuteError, Executed, Recorded, StorageError};

pub(crate) use group::{Group, Item};
pub(crate) use stage::writes_batch;

/// The one who commits.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    /// The log up to the newest record that was committed.
    pub(crate) log: CompactRange,
    /// What was committed lately.
    pub(crate) recent: Recent,
    /// The time of the newest commit, in nanoseconds since 1970: times of commits do not go back.
    pub(crate) time_ns: u64,
    /// A commit failed, and it is not known whether it is there.
    pub(crate) interrupted: bool,
}

impl Writer {
    /// Commits what callers ask for until all of them are gone.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            let mut next = Some(first);
            while let Some(request) = next {
                next = match request {
                    Request::Control(control) => {
                        control(&mut self);
                        None
                    }
                    request => self.group(request, requests),
                };
            }
        }
        tracing::debug!("all callers are gone");
    }

    /// Commits `first` and what waits behind it, as far as it fits; returns what did not.
    fn group(&mut self, first: Request, requests: &Receiver<Request>) -> Option<Request> {
        if let Err(error) = self.prepare() {
            refuse(first, error);
            return None;
        }
        let mut group = Group::new(self);
        let mut next = Some(first);
        let mut left = None;
        while let Some(request) = next.take() {
            if matches!(request, Request::Control(_)) || group.is_full(&request) {
                left = Some(request);
                break;
            }
            group.add(request);
            next = requests.try_recv().ok();
        }
        let staged = group.finish();
        self.commit(staged);
        self.seal_if_due();
        left
    }

    /// Makes the next seal of the chain if there are as many records since the last as there may be.
    fn seal_if_due(&mut self) {
        let every = self.shared.config.seal_every;
        if every == 0 || self.log.end() - self.shared.sealed_records() < every {
            return;
        }
        if let Err(error) = self.seal(self.time_ns) {
            tracing::warn!(%error, "no seal was made");
        }
    }

    /// Makes sure that something can be committed.
    pub(crate) fn prepare(&mut self) -> Result<(), ExecuteError> {
        self.shared.check_health()?;
        self.shared.wait_for_trail()?;
        if self.interrupted {
            self.resume().map_err(ExecuteError::Storage)?;
        }
        Ok(())
    }

    /// Finds out what became of a commit that failed, and takes it up if it is there.
    fn resume(&mut self) -> Result<(), StorageError> {
        self.shared.db.recover()?;
        self.catch_up()?;
        self.interrupted = false;
        Ok(())
    }

    /// Takes up versions that the journal has and that were not known yet.
    fn catch_up(&mut self) -> Result<(), StorageError> {
        let newest = self.shared.db.version().number;
        let known = self.shared.head().version;
        if known == newest {
            return Ok(());
        }
        for info in self.shared.db.infos(known + 1..=newest)? {
            let info = info?;
            let number = info.version.number;
            let taken = crate::reconcile::take_up(&mut self.log, &info);
            let records = taken.map_err(|cause| {
                self.shared.panic(cause);
                StorageError::from(CommitError::Panic(reality_db::Damage::Record {
                    version: number,
                }))
            })?;
            self.time_ns = self.time_ns.max(info.time_ns);
            for carried in &records {
                if let Some((id, outcome)) = carried.outcome(number) {
                    self.shared.ids.add([&id]);
                    self.recent.insert(id, carried.request, outcome);
                }
            }
            self.shared.publish(vec![Work {
                records: records.into_iter().map(|carried| carried.encoded).collect(),
                head: Head {
                    log: self.log.head().expect("it begins with the first record"),
                    version: number,
                    state_root: info.version.root,
                    vault: self.shared.head().vault,
                },
            }]);
        }
        Ok(())
    }

    /// What became of a request with this identifier, if it was committed before.
    ///
    /// None if it was not; an error if another request has it.
    pub(crate) fn repeated(
        &self,
        id: &Id,
        digest: Hash,
        searched: u64,
    ) -> Result<Option<Outcome>, ExecuteError> {
        let found = match self.recent.get(id) {
            Some(found) => Some(found.clone()),
            None if self.recent.goes_back_to(searched) => None,
            None => self.shared.find(id)?,
        };
        match found {
            Some((known, outcome)) if known == digest => Ok(Some(outcome)),
            Some((_, outcome)) => Err(ExecuteError::Conflict {
                id: id.text().to_owned(),
                index: outcome.index(),
            }),
            None => Ok(None),
        }
    }
}

/// Answers a request that is not committed.
fn refuse(request: Request, error: ExecuteError) {
    match request {
        Request::Execute(request) => request.answer.send(Err(error)),
        Request::Record(request) => request.answer.send(Err(error)),
        Request::Control(_) => {}
    }
}

/// Keys that executions of this group have written, before the group is committed.
pub(crate) type Overlay = HashMap<Vec<u8>, Option<Vec<u8>>>;

impl Outcome {
    pub(crate) fn executed(self) -> Option<Executed> {
        match self {
            Self::Executed(mut executed) => {
                executed.repeated = true;
                Some(executed)
            }
            Self::Recorded(_) => None,
        }
    }

    pub(crate) fn recorded(self) -> Option<Recorded> {
        match self {
            Self::Recorded(mut recorded) => {
                recorded.repeated = true;
                Some(recorded)
            }
            // An execution that was imported is a record like any other.
            Self::Executed(executed) => Some(Recorded {
                index: executed.index,
                version: executed.version,
                repeated: true,
            }),
        }
    }
}
