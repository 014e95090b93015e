//! Making a receipt of what is stored.

use std::sync::Arc;

use vigilance::Record;

use super::Receipt;
use crate::queue::Id;
use crate::recent::Transition;
use crate::shared::{Shared, lock};
use crate::{Cause, Persistence, StorageError, Write};

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// No such execution was committed.
    #[error("no execution {tx_id:?} was committed")]
    NotFound {
        /// Its identifier.
        tx_id: String,
    },
    /// It was imported from another system: nothing proves what it did to a state.
    #[error("execution {tx_id:?} was imported, and is of no version of this state")]
    Imported {
        /// Its identifier.
        tx_id: String,
    },
    /// The versions that it needs are pruned.
    #[error("version {version} is pruned")]
    Pruned {
        /// The version.
        version: u64,
    },
    /// A store failed, or is damaged.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Persistence {
    /// The receipt of an execution.
    ///
    /// Waits until the audit trail has the record. Costs microseconds for executions of late; for
    /// older ones the state before them is made again from a checkpoint and the journal.
    ///
    /// # Errors
    ///
    /// [`ReceiptError`].
    pub fn receipt(&self, tx_id: &str) -> Result<Receipt, ReceiptError> {
        let shared = self.shared();
        let committed = shared.head().log.size.get();
        let id = Id::Execution(tx_id.to_owned());
        let mut found = shared.audit.find(&id).map_err(StorageError::from)?;
        if found.is_none() {
            shared.wait_until_applied(committed)?;
            found = shared.audit.find(&id).map_err(StorageError::from)?;
        }
        let not_found = || ReceiptError::NotFound {
            tx_id: tx_id.to_owned(),
        };
        let stored = found.ok_or_else(not_found)?;
        let Record::Execution(record) = stored.record else {
            return Err(not_found());
        };
        let index = stored.index;
        let version = record.state_version.ok_or_else(|| ReceiptError::Imported {
            tx_id: tx_id.to_owned(),
        })?;
        let transition = match record.merkle_root_before == record.merkle_root_after {
            true => shared.unchanged(version)?,
            false => shared.transition(version)?,
        };
        let sealed = shared.seal_covering(index + 1)?;
        let size = sealed.seal.log.size.get();
        let inclusion = shared.audit.prove_inclusion(index, size);
        let (manifest, certificate) = match &record.bundle_hash {
            Some(hash) => {
                let manifest = shared.code.manifest(hash);
                manifest.map_err(|error| shared.notice_vault(error))?
            }
            None => Default::default(),
        };
        Ok(Receipt {
            record: stored.canonical,
            inclusion: inclusion.map_err(StorageError::from)?,
            writes: transition.writes.clone(),
            transition: transition.proof.clone(),
            manifest,
            certificate,
            seal: sealed.note.clone(),
        })
    }
}

impl Shared {
    /// What a version wrote that has the root of the one before: nothing, or what was there.
    fn unchanged(&self, version: u64) -> Result<Arc<Transition>, ReceiptError> {
        match lock(&self.transitions).get(version) {
            Some(transition) => Ok(transition),
            // That nothing was written is as true as that the same was written again.
            None => Ok(Arc::new(Transition {
                writes: Vec::new(),
                proof: Vec::new(),
            })),
        }
    }

    /// What a version wrote, and the proof of where that leads.
    fn transition(&self, version: u64) -> Result<Arc<Transition>, ReceiptError> {
        if let Some(known) = lock(&self.transitions).get(version) {
            return Ok(known);
        }
        let read = |error| match error {
            reality_db::ReadError::Pruned { version, .. } => ReceiptError::Pruned { version },
            error => ReceiptError::Storage(error.into()),
        };
        let mut commits = self.db.commits(version..=version).map_err(read)?;
        let commit = commits.next().transpose().map_err(read)?;
        let Some(commit) = commit else {
            self.panic(Cause::Envelope { version });
            return Err(ReceiptError::Pruned { version });
        };
        let writes: Vec<Write> = (commit.changes.into_iter())
            .map(|(key, value)| Write { key, value })
            .collect();
        let before = self.db.at(commit.info.previous).map_err(read)?;
        let mut batch = merkle_core::Batch::with_capacity(writes.len());
        for write in &writes {
            let change = match &write.value {
                Some(value) => batch.put(&write.key, value),
                None => batch.delete(&write.key),
            };
            change.expect("the key is in the state");
        }
        let proof = before.prove_update(&batch).map_err(read)?.encode();
        Ok(Arc::new(Transition { writes, proof }))
    }
}
