//! The thread that writes checkpoints, and checks everything from time to time.

use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Depth;
use crate::db::{Shared, lock};

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
    pub(crate) fn ask(&self) {
        lock(&self.wish).checkpoint = true;
        self.changed.notify_one();
    }

    /// Waits until something is asked for, or it is time to check everything again.
    fn wait(&self, scrub_every: Option<Duration>) -> Task {
        let idle = |wish: &mut Wish| !wish.checkpoint && !wish.stop;
        let wish = lock(&self.wish);
        let mut wish = match scrub_every {
            Some(time) => {
                let waited = self.changed.wait_timeout_while(wish, time, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.changed.wait_while(wish, idle);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        let asked = std::mem::take(&mut wish.checkpoint);
        match (wish.stop, asked) {
            (true, _) => Task::Stop,
            (false, true) => Task::Checkpoint,
            (false, false) => Task::Scrub,
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
    loop {
        let task = signal.wait(scrub_every);
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let go_on = || match signal.is_stopped() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        match task {
            Task::Stop => return,
            // Without it opening takes longer, and memory is not bounded; nothing is lost.
            Task::Checkpoint => {
                if let Err(error) = shared.checkpoint(&mut |_| go_on())
                    && !signal.is_stopped()
                {
                    tracing::warn!(%error, "no checkpoint was written");
                }
            }
            Task::Scrub => {
                let checked = shared.verify(Depth::Stored, &|_| {
                    thread::sleep(SCRUB_PAUSE);
                    go_on()
                });
                match checked {
                    Ok(report) => tracing::debug!(?report, "everything was checked"),
                    Err(error) => tracing::warn!(%error, "not everything could be checked"),
                }
            }
        }
    }
}

/// How long a check in the background rests after every few dozen buckets, for the sake of others.
const SCRUB_PAUSE: Duration = Duration::from_millis(2);
