//! The thread that writes checkpoints.

use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};

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

/// The thread that writes checkpoints; ended when this is dropped.
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

    /// Waits until a checkpoint is asked for; false if the thread is to end.
    fn wait(&self) -> bool {
        let idle = |wish: &mut Wish| !wish.checkpoint && !wish.stop;
        let wish = self.changed.wait_while(lock(&self.wish), idle);
        let mut wish = wish.unwrap_or_else(PoisonError::into_inner);
        wish.checkpoint = false;
        !wish.stop
    }

    fn is_stopped(&self) -> bool {
        lock(&self.wish).stop
    }
}

impl Worker {
    pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let signal = shared.signal.clone();
        let weak = Arc::downgrade(shared);
        let thread = thread::Builder::new()
            .name("reality-db".to_owned())
            .spawn({
                let signal = signal.clone();
                move || work(&weak, &signal)
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

fn work(shared: &Weak<Shared>, signal: &Signal) {
    while signal.wait() {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let control = &mut |_| match signal.is_stopped() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        // Without it opening takes longer, and memory is not bounded; nothing is lost.
        if let Err(error) = shared.checkpoint(control)
            && !signal.is_stopped()
        {
            tracing::warn!(%error, "no checkpoint was written");
        }
    }
}
