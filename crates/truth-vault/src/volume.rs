//! What the vault asks of a file system: folders of files that only grow until they are sealed.

mod disk;
#[cfg(test)]
mod faulty;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use disk::DiskVolume;
#[cfg(test)]
pub(crate) use faulty::{Faults, FaultyVolume};

/// One folder of files, which several processes may use at a time.
///
/// Implemented by a real folder, and by the wrapper that injects faults.
pub(crate) trait Volume: Send + Sync {
    /// Names of the files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new file and holds it for writing: `AlreadyExists` if there is one of that name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn VaultFile>>;

    /// Opens a file for reading. It stays readable when it is removed.
    fn open(&self, name: &str) -> io::Result<Arc<dyn VaultFile>>;

    /// Opens a file for writing and holds it; `None` while another handle holds it, or if it is sealed.
    fn hold(&self, name: &str) -> io::Result<Option<Arc<dyn VaultFile>>>;

    /// Says that the file is never to be written again.
    fn seal(&self, name: &str) -> io::Result<()>;

    /// Gives a file another name, instead of the one that had it, all or nothing.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. No error if there is none.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renamings and removals durable.
    fn sync(&self) -> io::Result<()>;

    /// Which file has that name, `None` if there is none: while a file is open, no other is the same.
    fn identity(&self, name: &str) -> io::Result<Option<FileId>>;

    /// Waits for the lock of that name, which has a file of its own, and holds it.
    fn lock(&self, name: &str, sharing: Sharing) -> io::Result<Lock>;

    /// The lock of that name for this handle alone; `None` while somebody holds it.
    fn try_lock(&self, name: &str) -> io::Result<Option<Lock>>;
}

/// Tells a file from all others that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    number: u64,
}

/// Whether others may hold a lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    Alone,
    Shared,
}

/// A lock between threads and processes, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: std::fs::File,
}

/// A file, used by several threads at a time. What was opened for reading refuses to be written.
pub(crate) trait VaultFile: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Reads exactly `bytes.len()` bytes from `at`; `UnexpectedEof` if there are fewer.
    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes at `at`, which makes the file longer if need be; not durable by itself.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Makes what was written durable, its length too.
    fn sync(&self) -> io::Result<()>;

    /// Whether it is never to be written again.
    fn is_sealed(&self) -> io::Result<bool>;

    /// Which file it is.
    fn identity(&self) -> io::Result<FileId>;
}

/// Puts a small file in place of the one of that name: all or nothing.
pub(crate) fn replace(volume: &dyn Volume, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (scratch, file) = create_scratch(volume)?;
    let replaced = (file.write_at(0, bytes))
        .and_then(|()| file.sync())
        .and_then(|()| volume.rename(&scratch, name));
    if let Err(error) = replaced {
        // It would be swept away later; a full disk needs the room now.
        let _ = volume.remove(&scratch);
        return Err(error);
    }
    volume.sync()
}

/// The whole content of a small file that is never changed in place.
pub(crate) fn read(file: &dyn VaultFile) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// What a file is named by that is being made: swept away by whoever opens the vault after its maker died.
const SCRATCH: &str = ".tmp";

/// Makes a file under a name that nobody else in this process or another has.
pub(crate) fn create_scratch(volume: &dyn Volume) -> io::Result<(String, Arc<dyn VaultFile>)> {
    // Of the process, not of a handle: two handles of one vault write into one folder.
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}{SCRATCH}", std::process::id());
        match volume.create(&name) {
            Ok(file) => return Ok((name, file)),
            // Of a process that had this number before and died.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes what processes left that died while making a file.
pub(crate) fn sweep_scratch(volume: &dyn Volume) -> io::Result<()> {
    for name in volume.list()?.iter().filter(|name| name.ends_with(SCRATCH)) {
        let held = match volume.hold(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            held => held?,
        };
        if held.is_some() {
            volume.remove(name)?;
        }
    }
    Ok(())
}
