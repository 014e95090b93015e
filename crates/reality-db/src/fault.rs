//! Faults in a store, at the nth operation that changes it, or at the nth that reads it.
//!
//! ```ignore
//! for nth in 0.. {
//!     let (engine, volume) = (MemoryEngine::default(), MemoryVolume::default());
//!     let faults = Faults::at(nth, Effect::Half, Then::Stop);
//!     run(faults.engine(engine.clone()), faults.volume(volume.clone()));
//!     check(engine, volume); // what is there when the process is gone
//!     if !faults.fired() { break; }
//! }
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::engine::{End, Engine, EngineBatch, EngineError, Entry};
use crate::volume::{Edit, Sink, Source, Volume};

/// Counts what changes and what reads a store, over all its engines and volumes, and lets the nth of
/// these or those fail.
#[derive(Clone)]
pub(crate) struct Faults {
    shared: Arc<Shared>,
}

struct Shared {
    plan: Plan,
    changes: AtomicU64,
    reads: AtomicU64,
    fired: AtomicBool,
}

#[derive(Clone, Copy)]
enum Plan {
    Nothing,
    Change(u64, Effect, Then),
    /// A read that fails once; the next works.
    Read(u64),
}

/// What a failing change does before it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// Half of its bytes, where it has several; otherwise nothing.
    Half,
    /// All: only the answer is an error.
    Full,
}

/// What comes after a change that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next one works: a passing error.
    GoOn,
    /// Nothing works any more, reading neither: the process ends here.
    Stop,
}

/// What a change is to do.
enum Verdict {
    Work,
    Fail(Effect),
}

impl Faults {
    /// No fault: for counting.
    pub(crate) fn none() -> Self {
        Self::plan(Plan::Nothing)
    }

    /// A fault at the change that `nth` others precede.
    pub(crate) fn at(nth: u64, effect: Effect, then: Then) -> Self {
        Self::plan(Plan::Change(nth, effect, then))
    }

    /// A passing fault at the read that `nth` others precede.
    pub(crate) fn at_read(nth: u64) -> Self {
        Self::plan(Plan::Read(nth))
    }

    fn plan(plan: Plan) -> Self {
        let shared = Shared {
            plan,
            changes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            fired: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        Self { shared }
    }

    /// How many changes were asked for: writes, syncs, creations, renamings, removals.
    pub(crate) fn changes(&self) -> u64 {
        self.shared.changes.load(Ordering::SeqCst)
    }

    /// How many reads were asked for.
    pub(crate) fn reads(&self) -> u64 {
        self.shared.reads.load(Ordering::SeqCst)
    }

    /// Whether the fault has happened.
    pub(crate) fn fired(&self) -> bool {
        self.shared.fired.load(Ordering::SeqCst)
    }

    /// Whether the process ends with the fault.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self.shared.plan, Plan::Change(_, _, Then::Stop))
    }

    /// Whether the process has ended, as far as the store can tell.
    pub(crate) fn stopped(&self) -> bool {
        self.is_last() && self.fired()
    }

    /// The same fault, not happened yet.
    pub(crate) fn again(&self) -> Self {
        Self::plan(self.shared.plan)
    }

    /// `engine` with these faults.
    pub(crate) fn engine<E: Engine>(&self, engine: E) -> FaultyEngine<E> {
        let faults = self.clone();
        FaultyEngine { engine, faults }
    }

    /// `volume` with these faults.
    pub(crate) fn volume<V: Volume>(&self, volume: V) -> FaultyVolume<V> {
        let faults = self.clone();
        FaultyVolume { volume, faults }
    }

    fn change(&self) -> Verdict {
        let number = self.shared.changes.fetch_add(1, Ordering::SeqCst);
        match self.shared.plan {
            Plan::Change(nth, effect, _) if nth == number => {
                self.shared.fired.store(true, Ordering::SeqCst);
                Verdict::Fail(effect)
            }
            _ if self.stopped() => Verdict::Fail(Effect::None),
            _ => Verdict::Work,
        }
    }

    /// Does a change of one piece, or not.
    fn whole<T, E: From<io::Error>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match self.change() {
            Verdict::Work => work(),
            Verdict::Fail(Effect::None | Effect::Half) => Err(injected().into()),
            Verdict::Fail(Effect::Full) => work().and(Err(injected().into())),
        }
    }

    /// Does a change of `bytes`, or a part of it.
    fn bytes(&self, bytes: &[u8], work: impl FnOnce(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match self.change() {
            Verdict::Work => work(bytes),
            Verdict::Fail(Effect::None) => Err(injected()),
            Verdict::Fail(Effect::Half) => work(&bytes[..bytes.len() / 2]).and(Err(injected())),
            Verdict::Fail(Effect::Full) => work(bytes).and(Err(injected())),
        }
    }

    /// Reads, unless this is the read that fails or the process has ended.
    fn read<T, E: From<io::Error>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let number = self.shared.reads.fetch_add(1, Ordering::SeqCst);
        match self.shared.plan {
            Plan::Read(nth) if nth == number => {
                self.shared.fired.store(true, Ordering::SeqCst);
                Err(injected().into())
            }
            _ if self.stopped() => Err(injected().into()),
            _ => work(),
        }
    }
}

fn injected() -> io::Error {
    io::Error::other("injected fault")
}

/// An engine with faults.
pub(crate) struct FaultyEngine<E> {
    engine: E,
    faults: Faults,
}

impl<E: Engine> Engine for FaultyEngine<E> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.faults.read(|| self.engine.get(key))
    }

    fn edge(&self, end: End, from: &[u8], to: &[u8]) -> Result<Option<Entry>, EngineError> {
        self.faults.read(|| self.engine.edge(end, from, to))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, EngineError> {
        self.faults.read(|| self.engine.scan(from, to, limit))
    }

    fn write(&self, batch: EngineBatch) -> Result<(), EngineError> {
        self.faults.whole(|| self.engine.write(batch))
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.faults.whole(|| self.engine.sync())
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        self.faults.read(|| self.engine.disk_bytes())
    }

    fn wastes_disk(&self, live_bytes: u64) -> Result<bool, EngineError> {
        self.faults.read(|| self.engine.wastes_disk(live_bytes))
    }

    fn reclaim(&self, live_bytes: u64) -> Result<(), EngineError> {
        self.faults.whole(|| self.engine.reclaim(live_bytes))
    }
}

/// A volume with faults.
pub(crate) struct FaultyVolume<V> {
    volume: V,
    faults: Faults,
}

impl<V: Volume> Volume for FaultyVolume<V> {
    fn list(&self) -> io::Result<Vec<String>> {
        self.faults.read(|| self.volume.list())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>> {
        let sink = self.faults.whole(|| self.volume.create(name))?;
        let faults = self.faults.clone();
        Ok(Box::new(FaultySink { sink, faults }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn Source>> {
        let source = self.faults.read(|| self.volume.open(name))?;
        let faults = self.faults.clone();
        Ok(Arc::new(FaultySource { source, faults }))
    }

    fn edit(&self, name: &str) -> io::Result<Box<dyn Edit>> {
        let edit = self.faults.read(|| self.volume.edit(name))?;
        let faults = self.faults.clone();
        Ok(Box::new(FaultyEdit { edit, faults }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.faults.whole(|| self.volume.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.faults.whole(|| self.volume.remove(name))
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.whole(|| self.volume.sync())
    }
}

struct FaultySink {
    sink: Box<dyn Sink>,
    faults: Faults,
}

impl Sink for FaultySink {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.faults.bytes(bytes, |bytes| self.sink.append(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.faults.whole(|| self.sink.sync())
    }
}

struct FaultyEdit {
    edit: Box<dyn Edit>,
    faults: Faults,
}

impl Edit for FaultyEdit {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.faults
            .bytes(bytes, |bytes| self.edit.write_at(at, bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.faults.whole(|| self.edit.sync())
    }
}

struct FaultySource {
    source: Arc<dyn Source>,
    faults: Faults,
}

impl Source for FaultySource {
    fn len(&self) -> io::Result<u64> {
        self.faults.read(|| self.source.len())
    }

    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.faults.read(|| self.source.read_at(at, bytes))
    }
}

mod tests {
    use super::*;
    use crate::engine::memory::MemoryEngine;
    use crate::volume::memory::MemoryVolume;

    /// Seven changes; what it was told of each.
    fn run(engine: &dyn Engine, volume: &dyn Volume) -> Vec<bool> {
        let changes = vec![(b"key".to_vec(), Some(b"value".to_vec()))];
        let mut told = vec![
            engine.write(EngineBatch { changes }).is_ok(),
            engine.sync().is_ok(),
        ];
        let sink = volume.create("new");
        told.push(sink.is_ok());
        if let Ok(mut sink) = sink {
            told.push(sink.append(b"abcd").is_ok());
            told.push(sink.sync().is_ok());
            told.push(volume.rename("new", "file").is_ok());
            told.push(volume.sync().is_ok());
        }
        told
    }

    #[test]
    fn counts_changes() {
        let faults = Faults::none();
        let told = run(
            &faults.engine(MemoryEngine::default()),
            &faults.volume(MemoryVolume::default()),
        );
        assert_eq!(told, [true; 7]);
        assert_eq!(faults.changes(), 7);
        assert!(!faults.fired());
    }

    #[test]
    fn fails_once_or_from_then_on() {
        for nth in 0..8 {
            for then in [Then::GoOn, Then::Stop] {
                let faults = Faults::at(nth, Effect::None, then);
                let engine = faults.engine(MemoryEngine::default());
                let volume = faults.volume(MemoryVolume::default());
                let told = run(&engine, &volume);
                assert_eq!(faults.fired(), nth < 7);
                let works = |number: u64| match then {
                    Then::GoOn => number != nth,
                    Then::Stop => number < nth,
                };
                let expected: Vec<bool> = (0..told.len() as u64).map(works).collect();
                // A renaming that finds no file fails by itself; none is missing here.
                assert_eq!(told, expected, "{nth} {then:?}");
                let stopped = nth < 7 && then == Then::Stop;
                assert_eq!(engine.get(b"key").is_err(), stopped);
                assert_eq!(volume.list().is_err(), stopped);
            }
        }
    }

    #[test]
    fn fails_one_read() {
        let engine = MemoryEngine::default();
        let volume = MemoryVolume::default();
        run(&engine, &volume);
        for nth in 0..5 {
            let faults = Faults::at_read(nth);
            let engine = faults.engine(engine.clone());
            let volume = faults.volume(volume.clone());
            let mut told = vec![engine.get(b"key").is_ok(), volume.list().is_ok()];
            let file = volume.open("file");
            told.push(file.is_ok());
            let file = file.or_else(|_| volume.open("file")).unwrap();
            told.push(file.read_at(0, &mut [0; 4]).is_ok());
            let first_failed = told.iter().position(|works| !works);
            assert_eq!(
                first_failed,
                usize::try_from(nth).ok().filter(|nth| *nth < 4)
            );
            assert_eq!(faults.fired(), nth < 4);
            assert_eq!(faults.reads(), 4 + u64::from(nth == 2));
        }
    }

    #[test]
    fn does_nothing_a_half_or_all_of_what_fails() {
        for (effect, entries, bytes) in [
            (Effect::None, 0, &b""[..]),
            (Effect::Half, 0, b"ab"),
            (Effect::Full, 1, b"abcd"),
        ] {
            let engine = MemoryEngine::default();
            let volume = MemoryVolume::default();
            let faults = Faults::at(0, effect, Then::Stop);
            run(
                &faults.engine(engine.clone()),
                &faults.volume(volume.clone()),
            );
            assert_eq!(engine.scan(b"", b"\xff", 9).unwrap().len(), entries);

            let faults = Faults::at(3, effect, Then::Stop);
            run(
                &faults.engine(engine.clone()),
                &faults.volume(volume.clone()),
            );
            let source = volume.open("new").unwrap();
            let mut found = vec![0; usize::try_from(source.len().unwrap()).unwrap()];
            source.read_at(0, &mut found).unwrap();
            assert_eq!(found, bytes);
        }
    }
}
