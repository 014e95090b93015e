//! The lock of a folder: one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::process;

use crate::error::OpenError;

/// A folder held by this process, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock of the folder at `path`, which is the lock of the system on a file in it.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let storage = |error: io::Error| OpenError::Storage(error.into());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false) // it may name the holder
            .open(path.join(NAME))
            .map_err(storage)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked {
                    path: path.to_owned(),
                    holder: read_pid(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(storage(error)),
        }
        // For people and for the error of whoever comes second. The lock holds without it, so a
        // full disk does not keep anybody from opening.
        let _ = write_pid(&mut file);
        Ok(Self { _file: file })
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

/// Name of the file that is locked.
const NAME: &str = "LOCK";
