//! The vault as this crate uses it.

use std::sync::Mutex;

use merkle_core::{Batch, Map, Sha256};
use truth_vault::{
    Address, Bundle, BundleAddress, BundleGetError, Durability, GetError, LegacyVaultError,
    OpenError, Options, PutError, Vault,
};

use crate::shared::{VaultHead, lock};
use crate::{Cause, Config};

/// The vault, and the set of what is in it.
pub(crate) struct Code {
    vault: Vault,
    /// Every address, with a value that says no more than that it is there.
    set: Mutex<Map<Sha256>>,
}

/// Why the vault could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something could not be put into it.
    #[error(transparent)]
    Put(#[from] PutError),
    /// Something could not be got out of it.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A bundle could not be got out of it.
    #[error(transparent)]
    Bundle(#[from] BundleGetError),
    /// A vault of the original system could not be read.
    #[error(transparent)]
    Legacy(#[from] LegacyVaultError),
}

impl VaultError {
    /// What is not as it was proved, if that is why.
    pub(crate) fn cause(&self) -> Option<Cause> {
        let message = match self {
            Self::Get(error @ GetError::Damaged { .. }) => error.to_string(),
            Self::Bundle(BundleGetError::Get(error @ GetError::Damaged { .. })) => {
                error.to_string()
            }
            Self::Bundle(
                error @ (BundleGetError::NoBundle(_)
                | BundleGetError::MissingPart { .. }
                | BundleGetError::Bundle(_)),
            ) => error.to_string(),
            _ => return None,
        };
        Some(Cause::Vault { message })
    }
}

impl Code {
    pub(crate) fn open(config: &Config) -> Result<Self, VaultError> {
        let options = Options::new().create(config.create);
        let vault = Vault::open(config.vault_path(), &options)?;
        let code = Self {
            vault,
            set: Mutex::new(Map::new()),
        };
        code.refresh()?;
        Ok(code)
    }

    /// The vault itself.
    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// What it holds, as far as it was put there through this crate, or was there when
    /// [refreshed](Self::refresh).
    pub(crate) fn head(&self) -> VaultHead {
        let set = lock(&self.set);
        VaultHead {
            objects: set.len(),
            root: set.root(),
        }
    }

    /// Reads again what is there.
    pub(crate) fn refresh(&self) -> Result<VaultHead, VaultError> {
        let mut addresses = Vec::new();
        loop {
            let page = self.vault.list(addresses.last(), PAGE)?;
            if page.is_empty() {
                break;
            }
            addresses.extend(page);
        }
        let mut set = Map::new();
        set.update(&present(&addresses));
        *lock(&self.set) = set;
        Ok(self.head())
    }

    pub(crate) fn has(&self, address: &BundleAddress) -> Result<bool, VaultError> {
        Ok(self.vault.has(&address.address())?)
    }

    /// Puts a bundle, durably. Whether it was not there before.
    pub(crate) fn put(&self, bundle: &Bundle) -> Result<(BundleAddress, bool), VaultError> {
        let address = bundle.address();
        let known = self.has(&address)?;
        self.vault.put_bundle(bundle, Durability::Each)?;
        let manifest = self.vault.manifest(&address)?;
        let parts = manifest.iter().flat_map(|manifest| manifest.parts());
        let mut addresses: Vec<Address> = parts.map(|part| part.address).collect();
        addresses.push(address.address());
        lock(&self.set).update(&present(&addresses));
        Ok((address, !known))
    }

    /// The manifest of a bundle and its certificate; empty for a name that is no address here, or a
    /// bundle without one.
    pub(crate) fn manifest(&self, name: &str) -> Result<(Vec<u8>, Vec<u8>), VaultError> {
        let Ok(address) = name.parse::<BundleAddress>() else {
            return Ok(Default::default());
        };
        let Some(manifest) = self.vault.manifest(&address)? else {
            return Ok(Default::default());
        };
        let certificate = match manifest.certificate {
            Some(part) => self.vault.get(&part.address)?.unwrap_or_default(),
            None => Vec::new(),
        };
        Ok((manifest.encode(), certificate))
    }
}

fn present(addresses: &[Address]) -> Batch<'_> {
    let mut batch = Batch::with_capacity(addresses.len());
    for address in addresses {
        batch
            .put(address.as_bytes(), &[1])
            .expect("32 bytes are a key");
    }
    batch
}

/// Addresses that are read at a time.
const PAGE: usize = 65_536;
