//! Where a bucket lies, in whatever file, and reading many at a time.

use std::{ops::Range, sync::Arc};

use merkle_core::{Fetched, Subtree};

use super::{
    bucket::Bucket,
    error::{CheckpointError, Damage},
    row::Location,
};
use crate::{Profile, volume::Source};

/// Most bytes of one read, unless a single bucket is larger.
const READ_BYTES: usize = 1 << 20;

/// Buckets that are read and checked together: enough to hash in full lanes, few enough to stay in the cache.
pub(crate) const CHECKED_TOGETHER: usize = 64;

/// Where a bucket lies.
#[derive(Clone)]
pub(crate) struct Place {
    /// The number of the file.
    pub(super) number: u64,
    pub(super) source: Arc<dyn Source>,
    /// Where in the file. Which one it is of those of a catalogue does not matter here.
    pub(crate) location: Location,
}

impl Place {
    /// The number of the file.
    pub(crate) fn file(&self) -> u64 {
        self.number
    }

    /// Reads the bucket of `subtree`, and checks it.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`].
    pub(crate) fn read_sound(
        &self,
        profile: Profile,
        subtree: &Subtree,
    ) -> Result<Bucket, CheckpointError> {
        let bucket = self.read()?;
        let checked = check_all(profile, [(subtree, &bucket)]).pop();
        let checked = checked.unwrap_or(Err(Damage::Hash));
        checked.map_err(|damage| self.damaged(damage))?;
        Ok(bucket)
    }

    /// What it means that what lies here is damaged.
    pub(super) fn damaged(&self, damage: Damage) -> CheckpointError {
        CheckpointError::Damaged {
            file: self.number,
            offset: self.location.offset,
            damage,
        }
    }

    /// Reads the bucket.
    pub(super) fn read(&self) -> Result<Bucket, CheckpointError> {
        let run = std::slice::from_ref(&self.location);
        let read = read(self.number, &*self.source, run)?.pop();
        read.ok_or_else(|| self.damaged(Damage::Hash))
    }
}

/// Holds buckets against the hashes of their subtrees, and answers for each.
pub(crate) fn check_all<'b>(
    profile: Profile,
    buckets: impl IntoIterator<Item = (&'b Subtree, &'b Bucket)>,
) -> Vec<Result<Fetched, Damage>> {
    let mut answers = Vec::new();
    let (mut places, mut decoded) = (Vec::new(), Vec::new());
    for (at, (subtree, bucket)) in buckets.into_iter().enumerate() {
        answers.push(Err(Damage::Hash));
        match bucket.batch() {
            Ok(entries) => {
                places.push(at);
                decoded.push((subtree, entries));
            }
            Err(damage) => answers[at] = Err(damage),
        }
    }
    let decoded: Vec<_> = decoded.iter().map(|(it, entries)| (*it, entries)).collect();
    let checked = Fetched::check_all(&profile, &decoded);
    for (at, checked) in places.into_iter().zip(checked) {
        answers[at] = checked.map_err(|_| Damage::Hash);
    }
    answers
}

/// Reads the buckets of some subtrees, which lie where `find` says: one read for each, or for several
/// that lie next to each other, as neighbours do that were written together.
///
/// # Errors
///
/// For the first subtree that meets one: [`CheckpointError::NotStored`], [`CheckpointError::Io`], or
/// [`CheckpointError::Damaged`] if the file has become shorter. Other damage is found out by who decodes
/// and supplies the buckets.
pub(super) fn load_all(
    find: impl Fn(&Subtree) -> Option<Place>,
    subtrees: &[Subtree],
) -> Result<Vec<Bucket>, CheckpointError> {
    let places: Result<Vec<_>, _> = (subtrees.iter())
        .map(|name| find(name).ok_or_else(|| not_stored(name.prefix())))
        .collect();
    let places = places?;
    let locations: Vec<Location> = places.iter().map(|place| place.location).collect();
    let mut buckets = Vec::with_capacity(subtrees.len());
    let mut start = 0;
    for of_one_file in places.chunk_by(|a, b| a.number == b.number) {
        let Some(Place { number, source, .. }) = of_one_file.first() else {
            continue;
        };
        let locations = &locations[start..start + of_one_file.len()];
        start += of_one_file.len();
        for run in runs(locations) {
            buckets.append(&mut read(*number, &**source, &locations[run])?);
        }
    }
    Ok(buckets)
}

/// Reads buckets that lie next to each other in a file.
pub(super) fn read(
    number: u64,
    source: &dyn Source,
    run: &[Location],
) -> Result<Vec<Bucket>, CheckpointError> {
    let Some(first) = run.first() else {
        return Ok(Vec::new());
    };
    let mut bytes = vec![0; run.iter().map(|location| location.len).sum()];
    let read = source.read_at(first.offset, &mut bytes);
    read.map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => CheckpointError::Damaged {
            file: number,
            offset: first.offset,
            damage: Damage::Unreadable(error.kind()),
        },
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

pub(super) fn not_stored(prefix: &[u8]) -> CheckpointError {
    CheckpointError::NotStored {
        prefix: prefix.to_vec(),
    }
}

/// Cuts locations into runs that lie next to each other and are not too long for one read.
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
