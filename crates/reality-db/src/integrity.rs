//! Checking everything that is stored against the root.

mod chain;
mod tree;

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::thread;

use crate::checkpoint::Pointer;
use crate::db::{Shared, lock};
use crate::engine::EngineError;
use crate::error::Fault;
use crate::format;
use crate::journal::{Journal, Link};
use crate::progress::{Control, Progress};
use crate::provable::{self, Content, Provable, Records, Start};
use crate::{Damage, Health, OpenError, ReadError, RealityDb, checkpoints, head, named, state};

/// How far a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegrityProgress {
    /// Buckets of entries that were checked.
    pub buckets: u64,
    /// Buckets of the checkpoints whose check has begun: grows with each.
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
    /// [`Depth::Stored`], the checkpoints whose buckets it does not check count as sound if their catalogues
    /// are.
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
    /// catalogue against its root, every bucket of the newest checkpoint against the tree, of the one that the
    /// newest version is read from, and of the oldest where the history begins with it; and that the newest
    /// checkpoint and the records behind it make up the newest root.
    #[default]
    Stored,
    /// Also the buckets of all checkpoints between, and that the records from the oldest retained version on
    /// lead to every root in turn. Takes as long as making all these commits again without a sync. Where the
    /// tree does not fit the memory that it may take, it writes beside the checkpoints meanwhile, up to four
    /// times the entries.
    Roots,
}

impl RealityDb {
    /// Checks everything that is stored, down to the last byte that anything depends on.
    ///
    /// `control` is told how far it is, from several threads, one at a time, and may end it. What it is told
    /// never goes back. Commits and reads go on meanwhile, but no checkpoint is written: `control` must not ask
    /// for one, nor for a check or a way out. The database enters panic mode if there is damage.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`] if the storage fails, or the system lacks memory or room for open files: that is
    /// not taken for damage, and the check may be tried again. What lies in a checkpoint and cannot be read
    /// twice is damage, and that is not an error but in the report.
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
        control: &Control<'_, IntegrityProgress>,
    ) -> Result<IntegrityReport, ReadError> {
        let _span = tracing::debug_span!("verify_integrity", ?depth).entered();
        // No checkpoint is written and nothing pruned meanwhile: what is checked stays there.
        let _alone = lock(&self.checkpointing);
        let (head, made_from) = self.noticed(state::read(&self.head).map(|head| {
            let made_from = head.catalogue().map(|it| it.pointer().version);
            (head.link(), made_from)
        }))?;
        let mut pointers = self.noticed(checkpoints::list(&*self.storage.engine))?;
        let beyond = pointers.partition_point(|pointer| pointer.version <= head.version);
        let beyond = pointers.split_off(beyond);
        let check = Check {
            shared: self,
            journal: Journal::new(self.storage.engine.clone()),
            oldest: self.oldest.load(Ordering::Acquire).min(head.version),
            head,
            made_from,
            pointers,
            beyond,
            progress: Progress::new(control),
        };
        let report = self.noticed(check.run(depth))?;
        if !check.progress.is_ended() {
            self.counting.check();
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
    /// The oldest version. The journal may have lost all records up to behind the head: then it is that.
    oldest: u64,
    head: Link,
    /// The checkpoint that the head is read from, which may be an earlier one than the newest.
    made_from: Option<u64>,
    /// Of the checkpoints up to the head.
    pointers: Vec<Pointer>,
    /// Of those behind it. There are some if opening could not prove what leads to them: nothing that is
    /// not damaged is made from them.
    beyond: Vec<Pointer>,
    progress: Progress<'s, IntegrityProgress>,
}

impl Check<'_> {
    fn run(&self, depth: Depth) -> Result<IntegrityReport, Fault> {
        let mut report = IntegrityReport {
            version: self.head.version,
            ..IntegrityReport::default()
        };
        self.small_files(&mut report)?;
        let (chain, tree) = thread::scope(|threads| {
            let chain = threads.spawn(|| self.chain());
            let tree = self.tree(depth);
            (chain.join().unwrap_or_else(|_| Err(panicked())), tree)
        });
        let (chain, tree) = (chain?, tree?);
        let mut records = chain.records;
        (report.versions, report.complete) = (chain.versions, records.unseen_from.is_none());
        (report.checkpoints, report.buckets) = (tree.checkpoints, tree.buckets);
        report.entries = tree.entries;
        report
            .damage
            .extend(chain.damage.into_iter().chain(tree.damage));
        if !self.progress.is_ended() {
            self.roots(depth, &mut report)?;
        }
        // What opening met may lie behind the newest version that it could prove.
        if let Health::Panic(known) = self.shared.health()
            && !report.damage.contains(&known)
        {
            report.damage.push(known);
        }
        report.complete &= !self.progress.is_ended();
        if !self.progress.is_ended() {
            (report.damage.iter()).for_each(|damage| records.add(damage));
            report.provable = self.provable(&tree.starts, &records);
        }
        Ok(report)
    }

    /// What can be made of `starts` and the journal, as far as it is sound.
    fn provable(&self, starts: &[Start], records: &Records) -> Provable {
        let oldest = self
            .oldest
            .max(self.shared.imported.load(Ordering::Acquire));
        let head = match self.made_from {
            None => &Content::Whole,
            // Where its pointer cannot be read, nothing of it was.
            Some(from) => (starts.iter().find(|start| start.version == from))
                .map_or(&Content::Unusable, |start| &start.content),
        };
        provable::provable(
            starts,
            records,
            oldest,
            self.head.version,
            head,
            !self.beyond.is_empty(),
        )
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

    /// Tells how far it is. Whether it was ended is asked before the next step.
    fn show(&self, change: impl FnOnce(&mut IntegrityProgress)) {
        let _ = self.progress.show(change);
    }
}

fn panicked() -> Fault {
    EngineError::Broken("a thread that checked the journal panicked".to_owned()).into()
}
