//! Checking everything that is stored against the root.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::checkpoint::{BadPart, Catalogue, Pointer};
use crate::db::{Shared, lock};
use crate::engine::EngineError;
use crate::error::Fault;
use crate::format;
use crate::journal::{Journal, Link};
use crate::open::genesis;
use crate::record::{Record, record_hash};
use crate::replay::{Replayed, Roots, replay};
use crate::{Damage, Health, OpenError, ReadError, RealityDb, checkpoints, head, named, state};

/// Threads that check buckets, beside the one that checks the journal.
const THREADS: usize = 2;

/// How far a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegrityProgress {
    /// Buckets of entries that were checked.
    pub buckets: u64,
    /// Buckets of the newest checkpoint.
    pub buckets_total: u64,
    /// Versions whose records were checked.
    pub versions: u64,
    /// Versions that are retained, if their numbers ascend by one.
    pub versions_total: u64,
}

/// What a check of everything found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegrityReport {
    /// The newest version when the check began: what it is about.
    pub version: u64,
    /// Versions whose records were checked, each against the chain.
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
    /// Whether it went to its end.
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
    /// `control` is told how far it is, from several threads, and may end it. Commits and reads go
    /// on meanwhile. The database enters panic mode if there is damage.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`] if the storage fails; damage is not an error but in the report.
    ///
    /// ```
    /// # use std::ops::ControlFlow;
    /// # use reality_db::{Backend, Depth, Options, RealityDb};
    /// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
    /// db.put(b"alice", b"900")?;
    /// let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()))?;
    /// assert!(report.complete && report.damage.is_empty());
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
        let (chain, buckets) = (chain?, buckets?);
        report.versions = chain.versions;
        (report.checkpoints, report.buckets) = (buckets.checkpoints, buckets.buckets);
        report.entries = buckets.entries;
        report
            .damage
            .extend(chain.damage.into_iter().chain(buckets.damage));
        if report.damage.is_empty() && !self.is_stopped() {
            self.roots(depth, &mut report)?;
        }
        report.complete = !self.is_stopped();
        Ok(report)
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

    /// Every record against the one before it, and against what is known of it elsewhere.
    fn chain(&self) -> Result<IntegrityReport, Fault> {
        let mut report = IntegrityReport::default();
        let oldest = self.shared.oldest.load(Ordering::Acquire);
        self.show(|progress| progress.versions_total = self.head.version - oldest + 1);
        let mut before: Option<(u64, merkle_core::Hash)> = None;
        for record in self.journal.scan(oldest, self.head.version) {
            let checked = record.and_then(|(version, bytes)| {
                let hash = record_hash(&bytes);
                self.check_record(version, &bytes, hash, before)?;
                before = Some((version, hash));
                Ok(())
            });
            match checked {
                Ok(()) => report.versions += 1,
                Err(Fault::Damage(damage)) => {
                    report.damage.push(damage);
                    return Ok(report);
                }
                Err(fault) => return Err(fault),
            }
            if report.versions % 256 == 0 {
                self.show(|progress| progress.versions = report.versions);
            }
            if self.is_stopped() {
                return Ok(report);
            }
        }
        if before != Some((self.head.version, self.head.record_hash)) {
            report.damage.push(Damage::TailLost {
                acknowledged: self.head.version,
                found: before.map(|(version, _)| version),
            });
        }
        Ok(report)
    }

    fn check_record(
        &self,
        version: u64,
        bytes: &[u8],
        hash: merkle_core::Hash,
        before: Option<(u64, merkle_core::Hash)>,
    ) -> Result<(), Fault> {
        let bad = || Fault::from(Damage::Record { version });
        let header = Record::decode(bytes).map_err(|_| bad())?.header;
        let follows = (header.previous_version, header.previous_record);
        let is_genesis = version == 0 && bytes == genesis(&self.shared.format).1;
        if header.version != version || (version == 0 && !is_genesis) {
            return Err(bad());
        }
        if let Some(before) = before.filter(|before| *before != follows) {
            let follows = before.0;
            return Err(Damage::Chain { version, follows }.into());
        }
        let known = self
            .pointers
            .iter()
            .find(|pointer| pointer.version == version);
        match known.filter(|known| (known.record, known.root) != (hash, header.root)) {
            Some(_) => Err(bad()),
            None => Ok(()),
        }
    }

    /// Every catalogue against its root, buckets against the tree.
    fn checkpoints(&self, depth: Depth) -> Result<IntegrityReport, Fault> {
        let mut report = IntegrityReport::default();
        for (at, pointer) in self.pointers.iter().enumerate() {
            let is_needed = at + 1 == self.pointers.len()
                || (at == 0 && self.shared.oldest.load(Ordering::Acquire) > 0)
                || depth == Depth::Roots;
            match self.checkpoint(pointer, is_needed, &mut report) {
                Err(Fault::Damage(damage)) => report.damage.push(damage),
                checked => checked?,
            }
            if self.is_stopped() {
                break;
            }
        }
        Ok(report)
    }

    fn checkpoint(
        &self,
        pointer: &Pointer,
        is_needed: bool,
        report: &mut IntegrityReport,
    ) -> Result<(), Fault> {
        let profile = self.shared.format.profile;
        let catalogue = Catalogue::open(&*self.shared.storage.checkpoints, pointer)?;
        report.checkpoints += 1;
        // The others are spare: their buckets are checked when they are read.
        if !is_needed {
            catalogue.assemble(profile)?;
            return Ok(());
        }
        let found = catalogue.verify(profile, THREADS, &|checked| {
            self.show(|progress| {
                progress.buckets = checked.buckets as u64;
                progress.buckets_total = checked.buckets_total as u64;
            });
            match self.is_stopped() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        report.buckets += found.buckets as u64;
        report.entries = found.entries;
        report
            .damage
            .extend(found.bad.into_iter().map(Damage::from));
        Ok(())
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
        let made = replay(&self.journal, &begin, self.head.version, roots)
            .and_then(Replayed::sound)
            .map(|state| state.link());
        if let Ok(made) = &made {
            let from = pointer.map_or(0, |pointer| pointer.version);
            report.replayed = made.version - from;
        }
        match made {
            Err(Fault::Damage(damage)) => report.damage.push(damage),
            made => {
                let made = made?;
                if made != self.head {
                    report.damage.push(Damage::Root {
                        version: self.head.version,
                        recorded: self.head.root,
                        computed: made.root,
                    });
                }
            }
        }
        Ok(())
    }

    /// Tells the caller how far it is.
    fn show(&self, change: impl FnOnce(&mut IntegrityProgress)) {
        let progress = {
            let mut progress = lock(&self.progress);
            change(&mut progress);
            *progress
        };
        if (self.control)(progress).is_break() {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
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
