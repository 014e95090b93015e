//! Checking everything that is stored against the root.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use merkle_core::Hash;

use crate::checkpoint::{BadPart, Catalogue, Pointer};
use crate::db::{Shared, lock};
use crate::engine::EngineError;
use crate::error::Fault;
use crate::format;
use crate::journal::{Journal, Link};
use crate::open::genesis;
use crate::provable::{self, Content, KeySpan, Provable, Records, Start};
use crate::record::{Record, record_hash};
use crate::replay::{Roots, replay_watched};
use crate::{Damage, Health, OpenError, ReadError, RealityDb, checkpoints, head, named, state};

/// Threads that check buckets, beside the one that checks the journal.
const THREADS: usize = 2;

/// Most damaged records that a report names.
const RECORDS_NAMED_MAX: usize = 1000;

/// How far a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegrityProgress {
    /// Buckets of entries that were checked.
    pub buckets: u64,
    /// Buckets of the checkpoints that were begun with so far.
    pub buckets_total: u64,
    /// Versions whose records were checked. Where numbers leap, those between count too, here and below.
    pub versions: u64,
    /// Versions that are retained.
    pub versions_total: u64,
    /// Versions that were made again from the records.
    pub replayed: u64,
    /// Versions that are to be made again, once that has begun: after all else.
    pub replayed_total: u64,
}

/// What a check of everything found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegrityReport {
    /// The newest version when the check began: what it is about.
    pub version: u64,
    /// Versions whose records were checked, each against the chain, and are sound.
    pub versions: u64,
    /// Checkpoints whose catalogues were checked against their roots.
    pub checkpoints: u64,
    /// Buckets of entries that were read from disk and checked against the tree.
    pub buckets: u64,
    /// Entries in them.
    pub entries: u64,
    /// Versions that were made again from the records, each root compared.
    pub replayed: u64,
    /// What is not as it was proved, and what the panic mode is for. Empty: everything is proved.
    pub damage: Vec<Damage>,
    /// What can be read and proved whatever is damaged; nothing if `control` ended the check. With
    /// [`Depth::Stored`], the checkpoints between the oldest and the newest count as sound if their catalogues are.
    pub provable: Provable,
    /// Whether all was looked at that the depth says. Not if `control` ended it, if there are more damaged
    /// records than the 1,000 that are named, or if damage kept versions from being made again: what lies
    /// behind it may be damaged too, then.
    pub complete: bool,
}

/// How much is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Depth {
    /// What the newest version and the history depend on: every record against the chain, every
    /// catalogue against its root, every bucket of the newest checkpoint against the tree, and of the
    /// oldest where the history begins with it; and that the newest checkpoint and the records
    /// behind it make up the newest root.
    #[default]
    Stored,
    /// Also the buckets of all checkpoints between, and that the records from the oldest retained version on lead to every root in turn.
    /// Takes as long as making all these commits again without a sync. Where the tree does not fit the memory that
    /// it may take, it writes beside the checkpoints meanwhile, up to four times the entries.
    Roots,
}

impl RealityDb {
    /// Checks everything that is stored, down to the last byte that anything depends on.
    ///
    /// `control` is told how far it is, from several threads, one at a time, and may end it. What it is told
    /// never goes back. Commits and reads go on meanwhile. The database enters panic mode if there is
    /// damage.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`] if the storage fails: that is not taken for damage, and the check may be tried
    /// again. Damage is not an error but in the report.
    ///
    /// ```
    /// # use std::ops::ControlFlow;
    /// # use reality_db::{Backend, Depth, Options, RealityDb};
    /// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
    /// db.put(b"alice", b"900")?;
    /// let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()))?;
    /// assert!(report.complete && report.damage.is_empty());
    /// // Were there damage, this would say what of each version can be proved all the same.
    /// assert!(report.provable.proves(1, b"alice"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify_integrity(
        &self,
        depth: Depth,
        control: impl Fn(IntegrityProgress) -> ControlFlow<()> + Sync,
    ) -> Result<IntegrityReport, ReadError> {
        self.shared.verify(depth, &control)
    }
}

impl Shared {
    pub(crate) fn verify(
        &self,
        depth: Depth,
        control: &(dyn Fn(IntegrityProgress) -> ControlFlow<()> + Sync),
    ) -> Result<IntegrityReport, ReadError> {
        let _span = tracing::debug_span!("verify_integrity", ?depth).entered();
        // No checkpoint is written and nothing pruned meanwhile: what is checked stays there.
        let _alone = lock(&self.checkpointing);
        let head = self.noticed(state::read(&self.head).map(|head| head.link()))?;
        let pointers = self.noticed(checkpoints::list(&*self.storage.engine))?;
        let check = Check {
            shared: self,
            journal: Journal::new(self.storage.engine.clone()),
            head,
            pointers,
            control,
            progress: Mutex::default(),
            stopped: AtomicBool::new(false),
        };
        let mut report = self.noticed(check.run(depth))?;
        if report.complete {
            self.counting.check();
        }
        // What opening met may lie behind the newest version that it could prove.
        if let Health::Panic(known) = self.health()
            && !report.damage.contains(&known)
        {
            report.damage.push(known);
        }
        if let Some(damage) = report.damage.first() {
            self.panic(damage);
        }
        Ok(report)
    }
}

/// A check under way.
struct Check<'s> {
    shared: &'s Shared,
    journal: Journal,
    head: Link,
    pointers: Vec<Pointer>,
    control: &'s (dyn Fn(IntegrityProgress) -> ControlFlow<()> + Sync),
    progress: Mutex<IntegrityProgress>,
    stopped: AtomicBool,
}

impl Check<'_> {
    fn run(&self, depth: Depth) -> Result<IntegrityReport, Fault> {
        let mut report = IntegrityReport {
            version: self.head.version,
            ..IntegrityReport::default()
        };
        self.small_files(&mut report)?;
        let (chain, buckets) = thread::scope(|threads| {
            let chain = threads.spawn(|| self.chain());
            let buckets = self.checkpoints(depth);
            (chain.join().unwrap_or_else(|_| Err(panicked())), buckets)
        });
        let (chain, (buckets, starts)) = (chain?, buckets?);
        let unseen = !chain.complete;
        report.versions = chain.versions;
        report.complete = chain.complete;
        (report.checkpoints, report.buckets) = (buckets.checkpoints, buckets.buckets);
        report.entries = buckets.entries;
        report
            .damage
            .extend(chain.damage.into_iter().chain(buckets.damage));
        if !self.is_stopped() {
            self.roots(depth, &mut report)?;
        }
        report.complete &= !self.is_stopped();
        if !self.is_stopped() {
            report.provable = self.provable(&starts, &report.damage, unseen)?;
        }
        Ok(report)
    }

    /// What can be made of `starts` and the journal, as far as it is sound.
    fn provable(
        &self,
        starts: &[Start],
        damage: &[Damage],
        unseen: bool,
    ) -> Result<Provable, Fault> {
        let shared = self.shared;
        let records = Records::of(damage, self.head.version, unseen);
        let oldest =
            (shared.oldest.load(Ordering::Acquire)).max(shared.imported.load(Ordering::Acquire));
        // The head may have been made from an earlier checkpoint than the newest.
        let from =
            (state::read(&shared.head)?.catalogue()).map(|catalogue| catalogue.pointer().version);
        let head = from.and_then(|from| starts.iter().find(|start| start.version == from));
        let head = head.map_or(&Content::Whole, |start| &start.content);
        Ok(provable::provable(
            starts,
            &records,
            oldest,
            self.head.version,
            head,
        ))
    }

    /// The description, the mark, the names of snapshots.
    fn small_files(&self, report: &mut IntegrityReport) -> Result<(), Fault> {
        let folder = &*self.shared.storage.folder;
        match format::read(folder) {
            Ok(Some(format)) if format == self.shared.format => {}
            Err(OpenError::Storage(error)) => return Err(error.into()),
            _ => report.damage.push(Damage::Format),
        }
        match head::read(folder) {
            Ok(Some(reading)) if reading.damaged.is_none() => {}
            Err(head::HeadError::Io(error)) => return Err(error.into()),
            _ => report.damage.push(Damage::Mark),
        }
        match named::list(&*self.shared.storage.engine) {
            Err(Fault::Damage(damage)) => report.damage.push(damage),
            named => drop(named?),
        }
        Ok(())
    }

    /// Every record against the one before it, and against what is known of it elsewhere. Behind a bad one
    /// it goes on.
    fn chain(&self) -> Result<IntegrityReport, Fault> {
        let mut report = IntegrityReport::default();
        let (oldest, newest) = (
            self.shared.oldest.load(Ordering::Acquire),
            self.head.version,
        );
        self.show(|progress| progress.versions_total = newest - oldest + 1);
        let (mut before, mut from, mut untold) = (None, oldest, 0);
        let mut records = self.journal.scan(from, newest);
        while !self.is_stopped() {
            let (version, checked) = match records.next() {
                None => {
                    report.complete = true;
                    break;
                }
                Some(Ok((version, bytes))) => (version, self.check_record(version, &bytes, before)),
                Some(Err(Fault::Damage(damage @ Damage::Record { version }))) => {
                    if version < from || version >= newest {
                        report.damage.push(damage);
                        report.complete = version >= newest;
                        before = Some(Before::bad(version));
                        break;
                    }
                    from = version + 1;
                    records = self.journal.scan(from, newest);
                    (version, (None, Some(damage)))
                }
                Some(Err(fault)) => return Err(fault),
            };
            let (hash, damage) = checked;
            before = Some(Before { version, hash });
            match damage {
                None => report.versions += 1,
                Some(_) if report.damage.len() == RECORDS_NAMED_MAX => return Ok(report),
                Some(damage) => report.damage.push(damage),
            }
            untold += 1;
            if untold == 256 {
                untold = 0;
                self.show(|progress| progress.versions = version - oldest + 1);
            }
        }
        let is_there = before.is_some_and(|before| {
            before.version == newest && before.hash.is_none_or(|it| it == self.head.record_hash)
        });
        if report.complete && !is_there {
            report.damage.push(Damage::TailLost {
                acknowledged: newest,
                found: before.map(|before| before.version),
            });
        }
        if report.complete {
            self.show(|progress| progress.versions = progress.versions_total);
        }
        Ok(report)
    }

    /// The hash of a record, if it is one, and what is wrong with it.
    fn check_record(
        &self,
        version: u64,
        bytes: &[u8],
        before: Option<Before>,
    ) -> (Option<Hash>, Option<Damage>) {
        let bad = (None, Some(Damage::Record { version }));
        let Ok(Record { header, .. }) = Record::decode(bytes) else {
            return bad;
        };
        let is_genesis = version == 0 && bytes == genesis(&self.shared.format).1;
        if header.version != version || (version == 0 && !is_genesis) {
            return bad;
        }
        let hash = record_hash(bytes);
        let known = (self.pointers.iter()).find(|pointer| pointer.version == version);
        if known.is_some_and(|known| (known.record, known.root) != (hash, header.root)) {
            return bad;
        }
        let broken = before.filter(|before| {
            before.version != header.previous_version
                || before.hash.is_some_and(|it| it != header.previous_record)
        });
        let damage = broken.map(|before| Damage::Chain {
            version,
            follows: before.version,
        });
        (Some(hash), damage)
    }

    /// Every catalogue against its root, buckets against the tree.
    fn checkpoints(&self, depth: Depth) -> Result<(IntegrityReport, Vec<Start>), Fault> {
        let mut report = IntegrityReport::default();
        let mut starts = Vec::new();
        let begins = self.pointers.first().is_none_or(|first| first.version > 0);
        if begins && self.shared.oldest.load(Ordering::Acquire) == 0 {
            starts.push(Start {
                version: 0,
                is_checkpoint: false,
                content: match self.journal.read(0) {
                    Ok(Some(record)) if record == genesis(&self.shared.format).1 => Content::Whole,
                    Ok(_) | Err(Fault::Damage(_)) => Content::Unusable,
                    Err(fault) => return Err(fault),
                },
            });
        }
        for (at, pointer) in self.pointers.iter().enumerate() {
            let is_needed = at + 1 == self.pointers.len()
                || (at == 0 && self.shared.oldest.load(Ordering::Acquire) > 0)
                || depth == Depth::Roots;
            let content = match self.checkpoint(pointer, is_needed, &mut report) {
                Err(Fault::Damage(damage)) => {
                    report.damage.push(damage);
                    Content::Unusable
                }
                content => content?,
            };
            starts.push(Start {
                version: pointer.version,
                is_checkpoint: true,
                content,
            });
            if self.is_stopped() {
                break;
            }
        }
        Ok((report, starts))
    }

    fn checkpoint(
        &self,
        pointer: &Pointer,
        is_needed: bool,
        report: &mut IntegrityReport,
    ) -> Result<Content, Fault> {
        let profile = self.shared.format.profile;
        let catalogue = Catalogue::open(&*self.shared.storage.checkpoints, pointer)?;
        report.checkpoints += 1;
        // The others are spare: their buckets are checked when they are read.
        if !is_needed {
            catalogue.assemble(profile)?;
            return Ok(Content::Whole);
        }
        let before = report.buckets;
        self.show(|progress| progress.buckets_total += catalogue.len() as u64);
        let found = catalogue.verify(profile, THREADS, &|checked| {
            // Of two threads the one that was first may come second.
            let buckets = before + checked.buckets as u64;
            self.show(|progress| progress.buckets = progress.buckets.max(buckets));
            match self.is_stopped() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        report.buckets += found.buckets as u64;
        report.entries = found.entries;
        let content = match found.bad.iter().any(|bad| bad.subtree.is_none()) {
            true => Content::Unusable,
            false if found.bad.is_empty() => Content::Whole,
            false => {
                let subtrees = found.bad.iter().filter_map(|bad| bad.subtree.as_ref());
                Content::Except(subtrees.map(KeySpan::of).collect())
            }
        };
        report
            .damage
            .extend(found.bad.into_iter().map(Damage::from));
        Ok(content)
    }

    /// That records lead from a checkpoint to the newest root, or from the oldest version to every
    /// one.
    fn roots(&self, depth: Depth, report: &mut IntegrityReport) -> Result<(), Fault> {
        let shared = self.shared;
        let pointer = match depth {
            Depth::Stored => self.pointers.last(),
            Depth::Roots => {
                let oldest = shared.oldest.load(Ordering::Acquire);
                self.pointers
                    .iter()
                    .rfind(|pointer| pointer.version <= oldest)
            }
        };
        let begin = || shared.begin(&self.journal, pointer);
        let roots = match depth {
            Depth::Stored => Roots::Last,
            Depth::Roots => Roots::Every,
        };
        let from = pointer.map_or(0, |pointer| pointer.version);
        let total = self.head.version - from;
        self.show(|progress| progress.replayed_total = total);
        let watch = |version: u64| {
            // To find the first wrong root it goes back.
            let replayed = version - from;
            self.show(|progress| progress.replayed = progress.replayed.max(replayed));
            match self.is_stopped() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        if self.is_stopped() {
            return Ok(());
        }
        let made = replay_watched(&self.journal, &begin, self.head.version, roots, &watch);
        let made = match made {
            Ok(None) => return Ok(()),
            Ok(Some(made)) => {
                report.replayed = made.state.link().version - from;
                made.sound().map(|state| state.link())
            }
            Err(fault) => Err(fault),
        };
        let damage = match made {
            Err(Fault::Damage(damage)) => damage,
            made => {
                let made = made?;
                if made == self.head {
                    return Ok(());
                }
                Damage::Root {
                    version: self.head.version,
                    recorded: self.head.root,
                    computed: made.root,
                }
            }
        };
        report.complete = false;
        if !report.damage.contains(&damage) {
            report.damage.push(damage);
        }
        Ok(())
    }

    /// Tells the caller how far it is: one thread at a time, so that what is told never goes back.
    fn show(&self, change: impl FnOnce(&mut IntegrityProgress)) {
        let mut progress = lock(&self.progress);
        if self.is_stopped() {
            return;
        }
        change(&mut progress);
        if (self.control)(*progress).is_break() {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// The record before another one.
#[derive(Clone, Copy)]
struct Before {
    version: u64,
    /// None if the record is no record: what follows it cannot be held against it.
    hash: Option<Hash>,
}

impl Before {
    fn bad(version: u64) -> Self {
        Self {
            version,
            hash: None,
        }
    }
}

impl From<BadPart> for Damage {
    fn from(bad: BadPart) -> Self {
        match bad.subtree {
            Some(subtree) => Self::Bucket {
                file: bad.file,
                offset: bad.offset,
                prefix: subtree.prefix().to_vec(),
            },
            None => Self::Checkpoint {
                file: bad.file,
                offset: bad.offset,
                what: bad.damage,
            },
        }
    }
}

fn panicked() -> Fault {
    EngineError::Broken("a thread that checked the journal panicked".to_owned()).into()
}
