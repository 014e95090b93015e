//! Secret keys in files that only their owner reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
#[cfg(unix)]
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{KeyError, SecretKey};

impl SecretKey {
    /// Writes the secret text to the new file `path`, which only its owner may read (mode 0600),
    /// and syncs file and folder.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Io`]; also if there is such a file: no key is ever overwritten. After an
    /// error the file, if it is there, may lack part of the text; loading it is refused then.
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        let failed = |source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(path).map_err(failed)?;
        let text = self.to_secret_text() + "\n";
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        folder.sync_all().map_err(failed)
    }

    /// Reads a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Exposed`] if others than the owner may read or write it, else
    /// [`KeyFileError::Io`] or [`KeyFileError::Key`].
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        #[cfg(unix)]
        {
            // Of the file that is open, not of whatever has the name by now.
            let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                let path = path.to_owned();
                return Err(KeyFileError::Exposed { path, mode });
            }
        }
        let mut text = String::new();
        let read = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
        read.map_err(failed)?;
        let key = text.strip_suffix('\n').unwrap_or(&text).parse();
        key.map_err(|source| KeyFileError::Key {
            path: path.to_owned(),
            source,
        })
    }
}

/// Why a key file could not be written or was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file system refused something.
    #[error("cannot read or write the key file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner may read or write it: the key may be known to them.
    #[error("the key file {path} has the mode {mode:04o}, not 0600")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Its text is no secret key.
    #[error("the key file {path} has no key of ours")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
}

/// More than any key has.
const FILE_BYTES_MAX: u64 = 4096;
