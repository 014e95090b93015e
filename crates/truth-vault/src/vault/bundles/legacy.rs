//! Importing the vault of the original system.

use std::path::PathBuf;

use crate::vault::Vault;
use crate::{
    Bundle, BundleAddress, BundleError, Durability, LegacyBundle, LegacyItem, LegacyNote, PutError,
};

/// What became of each file of a legacy vault. Every file, and every bundle of the index that has no
/// file, is in one of the lists.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LegacyImport {
    /// Bundles all of whose own hashes match.
    pub imported: Vec<LegacyImported>,
    /// Bundles that do not match their own hashes, and were taken all the same because the caller
    /// said so.
    pub accepted: Vec<LegacyImported>,
    /// What was not imported, and why.
    pub refused: Vec<LegacyItem>,
    /// Bundles that are whole and cannot be bundles here: longer than those may be.
    pub too_long: Vec<(PathBuf, BundleError)>,
}

/// A legacy bundle that is in the vault now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegacyImported {
    /// Its file.
    pub path: PathBuf,
    /// Its address.
    pub bundle: BundleAddress,
    /// What is odd about it.
    pub notes: Vec<LegacyNote>,
}

impl Vault {
    /// Imports a [vault of the original system](crate::LegacyVault). A bundle that does not match its
    /// own hashes is imported only if `accept` says so, and keeps that it was altered.
    ///
    /// All of it is durable when the call returns. It can be repeated: what is there stays as it is.
    ///
    /// # Errors
    ///
    /// [`PutError`]; what was imported before is in, and may be made durable by another call.
    pub fn import_legacy(
        &self,
        legacy: impl IntoIterator<Item = LegacyItem>,
        mut accept: impl FnMut(&LegacyBundle) -> bool,
    ) -> Result<LegacyImport, PutError> {
        let mut report = LegacyImport::default();
        for item in legacy {
            let (path, bundle, notes, altered) = match item {
                LegacyItem::Whole {
                    path,
                    bundle,
                    notes,
                } => (path, bundle, notes, false),
                LegacyItem::Altered {
                    path,
                    bundle,
                    notes,
                } if accept(&bundle) => (path, bundle, notes, true),
                refused => {
                    report.refused.push(refused);
                    continue;
                }
            };
            let bundle = match Bundle::from_altered_legacy(&bundle) {
                Ok(bundle) => bundle,
                Err(error) => {
                    report.too_long.push((path, error));
                    continue;
                }
            };
            let bundle = self.put_bundle(&bundle, Durability::Batch)?;
            let list = if altered {
                &mut report.accepted
            } else {
                &mut report.imported
            };
            list.push(LegacyImported {
                path,
                bundle,
                notes,
            });
        }
        self.sync()?;
        Ok(report)
    }
}
