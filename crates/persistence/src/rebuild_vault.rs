//! Making the vault again from what is sound of it, and from a backup.

use std::fs;
use std::ops::ControlFlow;

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
    let open = |path: &std::path::Path, create| {
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
    if let Ok(mut before) = open(&before, false) {
        vault.sync_from(&mut before, Durability::Each, &mut |_| {
            ControlFlow::Continue(())
        })?;
    }
    let synced = vault.sync().map_err(VaultError::from);
    Ok(synced.map_err(StorageError::from)?)
}

/// Name of the vault's index.
const INDEX: &str = "index";
