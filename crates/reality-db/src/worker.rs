//! The thread that writes checkpoints, and checks everything from time to time.

use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Depth;
use crate::db::{Behind, Shared, lock};

/// What the thread waits for.
#[derive(Default)]
pub(crate) struct Signal {
    wish: Mutex<Wish>,
    changed: Condvar,
}

#[derive(Default)]
struct Wish {
    checkpoint: bool,
    stop: bool,
    /// Bytes of the journal behind the newest checkpoint, as far as it was told.
    behind_bytes: u64,
    /// Commits that it was told of.
    commits: u64,
}

/// What the thread does next.
enum Task {
    Checkpoint,
    Scrub,
    Stop,
}

/// The thread; ended when this is dropped.
pub(crate) struct Worker {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Signal {
    /// Asks for a checkpoint, some time soon.
    fn ask(&self) {
        lock(&self.wish).checkpoint = true;
        self.changed.notify_one();
    }

    /// Says how far the journal is behind the newest checkpoint: another is written once that is
    /// far enough, when it is needed for another reason, or when nothing is committed for a while.
    pub(crate) fn committed(&self, behind: Behind, is_needed: bool) {
        let begins = {
            let mut wish = lock(&self.wish);
            let before = std::mem::replace(&mut wish.behind_bytes, behind.bytes);
            wish.commits += 1;
            before < WORTH_BYTES && behind.bytes >= WORTH_BYTES
        };
        if behind.bytes >= behind.limit_bytes || is_needed {
            self.ask();
        } else if begins {
            self.changed.notify_one(); // from now on it waits for a pause
        }
    }

    /// Says what came of a checkpoint: how far the journal is behind it, if it was written.
    fn tried(&self, written: Option<Behind>) {
        let mut wish = lock(&self.wish);
        // Whatever was asked meanwhile did not know of it. If it failed the next commit asks again.
        wish.checkpoint = written.is_some_and(|behind| behind.bytes >= behind.limit_bytes);
        wish.behind_bytes = written.map_or(0, |behind| behind.bytes);
    }

    /// Waits until something is asked for, there is a pause in which a checkpoint can be written, or
    /// it is `scrub_at`.
    fn wait(&self, scrub_at: Option<Instant>) -> Task {
        let mut wish = lock(&self.wish);
        loop {
            if wish.stop {
                return Task::Stop;
            }
            if wish.checkpoint {
                return Task::Checkpoint;
            }
            let now = Instant::now();
            if scrub_at.is_some_and(|at| at <= now) {
                return Task::Scrub;
            }
            let is_worth_it = wish.behind_bytes >= WORTH_BYTES;
            let pause = is_worth_it.then_some(PAUSE);
            let until_scrub = scrub_at.map(|at| at.saturating_duration_since(now));
            let commits = wish.commits;
            let Some(time) = pause.into_iter().chain(until_scrub).min() else {
                let waited = self.changed.wait(wish);
                wish = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.changed.wait_timeout(wish, time);
            let timeout;
            (wish, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() && time == PAUSE && is_worth_it && wish.commits == commits {
                wish.checkpoint = true;
            }
        }
    }

    fn is_stopped(&self) -> bool {
        lock(&self.wish).stop
    }
}

impl Worker {
    pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let signal = shared.signal.clone();
        let weak = Arc::downgrade(shared);
        let scrub_every = shared.options.scrub_every;
        let thread = thread::Builder::new()
            .name("reality-db".to_owned())
            .spawn({
                let signal = signal.clone();
                move || work(&weak, &signal, scrub_every)
            })?;
        Ok(Self {
            signal,
            thread: Some(thread),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        lock(&self.signal.wish).stop = true;
        self.signal.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // Had it panicked, that was printed then; the journal has everything.
            let _ = thread.join();
        }
    }
}

fn work(shared: &Weak<Shared>, signal: &Signal, scrub_every: Option<Duration>) {
    let next_scrub = || scrub_every.and_then(|time| Instant::now().checked_add(time));
    let mut scrub_at = next_scrub();
    loop {
        let task = signal.wait(scrub_at);
        let Some(shared) = shared.upgrade() else {
            return;
        };
        match task {
            Task::Checkpoint => {
                let written = checkpoint(&shared);
                signal.tried(written.then(|| shared.behind(&lock(&shared.writer))));
            }
            Task::Scrub => {
                scrub(&shared, signal);
                scrub_at = next_scrub();
            }
            Task::Stop => {
                if shared.options.checkpoint_at_close {
                    close(&shared);
                }
                return;
            }
        }
    }
}

/// Writes a checkpoint, or tells why not. Without it opening takes longer, and memory is not bounded;
/// nothing is lost.
fn checkpoint(shared: &Shared) -> bool {
    let written = shared.checkpoint(&mut |_| ControlFlow::Continue(()));
    if let Err(error) = &written {
        tracing::warn!(%error, "no checkpoint was written");
    }
    written.is_ok()
}

/// Does now what would make the next opening wait.
fn close(shared: &Shared) {
    let (behind, written_bytes) = {
        let writer = lock(&shared.writer);
        (shared.behind(&writer), writer.written_bytes())
    };
    if behind.bytes >= WORTH_BYTES {
        checkpoint(shared);
    }
    // sled sums up its log only when it is opened, and else goes over all of it then.
    if written_bytes >= LOG_BYTES
        && let Err(error) = shared.storage.engine.reopen()
    {
        tracing::warn!(%error, "the journal could not be opened again at the end");
    }
}

fn scrub(shared: &Shared, signal: &Signal) {
    let checked = shared.verify(Depth::Stored, &|_| {
        thread::sleep(SCRUB_PAUSE);
        match signal.is_stopped() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    match checked {
        Ok(report) if report.complete => tracing::debug!(?report, "everything was checked"),
        Ok(report) => tracing::debug!(?report, "a check did not come to its end"),
        Err(error) => tracing::warn!(%error, "not everything could be checked"),
    }
}

/// How long a check in the background rests after every few dozen buckets, for the sake of others.
const SCRUB_PAUSE: Duration = Duration::from_millis(2);

/// Bytes of journal whose replay a checkpoint is worth: some ten milliseconds.
const WORTH_BYTES: u64 = 1 << 20;

/// Bytes of the engine's log that are worth summing up: some twenty milliseconds.
const LOG_BYTES: u64 = 64 << 20;

/// How long nothing was committed when a checkpoint is written before it is due.
const PAUSE: Duration = Duration::from_secs(1);
