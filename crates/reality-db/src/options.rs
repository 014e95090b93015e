//! How a database is created, opened and kept.

use std::time::Duration;

use merkle_core::Hash;

use crate::Profile;

/// How keys become places in the tree. Chosen at creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyMode {
    /// Keys as they are: ranges and prefixes can be read and proved complete.
    #[default]
    Ordered,
    /// The hash of the key: for keys that an adversary chooses, who could otherwise make deep
    /// paths. There are no ranges, and the store keeps no keys but in the journal.
    Hashed,
}

impl KeyMode {
    pub(crate) const ALL: &[Self] = &[Self::Ordered, Self::Hashed];

    /// Its name, as in the description of a store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Hashed => "hashed",
        }
    }
}

/// Where the journal is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// sled 0.34.
    #[cfg(feature = "sled")]
    #[default]
    Sled,
    /// RocksDB.
    #[cfg(feature = "rocksdb")]
    #[cfg_attr(not(feature = "sled"), default)]
    RocksDb,
    /// Memory: gone when the handle is dropped. For tests.
    #[cfg_attr(not(any(feature = "sled", feature = "rocksdb")), default)]
    Memory,
}

impl Backend {
    pub(crate) const ALL: &[Self] = &[
        #[cfg(feature = "sled")]
        Self::Sled,
        #[cfg(feature = "rocksdb")]
        Self::RocksDb,
        Self::Memory,
    ];

    /// Its name, as in the description of a store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "sled")]
            Self::Sled => "sled",
            #[cfg(feature = "rocksdb")]
            Self::RocksDb => "rocksdb",
            Self::Memory => "memory",
        }
    }
}

/// What a commit has survived when it returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A loss of power. One sync a commit.
    #[default]
    Synced,
    /// The death of the process, as far as the engine has written; a loss of power after
    /// [`sync`](crate::RealityDb::sync). A commit that finds the log full, every 8 MiB, waits for a sync.
    Buffered,
}

/// Which versions can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retention {
    /// All of them.
    #[default]
    All,
    /// The newest ones, so many of them whatever their numbers; the newest, if that is 0.
    ///
    /// The first checkpoint after an opening, or after a larger number was set, counts them, which takes some
    /// microseconds for each; commits do not wait for it.
    Last(u64),
    /// Those whose [time](crate::CommitOptions::time_ns) is at or after this, in nanoseconds since 1970, and
    /// the newest.
    ///
    /// Times are what the callers state; the database reads no clock, and
    /// [`put`](crate::RealityDb::put), [`delete`](crate::RealityDb::delete) and
    /// [`commit`](crate::RealityDb::commit) state none. A version that states none is let go only together
    /// with a later one that states an earlier time than this: where nobody states times, nothing is let go.
    ///
    /// The bound stays where it is: [`set_retention`](crate::RealityDb::set_retention) moves it.
    Since(u64),
}

/// How a database is created, opened and kept.
///
/// ```no_run
/// use reality_db::{Options, Profile, RealityDb, Retention};
///
/// let options = Options::new()
///     .profile(Profile::Blake3)
///     .retention(Retention::Last(1000));
/// let db = RealityDb::open("accounts.db", &options)?;
/// # Ok::<(), reality_db::OpenError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) profile: Option<Profile>,
    pub(crate) key_mode: Option<KeyMode>,
    pub(crate) backend: Option<Backend>,
    pub(crate) create: bool,
    pub(crate) durability: Durability,
    pub(crate) retention: Retention,
    pub(crate) cache_bytes: u64,
    pub(crate) checkpoint_bytes: Option<u64>,
    pub(crate) checkpoint_at_close: bool,
    pub(crate) background: bool,
    pub(crate) scrub_every: Option<Duration>,
    pub(crate) expected: Option<(u64, Hash)>,
    pub(crate) accept_damage: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: None,
            key_mode: None,
            backend: None,
            create: true,
            durability: Durability::default(),
            retention: Retention::default(),
            cache_bytes: 1 << 30,
            checkpoint_bytes: None,
            checkpoint_at_close: true,
            background: true,
            scrub_every: None,
            expected: None,
            accept_damage: false,
        }
    }
}

impl Options {
    /// The defaults: created if it is not there, sled, SHA-256, ordered keys, every commit synced,
    /// every version kept, 1 GiB of memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How a new database hashes. An existing one is refused if it hashes otherwise.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// How a new database places keys. An existing one is refused if it does otherwise.
    #[must_use]
    pub fn key_mode(mut self, key_mode: KeyMode) -> Self {
        self.key_mode = Some(key_mode);
        self
    }

    /// Where a new database keeps its journal. An existing one is refused if it is kept elsewhere.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Whether a database is created where there is none. Yes, unless said otherwise.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// What a commit has survived when it returns.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Which versions can be read. What falls out of it goes with the next checkpoint;
    /// [`set_retention`](crate::RealityDb::set_retention) says it anew.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// About how much memory the tree may take, in bytes. Beyond it entries are let go, and read again when
    /// they are needed; those near one that changed since the last checkpoint are written first, to a file
    /// beside the checkpoints. A sixteenth of it is left for what has to be copied while a checkpoint is
    /// written; where that does not suffice, commits wait for it, at most a second
    /// each. Files, the engine, a catalogue of all subtrees and a large commit while it is made take their
    /// own: with ten million entries a process took about 0.7 GB more than its limit at the most, on
    /// jemalloc. A version of the past that is read or checked may take as much beside it.
    ///
    /// All of the tree is in memory where an entry has 200 bytes beside its key and value.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Bytes of journal after which the tree is written to disk. Less makes opening after a crash
    /// faster, more makes fewer writes. Unless said otherwise 64 MiB, or a quarter of the bytes of all
    /// entries if that is more. In a pause of a second less is enough.
    #[must_use]
    pub fn checkpoint_bytes(mut self, bytes: u64) -> Self {
        self.checkpoint_bytes = Some(bytes);
        self
    }

    /// Whether the tree is written to disk when the last handle is dropped, so that opening is quick.
    /// Yes, unless said otherwise: dropping it then takes as long as a checkpoint. Nothing is lost
    /// either way.
    #[must_use]
    pub fn checkpoint_at_close(mut self, checkpoint: bool) -> Self {
        self.checkpoint_at_close = checkpoint;
        self
    }

    /// Whether a thread of the database writes checkpoints. Without one, they are written when
    /// [`checkpoint`](crate::RealityDb::checkpoint) is called.
    #[must_use]
    pub fn background(mut self, background: bool) -> Self {
        self.background = background;
        self
    }

    /// How often the thread of the database checks all that is stored, slowly; never, unless said
    /// otherwise. Damage is told by [`health`](crate::RealityDb::health), that it was done by
    /// [`Counters::checks`](crate::Counters::checks) and [`last_checked`](crate::RealityDb::last_checked).
    ///
    /// Commits and reads go on meanwhile, but no checkpoint is written and nothing pruned, as during any
    /// [`verify_integrity`](crate::RealityDb::verify_integrity): the journal behind the newest checkpoint
    /// grows.
    ///
    /// The time runs from the opening, and then from the end of the last check; nothing of it is stored. A
    /// process that ends sooner each time checks nothing: let it call `verify_integrity` itself.
    #[must_use]
    pub fn scrub_every(mut self, time: Duration) -> Self {
        self.scrub_every = Some(time);
        self
    }

    /// What the caller knows of the database: `version` had the root `root`. Anything else is refused: an
    /// older copy of the folder, another history from some version on, and a folder without a database,
    /// where none is created then.
    ///
    /// Of an earlier version than the newest the record is read, and the chain followed from it to the
    /// newest: every record behind it is read and hashed, so an expectation that is kept up to date costs
    /// least. A version that the [retention](Self::retention) has let go cannot be compared, and is
    /// [refused](crate::OpenError::ExpectedPruned) as well: expect one that is retained.
    #[must_use]
    pub fn expect(mut self, version: u64, root: Hash) -> Self {
        self.expected = Some((version, root));
        self
    }

    /// Whether a damaged database is opened, in [panic mode](crate::Health::Panic): at the newest
    /// version that can be proved, for reading and for finding a way out. Looking at it mends nothing:
    /// without this it is refused as before until [a way out is taken](crate::RealityDb::take_way_out).
    #[must_use]
    pub fn accept_damage(mut self, accept: bool) -> Self {
        self.accept_damage = accept;
        self
    }
}
