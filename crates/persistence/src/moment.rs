//! Time travel: the stores as of a version or a time.

use merkle_core::TreeHead;
use reality_db::Snapshot;
use vigilance::ExecutionStatus;

use crate::envelope::Envelope;
use crate::{Cause, ExecuteError, Executed, Execution, Persistence, StorageError};

/// Where the stores stood as of one version.
#[derive(Clone)]
#[non_exhaustive]
pub struct Moment {
    /// The state: reads and proofs.
    pub state: Snapshot,
    /// Size and root of the audit log with the records that this version carries: pages and proofs of
    /// the trail up to this size are of this moment.
    pub log: TreeHead,
    /// When the version was committed, in nanoseconds since 1970.
    pub time_ns: u64,
}

impl Persistence {
    /// The stores as of `version`.
    ///
    /// # Errors
    ///
    /// [`StorageError`]: no such version, or one that is pruned, among others.
    pub fn at(&self, version: u64) -> Result<Moment, StorageError> {
        let state = self.state().at(version)?;
        if version == 0 {
            let log = TreeHead::EMPTY;
            let time_ns = 0;
            return Ok(Moment {
                state,
                log,
                time_ns,
            });
        }
        let info = self.state().info(version)?;
        let envelope = Envelope::decode(&info.metadata);
        let Ok(envelope) = envelope else {
            let shared = self.shared();
            shared.panic(Cause::Envelope { version });
            return Err(
                reality_db::ReadError::Damaged(reality_db::Damage::Record { version }).into(),
            );
        };
        let size = envelope.end();
        self.shared().wait_until_applied(size)?;
        let root = self.shared().audit.root_at(size)?;
        Ok(Moment {
            state,
            log: TreeHead::new(size.into(), root),
            time_ns: info.time_ns,
        })
    }

    /// The stores as of a time, in nanoseconds since 1970: the newest version that was committed then.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn at_time(&self, time_ns: u64) -> Result<Moment, StorageError> {
        // Times of commits do not go back.
        let (mut low, mut high) = (self.state().oldest()?, self.state().version().number);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.state().info(middle)?.time_ns <= time_ns {
                true => low = middle,
                false => high = middle - 1,
            }
        }
        self.at(low)
    }

    /// Brings the state back to what it was at `version`, by an execution on the record: nothing is taken
    /// out of the history.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`].
    pub fn roll_back(
        &self,
        version: u64,
        tx_id: &str,
        time_ns: u64,
    ) -> Result<Executed, ExecuteError> {
        let head = self.state().version();
        let differences = self.state().diff(head.number, version);
        let differences = differences.map_err(StorageError::from)?;
        let result = serde_json::json!({ "restored_version": version }).to_string();
        let status = ExecutionStatus::Proved;
        let mut execution = Execution::new(tx_id, "roll_back", status, time_ns).result(&result);
        for difference in differences {
            execution = match &difference.after {
                Some(value) => execution.put(&difference.key, value),
                None => execution.delete(&difference.key),
            };
        }
        self.execute(execution.expect_root(head.root))
    }
}
