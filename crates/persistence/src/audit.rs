//! The audit trail as this crate uses it.

use std::sync::Mutex;

use merkle_core::{CompactRange, Hash, InclusionProof, LeafIndex, Log, TreeHead, TreeSize};
use vigilance::{EncodedRecord, Record};

use crate::Cause;
use crate::queue::Id;
use crate::shared::lock;

/// The audit trail.
pub(crate) struct Audit {
    inner: Mutex<(Log, Vec<Vec<u8>>)>,
}

/// Why the audit trail could not be used.
#[derive(Debug, thiserror::Error)]
#[error("the trail: {0}")]
#[non_exhaustive]
pub enum AuditError {
    /// test
    Diverged(u64),
}

impl AuditError {
    pub(crate) fn cause(&self) -> Option<Cause> {
        let Self::Diverged(index) = self;
        Some(Cause::AuditDiverged { index: *index })
    }
}

impl Audit {
    pub(crate) fn open(_: &crate::Config) -> Result<Self, AuditError> {
        Ok(Self {
            inner: Mutex::new((Log::new(), Vec::new())),
        })
    }

    pub(crate) fn head(&self) -> Result<TreeHead, AuditError> {
        Ok(lock(&self.inner).0.head())
    }

    pub(crate) fn range(&self) -> Result<CompactRange, AuditError> {
        Ok(lock(&self.inner).0.range().clone())
    }

    pub(crate) fn apply(&self, first: u64, records: &[EncodedRecord]) -> Result<(), AuditError> {
        let mut inner = lock(&self.inner);
        let (log, rows) = &mut *inner;
        for (index, record) in (first..).zip(records) {
            let at = usize::try_from(index).expect("small");
            match rows.get(at) {
                Some(row) if *row != record.canonical => return Err(AuditError::Diverged(index)),
                Some(_) => {}
                None => {
                    assert_eq!(at, rows.len());
                    rows.push(record.canonical.clone());
                    log.append(&record.canonical);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<(), AuditError> {
        Ok(())
    }

    pub(crate) fn record(&self, index: u64) -> Result<Option<Record>, AuditError> {
        let at = usize::try_from(index).expect("small");
        Ok(lock(&self.inner)
            .1
            .get(at)
            .map(|row| Record::decode(row).expect("record")))
    }

    pub(crate) fn find(&self, id: &Id) -> Result<Option<(u64, Record)>, AuditError> {
        let inner = lock(&self.inner);
        for (index, row) in (0..).zip(&inner.1) {
            let record = Record::decode(row).expect("record");
            let same = match (&record, id) {
                (Record::Execution(it), Id::Execution(id)) => it.tx_id == *id,
                (Record::Attack(it), Id::Attack(id)) => it.attack_id == *id,
                _ => false,
            };
            if same {
                return Ok(Some((index, record)));
            }
        }
        Ok(None)
    }

    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, AuditError> {
        Ok(lock(&self.inner)
            .0
            .root_at(TreeSize::new(size))
            .expect("size"))
    }

    pub(crate) fn prove_inclusion(
        &self,
        index: u64,
        size: u64,
    ) -> Result<InclusionProof, AuditError> {
        let inner = lock(&self.inner);
        let proof = inner
            .0
            .prove_inclusion(LeafIndex::new(index), TreeSize::new(size));
        Ok(proof.expect("in range"))
    }

    pub(crate) fn stage(&self, _: &EncodedRecord) -> Result<(), AuditError> {
        Ok(())
    }

    pub(crate) fn each_bundle(
        &self,
        _: &mut dyn FnMut(truth_vault::Address) -> Result<(), crate::StorageError>,
    ) -> Result<(), crate::StorageError> {
        Ok(())
    }
}
