//! A small file that processes replace and all of them look at: read again when it is another one.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use crate::volume::{self, FileId, VaultFile, Volume};

/// What was read of the file last.
pub(crate) struct Watched<T> {
    name: &'static str,
    decode: fn(&[u8]) -> Option<T>,
    seen: RwLock<Seen<T>>,
}

/// What a file is worth.
pub(crate) enum Content<T> {
    Missing,
    Damaged,
    Whole(Arc<T>),
}

struct Seen<T> {
    content: Content<T>,
    id: Option<FileId>,
    // Held open, so that no later file becomes the same one.
    _file: Option<Arc<dyn VaultFile>>,
}

impl<T> Clone for Content<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Missing => Self::Missing,
            Self::Damaged => Self::Damaged,
            Self::Whole(content) => Self::Whole(Arc::clone(content)),
        }
    }
}

impl<T> Watched<T> {
    pub(crate) fn new(name: &'static str, decode: fn(&[u8]) -> Option<T>) -> Self {
        let seen = Seen {
            content: Content::Missing,
            id: None,
            _file: None,
        };
        Self {
            name,
            decode,
            seen: RwLock::new(seen),
        }
    }

    /// The content as of now. Asks the system which file it is, and no more where it is the same.
    pub(crate) fn get(&self, volume: &dyn Volume) -> io::Result<Content<T>> {
        {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            if volume.identity(self.name)? == seen.id {
                return Ok(seen.content.clone());
            }
        }
        let fresh = self.read(volume)?;
        // What was just read is the answer, whatever another thread puts there meanwhile.
        let content = fresh.content.clone();
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(content)
    }

    fn read(&self, volume: &dyn Volume) -> io::Result<Seen<T>> {
        let file = match volume.open(self.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Seen {
                    content: Content::Missing,
                    id: None,
                    _file: None,
                });
            }
            file => file?,
        };
        let content = match (self.decode)(&volume::read(&*file)?) {
            Some(content) => Content::Whole(Arc::new(content)),
            None => Content::Damaged,
        };
        Ok(Seen {
            content,
            id: Some(file.identity()?),
            _file: Some(file),
        })
    }
}
