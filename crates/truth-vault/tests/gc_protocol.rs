//! The protocol of collections, as a small model, in thousands of orders of its steps; and the same with
//! faults planted in it, each of which has to be found.
//!
//! A step is what a file system does at once. The model has what `docs/decisions/0030` names and no
//! bytes: handles with their own, old picture of the segments; condemned and removed segments; pins;
//! bundles; a large blob with its file. `tests/gc_together.rs` does it with the real thing.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::{Arc, Mutex, RwLock};
use shuttle::{Config, FailurePersistence, Runner, thread};

/// A blob. `LARGE` has a file of its own, and `BUNDLE` is a manifest that names `PART`.
type Blob = u8;
const SMALL: Blob = 0;
const PART: Blob = 1;
const LARGE: Blob = 2;
const BUNDLE: Blob = 3;
/// Pinned all the time.
const KEPT: Blob = 4;

/// What can be done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Whoever finds a blob in a condemned segment says that it is there.
    TellsOfCondemned,
    /// A pin is written after the look whether its blob is there.
    LooksBeforeThePin,
    /// A segment is emptied by the roots that it was condemned by.
    OldRoots,
    /// A segment goes though somebody counts on what it was told before.
    NoGrace,
    /// A segment is removed before what is needed of it is copied.
    RemovesBeforeCopying,
    /// A handle believes what it knew of condemned segments.
    OldCondemned,
    /// The file of a large blob is removed while somebody writes the record that needs it.
    NoLockOfLarge,
    /// A segment that somebody writes is condemned.
    CondemnsOpenSegments,
    /// A bundle's parts are not looked at again once its manifest is there.
    DoesNotKeepParts,
    /// Segments that are gone are forgotten before the ones that their records went to are known.
    ForgetsBeforeListing,
}

#[derive(Default)]
struct Segment {
    records: Vec<Blob>,
    sealed: bool,
}

#[derive(Default)]
struct Disk {
    segments: BTreeMap<u32, Segment>,
    next: u32,
    condemned: BTreeMap<u32, u32>,
    removed: BTreeSet<u32>,
    pins: BTreeSet<Blob>,
    large_file: bool,
}

struct World {
    fault: Fault,
    disk: Mutex<Disk>,
    /// Read while somebody counts on what it was told; written to move the time on.
    grace: RwLock<()>,
    large_lock: RwLock<()>,
}

impl World {
    /// One step.
    fn step<T>(&self, step: impl FnOnce(&mut Disk) -> T) -> T {
        step(&mut self.disk.lock().unwrap())
    }
}

/// A process with the vault open.
struct Handle {
    world: Arc<World>,
    /// Where it knows records.
    index: BTreeSet<(u32, Blob)>,
    active: Option<u32>,
    old_condemned: Option<BTreeSet<u32>>,
}

impl Handle {
    /// Opens the vault: it knows then what is there.
    fn new(world: &Arc<World>) -> Self {
        let mut handle = Self {
            world: Arc::clone(world),
            index: BTreeSet::new(),
            active: None,
            old_condemned: None,
        };
        handle.list();
        handle
    }

    fn fault(&self, fault: Fault) -> bool {
        self.world.fault == fault
    }

    fn copies(&self, blob: Blob) -> Vec<u32> {
        let copies = self.index.iter().filter(|(_, known)| *known == blob);
        copies.map(|(segment, _)| *segment).collect()
    }

    fn refresh(&mut self) {
        let listed = self.list();
        let known: BTreeSet<u32> = self.index.iter().map(|(segment, _)| *segment).collect();
        let gone: BTreeSet<u32> = known.difference(&listed).copied().collect();
        if gone.is_empty() {
            return;
        }
        if !self.fault(Fault::ForgetsBeforeListing) {
            self.list();
        }
        self.index.retain(|(segment, _)| !gone.contains(segment));
    }

    /// Lists the segments, which takes its time: what is made meanwhile may be missed. Then reads them.
    fn list(&mut self) -> BTreeSet<u32> {
        let upper = self.world.step(|disk| disk.next);
        let listed: Vec<u32> = self.world.step(|disk| {
            let listed = disk.segments.keys().copied();
            listed.filter(|segment| *segment < upper).collect()
        });
        for segment in &listed {
            let records = self.world.step(|disk| {
                let segment = disk.segments.get(segment);
                segment
                    .map(|segment| segment.records.clone())
                    .unwrap_or_default()
            });
            self.index
                .extend(records.into_iter().map(|blob| (*segment, blob)));
        }
        listed.into_iter().collect()
    }

    fn append(&mut self, blob: Blob) {
        let active = self.active;
        let unsealed = self.fault(Fault::CondemnsOpenSegments);
        let segment = self.world.step(|disk| {
            let usable = active.filter(|segment| {
                let known = disk.segments.get(segment);
                known.is_some_and(|segment| !segment.sealed) || unsealed && known.is_some()
            });
            let segment = usable.unwrap_or_else(|| {
                disk.next += 1;
                disk.segments.insert(disk.next - 1, Segment::default());
                disk.next - 1
            });
            disk.segments.get_mut(&segment).unwrap().records.push(blob);
            segment
        });
        self.active = Some(segment);
        self.index.insert((segment, blob));
    }

    /// The copies that no collection takes.
    fn safe_copies(&mut self, blob: Blob) -> Vec<u32> {
        let now = self.world.step(|disk| {
            let condemned = disk.condemned.keys().copied();
            condemned
                .chain(disk.removed.iter().copied())
                .collect::<BTreeSet<u32>>()
        });
        let known = self
            .old_condemned
            .get_or_insert_with(|| now.clone())
            .clone();
        let condemned = match self.world.fault {
            Fault::OldCondemned => known,
            Fault::TellsOfCondemned => BTreeSet::new(),
            _ => now,
        };
        let mut copies = self.copies(blob);
        copies.retain(|segment| !condemned.contains(segment));
        copies
    }

    /// Whether the blob is there, so that it stays.
    fn has(&mut self, blob: Blob) -> bool {
        if self.copies(blob).is_empty() {
            self.refresh();
        }
        if !self.safe_copies(blob).is_empty() {
            return true;
        }
        self.refresh();
        let world = Arc::clone(&self.world);
        let held = (blob == LARGE && !self.fault(Fault::NoLockOfLarge))
            .then(|| world.large_lock.read().unwrap());
        self.refresh();
        if !self.safe_copies(blob).is_empty() {
            return true;
        }
        for segment in self.copies(blob) {
            let good = self.world.step(|disk| {
                let there = disk.segments.get(&segment);
                let there = there.is_some_and(|there| there.records.contains(&blob));
                there && (blob != LARGE || disk.large_file)
            });
            if good {
                self.append(blob);
                return true;
            }
        }
        drop(held);
        false
    }

    fn put(&mut self, blob: Blob) {
        if !self.safe_copies(blob).is_empty() {
            return;
        }
        if blob != LARGE {
            return self.append(blob);
        }
        let world = Arc::clone(&self.world);
        let held = (!self.fault(Fault::NoLockOfLarge)).then(|| world.large_lock.read().unwrap());
        self.world.step(|disk| disk.large_file = true);
        if self.safe_copies(blob).is_empty() {
            self.append(blob);
        }
        drop(held);
    }

    fn pin(&mut self, blob: Blob) -> bool {
        if self.fault(Fault::LooksBeforeThePin) {
            let there = self.has(blob);
            self.world.step(|disk| disk.pins.insert(blob));
            return there;
        }
        self.world.step(|disk| disk.pins.insert(blob));
        self.has(blob)
    }

    fn put_bundle(&mut self) {
        self.put(PART);
        self.put(BUNDLE);
        if self.fault(Fault::DoesNotKeepParts) {
            return;
        }
        self.has(BUNDLE);
        if !self.has(PART) {
            self.put(PART);
        }
    }

    fn read(&mut self, blob: Blob) -> bool {
        for again in [false, true] {
            if again {
                self.refresh();
            }
            for segment in self.copies(blob) {
                let good = self.world.step(|disk| {
                    let there = disk.segments.contains_key(&segment);
                    there && (blob != LARGE || disk.large_file)
                });
                if good {
                    return true;
                }
            }
        }
        false
    }
}

/// One who collects, again and again.
struct Collector {
    handle: Handle,
    now: u32,
    old_roots: BTreeSet<Blob>,
}

impl Collector {
    fn roots(&mut self) -> BTreeSet<Blob> {
        let mut roots = self.handle.world.step(|disk| disk.pins.clone());
        self.handle.refresh();
        if !self.handle.copies(BUNDLE).is_empty() {
            roots.extend([BUNDLE, PART]);
        }
        roots
    }

    fn collect(&mut self) {
        let fault = self.handle.world.fault;
        let world = Arc::clone(&self.handle.world);
        let condemned = world.step(|disk| disk.condemned.clone());
        let roots = self.roots();
        let by = match fault {
            Fault::OldRoots => self.old_roots.clone(),
            _ => roots.clone(),
        };
        for (segment, since) in condemned {
            if since < self.now || fault == Fault::NoGrace {
                self.empty(segment, &by);
            }
        }
        self.condemn(&roots);
        self.old_roots = roots;
        if fault == Fault::NoGrace {
            self.now += 1;
        } else {
            // Until nobody counts any more on what it was told before.
            drop(world.grace.write().unwrap());
            self.now += 1;
        }
    }

    fn empty(&mut self, segment: u32, roots: &BTreeSet<Blob>) {
        let world = Arc::clone(&self.handle.world);
        let early = world.fault == Fault::RemovesBeforeCopying;
        let records = world.step(|disk| {
            let segment = match early {
                true => disk.segments.remove(&segment),
                false => None,
            }
            .or_else(|| {
                let records = disk.segments.get(&segment)?.records.clone();
                Some(Segment {
                    records,
                    sealed: true,
                })
            });
            segment.map(|segment| segment.records).unwrap_or_default()
        });
        let mut large = false;
        for blob in records {
            let staying = !self.handle.safe_copies(blob).is_empty();
            if roots.contains(&blob) && !staying {
                self.handle.append(blob);
            }
            large |= blob == LARGE && !roots.contains(&blob) && !staying;
        }
        world.step(|disk| disk.segments.remove(&segment));
        world.step(|disk| {
            disk.condemned.remove(&segment);
            disk.removed.insert(segment);
        });
        if large {
            let held =
                (world.fault != Fault::NoLockOfLarge).then(|| world.large_lock.write().unwrap());
            self.handle.refresh();
            if self.handle.copies(LARGE).is_empty() {
                world.step(|disk| disk.large_file = false);
            }
            drop(held);
        }
    }

    fn condemn(&mut self, roots: &BTreeSet<Blob>) {
        let world = Arc::clone(&self.handle.world);
        let known: BTreeSet<u32> = self
            .handle
            .index
            .iter()
            .map(|(segment, _)| *segment)
            .collect();
        let open = world.fault == Fault::CondemnsOpenSegments;
        let mut chosen = Vec::new();
        for segment in known {
            let records = self
                .handle
                .index
                .iter()
                .filter(|(known, _)| *known == segment);
            let dead = records.into_iter().any(|(_, blob)| !roots.contains(blob));
            // Its own is closed for that; of others, those that nobody writes any more.
            let ours = self.handle.active == Some(segment);
            let closed = world.step(|disk| {
                let last = segment + 1 == disk.next;
                let taken = disk.condemned.contains_key(&segment);
                let known = disk.segments.get_mut(&segment).filter(|_| !last && !taken);
                known.is_some_and(|known| {
                    known.sealed |= dead && ours;
                    known.sealed || open
                })
            });
            if dead && closed {
                chosen.push(segment);
            }
        }
        let now = self.now;
        world.step(|disk| {
            disk.condemned
                .extend(chosen.into_iter().map(|segment| (segment, now)))
        });
    }
}

/// One run: some put, ask and pin, and check what they were told; one collects.
fn run(fault: Fault) {
    let world = Arc::new(World {
        fault,
        disk: Mutex::default(),
        grace: RwLock::new(()),
        large_lock: RwLock::new(()),
    });
    // There were blobs before, most of which nobody needs, and their segments are closed. One segment more is
    // the last one.
    world.step(|disk| {
        let records = [vec![KEPT, SMALL, PART], vec![LARGE], vec![]];
        disk.pins.insert(KEPT);
        disk.next = 3;
        for (segment, records) in (0..).zip(records) {
            disk.segments.insert(
                segment,
                Segment {
                    records,
                    sealed: segment < 2,
                },
            );
        }
        disk.large_file = true;
    });
    let counts = {
        let world = Arc::clone(&world);
        move || {
            let mut handle = Handle::new(&world);
            let counting = world.grace.read().unwrap();
            handle.put(LARGE);
            assert!(handle.has(LARGE), "it was put, and is not there");
            assert!(handle.pin(LARGE), "it was there, and is gone");
            drop(counting);
            for _ in 0..2 {
                assert!(handle.read(LARGE), "it is pinned, and gone");
            }
            Some(LARGE)
        }
    };
    // Counts on nothing but what the pin says.
    let pins = {
        let world = Arc::clone(&world);
        move || {
            let mut handle = Handle::new(&world);
            for _ in 0..3 {
                handle.refresh();
                assert!(
                    !handle.copies(KEPT).is_empty(),
                    "what is pinned is not listed"
                );
            }
            let there = handle.pin(SMALL);
            assert!(!there || handle.read(SMALL), "it is pinned, and gone");
            there.then_some(SMALL)
        }
    };
    let bundles = {
        let world = Arc::clone(&world);
        move || {
            let mut handle = Handle::new(&world);
            handle.put_bundle();
            assert!(handle.read(PART), "the part of a bundle is gone");
            assert!(handle.read(KEPT), "what is pinned is gone");
            Some(PART)
        }
    };
    let collects = {
        let world = Arc::clone(&world);
        move || {
            let mut collector = Collector {
                handle: Handle::new(&world),
                now: 0,
                old_roots: BTreeSet::new(),
            };
            for _ in 0..4 {
                collector.collect();
            }
            None
        }
    };
    let threads = [
        thread::spawn(pins),
        thread::spawn(counts),
        thread::spawn(bundles),
        thread::spawn(collects),
    ];
    let needed: Vec<Blob> = threads
        .into_iter()
        .filter_map(|thread| thread.join().unwrap())
        .collect();
    // Two more collections, and whoever opens the vault then finds what is needed.
    let mut collector = Collector {
        handle: Handle::new(&world),
        now: 10,
        old_roots: BTreeSet::new(),
    };
    collector.collect();
    collector.collect();
    let mut handle = Handle::new(&world);
    for blob in needed.into_iter().chain([KEPT]) {
        assert!(handle.read(blob), "{blob} is needed, and gone in the end");
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config
}

fn orders() -> usize {
    std::env::var("TRUTH_VAULT_ORDERS").map_or(4_000, |orders| orders.parse().unwrap())
}

#[test]
fn the_protocol_loses_nothing_in_any_order_that_was_tried() {
    Runner::new(RandomScheduler::new(orders()), config()).run(|| run(Fault::None));
    for depth in 1..5 {
        Runner::new(PctScheduler::new(depth, orders() / 4), config()).run(|| run(Fault::None));
    }
}

#[test]
fn every_planted_fault_is_found() {
    let faults = [
        Fault::TellsOfCondemned,
        Fault::LooksBeforeThePin,
        Fault::OldRoots,
        Fault::NoGrace,
        Fault::RemovesBeforeCopying,
        Fault::OldCondemned,
        Fault::NoLockOfLarge,
        Fault::CondemnsOpenSegments,
        Fault::DoesNotKeepParts,
        Fault::ForgetsBeforeListing,
    ];
    for fault in faults {
        let found = |depth: Option<usize>| {
            let tried = catch_unwind(AssertUnwindSafe(|| match depth {
                None => Runner::new(RandomScheduler::new(40_000), config()).run(move || run(fault)),
                Some(depth) => {
                    Runner::new(PctScheduler::new(depth, 40_000), config()).run(move || run(fault))
                }
            }));
            tried.is_err()
        };
        let found = [None, Some(3), Some(4)].into_iter().any(found);
        assert!(found, "{fault:?} was not found");
    }
}
