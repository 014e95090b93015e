//! Reading what was recorded.

use merkle_core::{Hash, TreeHead};
use vigilance::Trail;

use crate::audit::AuditError;
use crate::dashboard::{AttackStats, DashboardStats, ExecutionStats};
use crate::{Persistence, StorageError, VaultError};

/// Where the three stores stand as of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heads {
    /// Size and root of the log that the journal carries.
    pub log: TreeHead,
    /// The newest version of the state.
    pub version: u64,
    /// Its root.
    pub state_root: Hash,
    /// Objects in the vault.
    pub vault_objects: u64,
    /// Root over the addresses of all of them.
    pub vault_root: Hash,
}

impl Persistence {
    /// The audit trail: records, pages, proofs and statistics. Records enter by this crate's own calls
    /// alone: one that the journal does not carry is found, and is damage.
    ///
    /// It may be some records behind the newest commit; see [`heads`](Self::heads).
    #[must_use]
    pub fn audit(&self) -> &Trail {
        self.shared().audit.trail()
    }

    /// Where the three stores stand as of the newest durable version.
    #[must_use]
    pub fn heads(&self) -> Heads {
        let head = self.shared().head();
        Heads {
            log: head.log,
            version: head.version,
            state_root: head.state_root,
            vault_objects: head.vault.objects,
            vault_root: head.vault.root,
        }
    }

    /// Waits until the audit trail has all that was committed before the call, and says where everything
    /// stood then: what the trail is asked afterwards, it answers with that in it.
    ///
    /// # Errors
    ///
    /// [`StorageError::Behind`], if the trail fails.
    pub fn catch_up(&self) -> Result<Heads, StorageError> {
        let heads = self.heads();
        self.shared().wait_until_applied(heads.log.size.get())?;
        Ok(heads)
    }

    /// The numbers of the dashboard, with all in them that was committed before the call. They cost the
    /// same however much was recorded.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub fn dashboard_stats(&self) -> Result<DashboardStats, StorageError> {
        let heads = self.catch_up()?;
        let executions = self.audit().execution_stats().map_err(AuditError::from)?;
        let attacks = self.audit().attack_stats().map_err(AuditError::from)?;
        let bundles = self.vault().bundle_count().map_err(VaultError::from)?;
        Ok(DashboardStats {
            merkle_root: heads.state_root.to_string(),
            total_bundles: bundles,
            executions: ExecutionStats {
                total_executions: executions.total_executions,
                status_breakdown: executions.status_breakdown,
                avg_execution_time_ms: executions.avg_execution_time_ms,
            },
            attacks: AttackStats {
                total_attacks_blocked: attacks.total_attacks_blocked,
                attack_type_breakdown: attacks.attack_type_breakdown,
                layer_breakdown: attacks.layer_breakdown,
            },
        })
    }
}
