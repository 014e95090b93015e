//! Writing a checkpoint: what changed since the one before, and a catalogue of all of it.

use std::collections::HashMap;

use merkle_core::{Hash, PartialMap, SubtreeRef};

use super::{
    bucket,
    catalogue::{self, Catalogue, Cursor},
    error::CheckpointError,
    file::{self, Control, Output},
    passing::Passing,
    place::{Place, not_stored},
    places::Places,
    pointer::Pointer,
    reuse::Usage,
    row::{Head, Location, Row},
};
use crate::{Profile, volume::Volume};

/// Subtrees after which it is told how far it is: some hundred kilobytes.
const SUBTREES_TOGETHER: usize = 128;

/// A checkpoint to be written.
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
    /// The tree. What is written of it is let go.
    pub(crate) map: PartialMap<Profile>,
    /// Where that lies of it that is not in memory: the checkpoint before, and what was let go since.
    pub(crate) places: &'c Places,
    /// How much is used of the files that there are.
    pub(crate) usage: &'c Usage,
    /// Told what was let go.
    pub(crate) passing: &'c Passing,
}

impl NewCheckpoint<'_> {
    /// Writes the checkpoint to a file of its own, reads it back and opens it.
    ///
    /// It counts once the engine has the catalogue's [`Pointer`]; until then, and if this fails, the
    /// file is of no use to anybody. Writes the subtrees that lie nowhere, those that lie in files of which
    /// little is used, and the catalogue. `control` is called about every 256 KiB, also while the file is
    /// read back; the file is synced every few MiB.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]; the new file is removed then.
    pub(crate) fn write(
        self,
        volume: &dyn Volume,
        control: &mut Control<'_>,
    ) -> Result<Catalogue, CheckpointError> {
        let number = self.number;
        if let Some(previous) = self.places.catalogue()
            && previous.pointer().file >= number
        {
            return Err(CheckpointError::InUse { file: number });
        }
        // What was let go at the last moment.
        let left = &self.usage.left;
        self.places
            .close_spills(volume, left, || file::pause(control, Default::default()))?;
        let written = self.write_new(volume, control);
        if written.is_err() {
            // If this fails too, the file lies there until what nobody refers to is removed.
            let _ = volume.remove(&file::name(number));
        }
        written
    }

    fn write_new(
        self,
        volume: &dyn Volume,
        control: &mut Control<'_>,
    ) -> Result<Catalogue, CheckpointError> {
        let (number, profile) = (self.number, self.profile);
        let mut output = Output::create(volume, number, control)?;
        let (pointer, bytes) = self.fill(&mut output)?;
        volume.sync().map_err(CheckpointError::io(number))?;
        output.read_back(volume)?;
        let catalogue = Catalogue::of_written(volume, &pointer, bytes)?;
        catalogue.check_root(profile)?;
        Ok(catalogue)
    }

    /// Writes buckets and catalogue, and answers with the catalogue.
    fn fill(self, output: &mut Output<'_>) -> Result<(Pointer, Vec<u8>), CheckpointError> {
        let root = self.map.root();
        let files = self.usage.kept_files(self.places);
        let mut files: Vec<(u64, u64)> = files.into_iter().collect();
        let kept: HashMap<u64, usize> = (files.iter().enumerate())
            .map(|(at, (number, _))| (*number, at))
            .collect();
        output.progress.subtrees_total = self.usage.subtrees;
        output.pause()?;
        let mut previous = (self.places.catalogue()).map(|catalogue| Cursor::new(catalogue));
        let mut rows = Vec::with_capacity(catalogue_bytes(self.places));
        let (mut count, mut entries, mut live_bytes) = (0, 0, 0);
        let mut subtrees = self.map.into_subtrees();
        while let Some(subtree) = subtrees.next() {
            let before = previous.as_mut().and_then(|row| row.place(&subtree));
            let stored = match before {
                Some(place) if kept.contains_key(&place.number) => Some(place),
                // It may have been moved since.
                before => self.places.find_spilled(&subtree.hash()).or(before),
            };
            let stays = (stored.as_ref()).and_then(|place| Some((kept.get(&place.number)?, place)));
            let location = match stays {
                Some((file, place)) => Location {
                    file: *file,
                    ..place.location
                },
                None => put(output, self.profile, &subtree, stored, files.len())?,
            };
            Row::encode(&mut rows, &subtree.to_subtree(), &location);
            entries += location.entries;
            live_bytes += location.len as u64;
            count += 1;
            output.progress.subtrees_done = count;
            output.progress.subtrees_total = count.max(self.usage.subtrees);
            if count % SUBTREES_TOGETHER == 0 {
                let total = output.progress.subtrees_total;
                self.passing.advance(subtree.prefix(), count, total);
            }
            output.advance()?;
        }
        self.passing.end();
        output.progress.subtrees_total = count;
        if entries != self.entries {
            return Err(CheckpointError::EntryCount {
                expected: self.entries,
                found: entries,
            });
        }
        let catalogue_at = output.end();
        files.push((self.number, catalogue_at));
        let head = Head { files, rows: count };
        let mut catalogue = rows;
        catalogue.splice(..0, head.encode());
        if u32::try_from(catalogue.len()).is_err() {
            return Err(CheckpointError::TooLarge { subtrees: count });
        }
        output.finish(&catalogue)?;
        let pointer = Pointer {
            version: self.version,
            root,
            record: self.record,
            entries,
            file: self.number,
            catalogue_at,
            catalogue_len: catalogue.len() as u64,
            catalogue_hash: catalogue::hash(&catalogue),
            live_bytes,
            journal_bytes: self.journal_bytes,
        };
        Ok((pointer, catalogue))
    }
}

/// Bytes that the catalogue will take, about: as the one before and a little more.
fn catalogue_bytes(places: &Places) -> usize {
    let before = places
        .catalogue()
        .map(|before| before.pointer().catalogue_len);
    let before = usize::try_from(before.unwrap_or_default()).unwrap_or_default();
    before + before / 16
}

/// Writes the entries of a subtree, from memory or from where they lie.
fn put(
    output: &mut Output<'_>,
    profile: Profile,
    subtree: &SubtreeRef<'_>,
    stored: Option<Place>,
    file: usize,
) -> Result<Location, CheckpointError> {
    let offset = output.end();
    let entries = match (subtree.entries(), stored) {
        (Some(entries), _) => bucket::encode(output.buffer(), entries)?,
        (None, Some(stored)) => {
            // Damage is not copied.
            let bucket = stored.read_sound(profile, &subtree.to_subtree())?;
            output.buffer().extend_from_slice(bucket.bytes());
            stored.location.entries
        }
        (None, None) => return Err(not_stored(subtree.prefix())),
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
