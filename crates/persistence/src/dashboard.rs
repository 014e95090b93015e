//! The numbers of the dashboard, in the original system's shape.

use std::collections::BTreeMap;

use vigilance::Attack;

use crate::ExecutionRecord;

/// What `GET /api/persistence/stats` answers.
///
/// Fields are named as in the JSON of the original system.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct DashboardStats {
    /// Root of the state, in hexadecimal.
    pub merkle_root: String,
    /// Bundles in the vault.
    pub total_bundles: u64,
    /// About executions.
    pub executions: ExecutionStats,
    /// About attacks.
    pub attacks: AttackStats,
}

/// The numbers about executions.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct ExecutionStats {
    /// How many there are.
    pub total_executions: u64,
    /// How many of each status: `PROVED`, `FAILED`, `REJECTED`, `TIMEOUT`; none that is zero.
    pub status_breakdown: BTreeMap<String, u64>,
    /// Their average duration in milliseconds; 0 if there is none.
    pub avg_execution_time_ms: f64,
}

/// The numbers about attacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct AttackStats {
    /// How many were blocked.
    pub total_attacks_blocked: u64,
    /// How many of each type.
    pub attack_type_breakdown: BTreeMap<String, u64>,
    /// How many each layer blocked.
    pub layer_breakdown: BTreeMap<String, u64>,
}

impl ExecutionStats {
    /// Counts one more; its duration is the caller's to add up.
    pub(crate) fn count(&mut self, execution: &ExecutionRecord) {
        self.total_executions += 1;
        let status = execution.status.to_string();
        *self.status_breakdown.entry(status).or_default() += 1;
    }
}

impl AttackStats {
    pub(crate) fn count(&mut self, attack: Attack) {
        self.total_attacks_blocked += 1;
        let types = &mut self.attack_type_breakdown;
        *types.entry(attack.attack_type).or_default() += 1;
        let layers = &mut self.layer_breakdown;
        *layers.entry(attack.blocked_by_layer).or_default() += 1;
    }
}

impl DashboardStats {
    /// The JSON of the original system, its keys in its order.
    ///
    /// ```
    /// let json = persistence::DashboardStats::default().to_json();
    /// assert!(json.starts_with(r#"{"merkle_root":"","total_bundles":0,"executions":{"total_executions":0,"#));
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers have a form in JSON")
    }
}
