//! The folder of the original vault: `index.json` and `bundles/*.ae_bundle`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{LegacyBundle, LegacyError, LegacyIndexEntry, LegacyKey, index};

/// A vault of the original system, read bundle by bundle.
///
/// As an iterator it gives every file of the folder in the order of their names, whatever it is,
/// and then every bundle of the index that has no file. It holds the index and one bundle in memory.
///
/// A bundle is found by its hash: paths in the index may be those of another system.
#[derive(Debug)]
pub struct LegacyVault {
    files: VecDeque<PathBuf>,
    /// By key, so that what is missing comes in an order.
    index: BTreeMap<LegacyKey, LegacyIndexEntry>,
    /// Whether there is an index: without one nothing is unindexed.
    has_index: bool,
    seen: HashMap<LegacyKey, PathBuf>,
}

/// What a [`LegacyVault`] gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum LegacyItem {
    /// A bundle all of whose own hashes match.
    Whole {
        /// Its file.
        path: PathBuf,
        /// The bundle.
        bundle: LegacyBundle,
        /// What else is odd about it.
        notes: Vec<LegacyNote>,
    },
    /// A bundle that does not match its own hashes.
    Altered {
        /// Its file.
        path: PathBuf,
        /// The bundle as it is; its faults say what does not match.
        bundle: LegacyBundle,
        /// What else is odd about it.
        notes: Vec<LegacyNote>,
    },
    /// A file that is no bundle.
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        error: LegacyError,
    },
    /// A file that cannot be read, or is no ordinary file.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A bundle of the index that no file has.
    Missing {
        /// What the index says.
        entry: LegacyIndexEntry,
    },
}

/// Something odd about a bundle that its own hashes do not tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegacyNote {
    /// The index does not have it.
    #[error("the index does not have it")]
    Unindexed,
    /// The index knows it under another intent.
    #[error("the index has the intent {indexed:?}")]
    OtherIntent {
        /// What the index says.
        indexed: Option<String>,
    },
    /// The index has another status.
    #[error("the index has the status {indexed:?}")]
    OtherStatus {
        /// What the index says.
        indexed: String,
    },
    /// The index has another hash of its logic.
    #[error("the index has the logic hash {indexed}")]
    OtherLogic {
        /// What the index says.
        indexed: LegacyKey,
    },
    /// The file is not named as the original system would have.
    #[error("the name of its file is not that of its hash")]
    OddFileName,
    /// Another file has a bundle of the same key.
    #[error("{path} is a bundle of the same key")]
    SameKey {
        /// The first file with the key.
        path: PathBuf,
    },
    /// Nothing in the bundle vouches for its code. So it is with all of v0.7.
    #[error("nothing in the bundle vouches for its code")]
    CodeNotCovered,
}

impl LegacyVault {
    /// The vault in `folder`, which has `index.json` and the folder `bundles`.
    ///
    /// # Errors
    ///
    /// [`LegacyVaultError`]. Without a readable index, see
    /// [`open_without_index`](Self::open_without_index).
    pub fn open(folder: &Path) -> Result<Self, LegacyVaultError> {
        let path = folder.join("index.json");
        let failed = |source| LegacyVaultError::Io {
            path: path.clone(),
            source,
        };
        let bytes = read(&path, INDEX_BYTES_MAX).map_err(failed)?;
        let bytes = bytes.ok_or(LegacyVaultError::BadIndex)?;
        let mut vault = Self::open_without_index(folder)?;
        for entry in index::parse(&bytes)? {
            vault.index.insert(entry.key, entry);
        }
        vault.has_index = true;
        Ok(vault)
    }

    /// The bundles in `folder/bundles`, whatever the index says.
    ///
    /// # Errors
    ///
    /// [`LegacyVaultError::Io`].
    pub fn open_without_index(folder: &Path) -> Result<Self, LegacyVaultError> {
        let path = folder.join("bundles");
        let failed = |source| LegacyVaultError::Io {
            path: path.clone(),
            source,
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file.extension().is_some_and(|it| it == "ae_bundle") {
                files.push(file);
            }
        }
        files.sort();
        Ok(Self {
            files: files.into(),
            index: BTreeMap::new(),
            has_index: false,
            seen: HashMap::new(),
        })
    }

    /// How many files it has yet to give.
    #[must_use]
    pub fn files_left(&self) -> u64 {
        self.files.len() as u64
    }

    fn read(&mut self, path: PathBuf) -> LegacyItem {
        let bytes = match read(&path, LegacyBundle::BYTES_MAX as u64) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let bytes = path.metadata().map_or(u64::MAX, |it| it.len());
                let error = LegacyError::TooLong { bytes };
                return LegacyItem::Refused { path, error };
            }
            Err(error) => return LegacyItem::Unreadable { path, error },
        };
        let bundle = match LegacyBundle::inspect(&bytes) {
            Ok(bundle) => bundle,
            Err(error) => return LegacyItem::Refused { path, error },
        };
        let notes = self.notes(&path, &bundle);
        if bundle.faults().is_empty() {
            return LegacyItem::Whole {
                path,
                bundle,
                notes,
            };
        }
        LegacyItem::Altered {
            path,
            bundle,
            notes,
        }
    }

    fn notes(&mut self, path: &Path, bundle: &LegacyBundle) -> Vec<LegacyNote> {
        let mut notes = Vec::new();
        let entry = self.index.get(&bundle.key());
        match entry {
            Some(entry) => compare(entry, bundle, &mut notes),
            None if self.has_index => notes.push(LegacyNote::Unindexed),
            None => {}
        }
        if !is_named_by_hash(path, bundle, entry) {
            notes.push(LegacyNote::OddFileName);
        }
        if !bundle.code_is_covered() {
            notes.push(LegacyNote::CodeNotCovered);
        }
        match self.seen.get(&bundle.key()) {
            Some(path) => notes.push(LegacyNote::SameKey { path: path.clone() }),
            None => {
                self.seen.insert(bundle.key(), path.to_owned());
            }
        }
        notes
    }
}

impl Iterator for LegacyVault {
    type Item = LegacyItem;

    fn next(&mut self) -> Option<LegacyItem> {
        if let Some(path) = self.files.pop_front() {
            return Some(self.read(path));
        }
        loop {
            let (key, entry) = self.index.pop_first()?;
            if !self.seen.contains_key(&key) {
                return Some(LegacyItem::Missing { entry });
            }
        }
    }
}

fn compare(entry: &LegacyIndexEntry, bundle: &LegacyBundle, notes: &mut Vec<LegacyNote>) {
    if entry.intent.as_deref() != bundle.intent() {
        let indexed = entry.intent.clone();
        notes.push(LegacyNote::OtherIntent { indexed });
    }
    if let Some(indexed) = &entry.status
        && super::bundle::status(Some(indexed)) != bundle.status()
    {
        let indexed = indexed.clone();
        notes.push(LegacyNote::OtherStatus { indexed });
    }
    if let Some(indexed) = entry.logic_hash
        && bundle.logic_hash() != Some(indexed)
    {
        notes.push(LegacyNote::OtherLogic { indexed });
    }
}

/// v2.1: the first 16 digits of the key; v0.7: the intent and the first 8.
fn is_named_by_hash(path: &Path, bundle: &LegacyBundle, entry: Option<&LegacyIndexEntry>) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let key = bundle.key().to_string();
    let expected = match bundle.intent() {
        Some(intent) if !bundle.code_is_covered() => format!("{intent}_{}.ae_bundle", &key[..8]),
        _ => format!("{}.ae_bundle", &key[..16]),
    };
    let indexed = entry.and_then(|entry| entry.path.as_deref());
    name == expected && indexed.is_none_or(|path| index::file_name(path) == name)
}

/// The content of an ordinary file; `None` if it is longer than `bytes_max`.
fn read(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    // A link or a device could be anything, and may never end.
    if !path.symlink_metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not an ordinary file",
        ));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
}

/// 64 MiB: some hundred thousand bundles.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// Why a legacy vault cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LegacyVaultError {
    /// The file system refused something.
    #[error("cannot read {path}")]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `index.json` is no index.
    #[error("index.json is not the index of a vault")]
    BadIndex,
}
