//! Reading buckets: one read for each, or one for several that lie next to each other.

use std::{ops::Range, sync::Arc};

use merkle_core::Subtree;

use super::{
    bucket::Bucket,
    catalogue::Catalogue,
    error::{CheckpointError, Damage},
    row::Location,
};

/// Most bytes of one read, unless a single bucket is larger.
const READ_BYTES: usize = 1 << 20;

impl Catalogue {
    /// Reads the entries of some subtrees: one read for each, or for several that lie next to each
    /// other, as neighbours do that were written together.
    ///
    /// # Errors
    ///
    /// For the first subtree that meets one: [`CheckpointError::NotStored`], [`CheckpointError::Io`],
    /// or [`CheckpointError::Damaged`] if the file has become shorter. Other damage is found out by
    /// who decodes and supplies the buckets.
    pub(crate) fn load_all(&self, subtrees: &[Subtree]) -> Result<Vec<Bucket>, CheckpointError> {
        let locations: Result<Vec<_>, _> = subtrees.iter().map(|name| self.locate(name)).collect();
        let locations = locations?;
        let mut buckets = Vec::with_capacity(subtrees.len());
        for run in runs(&locations) {
            buckets.append(&mut self.read(&locations[run])?);
        }
        Ok(buckets)
    }

    fn locate(&self, subtree: &Subtree) -> Result<Location, CheckpointError> {
        self.find(subtree).ok_or_else(|| not_stored(subtree))
    }

    /// Reads buckets that lie next to each other.
    pub(super) fn read(&self, run: &[Location]) -> Result<Vec<Bucket>, CheckpointError> {
        let Some(first) = run.first() else {
            return Ok(Vec::new());
        };
        let number = self.file_number(first);
        let damaged = |damage| CheckpointError::Damaged {
            file: number,
            offset: first.offset,
            damage,
        };
        let file = self.files().get(first.file);
        let file = file.ok_or_else(|| damaged(Damage::Header { number }))?;
        let mut bytes = vec![0; run.iter().map(|location| location.len).sum()];
        let read = file.source.read_at(first.offset, &mut bytes);
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => damaged(Damage::Unreadable(error.kind())),
            _ => CheckpointError::io(number)(error),
        })?;
        let bytes: Arc<Vec<u8>> = Arc::new(bytes);
        let mut end = 0;
        let cut = run.iter().map(|location| {
            let start = end;
            end += location.len;
            Bucket::new(Arc::clone(&bytes), start..end, location.entries)
        });
        Ok(cut.collect())
    }
}

fn not_stored(subtree: &Subtree) -> CheckpointError {
    CheckpointError::NotStored {
        prefix: subtree.prefix().to_vec(),
    }
}

/// Cuts places into runs that lie next to each other and are not too long for one read.
pub(super) fn runs(locations: &[Location]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let first = locations.get(start)?;
        let mut end = start + 1;
        let (mut next, mut bytes) = (first.offset + first.len as u64, first.len);
        while let Some(location) = locations.get(end)
            && location.file == first.file
            && location.offset == next
            && bytes.saturating_add(location.len) <= READ_BYTES
        {
            next += location.len as u64;
            bytes += location.len;
            end += 1;
        }
        let run = start..end;
        start = end;
        Some(run)
    })
}
