//! Verifying buckets: what lies on disk against the hashes of the tree.

use std::{
    ops::{ControlFlow, Range},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use merkle_core::Subtree;

use super::{
    bucket::Bucket,
    catalogue::Catalogue,
    error::{CheckpointError, Damage, is_unreadable, read_again},
    file,
    place::{self, CHECKED_TOGETHER},
    row::Location,
};
use crate::Profile;

/// Bytes of buckets that are verified together, unless a single one is larger.
const BYTES_TOGETHER: usize = 1 << 20;

/// What the verification of a checkpoint found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CheckpointReport {
    /// Buckets that were looked at.
    pub buckets: usize,
    /// Buckets of the checkpoint.
    pub buckets_total: usize,
    /// Entries of the buckets that are as they should be.
    pub entries: u64,
    /// What is not as it should be, in key order, the files themselves first.
    pub bad: Vec<BadPart>,
}

/// A part of a checkpoint file that is not as it should be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BadPart {
    /// Number of the file.
    pub file: u64,
    /// Where the part starts, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    /// The subtree whose entries lie there; none if it is the catalogue or the start of a file.
    pub subtree: Option<Subtree>,
    /// What is wrong.
    pub damage: Damage,
}

/// How far a verification is: buckets looked at, and buckets of the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyProgress {
    /// Buckets that were looked at.
    pub buckets: usize,
    /// Buckets of the checkpoint.
    pub buckets_total: usize,
}

impl Catalogue {
    /// Reads all that belongs to the checkpoint from disk and holds it against the tree's hashes.
    ///
    /// Works on `threads` threads, the caller's among them. Calls `progress` from all of them, after
    /// every few dozen buckets; it may wait, and end the verification, whose report then covers what
    /// was looked at. Bytes that belong to no bucket are not read: nothing ever reads them.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`], if the operating system lacked what it needs to read: that says nothing of what
    /// lies there. What cannot be read twice is [`Damage::Unreadable`].
    pub(crate) fn verify(
        &self,
        profile: Profile,
        threads: usize,
        progress: &(dyn Fn(VerifyProgress) -> ControlFlow<()> + Sync),
    ) -> Result<CheckpointReport, CheckpointError> {
        let next = AtomicUsize::new(0);
        let done = AtomicUsize::new(0);
        let found = Mutex::new(Ok((0, Vec::new())));
        let work = || {
            let mut start = next.fetch_add(CHECKED_TOGETHER, Ordering::Relaxed);
            while start < self.len() {
                let rows = start..self.len().min(start + CHECKED_TOGETHER);
                let count = rows.len();
                let verified = self.verify_rows(profile, rows);
                {
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    match (&mut *found, verified) {
                        (Ok(found), Ok((entries, mut bad))) => {
                            found.0 += entries;
                            found.1.append(&mut bad);
                        }
                        (found, verified) => {
                            next.store(self.len(), Ordering::Relaxed);
                            if let (Ok(_), Err(error)) = (&found, verified) {
                                *found = Err(error);
                            }
                            return;
                        }
                    }
                }
                let so_far = VerifyProgress {
                    buckets: done.fetch_add(count, Ordering::Relaxed) + count,
                    buckets_total: self.len(),
                };
                if progress(so_far).is_break() {
                    next.store(self.len(), Ordering::Relaxed);
                    return;
                }
                start = next.fetch_add(CHECKED_TOGETHER, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (entries, mut buckets) = found?;
        buckets.sort_by_key(|(row, _): &(usize, BadPart)| *row);
        let mut bad = self.verify_files()?;
        bad.extend(buckets.into_iter().map(|(_, bad)| bad));
        Ok(CheckpointReport {
            buckets: done.into_inner(),
            buckets_total: self.len(),
            entries,
            bad,
        })
    }

    /// Verifies the starts of the files and the catalogue as it lies on disk.
    fn verify_files(&self) -> Result<Vec<BadPart>, CheckpointError> {
        let mut bad = Vec::new();
        for stored in self.files() {
            let checked = read_again(|| file::check_header(&*stored.source, stored.number));
            if let Err(error) = checked {
                bad.push(BadPart {
                    file: stored.number,
                    offset: 0,
                    len: file::HEADER_LEN,
                    subtree: None,
                    damage: damage(error)?,
                });
            }
        }
        if let Err(error) = read_again(|| self.reread()) {
            bad.push(BadPart {
                file: self.pointer().file,
                offset: self.pointer().catalogue_at,
                len: self.pointer().catalogue_len,
                subtree: None,
                damage: damage(error)?,
            });
        }
        Ok(bad)
    }

    /// Verifies some buckets. Answers with the entries of the good ones, and the bad ones by row.
    fn verify_rows(
        &self,
        profile: Profile,
        rows: Range<usize>,
    ) -> Result<(u64, Vec<(usize, BadPart)>), CheckpointError> {
        let parts: Vec<(Subtree, Location)> = rows.clone().filter_map(|at| self.get(at)).collect();
        let (mut entries, mut bad, mut start) = (0, Vec::new(), 0);
        while start < parts.len() {
            let (mut end, mut bytes) = (start, 0_usize);
            while end < parts.len() && (end == start || bytes < BYTES_TOGETHER) {
                bytes = bytes.saturating_add(parts[end].1.len);
                end += 1;
            }
            let verdicts = self.verify_parts(profile, &parts[start..end])?;
            for ((at, (subtree, location)), verdict) in
                (start..).zip(&parts[start..end]).zip(verdicts)
            {
                match verdict {
                    Ok(()) => entries += location.entries,
                    Err(damage) => {
                        let part = BadPart {
                            file: self.file_number(location),
                            offset: location.offset,
                            len: location.len as u64,
                            subtree: Some(subtree.clone()),
                            damage,
                        };
                        bad.push((rows.start + at, part));
                    }
                }
            }
            start = end;
        }
        Ok((entries, bad))
    }

    fn verify_parts(
        &self,
        profile: Profile,
        parts: &[(Subtree, Location)],
    ) -> Result<Vec<Result<(), Damage>>, CheckpointError> {
        let locations: Vec<Location> = parts.iter().map(|(_, location)| *location).collect();
        let mut buckets: Vec<Result<Bucket, Damage>> = Vec::with_capacity(parts.len());
        for run in place::runs(&locations) {
            match self.read(&locations[run.clone()]) {
                Ok(read) => buckets.extend(read.into_iter().map(Ok)),
                // One of them is the cause, or the error passes: ask for each again.
                Err(_) => {
                    for location in &locations[run] {
                        buckets.push(match self.read(std::slice::from_ref(location)) {
                            Ok(mut read) => read.pop().ok_or(Damage::Hash),
                            Err(error) => Err(damage(error)?),
                        });
                    }
                }
            }
        }
        let read = parts.iter().zip(&buckets);
        let read = read.filter_map(|((subtree, _), bucket)| Some((subtree, bucket.as_ref().ok()?)));
        let mut checked = place::check_all(profile, read).into_iter();
        let verdicts = buckets.iter().map(|bucket| match bucket {
            Ok(_) => checked.next().unwrap_or(Err(Damage::Hash)).map(drop),
            Err(damage) => Err(*damage),
        });
        Ok(verdicts.collect())
    }
}

/// What an error says of the part that met it twice, if it is the part's: gone, not what was written, or where
/// nobody can read it. Any other is the system's, and may pass.
fn damage(error: CheckpointError) -> Result<Damage, CheckpointError> {
    match error {
        CheckpointError::Damaged { damage, .. } => Ok(damage),
        CheckpointError::Io { source, .. } if is_unreadable(&source) => {
            Ok(Damage::Unreadable(source.kind()))
        }
        error => Err(error),
    }
}
