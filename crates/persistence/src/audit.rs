//! The audit trail as this crate uses it: a projection of the journal.

use merkle_core::{CompactRange, Hash, InclusionProof, TreeHead};
use truth_vault::BundleAddress;
use vigilance::{
    AppendError, Damage, Duplicates, Durability, EncodedRecord, OpenError, Options, ReadError,
    Record, StoredRecord, Trail,
};

use crate::queue::Id;
use crate::{Cause, Config, SignerKey, StorageError};

/// The audit trail.
pub(crate) struct Audit {
    trail: Trail,
}

/// Why the audit trail could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl AuditError {
    /// What is not as it was proved, if that is why.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self {
            Self::Open(OpenError::Damaged(damage))
            | Self::Append(AppendError::Panic(damage))
            | Self::Read(ReadError::Damaged(damage)) => Some(Cause::of_trail(damage)),
            Self::Append(AppendError::Diverged { index }) => {
                Some(Cause::AuditDiverged { index: *index })
            }
            _ => None,
        }
    }

    /// Whether another process has it open.
    pub(crate) fn is_locked(&self) -> bool {
        matches!(self, Self::Open(OpenError::Locked { .. }))
    }

    /// Whether it would do no good to try again without opening the trail again.
    pub(crate) fn is_final(&self) -> bool {
        let stopped = matches!(
            self,
            Self::Append(AppendError::Stopped | AppendError::Unknown(_))
        );
        stopped || self.cause().is_some()
    }
}

impl Cause {
    pub(crate) fn of_trail(damage: &Damage) -> Self {
        match damage {
            Damage::TailLost { marked, found, .. } => Self::AuditBehind {
                known: *marked,
                found: *found,
            },
            Damage::DatabaseLost { marked } => Self::AuditBehind {
                known: *marked,
                found: 0,
            },
            Damage::OtherRoot { size, .. } => Self::AuditBeside { size: *size },
            damage => Self::Audit {
                message: damage.to_string(),
            },
        }
    }
}

impl Audit {
    pub(crate) fn open(config: &Config, signer: &SignerKey) -> Result<Self, AuditError> {
        let mut options = Options::new()
            .origin(format!("{}/audit", signer.name()))
            .signer(signer.clone())
            .duplicate_executions(Duplicates::Keep)
            .duplicate_attacks(Duplicates::Keep)
            // Their records may be in the journal and not here yet.
            .keep_staged(true)
            .create(config.create);
        for key in &config.trusted_keys {
            options = options.trust(key.clone());
        }
        let trail = Trail::open(config.audit_path(), &options)?;
        Ok(Self { trail })
    }

    /// The trail itself, to read from.
    pub(crate) fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Damage that it knows of.
    pub(crate) fn damage(&self) -> Option<Cause> {
        match self.trail.health() {
            vigilance::Health::Panic(damage) => Some(Cause::of_trail(&damage)),
            _ => None,
        }
    }

    pub(crate) fn head(&self) -> TreeHead {
        self.trail.head()
    }

    /// The compact range over all records, from which appending can go on elsewhere.
    ///
    /// The path of the newest leaf has it: what lies left of it, from the point on where the newest
    /// perfect subtree is complete.
    pub(crate) fn range(&self) -> Result<CompactRange, AuditError> {
        let size = self.trail.size();
        let Some(last) = size.checked_sub(1) else {
            return Ok(CompactRange::new());
        };
        let leaf = merkle_core::log_leaf_hash(&self.canonical(last)?);
        let proof = self.prove_inclusion(last, size)?;
        let within = size.trailing_zeros() as usize;
        let (joined, left) = proof.hashes().split_at(within);
        let newest = (joined.iter()).fold(leaf, |right, left| {
            merkle_core::log_inner_hash(left, &right)
        });
        let hashes = left.iter().rev().copied().chain([newest]).collect();
        let range = CompactRange::from_parts(0, size, hashes);
        Ok(range.expect("a perfect subtree for each bit of the size"))
    }

    /// Applies records from `first` on: those that are there already must be the same.
    pub(crate) fn apply(&self, first: u64, records: &[EncodedRecord]) -> Result<(), AuditError> {
        if records.is_empty() {
            return Ok(());
        }
        self.trail.apply(first, records, Durability::Deferred)?;
        Ok(())
    }

    /// Overwrites texts whose records were never committed.
    pub(crate) fn sweep(&self) -> Result<(), AuditError> {
        self.trail.sweep_staged()?;
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<(), AuditError> {
        Ok(self.trail.sync()?)
    }

    /// Makes the texts of a record durable that can be erased, before the record is committed.
    pub(crate) fn stage(&self, record: &EncodedRecord) -> Result<(), AuditError> {
        Ok(self.trail.stage_erasable(std::slice::from_ref(record))?)
    }

    pub(crate) fn record(&self, index: u64) -> Result<Option<Record>, AuditError> {
        if index >= self.trail.size() {
            return Ok(None);
        }
        Ok(Some(self.trail.record(index)?.record))
    }

    /// The canonical bytes of a record that is there.
    pub(crate) fn canonical(&self, index: u64) -> Result<Vec<u8>, AuditError> {
        Ok(self.trail.record(index)?.canonical)
    }

    pub(crate) fn find(&self, id: &Id) -> Result<Option<StoredRecord>, AuditError> {
        Ok(match id {
            Id::Execution(id) => self.trail.execution_by_tx(id)?,
            Id::Attack(id) => self.trail.attack_by_id(id)?,
        })
    }

    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, AuditError> {
        Ok(self.trail.root_at(size)?)
    }

    pub(crate) fn prove_inclusion(
        &self,
        index: u64,
        size: u64,
    ) -> Result<InclusionProof, AuditError> {
        Ok(self.trail.prove_inclusion(index, size)?)
    }

    /// Goes over every bundle that a record names: that ran, or that was put into the vault.
    pub(crate) fn each_bundle(
        &self,
        see: &mut dyn FnMut(BundleAddress) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut next = 0;
        while next < self.trail.size() {
            let page = self.trail.records(next, PAGE);
            for stored in page.map_err(AuditError::from)? {
                next = stored.index + 1;
                if let Some(address) = bundle_of(&stored.record) {
                    see(address)?;
                }
            }
        }
        Ok(())
    }
}

/// The bundle of our vault that a record names.
pub(crate) fn bundle_of(record: &Record) -> Option<BundleAddress> {
    match record {
        // What was imported may name a bundle of another system's vault.
        Record::Execution(execution) if execution.state_version.is_some() => {
            execution.bundle_hash.as_deref()?.parse().ok()
        }
        Record::Event(event) if event.source.as_deref() == Some(BUNDLE_SOURCE) => {
            let address = truth_vault::Address::from_bytes(*event.hash?.as_bytes());
            Some(BundleAddress::from_address(address))
        }
        _ => None,
    }
}

/// Who says so in the record of a bundle that was put into the vault.
pub(crate) const BUNDLE_SOURCE: &str = "persistence.bundle";

/// Records that are read at a time.
const PAGE: usize = 1024;
