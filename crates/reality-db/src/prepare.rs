//! Computing a root without committing: forks.

use std::sync::Arc;

use merkle_core::{Batch, Hash, Proof, Query};

use crate::record::Changes;
use crate::state::{self, State};
use crate::{CommitError, CommitOptions, ReadError, RealityDb, Snapshot, Version};

/// A version that could be: changes applied, nothing written.
///
/// Its root is known, it can be read and proved from, other batches can be
/// [prepared](Self::prepare) on top of it, and it can be
/// [committed](RealityDb::commit_prepared). Dropping it drops it.
#[derive(Clone)]
pub struct Prepared {
    db: RealityDb,
    /// Root of what it was prepared on.
    base_root: Hash,
    changes: Arc<Changes>,
    snapshot: Snapshot,
}

impl RealityDb {
    /// Applies `batch` to the newest version without committing it.
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
        let base = state::read(&self.shared.head)?.clone();
        self.prepare_on(base, batch)
    }

    fn prepare_on(&self, mut state: State, batch: &Batch<'_>) -> Result<Prepared, CommitError> {
        let base_root = state.link().root;
        let changes = self.encode(batch)?;
        let outcome = state.update(&changes.batch());
        self.shared.noticed_by_commit(outcome)?;
        Ok(Prepared {
            db: self.clone(),
            base_root,
            changes: Arc::new(changes),
            snapshot: Snapshot::new(state, self.shared.clone()),
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
        self.db.prepare_on(self.snapshot.state()?, batch)
    }

    /// The value that `key` would have.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.snapshot.get(key)
    }

    /// Proves against [`root`](Self::root) all that `query` asks for.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn prove_query(&self, query: &Query<'_>) -> Result<Proof, ReadError> {
        self.snapshot.prove_query(query)
    }
}
