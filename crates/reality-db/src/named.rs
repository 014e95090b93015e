//! Named snapshots: versions that pruning leaves alone.

use merkle_core::Hash;

use crate::engine::Engine;
use crate::error::Fault;
use crate::{CommitError, Damage, ReadError, RealityDb, Snapshot, Version};

/// Longest name of a snapshot, in bytes.
pub const SNAPSHOT_NAME_BYTES_MAX: usize = 255;

/// Most named snapshots of a database.
pub const SNAPSHOTS_MAX: usize = 10_000;

/// First byte of the engine's keys that hold named snapshots.
const KIND: u8 = b's';

const HASH_CONTEXT: &str = "reality-db 2026-11 named snapshot";

/// A version with a name: it and all after it can be read until the name is taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedSnapshot {
    /// Its name.
    pub name: String,
    /// The version.
    pub version: Version,
}

/// Why a snapshot was not named.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Names have 1 to [`SNAPSHOT_NAME_BYTES_MAX`] bytes.
    #[error("name of {len} bytes: names have 1 to {SNAPSHOT_NAME_BYTES_MAX} bytes")]
    Length {
        /// Its length in bytes.
        len: usize,
    },
    /// The name is given to another version.
    #[error("version {version} has the name already")]
    Taken {
        /// The version.
        version: u64,
    },
    /// There are [`SNAPSHOTS_MAX`] named snapshots.
    #[error("there are {SNAPSHOTS_MAX} named snapshots already")]
    TooMany,
    /// The version cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The name could not be written.
    #[error(transparent)]
    Write(#[from] CommitError),
}

impl RealityDb {
    /// Gives `version` a name, which keeps it and all after it from being pruned. Costs one small
    /// write and a sync. Nothing changes if the version has the name already.
    ///
    /// As long as it has the name the journal grows with every commit, whatever the retention. To keep one old
    /// version without what came after it, [export](Snapshot::export) it.
    ///
    /// # Errors
    ///
    /// [`NameError`].
    pub fn name_snapshot(&self, name: &str, version: u64) -> Result<NamedSnapshot, NameError> {
        let key = key(name)?;
        let mut writer = self.shared.writer()?;
        // Under the writer's lock: pruning cannot take the version away meanwhile.
        let info = self.info(version)?;
        let named = self.named_snapshots()?;
        match named.iter().find(|named| named.name == name) {
            Some(named) if named.version == info.version => return Ok(named.clone()),
            Some(named) => {
                return Err(NameError::Taken {
                    version: named.version.number,
                });
            }
            None if named.len() >= SNAPSHOTS_MAX => return Err(NameError::TooMany),
            None => {}
        }
        writer.write_small(vec![(key, Some(encode(name, &info.version)))])?;
        Ok(NamedSnapshot {
            name: name.to_owned(),
            version: info.version,
        })
    }

    /// Takes a name away; what it kept may be pruned then. Whether there was such a name.
    ///
    /// # Errors
    ///
    /// [`NameError`].
    pub fn forget_snapshot(&self, name: &str) -> Result<bool, NameError> {
        let key = key(name)?;
        let mut writer = self.shared.writer()?;
        let was_there = self
            .named_snapshots()?
            .iter()
            .any(|named| named.name == name);
        if was_there {
            writer.write_small(vec![(key, None)])?;
        }
        Ok(was_there)
    }

    /// All named snapshots, by name.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn named_snapshots(&self) -> Result<Vec<NamedSnapshot>, ReadError> {
        self.shared.noticed(list(&*self.shared.storage.engine))
    }

    /// The version with the name `name`, to read from; none if there is no such name.
    ///
    /// # Errors
    ///
    /// As for [`at`](Self::at).
    pub fn open_snapshot(&self, name: &str) -> Result<Option<Snapshot>, ReadError> {
        let Ok(key) = key(name) else {
            return Ok(None);
        };
        let Some(value) = self.shared.storage.engine.get(&key)? else {
            return Ok(None);
        };
        let named = self.shared.noticed(decode(name, &value))?;
        let snapshot = self.at(named.version.number)?;
        if snapshot.version() != named.version {
            let damage = Damage::Named { name: named.name };
            return self.shared.noticed(Err(damage.into()));
        }
        Ok(Some(snapshot))
    }
}

/// All named snapshots, by name.
pub(crate) fn list(engine: &dyn Engine) -> Result<Vec<NamedSnapshot>, Fault> {
    let entries = engine.scan(&[KIND], &[KIND + 1], SNAPSHOTS_MAX)?;
    let decode = |(key, value): &(Vec<u8>, Vec<u8>)| {
        let name = String::from_utf8_lossy(key.get(1..).unwrap_or_default());
        decode(&name, value)
    };
    entries.iter().map(decode).collect()
}

/// The names that cannot be read or that `is_kept` does not want, each with its key in the engine.
pub(crate) fn unkept(
    engine: &dyn Engine,
    mut is_kept: impl FnMut(&Version) -> Result<bool, Fault>,
) -> Result<Vec<(Vec<u8>, String)>, Fault> {
    let mut unkept = Vec::new();
    for (key, value) in engine.scan(&[KIND], &[KIND + 1], SNAPSHOTS_MAX)? {
        let name = String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned();
        let keep = match decode(&name, &value) {
            Ok(named) => is_kept(&named.version)?,
            Err(_) => false,
        };
        if !keep {
            unkept.push((key, name));
        }
    }
    Ok(unkept)
}

fn key(name: &str) -> Result<Vec<u8>, NameError> {
    let len = name.len();
    if len == 0 || len > SNAPSHOT_NAME_BYTES_MAX {
        return Err(NameError::Length { len });
    }
    Ok([&[KIND], name.as_bytes()].concat())
}

/// `version u64 ‖ root ‖ check`, the check over the name too.
fn encode(name: &str, version: &Version) -> Vec<u8> {
    let mut bytes = version.number.to_be_bytes().to_vec();
    bytes.extend(version.root.as_bytes());
    let check = blake3::derive_key(HASH_CONTEXT, &[&bytes, name.as_bytes()].concat());
    bytes.extend(check);
    bytes
}

fn decode(name: &str, bytes: &[u8]) -> Result<NamedSnapshot, Fault> {
    let version = || {
        let (number, rest) = bytes.split_first_chunk()?;
        let (root, _) = rest.split_first_chunk()?;
        let version = Version {
            number: u64::from_be_bytes(*number),
            root: Hash::from_bytes(*root),
        };
        (encode(name, &version) == bytes).then_some(version)
    };
    let name = name.to_owned();
    match version() {
        Some(version) => Ok(NamedSnapshot { name, version }),
        None => Err(Damage::Named { name }.into()),
    }
}
