//! Earlier versions: reading them, what changed between them, going back.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;

use merkle_core::{Batch, Hash};

use crate::engine::End;
use crate::error::Fault;
use crate::journal::{Journal, Scan};
use crate::record::{Changes, Record, record_hash};
use crate::replay::{Replayed, Roots, replay};
use crate::{
    CommitError, CommitInfo, CommitOptions, Damage, ReadError, RealityDb, Snapshot, Version, state,
};

/// What happened to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyChange {
    /// The version that changed it.
    pub version: Version,
    /// When, in nanoseconds since 1970, as the caller said; zero if it did not.
    pub time_ns: u64,
    /// Its value from then on; none if it was deleted.
    pub value: Option<Vec<u8>>,
}

/// How one key differs between two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The key.
    pub key: Vec<u8>,
    /// Its value in the first version.
    pub before: Option<Vec<u8>>,
    /// Its value in the second version.
    pub after: Option<Vec<u8>>,
}

/// A commit as the journal holds it: enough to make it again elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// What the journal says of it.
    pub info: CommitInfo,
    /// Each key that it changed, in order, with its value from then on; none where it was deleted.
    /// Where keys are hashed, these are the hashes.
    pub changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl RealityDb {
    /// Number of the oldest version that can be read.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`].
    pub fn oldest(&self) -> Result<u64, ReadError> {
        let kept = match self.shared.oldest.load(Ordering::Acquire) {
            0 => self.journal().edge(End::First)?.unwrap_or_default(),
            // In front of it is only what is being removed.
            kept => kept,
        };
        Ok(kept.max(self.shared.imported.load(Ordering::Acquire)))
    }

    /// A version to read from, as [`snapshot`](Self::snapshot) gives the newest.
    ///
    /// The tree of that version is put together from the checkpoint before it and the journal
    /// between, and the journal up to the checkpoint behind it is checked: hold on to the snapshot
    /// to read more than once.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchVersion`], [`ReadError::Pruned`], or what reading meets.
    pub fn at(&self, version: u64) -> Result<Snapshot, ReadError> {
        let _span = tracing::debug_span!("at", version).entered();
        let newest = {
            let newest = self.snapshot()?;
            if version == newest.version().number {
                return Ok(newest);
            }
            newest.version().number
        };
        loop {
            self.check_retained(version)?;
            let oldest = self.oldest()?;
            let ways_taken = self.shared.ways_taken();
            let made = (self.check_chain(version)).and_then(|()| self.state_at(version));
            let is_made = (made.as_ref()).is_ok_and(|state| state.link().version == version);
            // What it was to be made from may have been pruned meanwhile.
            if !is_made && self.oldest()? != oldest {
                continue;
            }
            let state = self.shared.noticed_since(ways_taken, made)?;
            if !is_made {
                return Err(ReadError::NoSuchVersion { version, newest });
            }
            return Ok(Snapshot::new(state, self.shared.clone(), ways_taken));
        }
    }

    /// What the journal says of a version.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchVersion`], [`ReadError::Pruned`], or what reading meets.
    pub fn info(&self, version: u64) -> Result<CommitInfo, ReadError> {
        let found = self.infos(version..=version)?.next();
        found.unwrap_or_else(|| {
            Err(ReadError::NoSuchVersion {
                version,
                newest: self.version().number,
            })
        })
    }

    /// What the journal says of the versions whose numbers are in `versions`, oldest first.
    ///
    /// # Errors
    ///
    /// [`ReadError::Pruned`] if it begins before the oldest; each item what reading meets.
    pub fn infos(
        &self,
        versions: RangeInclusive<u64>,
    ) -> Result<impl Iterator<Item = Result<CommitInfo, ReadError>> + use<>, ReadError> {
        let records = self.records(versions)?;
        let db = self.clone();
        Ok(records.map(move |record| {
            let info = record.and_then(|(version, bytes)| decode(version, &bytes, CommitInfo::of));
            db.shared.noticed(info)
        }))
    }

    /// The commits whose numbers are in `versions`, oldest first: committed again in an empty
    /// database, with the same numbers, they lead to the same roots.
    ///
    /// # Errors
    ///
    /// [`ReadError::Pruned`] if it begins before the oldest; each item what reading meets.
    pub fn commits(
        &self,
        versions: RangeInclusive<u64>,
    ) -> Result<impl Iterator<Item = Result<Commit, ReadError>> + use<>, ReadError> {
        let records = self.records(versions)?;
        let db = self.clone();
        Ok(records.map(move |record| {
            let commit = record.and_then(|(version, bytes)| decode(version, &bytes, commit));
            db.shared.noticed(commit)
        }))
    }

    /// What happened to `key` in the versions whose numbers are in `versions`, oldest first.
    ///
    /// Goes over all that was committed in them.
    ///
    /// # Errors
    ///
    /// [`ReadError::Pruned`] if it begins before the oldest; each item what reading meets.
    pub fn key_history(
        &self,
        key: &[u8],
        versions: RangeInclusive<u64>,
    ) -> Result<impl Iterator<Item = Result<KeyChange, ReadError>>, ReadError> {
        let key = self.tree_key(key)?;
        let records = self.records(versions)?;
        let db = self.clone();
        Ok(records.filter_map(move |record| {
            let change = record.and_then(|(version, bytes)| {
                decode(version, &bytes, |record| key_change(record, &key))
            });
            db.shared.noticed(change).transpose()
        }))
    }

    /// How two versions differ, in key order: what was committed between them is gone over, and
    /// keys that have the same value in both are left out.
    ///
    /// The first may be the later one. Where keys are hashed, these are the hashes.
    ///
    /// # Errors
    ///
    /// As for [`at`](Self::at).
    pub fn diff(&self, first: u64, second: u64) -> Result<Vec<Difference>, ReadError> {
        let [before, after] = [self.at(first)?, self.at(second)?];
        let (from, to) = (first.min(second), first.max(second));
        let mut keys = BTreeMap::new();
        for record in self.records(from..=to)?.skip(1) {
            let outcome = record.and_then(|(version, bytes)| {
                decode(version, &bytes, |record| {
                    for (key, _) in record.changes.changes() {
                        keys.entry(key.to_vec()).or_insert(());
                    }
                })
            });
            self.shared.noticed(outcome)?;
        }
        let mut differences = Vec::new();
        for (key, ()) in keys {
            let difference = Difference {
                before: before.get_tree_key(&key)?,
                after: after.get_tree_key(&key)?,
                key,
            };
            if difference.before != difference.after {
                differences.push(difference);
            }
        }
        Ok(differences)
    }

    /// Commits a new version with the content, and so the root, of version `to`.
    ///
    /// Nothing is taken out of the history: the record of the new version says what it brings back.
    ///
    /// # Errors
    ///
    /// [`CommitError`]; reading the earlier version may meet what [`at`](Self::at) does.
    pub fn rollback(&self, to: u64, options: &CommitOptions<'_>) -> Result<Version, RollbackError> {
        let head = self.snapshot()?.version(); // behind the commit in flight
        let differences = self.diff(head.number, to)?;
        let mut batch = Batch::with_capacity(differences.len());
        for difference in &differences {
            match &difference.after {
                Some(value) => batch.put(&difference.key, value),
                None => batch.delete(&difference.key),
            }
            .map_err(CommitError::Key)?;
        }
        let changes = Changes::encode(&batch).map_err(CommitError::TooLarge)?;
        let options = options.expect_root(head.root).rolling_back(to);
        Ok(self.commit_changes(&changes, &options)?)
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::new(self.shared.storage.engine.clone())
    }

    /// The records of `versions`, once it is sure that they are those that were committed.
    fn records(&self, versions: RangeInclusive<u64>) -> Result<Scan, ReadError> {
        let (first, last) = versions.into_inner();
        self.check_retained(first)?;
        self.shared.noticed(self.check_chain(first))?;
        Ok(self.journal().scan(first, last.min(self.version().number)))
    }

    /// Follows the chain from the record of `first` to the next record whose hash is known apart
    /// from the journal: that of a checkpoint, or the newest.
    fn check_chain(&self, first: u64) -> Result<(), Fault> {
        let head = state::read(&self.shared.head)?.link();
        let pointer = (self.shared.pointers().into_iter()).find(|pointer| pointer.version >= first);
        let (version, known) = match pointer {
            Some(pointer) => (pointer.version, pointer.record),
            None => (head.version, head.record_hash),
        };
        let mut before: Option<(u64, Hash)> = None;
        for record in self.journal().scan(first, version) {
            let (number, bytes) = record?;
            let header = decode(number, &bytes, |record| record.header)?;
            if let Some(before) = before
                && before != (header.previous_version, header.previous_record)
            {
                return Err(Damage::Chain {
                    version: number,
                    follows: before.0,
                }
                .into());
            }
            before = Some((number, record_hash(&bytes)));
        }
        if before == Some((version, known)) {
            return Ok(());
        }
        Err(Damage::Record { version }.into())
    }

    /// The state of the newest version up to `version`.
    fn state_at(&self, version: u64) -> Result<state::State, Fault> {
        let shared = &self.shared;
        let journal = self.journal();
        let mut pointers = shared.pointers();
        pointers.retain(|pointer| pointer.version <= version);
        let mut passed_over = None;
        loop {
            let pointer = pointers.pop();
            let begin = || shared.begin(&journal, pointer.as_ref());
            let replayed = replay(&journal, &begin, version, Roots::Last);
            match replayed.and_then(Replayed::sound) {
                Err(Fault::Damage(
                    damage @ (Damage::Checkpoint { .. } | Damage::Bucket { .. }),
                )) if pointer.is_some() => {
                    tracing::warn!(%damage, "passed over a checkpoint");
                    passed_over = Some(damage);
                }
                // The journal does not go back that far: it is the checkpoint that is missing.
                Err(Fault::Damage(damage @ Damage::Record { version: 0 })) => {
                    return Err(passed_over.unwrap_or(damage).into());
                }
                state => return state,
            }
        }
    }

    fn check_retained(&self, version: u64) -> Result<(), ReadError> {
        let newest = self.version().number;
        if version > newest {
            return Err(ReadError::NoSuchVersion { version, newest });
        }
        let oldest = self.oldest()?;
        if version < oldest {
            return Err(ReadError::Pruned { version, oldest });
        }
        Ok(())
    }
}

/// Why a rollback was not made. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RollbackError {
    /// The earlier version could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new version was not committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

fn commit(record: &Record<'_>) -> Commit {
    let change = |(key, value): (&[u8], Option<merkle_core::Value<'_>>)| {
        let value = value.and_then(merkle_core::Value::bytes);
        (key.to_vec(), value.map(<[u8]>::to_vec))
    };
    Commit {
        info: CommitInfo::of(record),
        changes: record.changes.changes().map(change).collect(),
    }
}

fn key_change(record: &Record<'_>, key: &[u8]) -> Option<KeyChange> {
    let (_, value) = record
        .changes
        .changes()
        .find(|(changed, _)| *changed == key)?;
    Some(KeyChange {
        version: CommitInfo::of(record).version,
        time_ns: record.header.time_ns,
        value: value
            .and_then(merkle_core::Value::bytes)
            .map(<[u8]>::to_vec),
    })
}

fn decode<T>(version: u64, bytes: &[u8], read: impl FnOnce(&Record<'_>) -> T) -> Result<T, Fault> {
    match Record::decode(bytes) {
        Ok(record) if record.header.version == version => Ok(read(&record)),
        _ => Err(Damage::Record { version }.into()),
    }
}
