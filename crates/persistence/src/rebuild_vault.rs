//! Making the vault again from what is sound of it, and from a backup.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use truth_vault::{Durability, Options, SyncError, Vault};

use crate::ways_out::{aside, set_aside};
use crate::{BackupError, Config, StorageError, VaultError};

/// Why the vault was not made again. What there was of it lies beside it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildVaultError {
    /// A file or the new vault could not be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The objects of the backup could not be taken.
    #[error("the objects of the backup could not be taken")]
    Backup(#[source] Box<BackupError>),
    /// The sound objects of what was there could not be taken.
    #[error("the sound objects could not be taken")]
    Sync(#[from] SyncError),
}

/// Sets the vault aside and makes it again: of the backup's objects, if the configuration names one,
/// and of all that can be read of what was there.
pub(crate) fn rebuild_vault(config: &Config) -> Result<(), RebuildVaultError> {
    let path = config.vault_path();
    let before = aside(&path)?;
    set_aside(&path)?;
    if let Some(backup) = &config.backup {
        let taken = crate::backup::restore_objects(config, backup);
        taken.map_err(|error| RebuildVaultError::Backup(Box::new(error)))?;
    }
    let open = |path: &Path, create| {
        let opened = Vault::open(path, &Options::new().create(create)).map_err(VaultError::from);
        opened.map_err(StorageError::from)
    };
    let vault = open(&path, true)?;
    // Its index may be what is damaged: it is read again from the segments.
    let index = before.join(INDEX);
    if index.exists() {
        let moved = fs::rename(&index, before.join("index.aside"));
        moved.map_err(StorageError::file(&index))?;
    }
    // What cannot even be opened has nothing to give.
    let mut roots = None;
    if let Ok(mut opened) = open(&before, false) {
        vault.sync_from(&mut opened, Durability::Each, &mut |_| {
            ControlFlow::Continue(())
        })?;
        roots = opened.export_roots().ok();
    }
    if let (None, Some(backup)) = (&roots, &config.backup) {
        let taken = crate::backup::roots_of(config, backup);
        roots = taken.map_err(|error| RebuildVaultError::Backup(Box::new(error)))?;
    }
    match roots {
        Some(roots) => {
            let taken = vault.import_roots(&roots).map_err(VaultError::from);
            taken.map_err(StorageError::from)?;
        }
        None => forget_roots(&path)?,
    }
    let synced = vault.sync().map_err(VaultError::from);
    Ok(synced.map_err(StorageError::from)?)
}

/// Nobody knows what was pinned: without the file, the vault collects nothing until somebody says
/// what is to be kept.
fn forget_roots(vault: &Path) -> Result<(), StorageError> {
    tracing::warn!(
        "pins and leases of the vault are lost: nothing is collected until they are reset"
    );
    let path = vault.join(ROOTS);
    fs::remove_file(&path).map_err(StorageError::file(&path))
}

/// Name of the vault's pins and leases.
const ROOTS: &str = "roots";

/// Name of the vault's index.
const INDEX: &str = "index";
