//! A real folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Edit, Sink, Source, Volume, check_name};

/// The files of a real folder; folders in it, and files of other people's names, are left alone.
pub(crate) struct DiskVolume {
    path: PathBuf,
    // Kept open: names are made durable through it.
    folder: File,
}

impl DiskVolume {
    /// The folder `path`, which is made if it is not there.
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

    fn file(&self, name: &str) -> io::Result<PathBuf> {
        check_name(name)?;
        Ok(self.path.join(name))
    }
}

impl Volume for DiskVolume {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if !entry.file_type()?.is_file() {
                continue;
            }
            if let Some(name) = entry.file_name().to_str()
                && check_name(name).is_ok()
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>> {
        // Never truncates a file: somebody may be reading it.
        self.remove(name)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.file(name)?)?;
        Ok(Box::new(DiskSink(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn Source>> {
        Ok(Arc::new(DiskSource(File::open(self.file(name)?)?)))
    }

    fn edit(&self, name: &str) -> io::Result<Box<dyn Edit>> {
        let file = OpenOptions::new().write(true).open(self.file(name)?)?;
        Ok(Box::new(DiskEdit(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.file(from)?, self.file(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.file(name)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.folder.sync_all()
    }
}

/// A file being written.
struct DiskSink(File);

impl Sink for DiskSink {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data() // the length too; the times of the file do not matter
    }
}

/// A file being changed.
struct DiskEdit(File);

impl Edit for DiskEdit {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        write_all_at(&self.0, at, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// A file being read.
struct DiskSource(File);

impl Source for DiskSource {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        // Places come from files, which may be damaged; the system knows none above this.
        let end = at.saturating_add(bytes.len() as u64);
        if end > i64::MAX.cast_unsigned() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read_exact_at(&self.0, at, bytes)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(unix)]
fn write_all_at(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}
