//! Bundles in the vault: their parts are blobs, and so are their manifests.

mod catalogued;
mod legacy;

use super::Vault;
use crate::catalogue::Row;
use crate::{
    Address, Bundle, BundleAddress, BundleError, BundleManifest, BundlePart, BundleQuery,
    BundleSummary, Certificate, Durability, GetError, ImportError, ManifestError, PutError,
    PutOptions, Trust,
};

pub(crate) use catalogued::Catalogued;
pub use legacy::{LegacyImport, LegacyImported};

impl Vault {
    /// Puts a bundle: its parts first, then the manifest that names them. One sync makes all of it
    /// durable.
    ///
    /// # Errors
    ///
    /// [`PutError`]; after one, parts may be in without the bundle.
    pub fn put_bundle(
        &self,
        bundle: &Bundle,
        durability: Durability,
    ) -> Result<BundleAddress, PutError> {
        // A part that another process put, and did not sync, is made durable with this class.
        let parts = match durability {
            Durability::None => Durability::None,
            Durability::Batch | Durability::Each => Durability::Batch,
        };
        let options = PutOptions::new().time_ns(bundle.created_ns());
        let ast = bundle.ast().map(|ast| ast.as_str().as_bytes());
        let certificate = bundle.certificate().map(Certificate::encode);
        let blobs = [
            Some(bundle.code()),
            ast,
            certificate.as_deref(),
            bundle.legacy_source(),
        ];
        let mut placed = Vec::new();
        for part in blobs.into_iter().flatten() {
            placed.push((part, self.put_with(part, &options.durability(parts))?));
        }
        let manifest = bundle.manifest();
        let address = self.put_with(&manifest.encode(), &options.durability(durability))?;
        // From now on collections keep the parts; what was taken before that is put again.
        for (part, at) in placed {
            if !self.shared.still_there(&at)? {
                self.put_with(part, &options.durability(durability))?;
            }
        }
        let address = BundleAddress::from_address(address);
        self.shared.catalogued(Row::of(address, &manifest));
        Ok(address)
    }

    /// The bundle at `address`, all of it checked; `None` if its manifest is not there.
    ///
    /// # Errors
    ///
    /// [`BundleGetError`], which names the part that is missing or damaged.
    pub fn bundle(&self, address: &BundleAddress) -> Result<Option<Bundle>, BundleGetError> {
        let Some(manifest) = self.manifest(address)? else {
            return Ok(None);
        };
        let part = |part: &BundlePart| {
            let address = part.address;
            let bytes = self.get(&address)?;
            bytes.ok_or(BundleGetError::MissingPart { address })
        };
        Bundle::assemble(&manifest, part).map(Some)
    }

    /// The manifest of the bundle at `address`, without its parts; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`BundleGetError::Get`] or [`BundleGetError::NoBundle`].
    pub fn manifest(
        &self,
        address: &BundleAddress,
    ) -> Result<Option<BundleManifest>, BundleGetError> {
        let Some(bytes) = self.get(&address.address())? else {
            return Ok(None);
        };
        Ok(Some(BundleManifest::decode(&bytes)?))
    }

    /// The bundles that meet `query`, by the time they were made.
    ///
    /// The first call of a handle reads the catalogue, and the manifests that are not in it yet.
    ///
    /// # Errors
    ///
    /// [`GetError::Storage`]. A manifest that is damaged is no error here, and its bundle not among
    /// the answers: see [`unreadable_bundles`](Self::unreadable_bundles).
    pub fn bundles(&self, query: &BundleQuery) -> Result<Vec<BundleSummary>, GetError> {
        self.shared.catalogue(|all| all.rows().find(query))
    }

    /// How many bundles there are.
    ///
    /// # Errors
    ///
    /// As [`bundles`](Self::bundles).
    pub fn bundle_count(&self) -> Result<u64, GetError> {
        self.shared.catalogue(|all| all.rows().len() as u64)
    }

    /// At most `limit` names of intents in their order, from behind `after` on, and how many bundles
    /// each has.
    ///
    /// # Errors
    ///
    /// As [`bundles`](Self::bundles).
    pub fn intents(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, GetError> {
        self.shared
            .catalogue(|all| all.rows().intents(after, limit))
    }

    /// The bundles whose manifests are damaged, so that nothing else is known of them.
    ///
    /// # Errors
    ///
    /// As [`bundles`](Self::bundles).
    pub fn unreadable_bundles(&self) -> Result<Vec<BundleAddress>, GetError> {
        self.shared.catalogue(|all| all.unreadable())
    }

    /// Reads an `.ae_bundle` as [`Bundle::import`] does, and puts it.
    ///
    /// # Errors
    ///
    /// [`BundleImportError`]; nothing is put of a bundle that is refused.
    pub fn import_bundle(
        &self,
        bytes: &[u8],
        trust: &Trust<'_>,
        durability: Durability,
    ) -> Result<BundleAddress, BundleImportError> {
        let bundle = Bundle::import(bytes, trust)?;
        Ok(self.put_bundle(&bundle, durability)?)
    }
}

/// Why a bundle was not got.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleGetError {
    /// The manifest or a part is damaged or cannot be read.
    #[error("a blob of the bundle was not got")]
    Get(#[from] GetError),
    /// The blob at that address is no manifest.
    #[error("the blob is not the manifest of a bundle")]
    NoBundle(#[from] ManifestError),
    /// The manifest names a part that is not there.
    #[error("the part {address} of the bundle is not there")]
    MissingPart {
        /// The part.
        address: Address,
    },
    /// The parts do not belong together. [`Vault::put_bundle`] never puts such.
    #[error("the blobs are not those of a bundle")]
    Bundle(#[from] BundleError),
}

/// Why a bundle from elsewhere was not put.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleImportError {
    /// It was refused.
    #[error("the bundle was refused")]
    Refused(#[from] ImportError),
    /// It could not be put.
    #[error("the bundle was not put")]
    Put(#[from] PutError),
}
