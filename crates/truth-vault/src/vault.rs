//! The handle.

mod bundles;
mod car;
mod check;
#[cfg(test)]
mod faults;
mod gc;
mod get;
mod large;
mod open;
mod protect;
mod put;
mod refresh;
mod roots;
mod scrub;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use merkle_core::{Map, Sha256};

use crate::collection::Collection;
use crate::group::Group;
use crate::index::Index;
use crate::large::Large;
use crate::roots::Roots;
use crate::volume::{VaultFile, Volume};
use crate::watched::Watched;
use crate::writer::Writer;
use crate::{Options, PutError};

pub use bundles::{BundleGetError, BundleImportError, LegacyImport, LegacyImported};
pub use car::{CarExportError, CarImportError, CarReport};
pub use check::{BadObject, MissingPart, VerifyReport};
pub use gc::{GcError, GcOptions, GcReport, Kept};
pub use get::BlobStat;
pub use large::Progress;
pub use open::{Cut, OpenReport};
pub use put::PutOptions;
pub use scrub::{RepairReport, ScrubOptions, ScrubReport};

/// An open vault. Cloning the handle is cheap; all clones share it, in all threads, and several
/// processes may have one vault open.
///
/// Calls may block on the disk: asynchronous callers hand them to a thread that may block.
///
/// ```
/// use truth_vault::{Durability, Options, Vault};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("code.vault");
/// let vault = Vault::open(path, &Options::new())?;
/// let address = vault.put(b"intent pay(...)", Durability::Each)?;
/// assert_eq!(vault.get(&address)?.as_deref(), Some(&b"intent pay(...)"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Vault {
    pub(crate) shared: Arc<Shared>,
}

/// What all handles share.
///
/// Lock order: locks of files, the catalogue, the map of addresses, the writer, the index, the files.
pub(crate) struct Shared {
    path: PathBuf,
    options: Options,
    pub(crate) root: Box<dyn Volume>,
    pub(crate) segments: Box<dyn Volume>,
    pub(crate) quarantine: Box<dyn Volume>,
    large: Large,
    writer: Mutex<Writer>,
    group: Group,
    index: RwLock<Index>,
    files: RwLock<HashMap<u32, Arc<dyn VaultFile>>>,
    /// How far the records of each segment are in the index.
    known: Mutex<BTreeMap<u32, u64>>,
    /// Segments that are sealed and in the index to their end.
    complete: Mutex<BTreeSet<u32>>,
    /// Held by whoever writes the index file.
    settling: Mutex<()>,
    report: OpenReport,
    catalogue: Mutex<Option<bundles::Catalogued>>,
    /// The map over all addresses, as far as it was brought up to date. Made when it is first asked for:
    /// who never asks pays nothing.
    addresses: Mutex<Map<Sha256>>,
    collection: Watched<Collection>,
    roots: Watched<Roots>,
}

impl Vault {
    /// How many blobs there are.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "nobody asks a vault whether it is empty"
    )]
    pub fn len(&self) -> u64 {
        self.shared.index().len()
    }

    /// What opening found.
    #[must_use]
    pub fn open_report(&self) -> &OpenReport {
        &self.shared.report
    }

    /// The folder it is in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Makes all that this handle and its clones put durable, whatever its class.
    ///
    /// # Errors
    ///
    /// [`PutError::NotDurable`]. Once it failed for any of the handle's puts it fails ever after, since
    /// nobody can tell whose are lost: open the vault again, and put again what it does not have.
    pub fn sync(&self) -> Result<(), PutError> {
        // Bound first: whoever syncs takes the writer, which this line must not hold any more.
        let ticket = self.shared.writer().appended();
        self.shared.make_durable(ticket)?;
        match self.shared.group.any_lost() {
            Some(kind) => Err(PutError::NotDurable(kind.into())),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn addresses(&self) -> MutexGuard<'_, Map<Sha256>> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.complete.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<u32, u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A segment of which nothing more is to be taken into the index.
const IGNORED: u64 = u64::MAX;

impl Drop for Shared {
    /// All that was put becomes durable, and the index is written. Nobody is left to tell of a
    /// failure: it takes nothing that was acknowledged as durable, and the next opening finds out.
    fn drop(&mut self) {
        let _ = self.settle_index();
        self.settle_catalogue();
    }
}
