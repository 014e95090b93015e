//! What can go wrong, by whose fault it is.

use std::io;
use std::path::PathBuf;

use merkle_core::{Hash, KeyError};

use crate::checkpoint::{CheckpointError, Damage as FileDamage, is_gone};
use crate::engine::EngineError;
use crate::head::HeadError;
use crate::record::TooLarge;

/// Stored data that is not what was proved: what, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A record of the journal.
    #[error("the journal record of version {version} is incomplete or not a record")]
    Record {
        /// The version.
        version: u64,
    },
    /// A record of the journal that does not continue the chain.
    #[error("the journal record of version {version} does not follow that of version {follows}")]
    Chain {
        /// The version.
        version: u64,
        /// The version that it should follow.
        follows: u64,
    },
    /// The content of a version does not have the root that its record says.
    #[error("version {version} has the root {recorded}, its content has {computed}")]
    Root {
        /// The version.
        version: u64,
        /// The root in its record.
        recorded: Hash,
        /// The root that its content has.
        computed: Hash,
    },
    /// The journal ends before a version that was acknowledged.
    #[error("version {acknowledged} was acknowledged, the journal ends at {found:?}")]
    TailLost {
        /// The version that was acknowledged.
        acknowledged: u64,
        /// The newest version in the journal.
        found: Option<u64>,
    },
    /// Names of snapshots, or where checkpoints are, are not as they were acknowledged.
    #[error("of {acknowledged} changes beside the journal {found} are there: the last are lost")]
    SmallLost {
        /// How many were acknowledged.
        acknowledged: u64,
        /// How many are there.
        found: u64,
    },
    /// The mark of the last acknowledged version cannot be read, or contradicts the journal.
    #[error("the mark of the last acknowledged version is damaged or contradicts the journal")]
    Mark,
    /// The description of the store.
    #[error("the description of the store is damaged or contradicts the journal")]
    Format,
    /// The name of a snapshot.
    #[error("the snapshot named {name:?} is damaged")]
    Named {
        /// The name.
        name: String,
    },
    /// A checkpoint file, or what points to it.
    #[error("checkpoint file {file} is damaged at byte {offset}: {what}")]
    Checkpoint {
        /// Number of the file.
        file: u64,
        /// Where the damaged part begins.
        offset: u64,
        /// What is wrong with it.
        what: FileDamage,
    },
    /// The entries of one subtree in a checkpoint file.
    #[error("checkpoint file {file} is damaged at byte {offset}: entries from key {prefix:02x?}")]
    Bucket {
        /// Number of the file.
        file: u64,
        /// Where the entries begin.
        offset: u64,
        /// First bytes of the keys concerned.
        prefix: Vec<u8>,
    },
}

/// Why stored data could not be used: the environment's fault, or damage.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Engine(error.into())
    }
}

/// Why a database was not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another handle of this one, has it open.
    #[error("{} is in use{}", path.display(), holder.map_or(String::new(), |pid| format!(" by process {pid}")))]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The process that has it, where that can be told.
        holder: Option<u32>,
    },
    /// There is no database, and none was to be created.
    #[error("{} holds no database", path.display())]
    NotFound {
        /// The folder.
        path: PathBuf,
    },
    /// There are files, but not those of a database.
    #[error("{} is not empty and holds no database", path.display())]
    NotADatabase {
        /// The folder.
        path: PathBuf,
    },
    /// An import into the folder was begun and not finished: finish it by the same call to
    /// [`import`](crate::RealityDb::import), or remove the folder.
    #[error("the import of version {version} is unfinished")]
    ImportUnfinished {
        /// Number of the version that was exported.
        version: u64,
    },
    /// A format that this release does not know.
    #[error("the store has format {found}; this release reads format {known}")]
    UnknownFormat {
        /// The format of the store.
        found: String,
        /// The format of this release.
        known: u32,
    },
    /// The journal is kept in an engine that this build does not have.
    #[error("the journal is kept in {feature}: build with the feature `{feature}`")]
    NotBuiltIn {
        /// The feature to build with.
        feature: &'static str,
    },
    /// The database was created with another choice.
    #[error("the database was created with {option} = {found}, asked for was {asked}")]
    OtherOption {
        /// Name of the option.
        option: &'static str,
        /// What it is.
        found: String,
        /// What the caller asked for.
        asked: String,
    },
    /// The database is not what the caller knows it was: an older copy, or another one.
    #[error("version {version} should have root {expected}: {found}")]
    Unexpected {
        /// The version that the caller knows.
        version: u64,
        /// Its root, as the caller knows it.
        expected: Hash,
        /// What is there instead.
        found: String,
    },
    /// The version that the caller knows is not kept any more: whether this is the database that the caller
    /// knows cannot be told by it.
    #[error("version {version}, which is expected, is pruned; the oldest retained is {oldest}")]
    ExpectedPruned {
        /// The version that the caller knows.
        version: u64,
        /// The oldest version that can be expected.
        oldest: u64,
    },
    /// Stored data is not what was proved.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] EngineError),
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The database cannot hold such a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A version that was never committed.
    #[error("there is no version {version}; the newest is {newest}")]
    NoSuchVersion {
        /// The version asked for.
        version: u64,
        /// The newest version.
        newest: u64,
    },
    /// A version that is not kept any more.
    #[error("version {version} is pruned; the oldest retained is {oldest}")]
    Pruned {
        /// The version asked for.
        version: u64,
        /// The oldest version that can be read.
        oldest: u64,
    },
    /// Keys are hashed in this database: they have no order to go by.
    #[error("this database hashes its keys: it has no ranges")]
    NoKeyOrder,
    /// A value is not what its type says.
    #[error("the value of {key:02x?} could not be decoded")]
    Decode {
        /// The key.
        key: Vec<u8>,
        /// What the decoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Stored data is not what was proved. Other reads go on; writes are refused from now on.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] EngineError),
}

/// Why a commit was refused or failed.
///
/// The change is not in, for every variant but [`Unknown`](Self::Unknown).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The database cannot hold such a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// More than a commit holds.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A value given by its digest only: a database stores values.
    #[error("the value of {key:02x?} is a digest")]
    NotAValue {
        /// The key.
        key: Vec<u8>,
    },
    /// A value that does not become bytes.
    #[error("the value of {key:02x?} could not be encoded")]
    Encode {
        /// The key.
        key: Vec<u8>,
        /// What the encoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The root is not the one that the caller expected, or that the commit was prepared on.
    #[error("the root is {current}, expected was {expected}")]
    RootChanged {
        /// The root that the caller expected.
        expected: Hash,
        /// The root at the head.
        current: Hash,
    },
    /// Version numbers ascend.
    #[error("version {version} is not above the newest, {newest}")]
    VersionNotAbove {
        /// The number that the caller gave.
        version: u64,
        /// The newest version.
        newest: u64,
    },
    /// The database is in panic mode: damage was found and writes are refused.
    #[error("the database is in panic mode: {0}")]
    Panic(Damage),
    /// Something that the commit needs is damaged; the database is in panic mode from now on.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The storage failed. The handle may be used: the next commit tries again from where the
    /// journal stands.
    #[error(transparent)]
    Storage(#[from] EngineError),
    /// The storage failed while the commit was being made durable: after a crash it may be there
    /// or not. The next commit, or [`recover`](crate::RealityDb::recover), finds out.
    #[error("the storage failed while a commit was being made durable")]
    Unknown(#[source] EngineError),
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damage(damage) => Self::Damaged(damage),
            Fault::Engine(error) => Self::Storage(error),
        }
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damage(damage) => Self::Damaged(damage),
            Fault::Engine(error) => Self::Storage(error),
        }
    }
}

impl From<Fault> for CommitError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damage(damage) => Self::Damaged(damage),
            Fault::Engine(error) => Self::Storage(error),
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<HeadError> for OpenError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Io(error) => error.into(),
            HeadError::Damaged => Self::Damaged(Damage::Mark),
        }
    }
}

impl From<CheckpointError> for Fault {
    fn from(error: CheckpointError) -> Self {
        match error {
            // The journal has it all.
            CheckpointError::Io { file, source } if is_gone(&source) => Damage::Checkpoint {
                file,
                offset: 0,
                what: FileDamage::Unreadable(source.kind()),
            }
            .into(),
            CheckpointError::Io { source, .. } => source.into(),
            CheckpointError::Damaged {
                file,
                offset,
                damage,
            } => Damage::Checkpoint {
                file,
                offset,
                what: damage,
            }
            .into(),
            error => EngineError::Broken(error.to_string()).into(),
        }
    }
}
