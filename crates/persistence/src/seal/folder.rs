//! The folder that holds the chain of seals outside of the stores.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The folder that holds the chain of seals outside of the stores: one file a seal.
pub(crate) struct SealFolder {
    path: PathBuf,
}

impl SealFolder {
    /// The folder at `path`, which is made if it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// The numbers of the seals that are there, in order.
    pub(crate) fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            // A name that we would not give is somebody else's file.
            let number = digits.and_then(|digits| digits.parse().ok());
            numbers.extend(number.filter(|number| Some(&*file_name(*number)) == name.to_str()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The signed seal of that number.
    pub(crate) fn read(&self, number: u64) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(file_name(number)))
    }

    /// Writes a signed seal durably, whole or not at all.
    pub(crate) fn write(&self, number: u64, note: &[u8]) -> io::Result<()> {
        write_whole(&self.path, &file_name(number), note)
    }
}

/// Writes a file of `folder` durably, whole or not at all.
pub(crate) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}.new"));
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}

fn file_name(number: u64) -> String {
    format!("{number:010}{SUFFIX}")
}

const SUFFIX: &str = ".seal";
