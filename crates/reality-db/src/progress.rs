//! How far something that takes long is, told to somebody who may end it.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::db::lock;

/// Who is told how far something is, and whether to go on.
pub(crate) type Control<'c, P> = dyn Fn(P) -> ControlFlow<()> + Sync + 'c;

/// How far something is that several threads work at.
pub(crate) struct Progress<'c, P> {
    control: &'c Control<'c, P>,
    so_far: Mutex<P>,
    ended: AtomicBool,
}

impl<'c, P: Copy + Default> Progress<'c, P> {
    pub(crate) fn new(control: &'c Control<'c, P>) -> Self {
        Self {
            control,
            so_far: Mutex::default(),
            ended: AtomicBool::new(false),
        }
    }

    /// Tells how far it is: one thread at a time, so that what is told never goes back; not after it was ended.
    pub(crate) fn show(&self, change: impl FnOnce(&mut P)) -> ControlFlow<()> {
        let mut so_far = lock(&self.so_far);
        if self.is_ended() {
            return ControlFlow::Break(());
        }
        change(&mut so_far);
        let flow = (self.control)(*so_far);
        self.ended.store(flow.is_break(), Ordering::Relaxed);
        flow
    }

    pub(crate) fn so_far(&self) -> P {
        *lock(&self.so_far)
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}
