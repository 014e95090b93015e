//! Committing: one record, one sync, one new version.

use merkle_core::{Batch, Hash, Hasher, Value};

use crate::journal::Link;
use crate::record::{Changes, CommitKind, Header, METADATA_BYTES_MAX, TooLarge, record_hash};
use crate::state::{self, Inverse, State};
use crate::{CommitError, KeyMode, RealityDb, Version};

/// What is to be committed, and on which conditions.
///
/// ```
/// # use reality_db::{Batch, Commit, Options, Backend, RealityDb};
/// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
/// let mut batch = Batch::new();
/// batch.put(b"alice", b"900")?;
/// let before = db.version();
/// let commit = Commit::new(&batch).metadata(b"opening balance").expect_root(before.root);
/// let version = db.commit(commit)?;
/// assert_eq!(version.number, before.number + 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    batch: &'a Batch<'a>,
    terms: Terms<'a>,
}

/// All of a commit but its changes.
#[derive(Clone, Copy, Debug, Default)]
struct Terms<'a> {
    metadata: &'a [u8],
    number: Option<u64>,
    time_ns: u64,
    expected_root: Option<Hash>,
    rollback_to: Option<u64>,
}

impl<'a> Commit<'a> {
    /// A commit of `batch`, without metadata and conditions.
    #[must_use]
    pub fn new(batch: &'a Batch<'a>) -> Self {
        Self {
            batch,
            terms: Terms::default(),
        }
    }

    /// What the version keeps beside its changes: at most
    /// [`METADATA_BYTES_MAX`](crate::METADATA_BYTES_MAX) bytes of the caller's.
    #[must_use]
    pub fn metadata(mut self, metadata: &'a [u8]) -> Self {
        self.terms.metadata = metadata;
        self
    }

    /// The number of the version, for callers who order commits themselves: above the newest one.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.terms.number = Some(number);
        self
    }

    /// When this happened, in nanoseconds since 1970. The database itself reads no clock.
    #[must_use]
    pub fn time_ns(mut self, time_ns: u64) -> Self {
        self.terms.time_ns = time_ns;
        self
    }

    /// Commits only if this is the root before: compare and set.
    #[must_use]
    pub fn expect_root(mut self, root: Hash) -> Self {
        self.terms.expected_root = Some(root);
        self
    }

    /// Says that the batch brings back the content of version `to`.
    pub(crate) fn rolling_back(mut self, to: u64) -> Self {
        self.terms.rollback_to = Some(to);
        self
    }
}

impl<'a> From<&'a Batch<'a>> for Commit<'a> {
    fn from(batch: &'a Batch<'a>) -> Self {
        Self::new(batch)
    }
}

impl RealityDb {
    /// Commits a batch, or a [`Commit`] with metadata and conditions, as the next version.
    ///
    /// When it returns, the version has survived what the
    /// [`Durability`](crate::Durability) says. Readers see it only then. Costs the update of the
    /// tree, one record of the size of the changes and one sync.
    ///
    /// # Errors
    ///
    /// [`CommitError`]; it says whether the change is in.
    pub fn commit<'a>(&self, commit: impl Into<Commit<'a>>) -> Result<Version, CommitError> {
        let versions = self.commit_all(&[commit.into()])?;
        Ok(versions.last().copied().unwrap_or_else(|| self.version()))
    }

    /// Commits several batches, each a version of its own, all with one sync: all or none.
    ///
    /// # Errors
    ///
    /// [`CommitError`], of the first that is refused; none is in then.
    pub fn commit_all(&self, commits: &[Commit<'_>]) -> Result<Vec<Version>, CommitError> {
        let batches: Vec<Changes> = (commits.iter())
            .map(|commit| self.encode(commit.batch))
            .collect::<Result<_, _>>()?;
        let batches: Vec<_> = batches.iter().map(|changes| (changes, changes.batch())).collect();
        let span = tracing::debug_span!("commit", versions = commits.len()).entered();

        let mut writer = self.shared.writer()?;
        let mut head = state::write(&self.shared.head)?;
        let before = head.link();
        let mut inverses: Vec<Inverse<'_>> = Vec::with_capacity(commits.len());
        let mut records = Vec::with_capacity(commits.len());
        let mut versions = Vec::with_capacity(commits.len());
        let mut outcome = Ok(());
        for (commit, (changes, batch)) in commits.iter().zip(&batches) {
            let previous = head.link();
            outcome = commit.terms.check(&previous).and_then(|number| {
                let inverse = head.inverse(batch)?;
                head.update(batch)?;
                inverses.push(inverse);
                let record = commit.terms.record(number, &previous, &mut head, changes);
                records.push((number, record));
                versions.push(Version::of(&head.link()));
                Ok(())
            });
            if outcome.is_err() {
                break;
            }
        }
        let outcome = outcome.and_then(|()| writer.persist(&records, &head.link()));
        if outcome.is_err() {
            for inverse in inverses.iter().rev() {
                head.update(&inverse.batch())?;
            }
            head.set_link(before);
        }
        drop(head);
        drop(writer);
        drop(span);
        self.shared.notice_commit(&outcome);
        outcome?;
        Ok(versions)
    }
}

    /// The changes of a batch as a record holds them, under the keys of the tree.
    pub(crate) fn encode(&self, batch: &Batch<'_>) -> Result<Changes, CommitError> {
        let is_digest = |(_, value): &(&[u8], Option<Value<'_>>)| {
            value.is_some_and(|value| value.bytes().is_none())
        };
        if let Some((key, _)) = batch.changes().find(is_digest) {
            return Err(CommitError::NotAValue { key: key.to_vec() });
        }
        match self.key_mode() {
            KeyMode::Ordered => Ok(Changes::encode(batch)?),
            KeyMode::Hashed => {
                let changes: Vec<_> = (batch.changes())
                    .map(|(key, value)| (self.profile().value(key), value))
                    .collect();
                let mut hashed = Batch::with_capacity(changes.len());
                for (key, value) in &changes {
                    match value.and_then(Value::bytes) {
                        Some(value) => hashed.put(key.as_ref(), value)?,
                        None => hashed.delete(key.as_ref())?,
                    };
                }
                Ok(Changes::encode(&hashed)?)
            }
        }
    }
}

impl Terms<'_> {
    /// The number of the version that follows `head`, if the terms hold there.
    fn check(&self, head: &Link) -> Result<u64, CommitError> {
        let len = self.metadata.len();
        if len > METADATA_BYTES_MAX {
            return Err(TooLarge::Metadata { len }.into());
        }
        if let Some(expected) = self.expected_root
            && expected != head.root
        {
            return Err(CommitError::RootChanged {
                expected,
                current: head.root,
            });
        }
        let newest = head.version;
        let version = self.number.unwrap_or_else(|| newest.saturating_add(1));
        if version <= newest || version == u64::MAX {
            return Err(CommitError::VersionNotAbove { version, newest });
        }
        Ok(version)
    }

    /// The record of `version`, which follows `previous` and whose content `state` has now; makes
    /// it the link of `state`.
    fn record(&self, version: u64, previous: &Link, state: &mut State, changes: &Changes) -> Vec<u8> {
        let header = Header {
            kind: match self.rollback_to {
                Some(to) => CommitKind::Rollback { to },
                None => CommitKind::Changes,
            },
            version,
            previous_version: previous.version,
            root_before: previous.root,
            root: state.map().root(),
            previous_record: previous.record_hash,
            time_ns: self.time_ns,
            entries: state.link().entries,
        };
        let record = header.encode(self.metadata, changes);
        state.set_link(Link {
            version,
            record_hash: record_hash(&record),
            ..state.link()
        });
        record
    }
}
