//! Computing a root without committing: forks.

use std::ops::RangeBounds;
use std::sync::Arc;

use merkle_core::{Batch, Hash, Proof, Query};

use crate::record::Changes;
use crate::state::{self, State};
use crate::{CommitError, CommitOptions, ReadError, RealityDb, Scan, Snapshot, Version};

/// A version that could be: changes applied, nothing written.
///
/// Its root is known, it can be read and proved from, other batches can be
/// [prepared](Self::prepare) on top of it, and it can be
/// [committed](RealityDb::commit_prepared). Dropping it drops it. While it lives, it holds memory,
/// and the folder, as a [`Snapshot`] does.
///
/// So code can run on what is not committed, and each of its steps be proved:
///
/// ```
/// # use reality_db::{Backend, Batch, Options, RealityDb};
/// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
/// let mut opening = Batch::new();
/// opening.put(b"account/alice", b"900")?.put(b"account/bob", b"100")?;
/// let opened = db.prepare(&opening)?;
/// let accounts = opened.prefix(b"account/")?.collect::<Result<Vec<_>, _>>()?;
/// let mut closing = Batch::new();
/// for (key, _) in accounts.iter().filter(|(_, value)| value == b"100") {
///     closing.delete(key)?;
/// }
/// let closed = opened.prepare(&closing)?;
/// assert_eq!(closed.get_many([&b"account/alice"[..], b"account/bob"])?, [Some(b"900".to_vec()), None]);
///
/// // Whoever has the root of the first step can check the second, without either being committed.
/// let step = opened.prove_update(&closing)?;
/// let view = step.verify(&db.profile(), &opened.root())?;
/// assert_eq!(view.apply(&closing)?, closed.root());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Prepared {
    db: RealityDb,
    /// Root of what it was prepared on.
    base_root: Hash,
    changes: Arc<Changes>,
    snapshot: Snapshot,
}

impl RealityDb {
    /// Applies `batch` to the newest version without committing it. Waits while a commit is being made.
    ///
    /// # Errors
    ///
    /// [`CommitError`]; the database is as before in any case.
    ///
    /// ```
    /// # use reality_db::{Batch, CommitOptions, Options, Backend, RealityDb};
    /// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
    /// let mut batch = Batch::new();
    /// batch.put(b"alice", b"900")?;
    /// let prepared = db.prepare(&batch)?;
    /// assert_eq!(db.get(b"alice")?, None);
    /// assert_eq!(prepared.get(b"alice")?.as_deref(), Some(&b"900"[..]));
    ///
    /// let version = db.commit_prepared(&prepared, &CommitOptions::new())?;
    /// assert_eq!(version.root, prepared.root());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prepare(&self, batch: &Batch<'_>) -> Result<Prepared, CommitError> {
        let ways_taken = self.shared.ways_taken();
        let base = state::read(&self.shared.head)?.clone();
        self.prepare_on(base, ways_taken, batch)
    }

    fn prepare_on(
        &self,
        mut state: State,
        ways_taken: u64,
        batch: &Batch<'_>,
    ) -> Result<Prepared, CommitError> {
        let base_root = state.link().root;
        let changes = self.encode(batch)?;
        let outcome = state.update(&changes.batch());
        self.shared.noticed_by_commit(ways_taken, outcome)?;
        Ok(Prepared {
            db: self.clone(),
            base_root,
            changes: Arc::new(changes),
            snapshot: Snapshot::new(state, self.shared.clone(), ways_taken),
        })
    }

    /// Commits what was prepared, if the newest version still has the root that it was prepared on.
    ///
    /// # Errors
    ///
    /// [`CommitError::RootChanged`] if something else was committed meanwhile; the others as for
    /// [`commit`](Self::commit).
    pub fn commit_prepared(
        &self,
        prepared: &Prepared,
        options: &CommitOptions<'_>,
    ) -> Result<Version, CommitError> {
        let options = options.expect_root(prepared.base_root);
        self.commit_changes(&prepared.changes, &options)
    }
}

impl Prepared {
    /// The root that the content would have.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.snapshot.version().root
    }

    /// Root of what it was prepared on: a commit is refused unless the newest version has it.
    #[must_use]
    pub fn base_root(&self) -> Hash {
        self.base_root
    }

    /// Applies `batch` on top of this, without committing either.
    ///
    /// # Errors
    ///
    /// [`CommitError`]; this one is as before in any case.
    pub fn prepare(&self, batch: &Batch<'_>) -> Result<Self, CommitError> {
        let ways_taken = self.snapshot.ways_taken;
        (self.db).prepare_on(self.snapshot.state()?, ways_taken, batch)
    }

    /// The value that `key` would have.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.snapshot.get(key)
    }

    /// The values that `keys` would have, in the order in which they are asked for; see
    /// [`Snapshot::get_many`].
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn get_many<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        self.snapshot.get_many(keys)
    }

    /// The entries that there would be in `keys`, in key order.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoKeyOrder`].
    pub fn range<'k>(&self, keys: impl RangeBounds<&'k [u8]>) -> Result<Scan, ReadError> {
        self.snapshot.range(keys)
    }

    /// The entries that there would be whose keys begin with `prefix`, in key order.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoKeyOrder`].
    pub fn prefix(&self, prefix: &[u8]) -> Result<Scan, ReadError> {
        self.snapshot.prefix(prefix)
    }

    /// All entries that there would be, in key order.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoKeyOrder`].
    pub fn iter(&self) -> Result<Scan, ReadError> {
        self.snapshot.iter()
    }

    /// Proves against [`root`](Self::root) the value that `key` would have, or that it would have none.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn prove(&self, key: &[u8]) -> Result<Proof, ReadError> {
        self.snapshot.prove(key)
    }

    /// Proves against [`root`](Self::root) all that `query` asks for; see [`Snapshot::prove_query`].
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn prove_query(&self, query: &Query<'_>) -> Result<Proof, ReadError> {
        self.snapshot.prove_query(query)
    }

    /// Proves against [`root`](Self::root) to what root `batch` would lead from here; see
    /// [`Snapshot::prove_update`].
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn prove_update(&self, batch: &Batch<'_>) -> Result<Proof, ReadError> {
        self.snapshot.prove_update(batch)
    }
}
