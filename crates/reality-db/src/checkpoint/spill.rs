//! Buckets that were let go before a checkpoint has them, and where they lie until one does.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use merkle_core::{Hash, Subtree};

use super::{
    bucket::Bucket,
    error::CheckpointError,
    file::{self, NewFile},
    place::{CHECKED_TOGETHER, Place, check_all},
    retire::Numbers,
    row::Location,
};
use crate::{
    Profile,
    volume::{Source, Volume},
};

/// Where buckets lie that were let go and that the newest checkpoint may not have.
///
/// They are found by the hash of their subtree, which stands for the same entries at any time: versions
/// share a spill. What changed lies in a file of its own, which is made when there is something to write
/// and becomes one of the files of the next checkpoint, if enough of it is used then; what did not, where it
/// lay. Nothing of it is needed after the process ends.
#[derive(Default)]
pub(crate) struct Spill {
    /// Whether its file loses its name as soon as it has one: no checkpoint is to have it, and it is gone
    /// when nobody reads it any more.
    is_nameless: bool,
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    places: HashMap<Key, Packed>,
    /// The files in which they lie.
    files: Vec<(u64, Arc<dyn Source>)>,
    own: Own,
    /// Number of the own file, if there is one.
    number: Option<u64>,
    /// Bytes that were written.
    bytes: u64,
}

/// The file of a spill.
#[derive(Default)]
enum Own {
    #[default]
    None,
    Open(Box<NewFile>),
    /// It is durable.
    Closed,
    /// Writing it failed, or it is being closed: it is read, and no more is written to it.
    Left,
}

/// The first half of a hash: what is found by it is held against all of it.
type Key = [u8; 16];

/// A [`Location`] in half the memory: there may be hundreds of thousands.
#[derive(Clone, Copy)]
struct Packed {
    offset_low: u32,
    offset_high: u16,
    file: u16,
    len: u32,
    entries: u32,
}

impl Packed {
    /// None for what is larger than any file of ours.
    fn new(location: &Location) -> Option<Self> {
        Some(Self {
            offset_low: u32::try_from(location.offset & u64::from(u32::MAX)).ok()?,
            offset_high: u16::try_from(location.offset >> 32).ok()?,
            file: u16::try_from(location.file).ok()?,
            len: u32::try_from(location.len).ok()?,
            entries: u32::try_from(location.entries).ok()?,
        })
    }

    fn location(&self) -> Location {
        Location {
            file: usize::from(self.file),
            offset: u64::from(self.offset_high) << 32 | u64::from(self.offset_low),
            len: self.len as usize,
            entries: u64::from(self.entries),
        }
    }
}

/// A bucket that is written to a spill.
#[derive(Clone, Copy)]
pub(crate) struct Spilled {
    pub(crate) hash: Hash,
    pub(crate) len: usize,
    pub(crate) entries: u64,
}

impl Spill {
    /// One that no checkpoint will have.
    pub(super) fn nameless() -> Self {
        Self {
            is_nameless: true,
            ..Self::default()
        }
    }

    /// Where the bucket of the subtree of this hash lies.
    pub(crate) fn find(&self, hash: &Hash) -> Option<Place> {
        let inner = self.read();
        let location = inner.places.get(&key(hash))?.location();
        let (number, source) = inner.files.get(location.file)?;
        Some(Place {
            number: *number,
            source: source.clone(),
            location,
        })
    }

    /// Remembers a place of which others may know no longer when it is asked for. Whether it could.
    pub(crate) fn remember(&self, hash: &Hash, place: &Place) -> bool {
        let mut inner = self.write_lock();
        let mut files = inner.files.iter();
        let known = files.position(|(number, _)| *number == place.number);
        let file = known.unwrap_or(inner.files.len());
        let Some(packed) = Packed::new(&Location {
            file,
            ..place.location
        }) else {
            return false;
        };
        if known.is_none() {
            inner.files.push((place.number, place.source.clone()));
        }
        inner.places.insert(key(hash), packed);
        true
    }

    /// Writes `bytes`, which are those of `buckets`, one behind the other; not durably.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]; none of them is known here then, and no more can be written.
    pub(crate) fn write(
        &self,
        volume: &dyn Volume,
        numbers: &Numbers,
        bytes: &[u8],
        buckets: &[Spilled],
    ) -> Result<(), CheckpointError> {
        let mut inner = self.write_lock();
        let mut own = match std::mem::replace(&mut inner.own, Own::Left) {
            Own::None => {
                let begun = self.begin(&mut inner, volume, numbers);
                if begun.is_err() && self.is_nameless {
                    // Who removes files may have met it before it lost its name: the next one is made anew.
                    inner.own = Own::None;
                }
                Box::new(begun?)
            }
            Own::Open(own) => own,
            Own::Closed | Own::Left => {
                let file = inner.number.unwrap_or_default();
                return Err(CheckpointError::InUse { file });
            }
        };
        let number = own.number();
        let mut files = inner.files.iter();
        let file = files.position(|(known, _)| *known == number);
        let file = file.unwrap_or(inner.files.len());
        let mut offset = own.len();
        let places = buckets.iter().map(|bucket| {
            let location = Location {
                file,
                offset,
                len: bucket.len,
                entries: bucket.entries,
            };
            offset += bucket.len as u64;
            Some((key(&bucket.hash), Packed::new(&location)?))
        });
        let places: Option<Vec<_>> = places.collect();
        let places = places.ok_or(CheckpointError::TooLarge {
            subtrees: buckets.len(),
        })?;
        own.append(bytes)?;
        inner.places.extend(places);
        inner.bytes += bytes.len() as u64;
        inner.own = Own::Open(own);
        Ok(())
    }

    /// Writes buckets again that lie elsewhere, and checks them. Damage is not copied.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]; none of them is known here then.
    pub(crate) fn copy(
        &self,
        volume: &dyn Volume,
        numbers: &Numbers,
        profile: Profile,
        stored: &[(Subtree, Place)],
    ) -> Result<(), CheckpointError> {
        let (mut bytes, mut buckets) = (Vec::new(), Vec::with_capacity(stored.len()));
        for stored in stored.chunks(CHECKED_TOGETHER) {
            let read: Vec<Bucket> = (stored.iter())
                .map(|(_, place)| place.read())
                .collect::<Result<_, _>>()?;
            let subtrees = stored.iter().map(|(subtree, _)| subtree);
            let checked = check_all(profile, subtrees.zip(&read));
            for (((subtree, place), bucket), checked) in stored.iter().zip(&read).zip(checked) {
                checked.map_err(|damage| place.damaged(damage))?;
                bytes.extend_from_slice(bucket.bytes());
                buckets.push(Spilled {
                    hash: subtree.hash(),
                    len: bucket.bytes().len(),
                    entries: bucket.entries(),
                });
            }
        }
        match buckets.is_empty() {
            true => Ok(()),
            false => self.write(volume, numbers, &bytes, &buckets),
        }
    }

    /// Whether a bucket can be written, as far as is known.
    pub(crate) fn is_writable(&self) -> bool {
        matches!(self.read().own, Own::None | Own::Open(_))
    }

    /// Whether nothing lies there.
    pub(super) fn is_empty(&self) -> bool {
        let inner = self.read();
        inner.places.is_empty() && inner.number.is_none()
    }

    /// Bytes that were written.
    pub(crate) fn bytes(&self) -> u64 {
        self.read().bytes
    }

    /// Makes its file durable and reads it back, once nobody writes it any more. Others read meanwhile.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]; what is in the file is to be written again.
    pub(crate) fn close(
        &self,
        volume: &dyn Volume,
        mut pause: impl FnMut() -> Result<(), CheckpointError>,
    ) -> Result<(), CheckpointError> {
        let mut own = {
            let mut inner = self.write_lock();
            match std::mem::replace(&mut inner.own, Own::Left) {
                Own::Open(own) => own,
                other => {
                    inner.own = other;
                    return Ok(());
                }
            }
        };
        own.sync()?;
        own.read_back(volume, |_| pause())?;
        self.write_lock().own = Own::Closed;
        Ok(())
    }

    /// Number and length of its file, if it has one.
    pub(super) fn file(&self) -> Option<(u64, u64)> {
        let inner = self.read();
        Some((inner.number?, file::HEADER_LEN + inner.bytes))
    }

    /// Whether no checkpoint may have its file.
    pub(super) fn is_nameless(&self) -> bool {
        self.is_nameless
    }

    /// Whether its file is durable, and as it was written.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.read().own, Own::Closed)
    }

    /// Number of its file, if it has one.
    pub(crate) fn number(&self) -> Option<u64> {
        self.read().number
    }

    /// Makes the file and starts it as every checkpoint file starts.
    fn begin(
        &self,
        inner: &mut Inner,
        volume: &dyn Volume,
        numbers: &Numbers,
    ) -> Result<NewFile, CheckpointError> {
        let number = numbers.take(volume).map_err(CheckpointError::io(0))?;
        let mut own = NewFile::create(volume, number)?;
        own.append(&file::header(number))?;
        let source = volume.open(&file::name(number));
        let source = source.map_err(CheckpointError::io(number))?;
        if self.is_nameless {
            let removed = volume.remove(&file::name(number));
            removed.map_err(CheckpointError::io(number))?;
        }
        inner.files.push((number, source));
        inner.number = Some(number);
        Ok(own)
    }

    // Whoever panicked left it whole: what is not known here is not let go.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lock(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(hash: &Hash) -> Key {
    let mut key = Key::default();
    let len = key.len();
    key.copy_from_slice(&hash.as_bytes()[..len]);
    key
}
