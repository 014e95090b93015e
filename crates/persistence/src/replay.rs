//! Executions replayed: what each version wrote is applied again, and leads where it led.

use std::ops::RangeInclusive;

use merkle_core::{Batch, Hash, Map};
use reality_db::{Commit, Damage, Profile, ReadError};
use vigilance::Record;

use crate::reconcile::TakenUp;
use crate::{Cause, Persistence, StorageError, Write};

/// A version that was replayed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Replayed {
    /// The version.
    pub version: u64,
    /// When it was committed, in nanoseconds since 1970.
    pub time_ns: u64,
    /// The records that it carries, each with its place in the log: the execution that wrote, if one did,
    /// and whatever else there was. Texts that can be erased are known by their commitments.
    pub records: Vec<(u64, Record)>,
    /// What it wrote, by key.
    pub writes: Vec<Write>,
    /// The root before it, as computed.
    pub root_before: Hash,
    /// The root after it, as computed: what the journal recorded is the same.
    pub root_after: Hash,
}

/// Versions that are being replayed, one after the other. Made by [`Persistence::replay`].
pub struct Replay {
    persistence: Persistence,
    state: Map<Profile>,
    commits: Box<dyn Iterator<Item = Result<Commit, ReadError>> + Send>,
    failed: bool,
}

impl Persistence {
    /// Replays what was committed in `versions`, from the state as it was before the first of them: each
    /// one's writes are applied to a copy of that state in memory, and the root that they lead to is
    /// compared with the recorded one. What ran, what it wrote and what it led to is shown on the way.
    ///
    /// Needs memory for the state as it was before the first version; version 0 has none.
    ///
    /// # Errors
    ///
    /// [`StorageError`]: no such version, or one that is pruned, among others.
    ///
    /// ```
    /// use persistence::{Config, Execution, ExecutionStatus, Persistence};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let (persistence, _) = Persistence::open(Config::new(folder.path()))?;
    /// let execution = Execution::new("tx_1", "open", ExecutionStatus::Proved, 1).put(b"alice", b"900");
    /// let done = persistence.execute(execution)?;
    /// let last = persistence.replay(1..=done.version)?.last().expect("two versions")?;
    /// assert_eq!((last.root_after, last.writes.len()), (done.root_after, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replay(&self, versions: RangeInclusive<u64>) -> Result<Replay, StorageError> {
        let first = *versions.start();
        let before = self.state().at(first.saturating_sub(1))?;
        let mut state = Map::with_hasher(self.state().profile());
        if !before.is_empty() {
            let mut batch = Batch::new();
            let entries = before.iter()?.collect::<Result<Vec<_>, _>>()?;
            for (key, value) in &entries {
                batch.put(key, value).expect("the key is in the state");
            }
            state.update(&batch);
        }
        let found = state.root();
        if found != before.version().root {
            let cause = self.other_root(before.version().number, before.version().root, found);
            return Err(cause);
        }
        let commits = self.state().commits(versions)?;
        Ok(Replay {
            persistence: self.clone(),
            state,
            commits: Box::new(commits),
            failed: false,
        })
    }

    fn other_root(&self, version: u64, recorded: Hash, computed: Hash) -> StorageError {
        let damage = Damage::Root {
            version,
            recorded,
            computed,
        };
        self.shared().panic(Cause::State(damage.clone()));
        ReadError::Damaged(damage).into()
    }
}

impl Replay {
    fn apply(&mut self, commit: Commit) -> Result<Replayed, StorageError> {
        let info = &commit.info;
        let version = info.version.number;
        let records = TakenUp::of_version(info).map_err(|cause| {
            self.persistence.shared().panic(cause);
            StorageError::from(ReadError::Damaged(Damage::Record { version }))
        })?;
        let root_before = self.state.root();
        let mut batch = Batch::with_capacity(commit.changes.len());
        for (key, value) in &commit.changes {
            let change = match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            };
            change.expect("the key is in the journal");
        }
        self.state.update(&batch);
        drop(batch);
        let root_after = self.state.root();
        if root_after != info.version.root {
            let recorded = info.version.root;
            return Err(self.persistence.other_root(version, recorded, root_after));
        }
        Ok(Replayed {
            version,
            time_ns: info.time_ns,
            records: (records.into_iter())
                .map(|taken| (taken.index, taken.record))
                .collect(),
            writes: (commit.changes.into_iter())
                .map(|(key, value)| Write { key, value })
                .collect(),
            root_before,
            root_after,
        })
    }
}

impl Iterator for Replay {
    type Item = Result<Replayed, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let commit = self.commits.next()?;
        let replayed = commit.map_err(StorageError::from);
        let replayed = replayed.and_then(|commit| self.apply(commit));
        self.failed = replayed.is_err();
        Some(replayed)
    }
}
