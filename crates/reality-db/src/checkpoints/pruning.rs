//! Which checkpoints and records are kept, and removing the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::{MaintenanceError, key};
use crate::checkpoint::{Catalogue, Pointer, remove_unreferenced};
use crate::db::{Shared, lock};
use crate::error::Fault;
use crate::journal::Journal;
use crate::{ReadError, Retention, named, state};

/// Checkpoints that are kept whatever else: the newest, and one in case it turns out bad.
const POINTERS_MIN: usize = 2;

/// The files in which the buckets of a checkpoint lie, by number, with their lengths.
pub(crate) type Files = BTreeMap<u64, u64>;

/// A checkpoint, and where it lies; none if its catalogue cannot be read.
type Candidate = (Pointer, Option<Files>);

impl Shared {
    /// Removes checkpoints and records that nothing needs any more.
    pub(super) fn prune(&self) -> Result<(), MaintenanceError> {
        let _span = tracing::debug_span!("prune").entered();
        let candidates = self.candidates();
        let retention = *lock(&self.retention);
        let by_policy = self.noticed(self.floor(retention))?;
        let kept = {
            let mut writer = self.writer()?;
            // Under the writer's lock: no older version gets a name meanwhile.
            let by_name = self.noticed(self.oldest_named())?;
            let floor = by_name.map_or(by_policy, |by_name| by_name.min(by_policy));
            // What was pruned is gone whatever is asked for now: from the checkpoint there all others are made.
            let floor = floor.max(self.oldest.load(Ordering::Acquire));
            let said = lock(&self.retention);
            if *said != retention {
                return Ok(()); // it was said anew meanwhile: the next pruning goes by it
            }
            let is_kept = is_kept(&candidates, floor);
            let (mut kept, mut gone) = (Vec::new(), Vec::new());
            for (candidate, is_kept) in candidates.into_iter().zip(is_kept) {
                match is_kept {
                    true => kept.push(candidate),
                    false => gone.push((key(candidate.0.version), None)),
                }
            }
            if !gone.is_empty() {
                writer.write_small(gone)?;
            }
            // Later versions are made from the oldest checkpoint and the records behind it. It is said before
            // the older checkpoints are out of reach: who misses one finds out that there is less to read now.
            if let Some((oldest, _)) = kept.first()
                && oldest.version <= floor
            {
                self.oldest.store(oldest.version, Ordering::Release);
            }
            *lock(&self.pointers) = kept.iter().map(|(pointer, _)| *pointer).collect();
            kept
        };
        // Out of everybody's reach already: nobody waits for the removal.
        let journal = Journal::new(self.storage.engine.clone());
        let removed = journal.remove_below(self.oldest.load(Ordering::Acquire));
        self.resumes(removed)?;
        self.remove_files(kept)
    }

    /// Removes the files that none of the checkpoints `kept` has.
    fn remove_files(&self, kept: Vec<Candidate>) -> Result<(), MaintenanceError> {
        let mut needed = BTreeSet::new();
        for (pointer, files) in kept {
            let Some(files) = files else {
                let version = pointer.version;
                tracing::warn!(version, "which files it has is not known: none is removed");
                return Ok(());
            };
            needed.extend(files.into_keys());
        }
        remove_unreferenced(&*self.storage.checkpoints, || {
            let head = self.noticed(state::read(&self.head))?;
            let spills = head.places().spills().iter();
            needed.extend(spills.filter_map(|spill| spill.number()));
            Ok::<_, ReadError>(needed)
        })?;
        Ok(())
    }

    /// All checkpoints, in order.
    fn candidates(&self) -> Vec<Candidate> {
        let pointers = self.pointers();
        let mut known = lock(&self.files);
        known.retain(|own, _| pointers.iter().any(|pointer| pointer.file == *own));
        let candidates = pointers.into_iter().map(|pointer| {
            let files = known.get(&pointer.file).cloned().or_else(|| {
                let opened = Catalogue::open(&*self.storage.checkpoints, &pointer);
                let opened = opened.inspect_err(|error| {
                    tracing::warn!(%error, version = pointer.version, "a checkpoint cannot be read");
                });
                let files = files_of(&opened.ok()?);
                known.insert(pointer.file, files.clone());
                Some(files)
            });
            (pointer, files)
        });
        candidates.collect()
    }

    /// The oldest version that the retention keeps readable. Commits go on meanwhile.
    fn floor(&self, retention: Retention) -> Result<u64, Fault> {
        let head = state::read(&self.head)?.link();
        let journal = Journal::new(self.storage.engine.clone());
        let mut oldest = self.oldest.load(Ordering::Acquire);
        let imported = self.imported.load(Ordering::Acquire);
        if imported <= head.version {
            oldest = oldest.max(imported); // what it was brought in with are no versions
        }
        lock(&self.floor).of(retention, &journal, oldest, &head)
    }

    /// The oldest version that has a name.
    fn oldest_named(&self) -> Result<Option<u64>, Fault> {
        let named = named::list(&*self.storage.engine)?;
        Ok(named.iter().map(|named| named.version.number).min())
    }
}

/// The files in which the buckets of a checkpoint lie.
pub(super) fn files_of(catalogue: &Catalogue) -> Files {
    let files = catalogue.files().iter();
    files.map(|file| (file.number, file.len)).collect()
}

/// Which of the checkpoints, in order, to keep so that every version from `floor` on can be made.
///
/// The newest ones, the newest at or below the floor, and of those between so few that the files that only
/// they have take no more than half of the journal between them: versions are near one, and disk stays
/// bounded.
fn is_kept(candidates: &[Candidate], floor: u64) -> Vec<bool> {
    let start = candidates.partition_point(|(pointer, _)| pointer.version <= floor);
    let start = start.checked_sub(1);
    let newest = candidates.len().saturating_sub(POINTERS_MIN);
    let must_stay = |at: usize| Some(at) == start || at >= newest;
    let numbers = |files: &Option<Files>| files.clone().unwrap_or_default().into_keys();
    let mut held: BTreeSet<u64> = (candidates.iter().enumerate())
        .filter(|(at, _)| must_stay(*at))
        .flat_map(|(_, (_, files))| numbers(files))
        .collect();
    let mut kept = vec![false; candidates.len()];
    // Without one at the floor versions are made from the beginning of the journal.
    let mut before = 0;
    for (at, (pointer, files)) in candidates.iter().enumerate().skip(start.unwrap_or(0)) {
        let bytes = match files {
            Some(files) => (files.iter())
                .filter(|(number, _)| !held.contains(number))
                .map(|(_, len)| len)
                .sum(),
            None => u64::MAX, // no version can be made from it
        };
        let between = pointer.journal_bytes.saturating_sub(before);
        if must_stay(at) || between / 2 >= bytes {
            kept[at] = true;
            before = pointer.journal_bytes;
            held.extend(numbers(files));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use merkle_core::Hash;

    use super::*;

    /// A checkpoint of each version from 1 on, every 100 bytes of journal, with these files of 60 bytes.
    fn candidates(files: &[&[u64]]) -> Vec<Candidate> {
        let candidate = |(files, version): (&&[u64], u64)| {
            let pointer = Pointer {
                version,
                root: Hash::default(),
                record: Hash::default(),
                entries: 0,
                file: version,
                catalogue_at: 30,
                catalogue_len: 30,
                catalogue_hash: Hash::default(),
                live_bytes: 0,
                journal_bytes: 100 * version,
            };
            (
                pointer,
                Some(files.iter().map(|file| (*file, 60)).collect()),
            )
        };
        files.iter().zip(1..).map(candidate).collect()
    }

    /// The versions that are kept.
    fn versions(candidates: &[Candidate], floor: u64) -> Vec<u64> {
        let kept = is_kept(candidates, floor).into_iter().zip(candidates);
        kept.filter(|(is_kept, _)| *is_kept)
            .map(|(_, (pointer, _))| pointer.version)
            .collect()
    }

    #[test]
    fn files_take_no_more_than_half_of_the_journal_between_them() {
        let alone = candidates(&[&[1], &[2], &[3], &[4], &[5], &[6]]);
        assert_eq!(versions(&alone, 0), [2, 4, 5, 6]);
        assert_eq!(versions(&alone, 1), [1, 3, 5, 6]);
        assert_eq!(versions(&alone, 6), [6]);
        assert_eq!(versions(&alone[..1], 0), [1]);
        assert!(versions(&[], 0).is_empty());
    }

    #[test]
    fn what_others_have_costs_nothing_and_what_was_let_go_counts() {
        let shared = candidates(&[&[1], &[1], &[1, 3], &[1], &[5], &[5, 1]]);
        assert_eq!(versions(&shared, 0), [1, 2, 4, 5, 6]);
        let spilled = candidates(&[&[1, 11], &[2, 12], &[3, 13], &[4], &[5], &[6]]);
        assert_eq!(versions(&spilled, 0), [3, 5, 6]);
        let mut unknown = candidates(&[&[1, 11], &[2, 12], &[3, 13], &[4], &[5], &[6]]);
        unknown[2].1 = None;
        assert_eq!(versions(&unknown, 0), [4, 5, 6]);
        unknown[5].1 = None;
        assert_eq!(versions(&unknown, 0), [4, 5, 6]);
    }
}
