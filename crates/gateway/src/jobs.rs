//! Work that outlives the request which asked for it: checks of everything, backups.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use persistence::Store;
use serde_json::Value;

use crate::clock::now_ns;
use crate::problem::Problem;

/// All jobs of a server, the oldest forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    list: Mutex<VecDeque<Arc<Job>>>,
    last: AtomicU64,
}

/// One piece of work.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) kind: JobKind,
    pub(crate) started_ns: u64,
    cancelled: AtomicBool,
    standing: Mutex<Standing>,
}

/// What a job does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum JobKind {
    Backup,
    Verify,
}

/// Where a job stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// How far it is, by store.
    pub(crate) progress: Vec<Progress>,
    pub(crate) ended_ns: Option<u64>,
    /// What it came to; none while it runs.
    pub(crate) outcome: Option<Result<Value, Problem>>,
}

/// How far a job is in one store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) store: Store,
    pub(crate) done: u64,
    pub(crate) total: u64,
}

/// Jobs that are remembered.
const JOBS_MAX: usize = 64;

impl Jobs {
    /// A new job, unless one of its kind is running: then that one.
    pub(crate) fn begin(&self, kind: JobKind) -> Result<Arc<Job>, Arc<Job>> {
        let mut list = self.list();
        let running = list.iter().find(|job| job.kind == kind && job.is_running());
        if let Some(running) = running {
            return Err(Arc::clone(running));
        }
        let job = Arc::new(Job {
            id: self.last.fetch_add(1, Ordering::Relaxed) + 1,
            kind,
            started_ns: now_ns(),
            cancelled: AtomicBool::new(false),
            standing: Mutex::default(),
        });
        list.push_front(Arc::clone(&job));
        if list.len() > JOBS_MAX {
            let ended = list.iter().rposition(|job| !job.is_running());
            ended.and_then(|at| list.remove(at));
        }
        Ok(job)
    }

    /// All that are remembered, the newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Job>> {
        self.list().iter().cloned().collect()
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<Job>> {
        self.list().iter().find(|job| job.id == id).cloned()
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Arc<Job>>> {
        self.list.lock().unwrap_or_else(|held| held.into_inner())
    }
}

impl Job {
    pub(crate) fn standing(&self) -> Standing {
        self.lock().clone()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.lock().outcome.is_none()
    }

    /// Asks it to end; it does so at its next step. One that has ended stays what it came to.
    pub(crate) fn cancel(&self) {
        let standing = self.lock();
        if standing.outcome.is_some() {
            return;
        }
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Takes up how far it is in a store.
    pub(crate) fn tell(&self, progress: Progress) {
        let mut standing = self.lock();
        let known = standing.progress.iter_mut();
        match known
            .into_iter()
            .find(|known| known.store == progress.store)
        {
            Some(known) => *known = progress,
            None => standing.progress.push(progress),
        }
    }

    pub(crate) fn end(&self, outcome: Result<Value, Problem>) {
        let mut standing = self.lock();
        standing.ended_ns = Some(now_ns());
        standing.outcome = Some(outcome);
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing
            .lock()
            .unwrap_or_else(|held| held.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Kind;

    #[test]
    fn a_job_that_failed_was_not_cancelled_by_who_came_later() {
        let job = Jobs::default().begin(JobKind::Backup).unwrap();
        job.end(Err(Problem::new(Kind::Internal, "")));
        job.cancel();
        assert!(!job.is_cancelled());
    }

    #[test]
    fn one_of_a_kind_runs_at_a_time_and_those_that_ended_are_forgotten_first() {
        let jobs = Jobs::default();
        let verify = jobs.begin(JobKind::Verify).unwrap();
        assert_eq!(jobs.begin(JobKind::Verify).unwrap_err().id, verify.id);
        for _ in 0..2 * JOBS_MAX {
            jobs.begin(JobKind::Backup).unwrap().end(Ok(Value::Null));
        }
        assert!(jobs.all().len() <= JOBS_MAX);
        assert!(jobs.get(verify.id).unwrap().is_running());
    }
}
