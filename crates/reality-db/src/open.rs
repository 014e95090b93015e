//! Opening and creating.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use merkle_core::{Hash, Hasher, Map, PartialMap};

use crate::checkpoint::{Catalogue, Pointer, remove_behind};
use crate::engine::{End, Engine, EngineError};
use crate::error::Fault;
use crate::format::{self, Format};
use crate::head::{Head, HeadError, Mark};
use crate::health::Health;
use crate::journal::{Journal, Link};
use crate::record::{Changes, CommitKind, Header, Record, record_hash};
use crate::replay::{Roots, replay};
use crate::state::{Spilling, State};
use crate::storage::Storage;
use crate::transfer::importing;
use crate::writer::{Writer, small_records};
use crate::{Damage, OpenError, Options, RealityDb, Shared, Version, checkpoints};

/// What precedes the genesis record.
const BEFORE_GENESIS: Hash = Hash::from_bytes([0; 32]);

impl RealityDb {
    /// Opens the database in the folder `path`, or creates it there.
    ///
    /// Begins with the newest checkpoint and applies the journal behind it, checking every record
    /// against the chain and every root against the content.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. A damaged database is not opened, unless the options
    /// [say so](Options::accept_damage).
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self, OpenError> {
        let _span = tracing::debug_span!("open", path = %path.as_ref().display()).entered();
        // One that is made now is never the one that the caller knows.
        let create = options.create && options.expected.is_none();
        let (storage, format) = Storage::open(path.as_ref(), &options.clone().create(create))?;
        Self::start(storage, format, options)
    }

    /// Opens a database on storage that is ours alone, or creates one there if it has no format.
    pub(crate) fn start(
        storage: Storage,
        format: Option<Format>,
        options: &Options,
    ) -> Result<Self, OpenError> {
        importing::refuse(&*storage.folder)?;
        let db = Self::start_importing(storage, format, options)?;
        let imported = db.shared.imported.load(Ordering::Acquire);
        if imported > db.version().number {
            return Err(OpenError::ImportUnfinished { version: imported });
        }
        Ok(db)
    }

    /// The same, also if it holds an import that is to be finished.
    pub(crate) fn start_importing(
        storage: Storage,
        format: Option<Format>,
        options: &Options,
    ) -> Result<Self, OpenError> {
        let journal = Journal::new(storage.engine.clone());
        let format = match format {
            Some(format) => {
                // Whoever created it may have ended before its name was durable.
                storage.folder.sync()?;
                format
            }
            None => create(&storage, &journal, options)?,
        };
        let pointers = checkpoints::list(&*storage.engine)?;
        let oldest = checkpoints::oldest(&journal, &*storage.engine)?;
        let spilling = Spilling {
            volume: storage.checkpoints.clone(),
            numbers: Arc::default(),
            counting: Arc::default(),
        };
        let origin = Origin {
            storage: &storage,
            journal: &journal,
            format: &format,
            options,
        };
        let (mut state, report, mut damage) = origin.load(&pointers, &spilling)?;
        state.spill_to(spilling.clone());
        let (mark, found) = match Head::open(storage.folder.clone()) {
            Ok(Some((mark, reading))) => (
                Some((mark, reading)),
                check_mark(&journal, &state, oldest, &reading.mark)?,
            ),
            Ok(None) | Err(HeadError::Damaged) => (None, Some(Damage::Mark)),
            Err(HeadError::Io(error)) => return Err(OpenError::Storage(error.into())),
        };
        let small = small_records(&*storage.engine)?;
        let acknowledged = mark.as_ref().map_or(0, |(_, reading)| reading.mark.small);
        let lost = (small < acknowledged).then_some(Damage::SmallLost {
            acknowledged,
            found: small,
        });
        damage = damage.or(found).or(lost);
        let marked = Mark {
            small,
            ..Mark::of(&state.link())
        };
        let imported = match importing::imported(&journal, state.link().version) {
            Err(Fault::Damage(found)) => {
                damage = damage.or(Some(found));
                state.link().version // those before it may be parts of an import, or not
            }
            imported => imported?,
        };
        let health = match damage {
            None => Health::Sound,
            Some(damage) if options.accept_damage => Health::Panic(damage),
            Some(damage) => return Err(damage.into()),
        };
        if let Some((version, root)) = options.expected {
            check_expected(&journal, &state, oldest.max(imported), version, root)?;
        }
        let mark = match mark {
            // The other slot could be lost to the next failure.
            Some((_, reading)) if reading.damaged.is_some() && health == Health::Sound => {
                tracing::warn!(at = reading.damaged, "one of the two marks was torn");
                Some(Head::create(storage.folder.clone(), &reading.mark)?)
            }
            Some((mark, _)) => Some(mark),
            // That it is not there is damage. One made now would say that nothing is lost: only a way out
            // makes it again.
            None => None,
        };
        let begun = (pointers.iter()).find(|pointer| pointer.version == report.checkpoint);
        let journal_bytes =
            begun.map_or(0, |pointer| pointer.journal_bytes) + report.replayed_bytes;
        let writer = Writer::new(&storage, mark, marked, options.durability, journal_bytes);
        if health == Health::Sound {
            let last = pointers.iter().map(|pointer| pointer.file).max();
            let removed = remove_behind(&*storage.checkpoints, last.unwrap_or_default());
            if let Err(error) = removed {
                tracing::warn!(%error, "files that an earlier process left are still there");
            }
        }
        let shared = Shared {
            format,
            options: options.clone(),
            storage,
            version: Mutex::new(Version::of(&state.link())),
            head: RwLock::new(state),
            writer: Mutex::new(writer),
            health: RwLock::new(health),
            ways_taken: AtomicU64::new(0),
            pointers: Mutex::new(pointers),
            files: Mutex::default(),
            numbers: spilling.numbers,
            retention: Mutex::new(options.retention),
            floor: Mutex::default(),
            checkpointing: Mutex::new(()),
            oldest: AtomicU64::new(oldest),
            imported: AtomicU64::new(imported),
            report,
            counting: spilling.counting,
            signal: Arc::default(),
        };
        Ok(Self::new(shared).map_err(EngineError::from)?)
    }

    /// How it was opened.
    #[must_use]
    pub fn open_report(&self) -> &OpenReport {
        &self.shared.report
    }
}

/// Writes the genesis record, the mark and, last, the description: without it nothing was created.
fn create(storage: &Storage, journal: &Journal, options: &Options) -> Result<Format, OpenError> {
    let format = Format::new(options);
    let (link, record) = genesis(&format);
    if journal.edge(End::Last)?.is_some_and(|last| last > 0) {
        return Err(Damage::Format.into());
    }
    journal.append(&[(link.version, record)])?;
    storage.engine.sync()?;
    Head::create(storage.folder.clone(), &Mark::of(&link))?;
    let mut file = storage.folder.create("FORMAT.new")?;
    file.append(format.encode().as_bytes())?;
    file.sync()?;
    storage.folder.rename("FORMAT.new", format::FILE)?;
    storage.folder.sync()?;
    Ok(format)
}

/// The first record: version 0, empty.
pub(crate) fn genesis(format: &Format) -> (Link, Vec<u8>) {
    let root = format.profile.empty();
    let header = Header {
        kind: CommitKind::Genesis,
        version: 0,
        previous_version: 0,
        root_before: root,
        root,
        previous_record: BEFORE_GENESIS,
        time_ns: 0,
        entries: 0,
    };
    let record = header.encode(format.encode().as_bytes(), &Changes::default());
    let link = Link {
        version: 0,
        root,
        record_hash: record_hash(&record),
        entries: 0,
    };
    (link, record)
}

/// How a database was opened: where it began, and what it met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Version of the checkpoint that it began with; version 0 needs none.
    pub checkpoint: u64,
    /// Bytes of journal records that were applied and checked behind the checkpoint.
    pub replayed_bytes: u64,
    /// Damaged checkpoints that were passed over: the journal made up for them.
    pub passed_over: Vec<Damage>,
}

/// What versions are made from: checkpoints, and the journal behind them.
struct Origin<'o> {
    storage: &'o Storage,
    journal: &'o Journal,
    format: &'o Format,
    options: &'o Options,
}

impl Origin<'_> {
    /// The content of a checkpoint, or of the genesis record if there is none.
    fn begin(&self, pointer: Option<&Pointer>) -> Result<State, Fault> {
        let (profile, limit_bytes) = (self.format.profile, self.options.cache_bytes);
        let Some(pointer) = pointer else {
            let (link, expected) = genesis(self.format);
            let found = self.journal.read(0)?;
            if found.as_deref() != Some(&expected[..]) {
                return Err(Damage::Record { version: 0 }.into());
            }
            let map = PartialMap::from(Map::with_hasher(profile));
            return Ok(State::new(map, profile, link, limit_bytes));
        };
        let catalogue = Catalogue::open(&*self.storage.checkpoints, pointer)?;
        State::of_checkpoint(catalogue, profile, limit_bytes)
    }

    /// Finds the newest version that can be proved: one of the checkpoints and the journal behind it.
    ///
    /// Where a record is damaged it ends before that, and says so.
    fn load(
        &self,
        pointers: &[Pointer],
        spilling: &Spilling,
    ) -> Result<(State, OpenReport, Option<Damage>), Fault> {
        let _span = tracing::debug_span!("replay", checkpoints = pointers.len()).entered();
        let mut report = OpenReport::default();
        let mut pointers = pointers.iter();
        loop {
            let pointer = pointers.next_back();
            let begin = || {
                let mut state = self.begin(pointer)?;
                state.spill_aside(spilling.clone());
                Ok(state)
            };
            match replay(self.journal, &begin, u64::MAX, Roots::Last) {
                Err(Fault::Damage(
                    damage @ (Damage::Checkpoint { .. } | Damage::Bucket { .. }),
                )) if pointer.is_some() => {
                    tracing::warn!(%damage, "passed over a checkpoint");
                    report.passed_over.push(damage);
                }
                // The journal does not go back that far: it is the checkpoint that is missing.
                Err(Fault::Damage(Damage::Record { version: 0 }))
                    if !report.passed_over.is_empty() =>
                {
                    return Err(report.passed_over.swap_remove(0).into());
                }
                replayed => {
                    let replayed = replayed?;
                    report.checkpoint = pointer.map_or(0, |pointer| pointer.version);
                    report.replayed_bytes = replayed.bytes;
                    return Ok((replayed.state, report, replayed.damage));
                }
            }
        }
    }
}

impl Shared {
    /// The content of a checkpoint, or of the genesis record if there is none, for versions that are not the
    /// newest: what of them is let go leaves nothing behind.
    pub(crate) fn begin(
        &self,
        journal: &Journal,
        pointer: Option<&Pointer>,
    ) -> Result<State, Fault> {
        let origin = Origin {
            storage: &self.storage,
            journal,
            format: &self.format,
            options: &self.options,
        };
        let mut state = origin.begin(pointer)?;
        state.spill_aside(self.spilling());
        Ok(state)
    }

    /// Where what changed is let go.
    pub(crate) fn spilling(&self) -> Spilling {
        Spilling {
            volume: self.storage.checkpoints.clone(),
            numbers: self.numbers.clone(),
            counting: self.counting.clone(),
        }
    }
}

/// Compares what was found with the mark of what was acknowledged.
fn check_mark(
    journal: &Journal,
    state: &State,
    oldest: u64,
    mark: &Mark,
) -> Result<Option<Damage>, Fault> {
    let head = state.link();
    if mark.version > head.version {
        return Ok(Some(Damage::TailLost {
            acknowledged: mark.version,
            found: journal.edge(End::Last)?,
        }));
    }
    let marked = if mark.version == head.version {
        Some(head.record_hash)
    } else {
        journal
            .read(mark.version)?
            .map(|record| record_hash(&record))
    };
    // It is not synced: after a loss of power it may lag behind what has been pruned since.
    if marked.is_none() && mark.version < oldest {
        return Ok(None);
    }
    Ok((marked != Some(mark.record)).then_some(Damage::Mark))
}

/// Compares what was found with what the caller knows.
fn check_expected(
    journal: &Journal,
    state: &State,
    oldest: u64,
    version: u64,
    expected: Hash,
) -> Result<(), OpenError> {
    let head = state.link();
    if version < oldest {
        return Err(OpenError::ExpectedPruned { version, oldest });
    }
    let found = match version.cmp(&head.version) {
        std::cmp::Ordering::Less => root_before(journal, version, &head)?,
        std::cmp::Ordering::Equal => Some(head.root),
        std::cmp::Ordering::Greater => None,
    };
    if found == Some(expected) {
        return Ok(());
    }
    Err(OpenError::Unexpected {
        version,
        expected,
        found: match found {
            Some(root) => format!("it has the root {root}"),
            None if version > head.version => format!("the newest version is {}", head.version),
            None => "it was never committed".to_owned(),
        },
    })
}

/// The root of `version`, once the chain is followed from its record to that of `head`; none if no record
/// has this number.
fn root_before(journal: &Journal, version: u64, head: &Link) -> Result<Option<Hash>, Fault> {
    let mut records = journal.scan(version, head.version);
    let Some((number, bytes)) = records.next().transpose()? else {
        return Ok(None);
    };
    if number != version {
        return Ok(None);
    }
    let damaged = |version| Fault::from(Damage::Record { version });
    let header = Record::decode(&bytes).map_err(|_| damaged(version))?.header;
    if header.version != version {
        return Err(damaged(version));
    }
    let mut link = Link {
        version,
        root: header.root,
        record_hash: record_hash(&bytes),
        entries: header.entries,
    };
    for record in records {
        let (number, bytes) = record?;
        link.follow(number, &bytes)?;
    }
    match link == *head {
        true => Ok(Some(header.root)),
        false => Err(damaged(link.version)),
    }
}
