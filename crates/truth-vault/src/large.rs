//! Files of large blobs: one for the bytes, one for the hashes of its parts.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Address;
use crate::parts::Parts;
use crate::volume::{VaultFile, Volume};

/// The folder of large blobs.
pub(crate) struct Large {
    pub(crate) volume: Box<dyn Volume>,
    /// The last ones that were read, so that a range of a warm blob costs its own bytes only.
    recent: Mutex<VecDeque<(Address, Arc<Opened>)>>,
}

/// A large blob that can be read, its parts checked against the record.
pub(crate) struct Opened {
    pub(crate) file: Arc<dyn VaultFile>,
    pub(crate) parts: Parts,
}

/// So many are kept open; the parts of one of 4 GiB take 2 MiB.
const RECENT_MAX: usize = 16;

impl Large {
    pub(crate) fn new(volume: Box<dyn Volume>) -> Self {
        Self {
            volume,
            recent: Mutex::default(),
        }
    }

    /// Opens the blob of `bytes` bytes whose BLAKE3 hash is `root`; `None` if its parts are damaged.
    pub(crate) fn open(
        &self,
        address: &Address,
        bytes: u64,
        root: &blake3::Hash,
    ) -> io::Result<Option<Arc<Opened>>> {
        let known = (self.recent().iter())
            .find(|(known, _)| known == address)
            .cloned();
        if let Some((_, opened)) = known {
            return Ok(Some(opened));
        }
        let parts = self.volume.open(&parts_name(address))?;
        let len = Parts::encoded_bytes(bytes);
        if parts.len()? != len {
            return Ok(None);
        }
        // As long as the file is, so no more than there is.
        let mut encoded = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        parts.read_at(0, &mut encoded)?;
        let Some(parts) = Parts::decode(&encoded, bytes, root) else {
            return Ok(None);
        };
        let file = self.volume.open(&blob_name(address))?;
        let opened = Arc::new(Opened { file, parts });
        let mut recent = self.recent();
        recent.push_front((*address, Arc::clone(&opened)));
        recent.truncate(RECENT_MAX);
        Ok(Some(opened))
    }

    /// Forgets what was read of a blob.
    pub(crate) fn forget(&self, address: &Address) {
        self.recent().retain(|(known, _)| known != address);
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<(Address, Arc<Opened>)>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file of a blob's bytes.
pub(crate) fn blob_name(address: &Address) -> String {
    format!("{address}.blob")
}

/// The file of the hashes of its parts.
pub(crate) fn parts_name(address: &Address) -> String {
    format!("{address}.parts")
}

/// The file of a blob that was not put to its end.
pub(crate) fn partial_name(address: &Address) -> String {
    format!("{address}.partial")
}
