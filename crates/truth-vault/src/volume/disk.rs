//! A real folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{FileId, Lock, Sharing, VaultFile, Volume};

/// The files of a real folder.
pub(crate) struct DiskVolume {
    path: PathBuf,
    // Kept open: names are made durable through it.
    folder: File,
}

impl DiskVolume {
    /// The folder `path`, which is made, durably, if it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            fs::create_dir_all(path)?;
            if let Some(parent) = path.parent().filter(|path| !path.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self {
            path: path.to_owned(),
            folder: File::open(path)?,
        })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Volume for DiskVolume {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn VaultFile>> {
        let mut options = OpenOptions::new();
        let file = (options.read(true).write(true).create_new(true)).open(self.at(name))?;
        claim(&file, &self.at(name))?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn VaultFile>> {
        Ok(Arc::new(DiskFile(File::open(self.at(name))?)))
    }

    fn hold(&self, name: &str) -> io::Result<Option<Arc<dyn VaultFile>>> {
        let path = self.at(name);
        // Asked beforehand, because whoever is root may open it for writing all the same.
        if fs::metadata(&path)?.permissions().readonly() {
            return Ok(None);
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        match file.try_lock() {
            // Its holder may have renamed or removed it meanwhile.
            Ok(()) if !is_at(&file, &self.at(name))? => Ok(None),
            // Or sealed it, after the first question.
            Ok(()) if file.metadata()?.permissions().readonly() => Ok(None),
            Ok(()) => Ok(Some(Arc::new(DiskFile(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn seal(&self, name: &str) -> io::Result<()> {
        let path = self.at(name);
        let mut permissions = fs::metadata(&path)?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.at(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.folder.sync_all()
    }

    fn identity(&self, name: &str) -> io::Result<Option<FileId>> {
        named(&self.at(name))
    }

    fn lock(&self, name: &str, sharing: Sharing) -> io::Result<Lock> {
        let file = self.lock_file(name)?;
        match sharing {
            Sharing::Alone => file.lock()?,
            Sharing::Shared => file.lock_shared()?,
        }
        Ok(Lock { _file: file })
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Lock>> {
        let file = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl DiskVolume {
    /// Opened anew for each holder: the system counts a lock by opened files. It is never removed, so
    /// that all of them mean the same one.
    fn lock_file(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(self.at(name))
    }
}

/// Takes a file that was just made: `AlreadyExists` if it is somebody else's by now. Who lists the folder
/// before it is locked takes it for what a dead process left: removes it, or goes on in it.
fn claim(file: &File, path: &Path) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) if is_at(file, path)? && file.metadata()?.len() == 0 => return Ok(()),
        Ok(()) | Err(TryLockError::WouldBlock) => {}
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Whether `path` still leads to this file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    Ok(named(path)? == Some(id(&file.metadata()?)))
}

fn named(path: &Path) -> io::Result<Option<FileId>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        named => Ok(Some(id(&named?))),
    }
}

fn id(file: &fs::Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;
    FileId {
        device: file.dev(),
        number: file.ino(),
    }
}

/// A file; the lock on it, if it is held, goes with the last handle.
struct DiskFile(File);

impl VaultFile for DiskFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        // Places come from files, which may be damaged; the system knows none above this.
        if at.saturating_add(bytes.len() as u64) > i64::MAX.cast_unsigned() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        std::os::unix::fs::FileExt::read_exact_at(&self.0, bytes, at)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, at)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn is_sealed(&self) -> io::Result<bool> {
        Ok(self.0.metadata()?.permissions().readonly())
    }

    fn identity(&self) -> io::Result<FileId> {
        Ok(id(&self.0.metadata()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_that_somebody_else_took_first_is_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let volume = DiskVolume::open(folder.path()).unwrap();
        let make = |name: &str| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true);
            options.open(folder.path().join(name)).unwrap()
        };
        let refused = |file: &File, name: &str| {
            let claimed = claim(file, &folder.path().join(name));
            assert_eq!(claimed.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        };
        // It is held, and then it is written and left.
        let file = make("written");
        let other = volume.hold("written").unwrap().unwrap();
        refused(&file, "written");
        other.write_at(0, b"records").unwrap();
        drop(other);
        refused(&file, "written");
        let file = make("removed");
        volume.remove("removed").unwrap();
        refused(&file, "removed");
        let file = make("ours");
        claim(&file, &folder.path().join("ours")).unwrap();
        assert!(volume.hold("ours").unwrap().is_none());
    }
}
