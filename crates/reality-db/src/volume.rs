//! What checkpoints and marks ask of a file system: a folder of files.

pub(crate) mod disk;
#[cfg_attr(not(test), expect(dead_code, reason = "only tests lose power"))]
pub(crate) mod memory;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

/// A folder of files, written by one process.
///
/// Implemented by a real folder, by memory, and by the wrapper that injects faults.
pub(crate) trait Volume: Send + Sync {
    /// Names of the files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new empty file, instead of the one of that name if there is one.
    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>>;

    /// Opens a file for reading. It stays readable when it is removed.
    fn open(&self, name: &str) -> io::Result<Arc<dyn Source>>;

    /// Overwrites bytes of an existing file in place, or makes it longer; not durable by itself.
    #[cfg(test)]
    fn overwrite(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.edit(name)?.write_at(at, bytes)
    }

    /// Opens an existing file to be changed in place, again and again.
    fn edit(&self, name: &str) -> io::Result<Box<dyn Edit>>;

    /// Gives a file another name, instead of the one that had it, all or nothing.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. No error if there is none.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renamings and removals durable.
    fn sync(&self) -> io::Result<()>;
}

/// A file being written, from its start to its end.
pub(crate) trait Sink: Send + Sync {
    /// Adds bytes at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file being changed in place.
pub(crate) trait Edit: Send {
    /// Overwrites bytes, or makes the file longer.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file being read, by several threads at a time.
pub(crate) trait Source: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Reads exactly `bytes.len()` bytes from `at`; `UnexpectedEof` if there are fewer.
    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<()>;
}

/// Refuses a name that is not of 1 to 255 letters, digits, `.`, `-` and `_`, or starts with a dot.
fn check_name(name: &str) -> io::Result<()> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if (1..=255).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(good) {
        return Ok(());
    }
    let why = format!("{name:?} is no name of a file here");
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}
