//! Saying that a blob is there, so that it stays there: what no collection may take behind the back of
//! whoever was told.
//!
//! Why this is enough: `docs/decisions/0030-condemn-segments.md`.

use std::io;
use std::sync::Arc;

use super::Shared;
use crate::collection::Collection;
use crate::content;
use crate::index::Place;
use crate::segment::{HEADER_BYTES, Header, Kind};
use crate::volume::Sharing;
use crate::watched::Content;
use crate::{Address, BundleAddress, BundleManifest, Damage, GetError, PutError};

/// Held, with others, from the decision that the files of a large blob are there until its record is;
/// and alone by the collection that removes such files.
pub(super) const LARGE_LOCK: &str = "large.lock";

impl Shared {
    /// What collections did and are about to do, as of now. Where that is damaged, nothing is condemned:
    /// the next collection begins anew, and removes nothing because of it.
    pub(crate) fn collection(&self) -> io::Result<Arc<Collection>> {
        Ok(match self.collection.get(&*self.root)? {
            Content::Whole(collection) => collection,
            Content::Missing | Content::Damaged => Arc::default(),
        })
    }

    /// Where the blob is in a segment that is not condemned. A blob that is in condemned ones alone is
    /// written anew, durably. `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`GetError::Damaged`], where it had to be written anew and no copy is good.
    pub(crate) fn safe_place(&self, address: &Address) -> Result<Option<Place>, GetError> {
        if self.index().get(address).is_none() {
            self.refresh()?;
            if self.index().get(address).is_none() {
                return Ok(None);
            }
        }
        if let Some(place) = self.safe_copies(address)?.first() {
            return Ok(Some(*place));
        }
        // Somebody else may have written it anew; what was collected is not there any more.
        self.refresh()?;
        let copies = self.index().copies(address);
        match copies.iter().any(|copy| copy.kind == Kind::Large) {
            true => {
                let _held = self.root.lock(LARGE_LOCK, Sharing::Shared)?;
                // Its files may be gone since, with its last record.
                self.refresh()?;
                self.safe_or_rescued(address)
            }
            false => self.safe_or_rescued(address),
        }
    }

    fn safe_or_rescued(&self, address: &Address) -> Result<Option<Place>, GetError> {
        if let Some(place) = self.safe_copies(address)?.first() {
            return Ok(Some(*place));
        }
        let mut result = Ok(None);
        // Looked up before: whoever writes a record takes the index.
        let copies = self.index().copies(address);
        for copy in copies {
            match self.rescue(address, copy) {
                Ok(place) => return Ok(Some(place)),
                Err(error) => result = Err(error),
            }
        }
        if result.is_err() {
            // Collected in this moment, or damaged.
            self.refresh()?;
            if self.index().get(address).is_none() {
                return Ok(None);
            }
        }
        result
    }

    /// The copies of a blob that are in segments that stay.
    pub(crate) fn safe_copies(&self, address: &Address) -> io::Result<Vec<Place>> {
        let mut copies = self.index().copies(address);
        if !copies.is_empty() {
            let collection = self.collection()?;
            copies.retain(|copy| !collection.takes(copy.segment));
        }
        Ok(copies)
    }

    /// Writes the record at `place` anew, with all that is in it, and durably: it may replace one that is.
    fn rescue(&self, address: &Address, place: Place) -> Result<Place, GetError> {
        let (header, stored) = self.whole_record(address, place)?;
        let failed = |error| match error {
            PutError::Storage(error) | PutError::NotDurable(error) => GetError::Storage(error),
            error => GetError::Storage(io::Error::other(error)),
        };
        let (place, ticket) = self.append_copy(&header, &stored).map_err(failed)?;
        self.make_durable(ticket).map_err(failed)?;
        Ok(place)
    }

    /// A record as it is stored, if it is good: its header and what follows. Of a large blob, its parts
    /// are checked to be the right ones, and not its bytes.
    pub(crate) fn whole_record(
        &self,
        address: &Address,
        place: Place,
    ) -> Result<(Header, Vec<u8>), GetError> {
        let header = self.read_header(address, place)?;
        let mut record = vec![0; HEADER_BYTES + place.stored_bytes as usize];
        self.read_record(address, place, &mut record)?;
        if header.kind == Kind::Large {
            // Its files themselves, not what is remembered of them.
            self.large.forget(address);
            self.open_large(address, place)?;
        } else {
            let bad = |damage: Damage| super::get::damaged(address, place, damage);
            content::decode(record.clone(), address).map_err(bad)?;
        }
        record.drain(..HEADER_BYTES);
        Ok((header, record))
    }

    /// Makes a bundle that was put safe for as long as it is meant, once its manifest is there for every
    /// collection to see: whatever was condemned before that is written anew.
    pub(crate) fn keep_bundle(
        &self,
        address: &Address,
        manifest: &BundleManifest,
    ) -> Result<(), PutError> {
        let bundle = BundleAddress::from_address(*address);
        self.unretire(&bundle).map_err(PutError::Storage)?;
        let parts = manifest.parts().map(|part| part.address);
        for address in parts.chain([*address]) {
            self.still_there(&address)?;
        }
        Ok(())
    }

    /// Whether a blob that was put is there, which it is safely then.
    pub(crate) fn still_there(&self, address: &Address) -> Result<bool, PutError> {
        match self.safe_place(address) {
            Ok(place) => Ok(place.is_some()),
            Err(GetError::Storage(error)) => Err(PutError::Storage(error)),
            // What is damaged was so before; it is told by whoever reads it.
            Err(_) => Ok(true),
        }
    }
}
