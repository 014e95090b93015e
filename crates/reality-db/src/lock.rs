//! The lock of a folder: one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::process;

/// A folder held by this process, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

/// Why a folder was not locked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Somebody else holds it.
    #[error("the folder is in use{}", holder(*pid))]
    Held {
        /// The number of the process that holds it, if it could be read.
        pid: Option<u32>,
    },
    /// The lock could not be tried.
    #[error("the folder could not be locked")]
    Io(#[from] io::Error),
}

impl FolderLock {
    /// Takes the lock of the folder at `path`, which is the lock of the system on a file in it.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false) // it may name the holder
            .open(path.join(NAME))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    pid: read_pid(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
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

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

/// Name of the file that is locked.
const NAME: &str = "LOCK";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lets_one_in_and_tells_the_second_who() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path()).unwrap();
        let second = FolderLock::take(folder.path()).unwrap_err();
        let LockError::Held { pid } = second else {
            panic!("{second}");
        };
        assert_eq!(pid, Some(process::id()));
        let expected = format!("the folder is in use by process {}", process::id());
        assert_eq!(second.to_string(), expected);
        drop(first);
        FolderLock::take(folder.path()).unwrap();
    }

    #[test]
    fn does_not_need_to_know_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let _first = FolderLock::take(folder.path()).unwrap();
        for garbage in [&b""[..], b"who?", b"99999999999", &[0xff; 100]] {
            fs::write(folder.path().join(NAME), garbage).unwrap();
            let second = FolderLock::take(folder.path()).unwrap_err();
            assert_eq!(second.to_string(), "the folder is in use");
        }
    }

    #[test]
    fn needs_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let absent = FolderLock::take(&folder.path().join("absent"));
        assert!(matches!(absent, Err(LockError::Io(_))));
    }
}
