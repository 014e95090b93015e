//! Time travel: the stores as of a version or a time.

use std::collections::HashSet;

use merkle_core::TreeHead;
use reality_db::Snapshot;
use vigilance::{ExecutionStatus, Record};

use crate::audit::{AuditError, bundle_of};
use crate::envelope::Envelope;
use crate::{Cause, DashboardStats, ExecuteError, Executed, Execution, Persistence, StorageError};

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

    /// The numbers of the dashboard as they were at `moment`: over the records that the log had then.
    ///
    /// Bundles are those that were put on the record by then. Costs reading those records; the numbers of
    /// now cost nothing of the kind: see [`dashboard_stats`](Self::dashboard_stats).
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub fn stats_at(&self, moment: &Moment) -> Result<DashboardStats, StorageError> {
        let mut stats = DashboardStats {
            merkle_root: moment.state.version().root.to_string(),
            ..DashboardStats::default()
        };
        let mut bundles = HashSet::new();
        let (mut elapsed_ns, mut timed) = (0_u128, 0_u64);
        let (size, mut next) = (moment.log.size.get(), 0);
        while next < size {
            let count = usize::try_from(size - next).map_or(PAGE, |left| left.min(PAGE));
            let page = self.audit().records(next, count);
            for stored in page.map_err(AuditError::from)? {
                next = stored.index + 1;
                match stored.record {
                    Record::Execution(execution) => {
                        stats.executions.count(&execution);
                        elapsed_ns += u128::from(execution.elapsed_ns.unwrap_or_default());
                        timed += u64::from(execution.elapsed_ns.is_some());
                    }
                    Record::Attack(attack) => stats.attacks.count(attack),
                    record => bundles.extend(bundle_of(&record)),
                }
            }
        }
        stats.total_bundles = bundles.len() as u64;
        stats.executions.avg_execution_time_ms = mean_ms(elapsed_ns, timed);
        Ok(stats)
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
        // Behind the commit in flight: what is expected to be the newest should not be overtaken by it.
        let head = self
            .state()
            .snapshot()
            .map_err(StorageError::from)?
            .version();
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

#[expect(clippy::cast_precision_loss, reason = "a mean, to be shown")]
fn mean_ms(sum_ns: u128, count: u64) -> f64 {
    match count {
        0 => 0.0,
        count => sum_ns as f64 / count as f64 / 1e6,
    }
}

/// Records that are read at a time.
const PAGE: usize = 1024;
