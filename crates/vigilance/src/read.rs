//! Reading records and making proofs: nothing is given out that the log does not commit to.

use merkle_core::{
    ConsistencyPlan, ConsistencyProof, Hash, InclusionPlan, InclusionProof, LeafIndex, NodeId,
    RootPlan, TreeSize, log_leaf_hash,
};
use rusqlite::OptionalExtension;

use crate::content;
use crate::error::ReadError;
use crate::health::Damage;
use crate::record::{ErasableField, Record, RecordKind};
use crate::segment;
use crate::tiles::Nodes;
use crate::trail::Trail;
use crate::writer::plan::newest_by_id;

/// A record as it was read: checked against the log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredRecord {
    /// Its place in the log.
    pub index: u64,
    /// The record, with the erasable texts that are at hand.
    pub record: Record,
    /// The bytes that the log commits to: what an inclusion proof is about.
    pub canonical: Vec<u8>,
    /// Erasable fields that hold a text, though not the one that was committed to. Their texts are not
    /// given out.
    pub damaged: Vec<ErasableField>,
}

impl Trail {
    /// The record at a place.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn record(&self, index: u64) -> Result<StoredRecord, ReadError> {
        let read = self.shared().nodes(|nodes| record(nodes, index));
        self.noticed(read)
    }

    /// The records from `first` on, `count` of them or as many as there are.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn records(&self, first: u64, count: usize) -> Result<Vec<StoredRecord>, ReadError> {
        let read = self.shared().nodes(|nodes| {
            let end = nodes.edge.size().min(first.saturating_add(count as u64));
            (first..end).map(|index| record(nodes, index)).collect()
        });
        self.noticed(read)
    }

    /// The newest execution of a transaction.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn execution_by_tx(&self, tx_id: &str) -> Result<Option<StoredRecord>, ReadError> {
        self.by_id(RecordKind::Execution, tx_id)
    }

    /// The newest attack with an id.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn attack_by_id(&self, attack_id: &str) -> Result<Option<StoredRecord>, ReadError> {
        self.by_id(RecordKind::Attack, attack_id)
    }

    /// Proves that record `index` is in the log of the first `size` records.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<InclusionProof, ReadError> {
        let read = self.shared().nodes(|nodes| {
            check_size(nodes, size)?;
            let plan = InclusionPlan::new(LeafIndex::new(index), TreeSize::new(size));
            let plan = plan.map_err(|_| ReadError::Reversed {
                lower: index,
                upper: size,
            })?;
            plan.resolve(|id| nodes.node(id))
        });
        self.noticed(read)
    }

    /// Proves that the log of the first `new` records extends that of the first `old`.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<ConsistencyProof, ReadError> {
        let read = self.shared().nodes(|nodes| {
            check_size(nodes, new)?;
            let plan = ConsistencyPlan::new(TreeSize::new(old), TreeSize::new(new));
            let plan = plan.map_err(|_| ReadError::Reversed {
                lower: old,
                upper: new,
            })?;
            plan.resolve(|id| nodes.node(id))
        });
        self.noticed(read)
    }

    /// Root of the log of the first `size` records.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn root_at(&self, size: u64) -> Result<Hash, ReadError> {
        let read = self.shared().nodes(|nodes| {
            check_size(nodes, size)?;
            RootPlan::new(TreeSize::new(size)).resolve(|id| nodes.node(id))
        });
        self.noticed(read)
    }

    fn by_id(&self, kind: RecordKind, id: &str) -> Result<Option<StoredRecord>, ReadError> {
        let read = self.shared().nodes(|nodes| {
            let found = newest_by_id(nodes.conn, kind, id)?;
            // The table may be ahead of the log that is published.
            let found = found.filter(|index| *index < nodes.edge.size());
            let found = found.map(|index| record(nodes, index)).transpose()?;
            let same = |it: &StoredRecord| match &it.record {
                Record::Execution(it) => it.tx_id == id,
                Record::Attack(it) => it.attack_id == id,
                Record::Metric(_) | Record::Event(_) => false,
            };
            match found {
                Some(found) if !same(&found) => Err(ReadError::from(Damage::Projection {
                    table: format!("{kind}s"),
                    row: format!("idx {}", found.index),
                    column: match kind {
                        RecordKind::Attack => "attack_id",
                        _ => "tx_id",
                    }
                    .to_owned(),
                    index: Some(found.index),
                })),
                found => Ok(found),
            }
        });
        self.noticed(read)
    }

    /// Goes into panic mode if what was read is damaged.
    pub(crate) fn noticed<T>(&self, read: Result<T, ReadError>) -> Result<T, ReadError> {
        let damage = match &read {
            Err(ReadError::Damaged(damage)) => Some(Damage::clone(damage)),
            Err(ReadError::Storage(error)) => error.as_damage(),
            _ => None,
        };
        match damage {
            Some(damage) => {
                self.panicked(&damage);
                Err(damage.into())
            }
            None => read,
        }
    }
}

/// Reads a record and checks it against its leaf.
pub(crate) fn record(nodes: &Nodes<'_>, index: u64) -> Result<StoredRecord, ReadError> {
    let size = nodes.edge.size();
    if index >= size {
        return Err(ReadError::OutOfRange { asked: index, size });
    }
    let canonical = canonical(nodes, index)?.ok_or(Damage::Missing { index })?;
    let leaf = NodeId::new(0, index).ok_or(Damage::Missing { index })?;
    if nodes.node(leaf)? != log_leaf_hash(&canonical) {
        return Err(Damage::Record { index }.into());
    }
    let record = Record::decode(&canonical);
    let mut record = record.map_err(|_| Damage::Record { index })?;
    let damaged = content::fill(nodes.conn, index, &mut record)?;
    Ok(StoredRecord {
        index,
        record,
        canonical,
        damaged,
    })
}

/// The bytes of a record, from the database or from the segment that it was moved into.
fn canonical(nodes: &Nodes<'_>, index: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let mut select = nodes
        .conn
        .prepare_cached("SELECT canonical FROM records WHERE idx = ?")?;
    let stored = select.query_row([index.cast_signed()], |row| row.get(0));
    if let Some(stored) = stored.optional()? {
        return Ok(Some(stored));
    }
    match segment::of(nodes.conn, index)? {
        Some(it) => Ok(Some(segment::read(nodes.folder, it, index)?.canonical)),
        None => Ok(None),
    }
}

fn check_size(nodes: &Nodes<'_>, asked: u64) -> Result<(), ReadError> {
    let size = nodes.edge.size();
    if asked > size {
        return Err(ReadError::OutOfRange { asked, size });
    }
    Ok(())
}
