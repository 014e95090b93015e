//! What the vault asks of a file system: folders of files that only grow until they are sealed.

mod disk;

use std::io;
use std::sync::Arc;

pub(crate) use disk::DiskVolume;

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
}
