//! One sync for everybody who waits for one.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A blob that was appended, by the order of appending, counted from 1. 0 waits for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

/// Who waits for which blob to be durable, and how far that is.
#[derive(Debug, Default)]
pub(crate) struct Group {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// All up to this one are durable, or lost.
    settled: Ticket,
    /// Those behind the first of each, up to the second, were lost when a sync failed. Neighbours are
    /// one, so a disk that fails for hours is one entry.
    lost: Vec<(Ticket, Ticket, io::ErrorKind)>,
    /// Somebody syncs.
    syncing: bool,
}

impl Group {
    /// Returns when `ticket` is durable. `sync` is called if nobody else is about to sync for it:
    /// it syncs all that was appended before it was called, and says how far that is.
    ///
    /// # Errors
    ///
    /// Those of the sync that was to make `ticket` durable, whoever called it.
    pub(crate) fn wait(
        &self,
        ticket: Ticket,
        sync: impl Fn() -> (Ticket, io::Result<()>),
    ) -> io::Result<()> {
        let mut state = self.lock();
        loop {
            let lost = |(from, to, _): &&(Ticket, Ticket, _)| *from < ticket && ticket <= *to;
            if let Some((_, _, kind)) = state.lost.iter().find(lost) {
                return Err((*kind).into());
            }
            if state.settled >= ticket {
                return Ok(());
            }
            if state.syncing {
                state = (self.changed.wait(state)).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.syncing = true;
            drop(state);
            // Were `sync` to panic, nobody would ever sync again: it does not, and if it did, this
            // would be told to all who wait.
            let (to, result) = sync();
            state = self.lock();
            state.syncing = false;
            if let Err(error) = &result {
                let from = state.settled;
                match state.lost.last_mut() {
                    Some((_, end, _)) if *end == from => *end = to,
                    _ => state.lost.push((from, to, error.kind())),
                }
            }
            state.settled = state.settled.max(to);
            self.changed.notify_all();
            if ticket <= to {
                // The one who syncs has the error itself.
                return result;
            }
        }
    }

    /// Why something was lost, if anything ever was.
    pub(crate) fn any_lost(&self) -> Option<io::ErrorKind> {
        self.lock().lost.first().map(|(_, _, kind)| *kind)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
