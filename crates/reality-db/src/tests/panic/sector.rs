//! A sector that cannot be read, however often it is asked for.

use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Damage, Health, Stage, WayOut, check, file_of, filled, options};
use crate::ReadError;
use crate::checkpoint::Pointer;
use crate::volume::memory::MemoryVolume;
use crate::volume::{Edit, Sink, Source, Volume};
use crate::{Depth, RealityDb};

/// A volume one byte of which cannot be read.
struct Bad {
    volume: MemoryVolume,
    file: String,
    at: Arc<AtomicU64>,
    kind: ErrorKind,
}

struct BadSource {
    source: Arc<dyn Source>,
    at: Arc<AtomicU64>,
    kind: ErrorKind,
}

impl Volume for Bad {
    fn list(&self) -> io::Result<Vec<String>> {
        self.volume.list()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>> {
        self.volume.create(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn Source>> {
        let source = self.volume.open(name)?;
        match name == self.file {
            true => Ok(Arc::new(BadSource {
                source,
                at: self.at.clone(),
                kind: self.kind,
            })),
            false => Ok(source),
        }
    }

    fn edit(&self, name: &str) -> io::Result<Box<dyn Edit>> {
        self.volume.edit(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.volume.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.volume.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.volume.sync()
    }
}

impl Source for BadSource {
    fn len(&self) -> io::Result<u64> {
        self.source.len()
    }

    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        let bad = self.at.load(Ordering::SeqCst);
        if (at..at + bytes.len() as u64).contains(&bad) {
            return Err(self.kind.into());
        }
        self.source.read_at(at, bytes)
    }
}

/// A database whose newest version is the second of its checkpoints. Of the file of the first, where the buckets
/// of both are, one byte cannot be read from now on.
fn with_bad_byte(kind: ErrorKind, at: impl Fn(&Pointer) -> u64) -> RealityDb {
    let stage = Stage::memory();
    let db = filled(&stage);
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
    let pointer = db.shared.pointers()[0];
    drop(db);
    let bad_at = Arc::new(AtomicU64::new(u64::MAX));
    let (mut storage, format) = stage.storage(&options()).unwrap();
    storage.checkpoints = Arc::new(Bad {
        volume: stage.checkpoints().clone(),
        file: file_of(&stage, &pointer),
        at: bad_at.clone(),
        kind,
    });
    let db = RealityDb::start(storage, format, &options()).unwrap();
    bad_at.store(at(&pointer), Ordering::SeqCst);
    db
}

#[test]
fn a_bucket_that_cannot_be_read_twice_is_damaged_and_made_again() {
    let db = with_bad_byte(ErrorKind::Other, |_| 100);
    let version = db.version();
    let found = check(&db).damage;
    assert!(!found.is_empty());
    let is_bucket = |damage: &Damage| matches!(damage, Damage::Bucket { .. });
    assert!(found.iter().all(is_bucket), "{found:?}");
    assert_eq!(db.ways_out().unwrap(), [WayOut::Rebuild]);
    let report = db.take_way_out(&WayOut::Rebuild, "a bad sector").unwrap();
    assert_eq!(report.damage, []);
    assert_eq!((db.version(), db.health()), (version, Health::Sound));
}

#[test]
fn a_checkpoint_whose_catalogue_cannot_be_read_is_passed_over_by_ways_out() {
    let db = with_bad_byte(ErrorKind::Other, |pointer| pointer.catalogue_at);
    db.shared.panic(&Damage::Mark);
    let before_the_other = WayOut::ForgetHistory { before: 10 };
    assert_eq!(db.ways_out().unwrap(), [WayOut::Rebuild, before_the_other]);
    let report = db.take_way_out(&WayOut::Rebuild, "a bad sector").unwrap();
    assert_eq!(report.damage, []);
}

#[test]
fn what_the_system_lacks_memory_for_is_not_damaged() {
    let db = with_bad_byte(ErrorKind::OutOfMemory, |_| 100);
    let checked = db.verify_integrity(Depth::Stored, |_| ControlFlow::Continue(()));
    assert!(matches!(checked, Err(ReadError::Storage(_))), "{checked:?}");
    assert_eq!(db.health(), Health::Sound);
    db.shared.panic(&Damage::Mark);
    assert!(matches!(db.ways_out(), Err(ReadError::Storage(_))));
}
