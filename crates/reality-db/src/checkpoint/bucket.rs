//! Buckets: the entries of one subtree, as they lie in a file.

use std::{ops::Range, sync::Arc};

use merkle_core::{Batch, SubtreeEntries, Value};

use super::{
    error::{CheckpointError, Damage},
    reader::{Reader, push_counted},
};

/// The entries of one subtree, as they were read from a file: not to be trusted before
/// [`PartialMap::supply`](merkle_core::PartialMap::supply) has taken them.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
    entries: u64,
}

impl Bucket {
    /// The bytes `range` of `bytes`, which should hold so many entries.
    pub(super) fn new(bytes: Arc<Vec<u8>>, range: Range<usize>, entries: u64) -> Self {
        Self {
            bytes,
            range,
            entries,
        }
    }

    /// The bytes as they lie in the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }

    /// How many entries there should be.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The entries as puts, borrowed from the bucket.
    ///
    /// # Errors
    ///
    /// [`Damage::Entries`].
    pub(crate) fn batch(&self) -> Result<Batch<'_>, Damage> {
        // Each has at least the two bytes of its lengths.
        let most = self.bytes().len() / 2;
        let entries = usize::try_from(self.entries).unwrap_or(most);
        let mut batch = Batch::with_capacity(entries.min(most));
        let decoded = self.decode(|key, value| batch.put(key, value).is_ok());
        decoded.map(|()| batch)
    }

    /// Hands the entries to `take` until it refuses one. There must be as many as the catalogue says,
    /// in key order, and nothing else.
    pub(super) fn decode<'b>(
        &'b self,
        mut take: impl FnMut(&'b [u8], &'b [u8]) -> bool,
    ) -> Result<(), Damage> {
        let bytes = self.bytes();
        let mut reader = Reader::new(bytes);
        let mut last: Option<&[u8]> = None;
        let mut entries = 0;
        while !reader.is_empty() {
            let at = bytes.len() - reader.rest().len();
            let mut entry = || {
                let (key, value) = (reader.counted()?, reader.counted()?);
                let follows = last.replace(key).is_none_or(|last| last < key);
                (follows && take(key, value)).then_some(())
            };
            entry().ok_or(Damage::Entries { at })?;
            entries += 1;
        }
        let is_complete = entries == self.entries;
        let at = bytes.len();
        is_complete.then_some(()).ok_or(Damage::Entries { at })
    }
}

/// Decodes a bucket, for the fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn decode(bytes: &[u8], entries: u64) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let bucket = Bucket::new(Arc::new(bytes.to_vec()), 0..bytes.len(), entries);
    let mut found = Vec::new();
    let take = |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        true
    };
    bucket.decode(take).ok()?;
    Some(found)
}

/// Adds `entries` to `bytes`, and says how many there were.
pub(crate) fn encode(
    bytes: &mut Vec<u8>,
    entries: SubtreeEntries<'_>,
) -> Result<u64, CheckpointError> {
    let mut count = 0;
    for (key, value) in entries {
        let Value::Bytes(value) = value else {
            return Err(CheckpointError::ValueElsewhere { key: key.to_vec() });
        };
        push_counted(bytes, key);
        push_counted(bytes, value);
        count += 1;
    }
    Ok(count)
}
