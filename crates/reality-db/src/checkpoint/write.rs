//! Writing a checkpoint: what changed since the one before, and a catalogue of all of it.

use merkle_core::{Hash, PartialMap, Subtree};

use super::{
    bucket::{self, Bucket},
    catalogue::{self, Catalogue},
    error::{CheckpointError, Damage},
    file::{self, Control, Output},
    pointer::Pointer,
    reuse::Reuse,
    row::{Head, Location, Row},
    verify::verify_buckets,
};
use crate::{Profile, volume::Volume};

/// A checkpoint to be written.
#[derive(Clone, Copy)]
pub(crate) struct NewCheckpoint<'c> {
    /// Number of the file to write: greater than all there are.
    pub(crate) number: u64,
    /// The version whose tree it is.
    pub(crate) version: u64,
    /// Hash of the journal record of the version.
    pub(crate) record: Hash,
    /// Number of entries of the tree.
    pub(crate) entries: u64,
    /// Bytes of all journal records up to the version.
    pub(crate) journal_bytes: u64,
    /// How the tree hashes.
    pub(crate) profile: Profile,
    /// The tree. What is not in memory of it is in `previous`.
    pub(crate) map: &'c PartialMap<Profile>,
    /// The checkpoint before.
    pub(crate) previous: Option<&'c Catalogue>,
}

impl NewCheckpoint<'_> {
    /// Writes the checkpoint to a file of its own, reads it back and opens it.
    ///
    /// It counts once the engine has the catalogue's [`Pointer`]; until then, and if this fails, the
    /// file is of no use to anybody. Writes the subtrees that `previous` does not have, those that
    /// lie in files of which little is used, and the catalogue. `control` is called about every
    /// 256 KiB, also while the file is read back; the file is synced every few MiB.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]; the new file is removed then.
    pub(crate) fn write(
        &self,
        volume: &dyn Volume,
        control: &mut Control<'_>,
    ) -> Result<Catalogue, CheckpointError> {
        if let Some(previous) = self.previous
            && previous.pointer().file >= self.number
        {
            return Err(CheckpointError::InUse { file: self.number });
        }
        let written = self.write_new(volume, control);
        if written.is_err() {
            // If this fails too, the file lies there until what nobody refers to is removed.
            let _ = volume.remove(&file::name(self.number));
        }
        written
    }

    fn write_new(
        &self,
        volume: &dyn Volume,
        control: &mut Control<'_>,
    ) -> Result<Catalogue, CheckpointError> {
        let pointer = {
            let mut output = Output::create(volume, self.number, control)?;
            let pointer = self.fill(&mut output)?;
            volume.sync().map_err(CheckpointError::io(self.number))?;
            output.read_back(volume)?;
            pointer
        };
        let catalogue = Catalogue::open(volume, &pointer)?;
        catalogue.assemble(self.profile)?;
        Ok(catalogue)
    }

    /// Writes buckets and catalogue.
    fn fill(&self, output: &mut Output<'_>) -> Result<Pointer, CheckpointError> {
        let subtrees = self.map.subtrees();
        output.progress.subtrees_total = subtrees.len();
        output.pause()?;
        let reuse =
            (self.previous).map_or_else(Reuse::default, |previous| Reuse::of(&subtrees, previous));
        let mut rows = Vec::new();
        let (mut entries, mut live_bytes) = (0, 0);
        for (at, subtree) in subtrees.iter().enumerate() {
            let stored = reuse.row(at).and_then(|row| self.previous?.get(row));
            let stored = stored.map(|(_, location)| location);
            let location = match stored.and_then(|old| reuse.kept(old)) {
                Some(kept) => kept,
                None => self.put(output, subtree, stored, reuse.files().len())?,
            };
            Row::encode(&mut rows, subtree, &location);
            entries += location.entries;
            live_bytes += location.len as u64;
            output.progress.subtrees_done = at + 1;
            output.advance()?;
        }
        if entries != self.entries {
            return Err(CheckpointError::EntryCount {
                expected: self.entries,
                found: entries,
            });
        }
        let catalogue_at = output.end();
        let mut files = reuse.files().to_vec();
        files.push((self.number, catalogue_at));
        let head = Head {
            files,
            rows: subtrees.len(),
        };
        let catalogue = [head.encode(), rows].concat();
        if u32::try_from(catalogue.len()).is_err() {
            let subtrees = subtrees.len();
            return Err(CheckpointError::TooLarge { subtrees });
        }
        output.buffer().extend_from_slice(&catalogue);
        output.finish()?;
        Ok(Pointer {
            version: self.version,
            root: self.map.root(),
            record: self.record,
            entries,
            file: self.number,
            catalogue_at,
            catalogue_len: catalogue.len() as u64,
            catalogue_hash: catalogue::hash(&catalogue),
            live_bytes,
            journal_bytes: self.journal_bytes,
        })
    }

    /// Writes the entries of a subtree, from memory or from where they lie.
    fn put(
        &self,
        output: &mut Output<'_>,
        subtree: &Subtree,
        stored: Option<Location>,
        file: usize,
    ) -> Result<Location, CheckpointError> {
        let offset = output.end();
        let entries = match (self.map.entries(subtree), self.previous, stored) {
            (Some(entries), ..) => bucket::encode(output.buffer(), entries)?,
            (None, Some(previous), Some(stored)) => {
                let bucket = self.read_stored(previous, subtree, &stored)?;
                output.buffer().extend_from_slice(bucket.bytes());
                stored.entries
            }
            _ => {
                let prefix = subtree.prefix().to_vec();
                return Err(CheckpointError::NotStored { prefix });
            }
        };
        let len = usize::try_from(output.end() - offset);
        let len = len.map_err(|_| CheckpointError::TooLarge { subtrees: 1 })?;
        Ok(Location {
            file,
            offset,
            len,
            entries,
        })
    }

    /// Reads entries that are to be written again. Damage is not copied.
    fn read_stored(
        &self,
        previous: &Catalogue,
        subtree: &Subtree,
        location: &Location,
    ) -> Result<Bucket, CheckpointError> {
        let damaged = |damage| CheckpointError::Damaged {
            file: previous.file_number(location),
            offset: location.offset,
            damage,
        };
        let bucket = previous.read(std::slice::from_ref(location))?.pop();
        let bucket = bucket.ok_or_else(|| damaged(Damage::Hash))?;
        let verdicts = verify_buckets(self.profile, vec![(subtree, Ok(bucket.clone()))]);
        verdicts
            .into_iter()
            .collect::<Result<(), Damage>>()
            .map_err(damaged)?;
        Ok(bucket)
    }
}
