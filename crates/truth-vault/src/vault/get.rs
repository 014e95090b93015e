//! Getting blobs: nothing is given out that was not checked.

use std::io;
use std::sync::{Arc, PoisonError};

use super::{Shared, Vault};
use crate::content;
use crate::index::Place;
use crate::segment::{self, BLOB_BYTES_MAX, HEADER_BYTES, Header, Kind};
use crate::volume::VaultFile;
use crate::{Address, Damage, GetError};

/// What is known of a blob without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobStat {
    /// Its address.
    pub address: Address,
    /// Its length in bytes.
    pub bytes: u64,
    /// What it takes on the disk.
    pub stored_bytes: u64,
    /// When it was put, in nanoseconds since 1970, as the caller said; 0 if nothing was said.
    pub time_ns: u64,
}

impl Vault {
    /// The blob at `address`, hashed and compared; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`GetError::Damaged`], where what is stored is not the blob; [`GetError::TooLong`] above 64 MiB:
    /// see [`get_to`](Self::get_to).
    pub fn get(&self, address: &Address) -> Result<Option<Vec<u8>>, GetError> {
        self.shared
            .found(address, |place| self.shared.read_checked(address, place))
    }

    /// Whether the blob is there. It is not read: what is damaged is there.
    ///
    /// What is there stays for at least the grace of collections; where one has condemned it, it is
    /// written anew, durably.
    ///
    /// # Errors
    ///
    /// [`GetError::Storage`]; [`GetError::Damaged`], where it had to be written anew.
    pub fn has(&self, address: &Address) -> Result<bool, GetError> {
        Ok(self.shared.safe_place(address)?.is_some())
    }

    /// What is known of the blob without reading it; `None` if it is not there. It stays as with
    /// [`has`](Self::has).
    ///
    /// # Errors
    ///
    /// [`GetError::Damaged`], where the header of its record is.
    pub fn stat(&self, address: &Address) -> Result<Option<BlobStat>, GetError> {
        match self.shared.safe_place(address)? {
            Some(_) => self.shared.described(address),
            None => Ok(None),
        }
    }
    /// At most `limit` addresses in their order, from behind `after` on: a page at a time, all there
    /// are.
    ///
    /// # Errors
    ///
    /// [`GetError::Storage`].
    pub fn list(&self, after: Option<&Address>, limit: usize) -> Result<Vec<Address>, GetError> {
        self.shared.refresh()?;
        let page = self.shared.index().page(after, limit);
        Ok(page.into_iter().map(|(address, _)| address).collect())
    }
}

impl Shared {
    /// What is known of a blob, without a promise that it stays.
    pub(super) fn described(&self, address: &Address) -> Result<Option<BlobStat>, GetError> {
        self.found(address, |place| {
            let header = self.read_header(address, place)?;
            Ok(BlobStat {
                address: *address,
                bytes: header.plain_bytes,
                stored_bytes: match header.kind {
                    Kind::Large => header.record_bytes() + header.plain_bytes,
                    Kind::Blob | Kind::Manifest => header.record_bytes(),
                },
                time_ns: header.time_ns,
            })
        })
    }

    /// Where the blob is, as far as any process said until now.
    pub(crate) fn place(&self, address: &Address) -> io::Result<Option<Place>> {
        if let Some(place) = self.index().get(address) {
            return Ok(Some(place));
        }
        self.refresh()?;
        Ok(self.index().get(address))
    }

    /// Reads a blob from where it is, which may change meanwhile.
    pub(crate) fn found<T>(
        &self,
        address: &Address,
        read: impl Fn(Place) -> Result<T, GetError>,
    ) -> Result<Option<T>, GetError> {
        let Some(place) = self.place(address)? else {
            return Ok(None);
        };
        let mut error = match read(place) {
            Err(error) => error,
            value => return value.map(Some),
        };
        // Another process may have moved or collected it, or there is a good copy.
        self.refresh()?;
        let copies = self.index().copies(address);
        if copies.is_empty() {
            return Ok(None);
        }
        for copy in copies.into_iter().filter(|copy| *copy != place) {
            match read(copy) {
                Err(other) => error = other,
                value => return value.map(Some),
            }
        }
        Err(error)
    }

    pub(crate) fn read_checked(
        &self,
        address: &Address,
        place: Place,
    ) -> Result<Vec<u8>, GetError> {
        if place.kind == Kind::Large {
            return self.read_large(address, place);
        }
        if u64::from(place.stored_bytes) > BLOB_BYTES_MAX {
            // The index is a file like others: it does not say how much memory is taken.
            return Err(damaged(address, place, Damage::Header));
        }
        let mut record = vec![0; HEADER_BYTES + place.stored_bytes as usize];
        self.read_record(address, place, &mut record)?;
        content::decode(record, address).map_err(|damage| damaged(address, place, damage))
    }

    pub(crate) fn read_header(&self, address: &Address, place: Place) -> Result<Header, GetError> {
        let mut bytes = [0; HEADER_BYTES];
        self.read_record(address, place, &mut bytes)?;
        Header::decode(&bytes)
            .filter(|header| header.address == *address)
            .filter(|header| header.stored_bytes == u64::from(place.stored_bytes))
            .ok_or_else(|| damaged(address, place, Damage::Header))
    }

    pub(super) fn read_record(
        &self,
        address: &Address,
        place: Place,
        bytes: &mut [u8],
    ) -> Result<(), GetError> {
        let read = self
            .file(place.segment)
            .and_then(|file| file.read_at(place.at, bytes));
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => {
                damaged(address, place, Damage::Missing)
            }
            _ => GetError::Storage(error),
        })
    }

    /// A segment, to be read.
    pub(crate) fn file(&self, number: u32) -> io::Result<Arc<dyn VaultFile>> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&number) {
            return Ok(Arc::clone(file));
        }
        drop(files);
        let file = self.segments.open(&segment::name(number))?;
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(files.entry(number).or_insert(file)))
    }
}

pub(crate) fn damaged(address: &Address, place: Place, damage: Damage) -> GetError {
    GetError::Damaged {
        address: *address,
        file: segment::name(place.segment),
        at: place.at,
        damage,
    }
}
