//! Collecting what nobody needs, while others put and get.
//!
//! The protocol, and why it loses nothing: `docs/decisions/0030-condemn-segments.md`. In short: what is to
//! go is condemned, segment by segment; nobody says of anything in a condemned segment that it is
//! there, but writes it anew first. Later, by roots that were read after it was condemned, what they
//! need is copied, and the segment removed.

mod condemn;
mod live;
mod sweep;

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use super::{Shared, Vault};
use crate::collection::{self, Collection};
use crate::roots::RootError;
use crate::volume;
use crate::{Address, BundleAddress, GetError, Progressed, PutError};

/// Held by whoever collects.
const LOCK: &str = "gc.lock";

/// How a vault is collected.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct GcOptions {
    now_ns: u64,
    grace: Duration,
    dead_percent: u8,
    dry_run: bool,
}

impl GcOptions {
    /// At `now_ns`, in nanoseconds since 1970; with a grace of a day; of segments of which a quarter is
    /// dead at least.
    pub fn new(now_ns: u64) -> Self {
        Self {
            now_ns,
            grace: Duration::from_secs(24 * 60 * 60),
            dead_percent: 25,
            dry_run: false,
        }
    }

    /// How long what is condemned stays. So long, at least, a blob stays after anybody was told that it is
    /// there: longer than it takes to put, pin or lease what needs it.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How much of a segment nobody needs before it is condemned: of 0 to 100. At 0, a segment with a
    /// single dead blob is; the rest of it is copied.
    pub fn dead_percent(mut self, percent: u8) -> Self {
        self.dead_percent = percent.min(100);
        self
    }

    /// Changes nothing, and reports what would be done.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }
}

/// What [`Vault::collect`] did; or would have done, if it was a dry run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GcReport {
    /// Blobs that are needed.
    pub needed: u64,
    /// Blobs that nothing needs and that are still there, those that are condemned among them.
    pub unneeded: u64,
    /// What those take in segments and in files of their own.
    pub unneeded_bytes: u64,
    /// Segments that were condemned by this call.
    pub condemned: Vec<String>,
    /// Segments that were condemned before, and whose grace is not over.
    pub waiting: Vec<String>,
    /// Segments that were removed.
    pub removed: Vec<String>,
    /// Blobs that were removed with them, in order.
    pub collected: Vec<Address>,
    /// Blobs that were copied out of them.
    pub copied: u64,
    /// Bytes that were given back to the file system, without what copies take.
    pub freed_bytes: u64,
    /// Condemned segments that had to stay, and why.
    pub kept: Vec<(String, Kept)>,
}

/// Why a condemned segment was not removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// A blob that is needed is damaged in it, and no good copy is known: repair it.
    Damaged(Address),
    /// There are bytes in it that are no records. What they were is unknown.
    Gap {
        /// Where they begin.
        at: u64,
    },
}

/// Why a vault was not collected, or not to the end. What was done before is done, and nothing is lost by
/// it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GcError {
    /// Another thread or process collects.
    #[error("somebody else collects")]
    Busy,
    /// It is not known what is needed.
    #[error("the roots cannot be read")]
    Roots(#[from] RootError),
    /// A manifest is damaged or of a later release, so what the bundle needs is not known. Repair it, or
    /// retire the bundle.
    #[error("the manifest {bundle:?} cannot be read")]
    Manifest {
        /// The bundle.
        bundle: BundleAddress,
        /// Why, if it is not that it says nothing to this release.
        #[source]
        source: Option<GetError>,
    },
    /// What is needed could not be copied.
    #[error("what is needed could not be copied")]
    Copy(#[source] PutError),
    /// The caller's progress function said to stop.
    #[error("cancelled")]
    Cancelled,
    /// The file system.
    #[error("the files of the vault could not be used")]
    Storage(#[from] io::Error),
}

impl Vault {
    /// Collects the blobs that nothing needs: neither a pin, nor a lease, nor a bundle that is not
    /// retired.
    ///
    /// One call removes what earlier calls condemned, once the grace is over, and condemns what goes
    /// next: call it now and then. Others put and get meanwhile, in this process and in others, and
    /// whoever is told that a blob is there keeps it for the grace at least. Space is given back by the
    /// segment: unneeded blobs of a segment that is mostly needed stay.
    ///
    /// `progress` is told how many bytes were gone over of the segments that go, and answers whether to go
    /// on. Costs reading every manifest, and copying what is needed of the segments that go.
    ///
    /// ```
    /// use std::{ops::ControlFlow, time::Duration};
    /// use truth_vault::{Durability, GcOptions, Options, Vault};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let vault = Vault::open(folder.path(), &Options::new())?;
    /// let kept = vault.put(b"kept", Durability::Each)?;
    /// let other = vault.put(b"needed by nobody", Durability::Each)?;
    /// vault.pin(&[kept])?;
    /// let hours = |hours: u64| 1_770_000_000_000_000_000 + hours * 3_600_000_000_000;
    /// let go_on = &mut |_| ControlFlow::Continue(());
    /// for now_ns in [hours(0), hours(2)] {
    ///     let grace = Duration::from_secs(3600);
    ///     vault.collect(&GcOptions::new(now_ns).grace(grace).dead_percent(0), go_on)?;
    /// }
    /// assert!(vault.has(&kept)? && !vault.has(&other)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GcError`].
    pub fn collect(
        &self,
        options: &GcOptions,
        progress: &mut dyn FnMut(Progressed) -> ControlFlow<()>,
    ) -> Result<GcReport, GcError> {
        let shared = &*self.shared;
        let _held = match options.dry_run {
            true => None,
            false => Some(shared.root.try_lock(LOCK)?.ok_or(GcError::Busy)?),
        };
        // What was condemned is looked up before the roots are: so they are younger.
        let collection = Collection::clone(&*shared.collection()?);
        let live = shared.live(options.now_ns)?;
        let mut collector = Collector {
            shared,
            options,
            collection,
            live,
            report: GcReport::default(),
            gone_over: Progressed::default(),
            progress,
        };
        collector.sweep()?;
        collector.condemn()?;
        if !options.dry_run {
            shared.forget_roots(options.now_ns)?;
        }
        let mut report = collector.report;
        report.collected.sort_unstable();
        report.collected.dedup();
        Ok(report)
    }
}

/// One collection at work.
struct Collector<'c> {
    shared: &'c Shared,
    options: &'c GcOptions,
    collection: Collection,
    /// What is needed.
    live: HashSet<Address>,
    report: GcReport,
    /// Bytes of the segments that go.
    gone_over: Progressed,
    progress: &'c mut dyn FnMut(Progressed) -> ControlFlow<()>,
}

impl Collector<'_> {
    /// Tells everybody what is condemned and what is gone.
    fn publish(&self) -> io::Result<()> {
        let bytes = self.collection.encode();
        volume::replace(&*self.shared.root, collection::NAME, &bytes)
    }

    fn went_over(&mut self, bytes: u64) -> Result<(), GcError> {
        self.gone_over.done += bytes;
        match (self.progress)(self.gone_over) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(GcError::Cancelled),
        }
    }
}

impl Shared {
    /// Removes leases that have expired, and marks of retired bundles that are gone.
    fn forget_roots(&self, now_ns: u64) -> Result<(), RootError> {
        self.change_roots(|roots| {
            roots.leases.retain(|_, expires_ns| *expires_ns > now_ns);
            // Under the lock, and after a look at what everybody put: a bundle that comes back later takes
            // back its mark itself.
            self.refresh()?;
            let index = self.index();
            let there = |bundle: &BundleAddress| index.get(&bundle.address()).is_some();
            let retired: BTreeSet<_> = roots.retired.iter().copied().filter(there).collect();
            roots.retired = retired;
            Ok(())
        })?
    }
}
