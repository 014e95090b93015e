//! Pins, leases and retired bundles of the vault in a backup: one file, named by its digest, which the seal has.

use std::fs;
use std::io;
use std::path::Path;

use merkle_core::Hash;
use sha2::{Digest, Sha256};
use truth_vault::Vault;

use super::{BackupError, damaged};
use crate::seal::write_whole;
use crate::{Seal, StorageError, VaultError};

/// Adds what the vault has now, and tells its digest. What the seal before has stays until
/// [`drop_others`].
pub(super) fn back_up_roots(vault: &Vault, folder: &Path) -> Result<Hash, BackupError> {
    let bytes = vault.export_roots().map_err(VaultError::from);
    let bytes = bytes.map_err(StorageError::from)?;
    let digest = digest_of(&bytes);
    let written = write_whole(folder, &file_name(&digest), &bytes);
    written.map_err(StorageError::file(folder))?;
    Ok(digest)
}

/// Removes those of earlier seals. One that cannot be removed does no harm: the next backup tries again.
pub(super) fn drop_others(folder: &Path, digest: &Hash) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_roots = path.extension().is_some_and(|it| it == SUFFIX);
        if is_roots
            && !path.ends_with(file_name(digest))
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(%error, path = %path.display(), "it is not needed any more, and stays");
        }
    }
}

/// What the seal names, held against its digest; none if the seal names nothing: that backup was made before
/// there was such a file.
pub(super) fn read_roots(folder: &Path, seal: &Seal) -> Result<Option<Vec<u8>>, BackupError> {
    let Some(digest) = seal.vault_roots else {
        return Ok(None);
    };
    let path = folder.join(file_name(&digest));
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(damaged(&path, "it is missing"));
        }
        bytes => bytes.map_err(StorageError::file(&path))?,
    };
    match digest_of(&bytes) == digest {
        true => Ok(Some(bytes)),
        false => Err(damaged(&path, "its bytes are not those that the seal says")),
    }
}

/// Gives the vault what the backup has of them.
pub(super) fn restore_roots(vault: &Vault, folder: &Path, seal: &Seal) -> Result<(), BackupError> {
    let Some(bytes) = read_roots(folder, seal)? else {
        tracing::warn!("the backup is older than pins and leases in backups: the vault has none");
        return Ok(());
    };
    let taken = vault.import_roots(&bytes).map_err(VaultError::from);
    Ok(taken.map_err(StorageError::from)?)
}

fn digest_of(bytes: &[u8]) -> Hash {
    Hash::from_bytes(Sha256::digest(bytes).into())
}

fn file_name(digest: &Hash) -> String {
    format!("vault-{digest}.{SUFFIX}")
}

const SUFFIX: &str = "roots";
