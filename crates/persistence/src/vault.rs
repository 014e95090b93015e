//! The vault as this crate uses it.

use truth_vault::{
    Bundle, BundleAddress, BundleGetError, Durability, GetError, LegacyVaultError, OpenError,
    Options, PutError, RootError, Vault,
};

use crate::shared::VaultHead;
use crate::{Cause, Config};

/// The vault.
pub(crate) struct Code {
    vault: Vault,
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
    /// Its pins and leases could not be read or changed.
    #[error(transparent)]
    Roots(#[from] RootError),
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
        // The map over all addresses is made now, while the other stores are being opened.
        let code = Self { vault };
        code.refresh()?;
        Ok(code)
    }

    /// The vault itself.
    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// What it holds, as far as this process knows: for every commit, so without I/O.
    pub(crate) fn head(&self) -> VaultHead {
        of(self.vault.known_head())
    }

    /// The same, with what other processes put.
    pub(crate) fn refresh(&self) -> Result<VaultHead, VaultError> {
        Ok(of(self.vault.head()?))
    }

    pub(crate) fn has(&self, address: &BundleAddress) -> Result<bool, VaultError> {
        Ok(self.vault.has(&address.address())?)
    }

    /// Puts a bundle, durably. Whether it was not there before.
    pub(crate) fn put(&self, bundle: &Bundle) -> Result<(BundleAddress, bool), VaultError> {
        let address = bundle.address();
        let known = self.has(&address)?;
        self.vault.put_bundle(bundle, Durability::Each)?;
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

fn of(head: truth_vault::VaultHead) -> VaultHead {
    VaultHead {
        objects: head.blobs,
        root: head.root,
    }
}
