//! Versions and what is known of each.

use merkle_core::Hash;

use crate::journal::Link;
use crate::record::{CommitKind, Record};

/// A version: its number and the root that commits to all its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Version {
    /// Its number. Versions ascend, mostly by one; version 0 is empty.
    pub number: u64,
    /// Root of its content.
    pub root: Hash,
}

impl Version {
    pub(crate) fn of(link: &Link) -> Self {
        Self {
            number: link.version,
            root: link.root,
        }
    }
}

/// What the journal says of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitInfo {
    /// The version.
    pub version: Version,
    /// Whether it was asked for or brings back an earlier one.
    pub kind: CommitKind,
    /// Number of the version before it.
    pub previous: u64,
    /// Root of the version before it.
    pub root_before: Hash,
    /// When, in nanoseconds since 1970, as the caller said; zero if it did not.
    pub time_ns: u64,
    /// Number of entries.
    pub entries: u64,
    /// Number of keys written or deleted.
    pub changes: u64,
    /// The caller's metadata.
    pub metadata: Vec<u8>,
}

impl CommitInfo {
    pub(crate) fn of(record: &Record<'_>) -> Self {
        let header = record.header;
        Self {
            version: Version {
                number: header.version,
                root: header.root,
            },
            kind: header.kind,
            previous: header.previous_version,
            root_before: header.root_before,
            time_ns: header.time_ns,
            entries: header.entries,
            changes: record.changes.len() as u64,
            metadata: record.metadata.to_vec(),
        }
    }
}
