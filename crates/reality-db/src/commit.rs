//! Committing: one record, one sync, one new version.

use std::borrow::Cow;

use merkle_core::{Batch, Hash, Hasher, Proof, Undo, Value};

use crate::journal::Link;
use crate::record::{Changes, CommitKind, Header, METADATA_BYTES_MAX, TooLarge, record_hash};
use crate::state::{self, State};
use crate::{CommitError, KeyMode, RealityDb, Version};

/// What a version keeps beside its changes, and on which conditions it is committed.
///
/// ```
/// # use reality_db::{Batch, CommitOptions, Options, Backend, RealityDb};
/// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
/// let mut batch = Batch::new();
/// batch.put(b"alice", b"900")?;
/// let before = db.version();
/// let options = CommitOptions::new().metadata(b"opening balance").expect_root(before.root);
/// let version = db.commit_with(&batch, &options)?;
/// assert_eq!(version.number, before.number + 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CommitOptions<'a> {
    metadata: &'a [u8],
    number: Option<u64>,
    time_ns: u64,
    expected_root: Option<Hash>,
    kind: Option<CommitKind>,
}

/// A version of a group that is about to be written: what it leads to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Staged {
    /// Its number.
    pub number: u64,
    /// Root of the version before it, which may be of the same group.
    pub root_before: Hash,
    /// Its root.
    pub root: Hash,
    /// Proves against `root_before` that the batch leads to `root`.
    pub transition: Proof,
}

impl<'a> CommitOptions<'a> {
    /// No metadata, no conditions, the next number.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the version keeps beside its changes: at most
    /// [`METADATA_BYTES_MAX`](crate::METADATA_BYTES_MAX) bytes of the caller's.
    #[must_use]
    pub fn metadata(mut self, metadata: &'a [u8]) -> Self {
        self.metadata = metadata;
        self
    }

    /// The number of the version, for callers who order commits themselves: above the newest one.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.number = Some(number);
        self
    }

    /// When this happened, in nanoseconds since 1970. The database itself reads no clock.
    #[must_use]
    pub fn time_ns(mut self, time_ns: u64) -> Self {
        self.time_ns = time_ns;
        self
    }

    /// Commits only if this is the root before: compare and set.
    #[must_use]
    pub fn expect_root(mut self, root: Hash) -> Self {
        self.expected_root = Some(root);
        self
    }

    /// Says that the batch is of an import of `version`.
    pub(crate) fn importing(mut self, version: u64) -> Self {
        self.kind = Some(CommitKind::Import { version });
        self
    }

    /// Says that the batch brings back the content of version `to`.
    pub(crate) fn rolling_back(mut self, to: u64) -> Self {
        self.kind = Some(CommitKind::Rollback { to });
        self
    }
}

impl RealityDb {
    /// Commits a batch as the next version.
    ///
    /// When it returns, the version has survived what the [`Durability`](crate::Durability) says.
    /// Readers see it only then. Costs the update of the tree, one record of the size of the changes,
    /// and one sync.
    ///
    /// # Errors
    ///
    /// [`CommitError`]; it says whether the change is in.
    pub fn commit(&self, batch: &Batch<'_>) -> Result<Version, CommitError> {
        self.commit_with(batch, &CommitOptions::new())
    }

    /// Commits a batch with metadata or on conditions.
    ///
    /// # Errors
    ///
    /// [`CommitError`]; it says whether the change is in.
    pub fn commit_with(
        &self,
        batch: &Batch<'_>,
        options: &CommitOptions<'_>,
    ) -> Result<Version, CommitError> {
        let changes = self.encode(batch)?;
        self.commit_changes(&changes, options)
    }

    /// Commits several batches, each a version of its own, all with one sync: all or none.
    ///
    /// # Errors
    ///
    /// [`CommitError`], of the first that is refused; none is in then.
    pub fn commit_all(
        &self,
        commits: &[(&Batch<'_>, CommitOptions<'_>)],
    ) -> Result<Vec<Version>, CommitError> {
        let changes: Vec<Changes> = (commits.iter())
            .map(|(batch, _)| self.encode(batch))
            .collect::<Result<_, _>>()?;
        let commits: Vec<_> = (changes.iter())
            .zip(commits)
            .map(|(changes, (_, options))| (changes, options))
            .collect();
        self.commit_group(&commits, &mut AsGiven)
    }

    /// The same, with metadata that is made once it is known what each version leads to, and with a
    /// proof of each transition.
    ///
    /// `describe` is called once for each commit, in order, while the head is locked: it should take
    /// microseconds, and must not use this database. What it returns is the version's metadata, in
    /// place of what the options say. The proof costs about as much as reading the keys again.
    ///
    /// # Errors
    ///
    /// [`CommitError`], of the first that is refused; none is in then.
    ///
    /// ```
    /// # use reality_db::{Backend, Batch, CommitOptions, Options, RealityDb};
    /// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
    /// let mut batch = Batch::new();
    /// batch.put(b"alice", b"900")?;
    /// let mut proofs = Vec::new();
    /// db.commit_staged(&[(&batch, CommitOptions::new())], |_, staged| {
    ///     proofs.push((staged.root_before, staged.transition.clone()));
    ///     format!("leads to {}", staged.root).into_bytes()
    /// })?;
    /// let version = db.version();
    /// assert_eq!(db.info(version.number)?.metadata, format!("leads to {}", version.root).as_bytes());
    /// let (root_before, transition) = &proofs[0];
    /// let view = transition.verify(&db.profile(), root_before)?;
    /// assert_eq!(view.apply(&batch)?, version.root);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn commit_staged(
        &self,
        commits: &[(&Batch<'_>, CommitOptions<'_>)],
        describe: impl FnMut(usize, &Staged) -> Vec<u8>,
    ) -> Result<Vec<Version>, CommitError> {
        let changes: Vec<Changes> = (commits.iter())
            .map(|(batch, _)| self.encode(batch))
            .collect::<Result<_, _>>()?;
        let commits: Vec<_> = (changes.iter())
            .zip(commits)
            .map(|(changes, (_, options))| (changes, options))
            .collect();
        self.commit_group(&commits, &mut Described(describe))
    }

    /// Commits changes that are encoded, under the keys of the tree.
    pub(crate) fn commit_changes(
        &self,
        changes: &Changes,
        options: &CommitOptions<'_>,
    ) -> Result<Version, CommitError> {
        let versions = self.commit_group(&[(changes, options)], &mut AsGiven)?;
        Ok(versions.last().copied().unwrap_or_else(|| self.version()))
    }

    fn commit_group(
        &self,
        commits: &[(&Changes, &CommitOptions<'_>)],
        metadata: &mut dyn Metadata,
    ) -> Result<Vec<Version>, CommitError> {
        let _span = tracing::debug_span!("commit", versions = commits.len()).entered();
        let batches: Vec<_> = (commits.iter())
            .map(|(changes, _)| changes.batch())
            .collect();
        self.shared.wait_for_room()?;
        let mut writer = self.shared.writer()?;
        let mut head = state::write(&self.shared.head)?;
        let before = head.link();
        let mut group = Group::default();
        let mut outcome =
            (commits.iter().zip(&batches)).try_for_each(|((changes, options), batch)| {
                group.apply(&mut head, changes, batch, options, metadata)
            });
        if outcome.is_ok() {
            outcome = writer.persist(&group.records, &head.link());
        }
        if outcome.is_err() {
            group.take_back(&mut head, before)?;
        }
        // Each change may have brought a subtree in.
        let changed: usize = batches.iter().map(Batch::len).sum();
        head.shrink(state::SHRINK_STEPS + changed);
        let needs_checkpoint = head.needs_checkpoint();
        self.shared.set_version(&head);
        drop(head);
        self.shared.notice_commit(&outcome);
        self.shared.counting.commit(&group.records, &outcome);
        outcome?;
        let behind = self.shared.behind(&writer);
        self.shared.signal.committed(behind, needs_checkpoint);
        Ok(group.versions)
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

/// Commits that are written together, as far as they are applied to the tree.
#[derive(Default)]
struct Group {
    records: Vec<(u64, Vec<u8>)>,
    versions: Vec<Version>,
    undos: Vec<Undo>,
}

impl Group {
    /// Applies one more commit to the head. If it is refused, [`take_back`](Self::take_back) undoes
    /// what of it is in the tree.
    fn apply(
        &mut self,
        head: &mut State,
        changes: &Changes,
        batch: &Batch<'_>,
        options: &CommitOptions<'_>,
        metadata: &mut dyn Metadata,
    ) -> Result<(), CommitError> {
        let previous = head.link();
        let number = options.check(&previous)?;
        let transition = match metadata.wants_proof() {
            true => head.ask(|map| map.prove_update(batch))?,
            false => Proof::default(),
        };
        self.undos.push(head.update_undoably(batch)?);
        let staged = Staged {
            number,
            root_before: previous.root,
            root: head.map().root(),
            transition,
        };
        let metadata = metadata.of(self.versions.len(), &staged, options);
        check_metadata(&metadata)?;
        let header = Header {
            kind: options.kind.unwrap_or(CommitKind::Changes),
            version: number,
            previous_version: previous.version,
            root_before: previous.root,
            root: head.map().root(),
            previous_record: previous.record_hash,
            time_ns: options.time_ns,
            entries: head.link().entries,
        };
        let record = header.encode(&metadata, changes);
        head.set_link(Link {
            version: number,
            record_hash: record_hash(&record),
            ..head.link()
        });
        self.records.push((number, record));
        self.versions.push(Version::of(&head.link()));
        Ok(())
    }

    /// Brings the head back to where it was `before`.
    fn take_back(&self, head: &mut State, before: Link) -> Result<(), CommitError> {
        for undo in self.undos.iter().rev() {
            head.update_undoably(&undo.batch().into_sorted())?;
        }
        head.set_link(before);
        Ok(())
    }
}

impl CommitOptions<'_> {
    /// The number of the version that follows `head`, if the conditions hold there.
    fn check(&self, head: &Link) -> Result<u64, CommitError> {
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
}

fn check_metadata(metadata: &[u8]) -> Result<(), TooLarge> {
    let len = metadata.len();
    match len > METADATA_BYTES_MAX {
        true => Err(TooLarge::Metadata { len }),
        false => Ok(()),
    }
}

/// Where the metadata of a version comes from.
trait Metadata {
    /// Whether a proof of the transition is to be made.
    fn wants_proof(&self) -> bool;

    /// The metadata of the commit at place `at` of its group.
    fn of<'o>(&mut self, at: usize, staged: &Staged, options: &CommitOptions<'o>) -> Cow<'o, [u8]>;
}

/// It stands in the options.
struct AsGiven;

impl Metadata for AsGiven {
    fn wants_proof(&self) -> bool {
        false
    }

    fn of<'o>(&mut self, _: usize, _: &Staged, options: &CommitOptions<'o>) -> Cow<'o, [u8]> {
        Cow::Borrowed(options.metadata)
    }
}

/// It is made of what the version leads to.
struct Described<F>(F);

impl<F: FnMut(usize, &Staged) -> Vec<u8>> Metadata for Described<F> {
    fn wants_proof(&self) -> bool {
        true
    }

    fn of<'o>(&mut self, at: usize, staged: &Staged, _: &CommitOptions<'o>) -> Cow<'o, [u8]> {
        Cow::Owned((self.0)(at, staged))
    }
}
