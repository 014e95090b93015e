//! How far the writing of a checkpoint is, for those who wait for the memory that it lets go.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How much of a tree a checkpoint has passed and let go.
#[derive(Default)]
pub(crate) struct Passing {
    passed: Mutex<Passed>,
    advanced: Condvar,
}

/// What has been passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The subtrees up to this prefix, if there is one yet.
    pub(crate) prefix: Option<Vec<u8>>,
    /// How much of the tree that is, of [`WHOLE`](Self::WHOLE).
    pub(crate) share: u64,
    /// Whether nothing is held any more.
    pub(crate) ended: bool,
}

impl Passed {
    /// The share of a whole tree.
    pub(crate) const WHOLE: u64 = 1 << 20;
}

impl Passing {
    /// What has been passed.
    pub(crate) fn passed(&self) -> Passed {
        self.lock().clone()
    }

    /// How much of the tree has been passed, of [`Passed::WHOLE`].
    pub(crate) fn share(&self) -> u64 {
        self.lock().share
    }

    /// Says that `done` of about `total` subtrees are passed, the last of them that of `prefix`.
    pub(super) fn advance(&self, prefix: &[u8], done: usize, total: usize) {
        let mut passed = self.lock();
        let last = passed.prefix.get_or_insert_default();
        last.clear();
        last.extend_from_slice(prefix);
        let total = total.max(done).max(1) as u64;
        passed.share = (done as u64).saturating_mul(Passed::WHOLE) / total;
        self.advanced.notify_all();
    }

    /// Says that nothing is held any more.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.advanced.notify_all();
    }

    /// Waits until it is further than `share`, or has ended; or for `time`.
    pub(crate) fn wait_beyond(&self, share: u64, time: Duration) {
        let waits = |passed: &mut Passed| !passed.ended && passed.share <= share;
        let waited = (self.advanced).wait_timeout_while(self.lock(), time, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, Passed> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
