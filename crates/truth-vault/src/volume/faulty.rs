//! Files on a disk that refuses one change, or every change from one on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{FileId, Lock, Sharing, VaultFile, Volume};

/// Which change is refused.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Counted from 0.
    at: u64,
    /// All from there on.
    forever: bool,
    changes: AtomicU64,
}

impl Faults {
    pub(crate) fn at(at: u64, forever: bool) -> Arc<Self> {
        let changes = AtomicU64::new(0);
        Arc::new(Self {
            at,
            forever,
            changes,
        })
    }

    /// Whether the run came to the change that is refused.
    pub(crate) fn came(&self) -> bool {
        self.changes.load(Ordering::SeqCst) > self.at
    }

    fn change(&self) -> io::Result<()> {
        let at = self.changes.fetch_add(1, Ordering::SeqCst);
        if at == self.at || self.forever && at > self.at {
            return Err(io::Error::other("a fault that was injected"));
        }
        Ok(())
    }
}

/// A folder on such a disk. Nothing is really synced: no power is lost.
pub(crate) struct FaultyVolume {
    pub(crate) inner: Box<dyn Volume>,
    pub(crate) faults: Arc<Faults>,
}

struct FaultyFile {
    inner: Arc<dyn VaultFile>,
    faults: Arc<Faults>,
}

impl FaultyVolume {
    fn wrap(&self, inner: Arc<dyn VaultFile>) -> Arc<dyn VaultFile> {
        let faults = Arc::clone(&self.faults);
        Arc::new(FaultyFile { inner, faults })
    }
}

impl Volume for FaultyVolume {
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn VaultFile>> {
        self.faults.change()?;
        Ok(self.wrap(self.inner.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn VaultFile>> {
        Ok(self.wrap(self.inner.open(name)?))
    }

    fn hold(&self, name: &str) -> io::Result<Option<Arc<dyn VaultFile>>> {
        let held = self.inner.hold(name)?;
        Ok(held.map(|file| self.wrap(file)))
    }

    fn seal(&self, name: &str) -> io::Result<()> {
        self.faults.change()?;
        self.inner.seal(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.faults.change()?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.faults.change()?;
        self.inner.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.change()
    }

    fn identity(&self, name: &str) -> io::Result<Option<FileId>> {
        self.inner.identity(name)
    }

    fn lock(&self, name: &str, sharing: Sharing) -> io::Result<Lock> {
        self.inner.lock(name, sharing)
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Lock>> {
        self.inner.try_lock(name)
    }
}

impl VaultFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(at, bytes)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.faults.change() {
            // Half of it got there.
            self.inner.write_at(at, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.inner.write_at(at, bytes)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.faults.change()?;
        self.inner.truncate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.change()
    }

    fn is_sealed(&self) -> io::Result<bool> {
        self.inner.is_sealed()
    }

    fn identity(&self) -> io::Result<FileId> {
        self.inner.identity()
    }
}
