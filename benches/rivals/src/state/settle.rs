//! Waiting until a store is done with what it does in the background.

use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// How long a process without work counts as done: longer than a sync of a large file takes, and than the
/// second of rest after which ours writes a checkpoint.
const IDLE: Duration = Duration::from_millis(1_500);

/// A rest that is shorter than this is part of the work: it waits for the disk.
const REST: Duration = Duration::from_millis(200);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until this process has nothing left to do, so that what one store does in the background
/// is not done at the cost of the next one. Returns how long it worked.
pub(super) fn settle() -> Duration {
    let mut worked = Duration::ZERO;
    let mut busy_until = Instant::now();
    let mut before = ProcessTime::now();
    while busy_until.elapsed() < IDLE {
        thread::sleep(LOOK);
        if before.elapsed() > LOOK / 10 {
            let since = busy_until.elapsed();
            worked += if since < REST { since } else { LOOK };
            busy_until = Instant::now();
        }
        before = ProcessTime::now();
    }
    worked
}
