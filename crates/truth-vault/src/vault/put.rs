//! Putting blobs.

use std::io;

use super::{IGNORED, Shared, Vault};
use crate::content;
use crate::group::Ticket;
use crate::index::Place;
use crate::segment::{self, BLOB_BYTES_MAX, Header, Kind, Scan};
use crate::writer::Active;
use crate::{Address, BundleManifest, Durability, GetError, ManifestError, PutError};

/// How a blob is put.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct PutOptions {
    pub(crate) durability: Durability,
    pub(crate) time_ns: u64,
    pub(crate) expected: Option<Address>,
    pub(crate) resume_at: u64,
}

impl PutOptions {
    /// Durable when put, at no known time, whatever the address.
    pub fn new() -> Self {
        Self::default()
    }

    /// How safe it is to be when the call returns.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// When this happens, in nanoseconds since 1970, kept beside the blob. The vault reads no clock.
    pub fn time_ns(mut self, time_ns: u64) -> Self {
        self.time_ns = time_ns;
        self
    }

    /// Refuses other bytes than those of this address. A put of a large blob that stops before its
    /// end can be resumed then: see [`Vault::partial_bytes`].
    pub fn expect(mut self, address: Address) -> Self {
        self.expected = Some(address);
        self
    }

    /// Goes on with a put that stopped: the reader gives the bytes from `offset` on.
    pub fn resume_at(mut self, offset: u64) -> Self {
        self.resume_at = offset;
        self
    }
}

impl Vault {
    /// Puts a blob.
    ///
    /// If it is there already, what is stored is read and checked, made durable if the class asks for
    /// it, and stored anew beside a copy that is damaged.
    ///
    /// # Errors
    ///
    /// [`PutError`]; it says whether the blob is in.
    pub fn put(&self, bytes: &[u8], durability: Durability) -> Result<Address, PutError> {
        self.put_with(bytes, &PutOptions::new().durability(durability))
    }

    /// Puts a blob, with a time or on condition of its address.
    ///
    /// # Errors
    ///
    /// [`PutError`]; it says whether the blob is in.
    pub fn put_with(&self, bytes: &[u8], options: &PutOptions) -> Result<Address, PutError> {
        if bytes.len() as u64 > BLOB_BYTES_MAX {
            return self.put_reader(&mut &*bytes, options);
        }
        let address = Address::of(bytes);
        if let Some(expected) = options.expected
            && expected != address
        {
            let found = address;
            return Err(PutError::OtherAddress { expected, found });
        }
        self.shared.put_small(address, bytes, options)?;
        Ok(address)
    }
}

/// So much of class [`Durability::Batch`] may wait for a sync.
const BATCH_BYTES: u64 = 64 << 20;

impl Shared {
    /// Puts a blob into a segment, unless it is there and good.
    pub(crate) fn put_small(
        &self,
        address: Address,
        bytes: &[u8],
        options: &PutOptions,
    ) -> Result<(), PutError> {
        let ticket = match self.stored_well(&address)? {
            Some(place) => self.ticket_of(place, options.durability)?,
            None => None,
        };
        let ticket = match ticket {
            Some(ticket) => ticket,
            None => self.append(address, bytes, options)?,
        };
        self.acknowledge(ticket, options.durability)?;
        match BundleManifest::decode(bytes) {
            Ok(manifest) => self.keep_bundle(&address, &manifest),
            Err(_) => Ok(()),
        }
    }

    /// Where the blob is, if it is there and good and no collection is about to take it.
    fn stored_well(&self, address: &Address) -> Result<Option<Place>, PutError> {
        for copy in self.safe_copies(address).map_err(PutError::Storage)? {
            match self.read_checked(address, copy) {
                Ok(_) => return Ok(Some(copy)),
                Err(GetError::Storage(error)) => return Err(PutError::Storage(error)),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Appends a record and enters it in the index.
    fn append(
        &self,
        address: Address,
        plain: &[u8],
        options: &PutOptions,
    ) -> Result<Ticket, PutError> {
        let (coding, stored) = content::encode(plain, self.options.compress);
        let header = Header {
            kind: kind_of(plain),
            coding,
            stored_bytes: stored.len() as u64,
            plain_bytes: plain.len() as u64,
            time_ns: options.time_ns,
            address,
        };
        self.append_record(&header, &stored)
    }

    pub(crate) fn append_record(&self, header: &Header, stored: &[u8]) -> Result<Ticket, PutError> {
        self.append_copy(header, stored).map(|(_, ticket)| ticket)
    }

    pub(crate) fn append_copy(
        &self,
        header: &Header,
        stored: &[u8],
    ) -> Result<(Place, Ticket), PutError> {
        let mut writer = self.writer();
        let appended = writer.append(&*self.segments, header, stored);
        let (place, ticket) = appended.map_err(PutError::Storage)?;
        // Under the writer's lock: a sync that fails takes both back.
        self.index_mut().insert(header.address, place);
        self.known()
            .insert(place.segment, place.at + header.record_bytes());
        drop(writer);
        self.settle_index_if_due();
        Ok((place, ticket))
    }

    /// What to wait for until the record at `place` is as safe as the class promises; `None` if its segment
    /// was collected in this moment.
    pub(crate) fn ticket_of(
        &self,
        place: Place,
        class: Durability,
    ) -> Result<Option<Ticket>, PutError> {
        let writer = self.writer();
        if writer.holds(place.segment) {
            return Ok(Some(writer.appended()));
        }
        drop(writer);
        if class != Durability::None {
            // Another process may have written it, and only that one knows whether it was synced.
            let file = match self.file(place.segment) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file.map_err(PutError::Storage)?,
            };
            file.sync().map_err(PutError::NotDurable)?;
        }
        Ok(Some(Ticket::default()))
    }

    /// Waits for what the class promises.
    pub(crate) fn acknowledge(&self, ticket: Ticket, class: Durability) -> Result<(), PutError> {
        match class {
            Durability::None => Ok(()),
            Durability::Batch if self.writer().unsynced_bytes() < BATCH_BYTES => Ok(()),
            Durability::Batch | Durability::Each => self.make_durable(ticket),
        }
    }

    /// Returns when `ticket` is durable.
    pub(crate) fn make_durable(&self, ticket: Ticket) -> Result<(), PutError> {
        let waited = self.group.wait(ticket, || self.sync_segments());
        waited.map_err(PutError::NotDurable)
    }

    fn sync_segments(&self) -> (Ticket, io::Result<()>) {
        let (unsynced, to) = {
            let writer = self.writer();
            (writer.unsynced(), writer.appended())
        };
        let result = unsynced.iter().try_for_each(|segment| segment.file.sync());
        let mut writer = self.writer();
        match &result {
            Ok(()) => writer.synced(&unsynced),
            Err(_) => {
                writer.lost(&unsynced);
                self.forget(&unsynced);
            }
        }
        (to, result)
    }

    /// Takes back what was not synced: after a failure the system may hold pages that it will never
    /// write, so what can still be read may be gone tomorrow.
    fn forget(&self, segments: &[Active]) {
        let mut index = self.index_mut();
        for segment in segments {
            self.known().insert(segment.number, IGNORED);
            let from = segment.synced.max(segment::FILE_HEADER_BYTES as u64);
            let Ok(scan) = Scan::new(&*segment.file, from) else {
                continue;
            };
            for found in scan.map_while(Result::ok) {
                if let segment::Found::Record { at, header } = found {
                    index.remove(&header.address, Place::new(segment.number, at, &header));
                }
            }
        }
    }
}

/// A blob that is the manifest of a bundle is entered as one, however it came: by that bundles are
/// found.
fn kind_of(blob: &[u8]) -> Kind {
    match BundleManifest::decode(blob) {
        // One of a later release too: no collection takes it for something that nobody needs.
        Ok(_) | Err(ManifestError::UnknownVersion { .. }) => Kind::Manifest,
        Err(_) => Kind::Blob,
    }
}
