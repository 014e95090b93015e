//! The thread that brings the audit trail to where the journal is.

use std::sync::Arc;
use std::time::Duration;

use vigilance::EncodedRecord;

use crate::StorageError;
use crate::shared::{Head, Shared};
use crate::step::{Step, reached};

/// The records of a version, and where everything stands with them.
pub(crate) struct Work {
    pub(crate) records: Vec<EncodedRecord>,
    pub(crate) head: Head,
}

/// Applies what was committed until nothing more can come.
pub(crate) fn run(shared: &Arc<Shared>) {
    let mut since_sync = 0;
    while let Some(work) = shared.next_work() {
        let Some(last) = work.last() else { continue };
        let head = last.head;
        let records: Vec<EncodedRecord> = work.into_iter().flat_map(|work| work.records).collect();
        let count = records.len() as u64;
        let first = head.log.size.get() - count;
        while let Err(error) = shared.audit.apply(first, &records) {
            let given_up = shared.trail_failed(error);
            if given_up {
                return;
            }
            std::thread::sleep(RETRY);
        }
        reached(Step::Applied);
        shared.applied_up_to(head);
        since_sync += count;
        if since_sync >= SYNC_EVERY {
            since_sync = 0;
            let synced = shared.audit.sync().map_err(StorageError::from);
            match synced.and_then(|()| shared.leave_mark(&head)) {
                Ok(()) => reached(Step::Synced),
                // What is not synced is in the journal: opening makes it good.
                Err(error) => tracing::warn!(%error, "the audit trail was not synced"),
            }
        }
    }
}

/// How long to wait before a failed audit trail is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Records after which the audit trail is made durable, so that opening after a loss of power does
/// not have much to make good.
const SYNC_EVERY: u64 = 32_768;
