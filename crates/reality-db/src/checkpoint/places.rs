//! Where the subtrees of a version lie that are not in memory.

use std::{collections::BTreeSet, sync::Arc};

use merkle_core::{Subtree, SubtreeRef};

use super::{
    bucket::Bucket,
    catalogue::Catalogue,
    error::CheckpointError,
    place::{Place, load_all},
    spill::Spill,
};
use crate::volume::Volume;

/// Where the subtrees of a version lie: in a checkpoint, or where they were let go since.
#[derive(Clone, Default)]
pub(crate) struct Places {
    catalogue: Option<Arc<Catalogue>>,
    /// The newest last, which is the one that is written. There are several: each ends when a checkpoint
    /// begins, or when it is long.
    spills: Vec<Arc<Spill>>,
    /// Whether no checkpoint will have what is let go.
    is_aside: bool,
}

impl Places {
    /// Those of a checkpoint.
    pub(crate) fn of(catalogue: Arc<Catalogue>) -> Self {
        Self {
            catalogue: Some(catalogue),
            ..Self::default()
        }
    }

    pub(crate) fn catalogue(&self) -> Option<&Arc<Catalogue>> {
        self.catalogue.as_ref()
    }

    pub(crate) fn spills(&self) -> &[Arc<Spill>] {
        &self.spills
    }

    /// Where the entries of `subtree` lie, if they are on disk.
    pub(crate) fn find(&self, subtree: &Subtree) -> Option<Place> {
        let spilled = self.find_spilled(&subtree.hash());
        spilled.or_else(|| self.catalogue.as_ref()?.place(subtree))
    }

    /// The same for a subtree where it lies.
    pub(crate) fn find_ref(&self, subtree: &SubtreeRef<'_>) -> Option<Place> {
        let spilled = self.find_spilled(&subtree.hash());
        spilled.or_else(|| self.catalogue.as_ref()?.place(&subtree.to_subtree()))
    }

    pub(crate) fn find_spilled(&self, hash: &merkle_core::Hash) -> Option<Place> {
        let mut newest_first = self.spills.iter().rev();
        newest_first.find_map(|spill| spill.find(hash))
    }

    /// Reads the entries of some subtrees.
    pub(crate) fn load_all(&self, subtrees: &[Subtree]) -> Result<Vec<Bucket>, CheckpointError> {
        load_all(|subtree| self.find(subtree), subtrees)
    }

    /// What it means that the entries of `subtree` are not those that were written.
    pub(crate) fn damage(&self, subtree: &Subtree) -> crate::Damage {
        let place = self.find(subtree);
        crate::Damage::Bucket {
            file: place.as_ref().map_or(0, |place| place.number),
            offset: place.map_or(0, |place| place.location.offset),
            prefix: subtree.prefix().to_vec(),
        }
    }

    /// Begins a new spill.
    pub(crate) fn turn(&mut self) {
        self.spills.retain(|spill| !spill.is_empty());
        self.spills.push(Arc::new(match self.is_aside {
            true => Spill::nameless(),
            false => Spill::default(),
        }));
    }

    /// Begins a new spill; from now on they are of a kind that no checkpoint takes over, or not any more.
    pub(crate) fn turn_to(&mut self, is_aside: bool) {
        self.is_aside = is_aside;
        self.turn();
    }

    /// Forgets all spills but the newest, which has what is of use of them.
    pub(crate) fn forget_others(&mut self) {
        self.spills = self.spills.pop().into_iter().collect();
    }

    /// Makes the spills durable that nobody writes any more, but for those that lie in the files `left`.
    pub(crate) fn close_spills(
        &self,
        volume: &dyn Volume,
        left: &BTreeSet<u64>,
        mut pause: impl FnMut() -> Result<(), CheckpointError>,
    ) -> Result<(), CheckpointError> {
        for spill in &self.spills {
            if !spill.is_nameless() && spill.number().is_none_or(|file| !left.contains(&file)) {
                spill.close(volume, &mut pause)?;
            }
        }
        Ok(())
    }

    /// Bytes that were written to the spills.
    pub(crate) fn spilled_bytes(&self) -> u64 {
        self.spills.iter().map(|spill| spill.bytes()).sum()
    }

    /// The spill that is written.
    pub(crate) fn current(&self) -> Option<&Arc<Spill>> {
        self.spills.last()
    }

    /// Takes the checkpoint `newer`, which was begun with the places `before`; whether it could. What was
    /// let go until then lies in it; what since, in the spills since.
    pub(crate) fn supersede(&mut self, newer: &Arc<Catalogue>, before: &Self) -> bool {
        let same = match (&self.catalogue, &before.catalogue) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        // Another one, if the head was replaced meanwhile: what it needs may not be in the newer.
        if same {
            self.catalogue = Some(newer.clone());
            let is_older =
                |spill: &Arc<Spill>| before.spills.iter().any(|old| Arc::ptr_eq(old, spill));
            self.spills.retain(|spill| !is_older(spill));
        }
        same
    }
}
