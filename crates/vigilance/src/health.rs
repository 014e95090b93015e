//! Whether a trail is sound, and what is wrong where it is not.

use std::fmt;

use merkle_core::Hash;

use crate::record::ErasableField;

/// Whether a trail is sound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// No damage is known.
    #[default]
    Sound,
    /// Panic mode: damage was found. Writes are refused; reads that do not meet the damage are served,
    /// each verified as ever.
    Panic(Box<Damage>),
    /// A failure left it unknown what is durable. Writes are refused until the trail is opened again.
    Stopped,
}

/// Stored data that is not what was recorded: what, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The log ends before a size that was marked outside the database: records were cut off, or the
    /// file is an older one.
    #[error(
        "the log had {marked} records ({by}), and has {found}: the tail is gone, or an older file lies here"
    )]
    TailLost {
        /// The size that it had.
        marked: u64,
        /// The size that it has.
        found: u64,
        /// What says so.
        by: Witness,
    },
    /// Records were added after the trail was closed, and not by us.
    #[error("the log was closed with {marked} records, and has {found}")]
    Unmarked {
        /// The size that it was closed with.
        marked: u64,
        /// The size that it has.
        found: u64,
    },
    /// The log has another root than was marked outside the database: it was rewritten.
    #[error("at size {size} the log had root {marked} ({by}), and has {found}")]
    OtherRoot {
        /// The size.
        size: u64,
        /// The root that it had.
        marked: Hash,
        /// The root that it has.
        found: Hash,
        /// What says so.
        by: Witness,
    },
    /// There are marks of a log, and no database.
    #[error("the log had {marked} records, and the database is gone")]
    DatabaseLost {
        /// The size that it had.
        marked: u64,
    },
    /// Marks outside the database are gone or not readable.
    #[error("{file} is damaged: {why}")]
    Outside {
        /// Name of the file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A table, index or trigger is not the one that was created.
    #[error("{object} of the database is {found}")]
    Schema {
        /// Kind and name of it.
        object: String,
        /// What it is instead.
        found: SchemaFault,
    },
    /// The bytes of a record are not those that were hashed.
    #[error("record {index} is not the one that was recorded")]
    Record {
        /// Where in the log.
        index: u64,
    },
    /// A record is missing in the middle.
    #[error("record {index} is missing")]
    Missing {
        /// Where in the log.
        index: u64,
    },
    /// A record has an index that the log does not have.
    #[error("there is a record {index}, which the log does not have")]
    Surplus {
        /// The index.
        index: i64,
    },
    /// The chain of hashes does not go on here.
    #[error("the chain breaks at record {index}")]
    Link {
        /// Where in the log.
        index: u64,
    },
    /// A tile of the tree is not what its leaves, or the tile above, say.
    #[error("tile {tile} of level {level} is {found}")]
    Tile {
        /// Its level.
        level: u8,
        /// Its place in the level.
        tile: u64,
        /// What is wrong with it.
        found: TileFault,
    },
    /// A row that is made from records is not what they say.
    #[error("{table}, {row}, {column}: not what the records say")]
    Projection {
        /// The table.
        table: String,
        /// Which row: the record's index, mostly.
        row: String,
        /// The column, or `*` if the row is missing or should not be there.
        column: String,
        /// The record concerned, where there is one.
        index: Option<u64>,
    },
    /// An erasable text, or its salt, is not the one that the record commits to.
    #[error("the {field} of record {index} is not the one that was recorded")]
    Content {
        /// The record.
        index: u64,
        /// The field.
        field: ErasableField,
    },
    /// An erasable text is gone, and no record says that it was erased.
    #[error("the {field} of record {index} is gone, and was not erased")]
    ContentMissing {
        /// The record.
        index: u64,
        /// The field.
        field: ErasableField,
    },
    /// An erasable text is there that a record says was erased.
    #[error("the {field} of record {index} was erased, and is there")]
    ContentBack {
        /// The record.
        index: u64,
        /// The field.
        field: ErasableField,
    },
    /// A row of the contents belongs to no record.
    #[error("row {row} of {table} belongs to no record")]
    Orphan {
        /// The table.
        table: &'static str,
        /// The row.
        row: i64,
    },
    /// A checkpoint in the database is not one of this log.
    #[error("the checkpoint of size {size} in the database {why}")]
    Checkpoint {
        /// The size it stands under.
        size: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A sealed segment is not what was sealed.
    #[error("segment {segment}: {why}")]
    Segment {
        /// Name of the file.
        segment: String,
        /// What is wrong with it.
        why: String,
        /// The record concerned, where there is one.
        index: Option<u64>,
    },
    /// SQLite says that pages or indexes of the file contradict one another.
    #[error("the database file: {what}")]
    Page {
        /// What SQLite says.
        what: String,
    },
}

/// What says how long the log was, and what its root was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Witness {
    /// The mark beside the database, written after every sync.
    Mark,
    /// The newest of the checkpoints beside the database.
    Checkpoint,
    /// A checkpoint that the caller gave.
    Caller,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mark => "says the mark",
            Self::Checkpoint => "says a checkpoint",
            Self::Caller => "says the caller's checkpoint",
        })
    }
}

/// What is wrong with an object of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SchemaFault {
    /// It is missing.
    Missing,
    /// It is another.
    Changed,
    /// It should not be there.
    Surplus,
}

impl fmt::Display for SchemaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Surplus => "not one of ours",
        })
    }
}

/// What is wrong with a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TileFault {
    /// It is missing.
    Missing,
    /// It does not hold 256 hashes.
    WrongLength,
    /// Its hashes are others.
    Changed,
    /// Its own hash, which stands beside it, is another.
    RootChanged,
    /// The log does not have it.
    Surplus,
}

impl fmt::Display for TileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::WrongLength => "cut off",
            Self::Changed | Self::RootChanged => "changed",
            Self::Surplus => "not one of the log",
        })
    }
}

impl Damage {
    /// The record concerned, where there is one.
    #[must_use]
    pub const fn index(&self) -> Option<u64> {
        match self {
            Self::Record { index }
            | Self::Missing { index }
            | Self::Link { index }
            | Self::Content { index, .. }
            | Self::ContentMissing { index, .. }
            | Self::ContentBack { index, .. } => Some(*index),
            Self::Projection { index, .. } | Self::Segment { index, .. } => *index,
            _ => None,
        }
    }
}
