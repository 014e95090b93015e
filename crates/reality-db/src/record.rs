//! A journal record: what one commit changed, and its place in the chain.
//!
//! The bytes are canonical, since their hash is what the next record carries:
//! `docs/formats/journal.md`.

use merkle_core::{Batch, Hash, KEY_BYTES_MAX, Value};

/// Most bytes of one value.
pub const VALUE_BYTES_MAX: usize = 16 << 20;

/// Most bytes of a commit's metadata.
pub const METADATA_BYTES_MAX: usize = 1 << 20;

/// Most bytes of one commit: its keys, values and metadata, with a few bytes for each.
pub const COMMIT_BYTES_MAX: usize = 256 << 20;

const FORMAT: u8 = 1;
const HEADER_LEN: usize = 146;
const DELETED: u32 = u32::MAX;
const HASH_CONTEXT: &str = "reality-db 2026-11 journal record";

/// What a record stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitKind {
    /// The creation of the database.
    Genesis,
    /// Changes that a caller asked for.
    Changes,
    /// Changes that bring back the content of an earlier version.
    Rollback {
        /// The version whose content this one has.
        to: u64,
    },
    /// Content that was [imported](crate::RealityDb::import): all of it if this is the version that
    /// was exported, else the beginning of it.
    Import {
        /// The version that was exported.
        version: u64,
    },
}

/// A record without its metadata and changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: CommitKind,
    pub(crate) version: u64,
    pub(crate) previous_version: u64,
    pub(crate) root_before: Hash,
    pub(crate) root: Hash,
    pub(crate) previous_record: Hash,
    /// Nanoseconds since 1970, as the caller says; zero if it does not.
    pub(crate) time_ns: u64,
    /// Entries of the map after the commit.
    pub(crate) entries: u64,
}

/// A decoded record.
#[derive(Clone, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) header: Header,
    pub(crate) metadata: &'a [u8],
    pub(crate) changes: Batch<'a>,
}

/// Bytes that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotARecord;

/// The changes of a commit as its record holds them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    bytes: Vec<u8>,
    count: u32,
}

/// What a caller asked to be written is more than a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooLarge {
    /// A value.
    #[error("value of {len} bytes: values have at most {VALUE_BYTES_MAX} bytes")]
    Value {
        /// Its length in bytes.
        len: usize,
    },
    /// A commit's metadata.
    #[error("metadata of {len} bytes: a commit has at most {METADATA_BYTES_MAX} bytes of it")]
    Metadata {
        /// Its length in bytes.
        len: usize,
    },
    /// A commit as a whole.
    #[error("commit of {len} bytes: a commit has at most {COMMIT_BYTES_MAX} bytes")]
    Commit {
        /// Its length in bytes.
        len: usize,
    },
}

impl Changes {
    /// Encodes a batch of puts and deletions.
    pub(crate) fn encode(batch: &Batch<'_>) -> Result<Self, TooLarge> {
        let mut changes = Self::default();
        for (key, value) in batch.changes() {
            changes.push(key, value.and_then(Value::bytes))?;
        }
        Ok(changes)
    }

    /// Adds the change of `key`, which is behind all keys so far, to a value or to none.
    pub(crate) fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), TooLarge> {
        let bytes = &mut self.bytes;
        bytes.extend(u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(key);
        match value {
            Some(value) => {
                let len = u32::try_from(value.len())
                    .ok()
                    .filter(|_| value.len() <= VALUE_BYTES_MAX)
                    .ok_or(TooLarge::Value { len: value.len() })?;
                bytes.extend(len.to_be_bytes());
                bytes.extend(value);
            }
            None => bytes.extend(DELETED.to_be_bytes()),
        }
        if bytes.len() > COMMIT_BYTES_MAX {
            return Err(TooLarge::Commit { len: bytes.len() });
        }
        self.count += 1;
        Ok(())
    }

    /// Bytes that they take in a record.
    pub(crate) fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many they are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The changes as a batch that borrows from them.
    pub(crate) fn batch(&self) -> Batch<'_> {
        read_changes(&self.bytes, self.count).unwrap_or_default()
    }
}

impl Header {
    /// The record of `changes`.
    pub(crate) fn encode(&self, metadata: &[u8], changes: &Changes) -> Vec<u8> {
        let (kind, argument) = match self.kind {
            CommitKind::Genesis => (0, 0),
            CommitKind::Changes => (1, 0),
            CommitKind::Rollback { to } => (2, to),
            CommitKind::Import { version } => (3, version),
        };
        let metadata_len = u32::try_from(metadata.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER_LEN + metadata.len() + changes.bytes.len());
        bytes.extend([FORMAT, kind]);
        for number in [argument, self.version, self.previous_version] {
            bytes.extend(number.to_be_bytes());
        }
        for hash in [self.root_before, self.root, self.previous_record] {
            bytes.extend(hash.as_bytes());
        }
        bytes.extend(self.time_ns.to_be_bytes());
        bytes.extend(self.entries.to_be_bytes());
        bytes.extend(metadata_len.to_be_bytes());
        bytes.extend(changes.count.to_be_bytes());
        debug_assert_eq!(bytes.len(), HEADER_LEN);
        bytes.extend(metadata);
        bytes.extend(&changes.bytes);
        bytes
    }

    /// Reads what stands before the metadata of a record: its length and the number of changes too.
    pub(crate) fn read(rest: &mut &[u8]) -> Result<(Self, u32, u32), NotARecord> {
        let [format, kind] = take(rest)?;
        let mut number = || take(rest).map(u64::from_be_bytes);
        let [argument, version, previous_version] = [number()?, number()?, number()?];
        let mut hash = || take(rest).map(Hash::from_bytes);
        let [root_before, root, previous_record] = [hash()?, hash()?, hash()?];
        let mut number = || take(rest).map(u64::from_be_bytes);
        let [time_ns, entries] = [number()?, number()?];
        let metadata_len = u32::from_be_bytes(take(rest)?);
        let count = u32::from_be_bytes(take(rest)?);
        let kind = match (format, kind, argument) {
            (FORMAT, 0, 0) if version == 0 => CommitKind::Genesis,
            (FORMAT, 1, 0) if version > 0 => CommitKind::Changes,
            (FORMAT, 2, to) if to < version => CommitKind::Rollback { to },
            (FORMAT, 3, exported) if exported >= version => {
                CommitKind::Import { version: exported }
            }
            _ => return Err(NotARecord),
        };
        let header = Self {
            kind,
            version,
            previous_version,
            root_before,
            root,
            previous_record,
            time_ns,
            entries,
        };
        Ok((header, metadata_len, count))
    }
}

impl<'a> Record<'a> {
    /// Reads a record; any bytes give one or an error, and one only from its canonical bytes.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, NotARecord> {
        let mut rest = bytes;
        let (header, metadata_len, count) = Header::read(&mut rest)?;
        Ok(Self {
            header,
            metadata: take_slice(&mut rest, metadata_len as usize)?,
            changes: read_changes(rest, count)?,
        })
    }
}

/// Hash of a record, which the next one carries.
pub(crate) fn record_hash(record: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(HASH_CONTEXT);
    hasher.update(record);
    Hash::from_bytes(*hasher.finalize().as_bytes())
}

/// Reads `count` changes, in strictly ascending order of keys and nothing behind them.
fn read_changes(bytes: &[u8], count: u32) -> Result<Batch<'_>, NotARecord> {
    let count = count as usize;
    // A change takes at least seven bytes: a short input reserves little.
    let mut batch = Batch::with_capacity(count.min(bytes.len() / 7));
    let mut rest = bytes;
    let mut before: &[u8] = &[];
    for _ in 0..count {
        let len = usize::from(u16::from_be_bytes(take(&mut rest)?));
        let key = take_slice(&mut rest, len)?;
        let change = match u32::from_be_bytes(take(&mut rest)?) {
            DELETED => batch.delete(key),
            len if len as usize <= VALUE_BYTES_MAX => {
                batch.put(key, take_slice(&mut rest, len as usize)?)
            }
            _ => return Err(NotARecord),
        };
        if change.is_err() || key <= before {
            return Err(NotARecord);
        }
        before = key;
    }
    rest.is_empty().then_some(batch).ok_or(NotARecord)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], NotARecord> {
    let (taken, left) = rest.split_first_chunk().ok_or(NotARecord)?;
    *rest = left;
    Ok(*taken)
}

fn take_slice<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], NotARecord> {
    let (taken, left) = rest.split_at_checked(len).ok_or(NotARecord)?;
    *rest = left;
    Ok(taken)
}

const _: () = assert!(KEY_BYTES_MAX <= u16::MAX as usize && VALUE_BYTES_MAX < DELETED as usize);

#[cfg(test)]
mod tests;
