//! The index as a file: read as a whole, replaced as a whole.
//!
//! The bytes are specified in `docs/formats/vault.md`. It is a cache: whatever is wrong with it, it is
//! made again from the segments.

use std::io;

use super::Places;
use super::run::{self, Run};
use crate::checked::{self, take};
use crate::volume::{self, Volume};

/// Its name in the vault's folder.
pub(crate) const NAME: &str = "index";

const MAGIC: &[u8; 8] = b"d360idx\x02";

/// How far the index knows a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) segment: u32,
    /// Bytes of it whose records are in the index.
    pub(crate) bytes: u64,
}

/// What an index file holds.
pub(crate) struct IndexFile {
    pub(crate) covered: Vec<Covered>,
    pub(crate) run: Run,
    /// Copies beside those of the run.
    pub(crate) others: Places,
}

impl IndexFile {
    /// Reads it; `None` where there is none, or one that is damaged or of another version.
    pub(crate) fn read(volume: &dyn Volume) -> io::Result<Option<Self>> {
        let file = match volume.open(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Ok(len) = usize::try_from(file.len()?) else {
            return Ok(None);
        };
        let mut bytes = vec![0; len];
        match file.read_at(0, &mut bytes) {
            Ok(()) => Ok(Self::decode(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn decode(mut bytes: Vec<u8>) -> Option<Self> {
        let mut rest = checked::open(&bytes, MAGIC)?;
        let count = u32::from_le_bytes(take(&mut rest)?);
        let mut covered = Vec::new();
        for _ in 0..count {
            covered.push(Covered {
                segment: u32::from_le_bytes(take(&mut rest)?),
                bytes: u64::from_le_bytes(take(&mut rest)?),
            });
        }
        let count = u32::from_le_bytes(take(&mut rest)?);
        let others = usize::try_from(count).ok()?.checked_mul(run::ENTRY_BYTES)?;
        let (others, entries) = rest.split_at_checked(others)?;
        let others = run::decode_all(others)?;
        let (len, end) = (entries.len(), bytes.len() - checked::HASH_BYTES);
        bytes.truncate(end);
        bytes.drain(..end - len);
        let run = Run::new(bytes)?;
        Some(Self {
            covered,
            run,
            others,
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.covered.len()).expect("segments have numbers of 32 bits");
        let mut bytes = Vec::with_capacity(self.run.as_bytes().len() + 64);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&count.to_le_bytes());
        for covered in &self.covered {
            bytes.extend_from_slice(&covered.segment.to_le_bytes());
            bytes.extend_from_slice(&covered.bytes.to_le_bytes());
        }
        let count = u32::try_from(self.others.len()).expect("second copies are few");
        bytes.extend_from_slice(&count.to_le_bytes());
        for other in &self.others {
            run::encode(other, &mut bytes);
        }
        bytes.extend_from_slice(self.run.as_bytes());
        checked::close(bytes)
    }

    /// Puts it in place of the one that is there: all or nothing.
    pub(crate) fn write(&self, volume: &dyn Volume) -> io::Result<()> {
        volume::replace(volume, NAME, &self.encode())
    }
}
