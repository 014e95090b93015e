//! How a trail is opened.

use std::path::PathBuf;

use merkle_core::{SignedNote, SignerKey, TreeHead, VerifierKey};

/// How a trail is opened. The defaults suit a trail that is used alone.
///
/// ```
/// use vigilance::{DiskFull, Options, SignerKey};
///
/// let key = SignerKey::from_seed("example.com/trail", &[7; 32])?;
/// let options = Options::new()
///     .origin("example.com/trail")
///     .signer(key)
///     .disk_full(DiskFull::FailClosed);
/// # let _ = options;
/// # Ok::<(), vigilance::NoteKeyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) origin: String,
    pub(crate) signer: Option<SignerKey>,
    pub(crate) trusted: Vec<VerifierKey>,
    pub(crate) outside: Option<PathBuf>,
    pub(crate) expected: Option<Expected>,
    pub(crate) create: bool,
    pub(crate) keep_staged: bool,
    pub(crate) catch_up: bool,
    pub(crate) duplicate_executions: Duplicates,
    pub(crate) duplicate_attacks: Duplicates,
    pub(crate) disk_full: DiskFull,
    pub(crate) queue_records: usize,
    pub(crate) group_records: usize,
    pub(crate) checkpoint_every: u64,
    pub(crate) cache_bytes: u64,
    pub(crate) wal_bytes: u64,
}

/// What the caller knows of the log from elsewhere.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Note(Box<SignedNote>),
    Head(TreeHead),
}

/// What happens to a record whose `tx_id` or `attack_id` is in the log already.
///
/// [`apply`](crate::Trail::apply) does not ask: its records were decided on elsewhere. Records that were
/// [moved out](crate::Trail::seal) are not looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Duplicates {
    /// It is appended.
    Keep,
    /// It is not appended; the answer is where the newest one is.
    Answer,
    /// It is not appended; the answer is an error.
    Refuse,
}

/// What happens to records when the disk is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiskFull {
    /// Appending fails, and what was to be recorded should not be done.
    #[default]
    FailClosed,
    /// Records are dropped and counted, and the caller goes on. As soon as there is space an event says
    /// how many were dropped, and between which times.
    FailOpenCounted,
}

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// Once it survives a loss of power.
    #[default]
    Durable,
    /// Once it survives the end of the process. [`sync`](crate::Trail::sync) makes it durable. For
    /// callers who can give it again.
    Deferred,
}

impl Options {
    /// The defaults: no key, attacks answered by id, fail closed when the disk is full.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: "vigilance".to_owned(),
            signer: None,
            trusted: Vec::new(),
            outside: None,
            expected: None,
            create: true,
            keep_staged: false,
            catch_up: false,
            duplicate_executions: Duplicates::Keep,
            duplicate_attacks: Duplicates::Answer,
            disk_full: DiskFull::FailClosed,
            queue_records: 65_536,
            group_records: 16_384,
            checkpoint_every: 65_536,
            cache_bytes: 64 << 20,
            wal_bytes: 64 << 20,
        }
    }

    /// Name of the log in its checkpoints; by custom the name of the key. At most 200 bytes.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = origin.into();
        self
    }

    /// The key that signs marks and checkpoints. Keep it where the database is not.
    ///
    /// Marks must be signed then, by it or by a [trusted](Self::trust) key; without any key a mark only
    /// tells accidents, not whoever can write files.
    #[must_use]
    pub fn signer(mut self, key: SignerKey) -> Self {
        self.signer = Some(key);
        self
    }

    /// One more key whose signatures are believed: an earlier key, after a rotation.
    #[must_use]
    pub fn trust(mut self, key: VerifierKey) -> Self {
        self.trusted.push(key);
        self
    }

    /// Where the marks and checkpoints outside the database lie; in the trail's folder if not said.
    /// Another disk is better.
    #[must_use]
    pub fn outside(mut self, folder: impl Into<PathBuf>) -> Self {
        self.outside = Some(folder.into());
        self
    }

    /// A checkpoint that the caller has: a log that does not extend it is not opened for writing.
    #[must_use]
    pub fn expect_checkpoint(mut self, note: SignedNote) -> Self {
        self.expected = Some(Expected::Note(Box::new(note)));
        self
    }

    /// A size and root that the caller knows: a log that does not extend it is not opened for writing.
    #[must_use]
    pub fn expect_head(mut self, head: TreeHead) -> Self {
        self.expected = Some(Expected::Head(head));
        self
    }

    /// Whether a trail is created where there is none. It is, if not said.
    #[must_use]
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Whether the caller has all records elsewhere, and [applies](crate::Trail::apply) them again where
    /// the end of the log, or the whole database, is gone. The trail is in panic mode until it is what the
    /// marks say that it was.
    #[must_use]
    pub const fn catch_up(mut self, catch_up: bool) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// Keeps staged texts at opening whose records are not there, for a caller who applies records
    /// that were committed elsewhere and then [sweeps](crate::Trail::sweep_staged). Not kept, if not
    /// said.
    #[must_use]
    pub const fn keep_staged(mut self, keep: bool) -> Self {
        self.keep_staged = keep;
        self
    }

    /// What happens to an execution whose `tx_id` is known. Kept, if not said: a transaction may be
    /// tried again.
    #[must_use]
    pub const fn duplicate_executions(mut self, policy: Duplicates) -> Self {
        self.duplicate_executions = policy;
        self
    }

    /// What happens to an attack whose `attack_id` is known. Answered, if not said.
    #[must_use]
    pub const fn duplicate_attacks(mut self, policy: Duplicates) -> Self {
        self.duplicate_attacks = policy;
        self
    }

    /// What happens when the disk is full.
    #[must_use]
    pub const fn disk_full(mut self, policy: DiskFull) -> Self {
        self.disk_full = policy;
        self
    }

    /// Most records that wait to be written; callers wait when there are more. At least 1.
    #[must_use]
    pub fn queue_records(mut self, records: usize) -> Self {
        self.queue_records = records.max(1);
        self
    }

    /// Most records of one transaction, if one call does not bring more. At least 1.
    #[must_use]
    pub fn group_records(mut self, records: usize) -> Self {
        self.group_records = records.max(1);
        self
    }

    /// A checkpoint is kept every so many records. At least 1.
    #[must_use]
    pub fn checkpoint_every(mut self, records: u64) -> Self {
        self.checkpoint_every = records.max(1);
        self
    }

    /// Most memory for pages of the database, in bytes.
    #[must_use]
    pub const fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// From which size on the write-ahead log is brought into the database, in bytes.
    #[must_use]
    pub const fn wal_bytes(mut self, bytes: u64) -> Self {
        self.wal_bytes = bytes;
        self
    }

    /// The keys whose signatures are believed.
    pub(crate) fn keys(&self) -> Vec<VerifierKey> {
        let mut keys = self.trusted.clone();
        keys.extend(self.signer.as_ref().map(SignerKey::verifier_key));
        keys.dedup();
        keys
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
