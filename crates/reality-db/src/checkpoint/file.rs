//! Checkpoint files: their names, their first bytes, and writing one at a pace.

use std::{io::ErrorKind, ops::ControlFlow, sync::Arc};

use super::error::{CheckpointError, Damage};
use crate::volume::{Sink, Source, Volume};

/// Bytes before the first bucket.
pub(super) const HEADER_LEN: u64 = HEADER_BYTES as u64;

const HEADER_BYTES: usize = 16;

/// What every checkpoint file starts with; the last byte is the version of the format.
const MAGIC: [u8; 8] = *b"RDBCKPT\x01";

const SUFFIX: &str = ".checkpoint";

/// Bytes that are written or read at a time, and between two calls of the caller's control.
pub(super) const PIECE_BYTES: usize = 256 << 10;

/// Bytes between two syncs: few enough that commits beside it do not wait for long.
const SYNC_BYTES: usize = 4 << 20;

/// How far the writing of a checkpoint is. Handed to the caller's control about every 256 KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointProgress {
    /// Bytes written to the new file so far.
    pub bytes_written: u64,
    /// Bytes of it that were read back so far.
    pub bytes_verified: u64,
    /// Subtrees that are stored, in the new file or an older one.
    pub subtrees_done: usize,
    /// Subtrees of the tree.
    pub subtrees_total: usize,
}

/// What the caller does between two pieces: it may wait, and it may say that it is enough.
pub(crate) type Control<'c> = dyn FnMut(CheckpointProgress) -> ControlFlow<()> + 'c;

/// The name of the file with this number.
pub(super) fn name(number: u64) -> String {
    format!("{number:020}{SUFFIX}")
}

/// The number of the file with this name; none if it is no checkpoint file.
pub(super) fn number(file: &str) -> Option<u64> {
    let number = file.strip_suffix(SUFFIX)?.parse().ok()?;
    (name(number) == file).then_some(number)
}

pub(super) fn header(number: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let (magic, rest) = header.split_at_mut(MAGIC.len());
    magic.copy_from_slice(&MAGIC);
    rest.copy_from_slice(&number.to_be_bytes());
    header
}

/// Opens a file that should have `expected` bytes, and looks at its first ones.
pub(super) fn open(
    volume: &dyn Volume,
    number: u64,
    expected: u64,
) -> Result<Arc<dyn Source>, CheckpointError> {
    let failed = CheckpointError::io(number);
    let source = volume.open(&name(number)).map_err(&failed)?;
    check_header(&*source, number)?;
    let len = source.len().map_err(&failed)?;
    if len == expected {
        Ok(source)
    } else {
        Err(CheckpointError::Damaged {
            file: number,
            offset: len.min(expected),
            damage: Damage::Length { len, expected },
        })
    }
}

/// Refuses a file that does not start as the one with this number does.
pub(super) fn check_header(source: &dyn Source, number: u64) -> Result<(), CheckpointError> {
    let mut found = [0; HEADER_BYTES];
    let damage = match source.read_at(0, &mut found) {
        Ok(()) if found == header(number) => return Ok(()),
        Ok(()) if found[..7] == MAGIC[..7] && found[7] != MAGIC[7] => {
            Damage::UnknownFormat { format: found[7] }
        }
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
            return Err(CheckpointError::io(number)(error));
        }
        _ => Damage::Header { number },
    };
    Err(CheckpointError::Damaged {
        file: number,
        offset: 0,
        damage,
    })
}

/// A file being written, that can tell afterwards whether it holds what was written.
pub(super) struct NewFile {
    sink: Box<dyn Sink>,
    number: u64,
    len: u64,
    /// Of what was written.
    hash: blake3::Hasher,
}

impl NewFile {
    /// Makes a new file of this number. Nothing is in it, not even what files begin with.
    pub(super) fn create(volume: &dyn Volume, number: u64) -> Result<Self, CheckpointError> {
        let sink = volume.create(&name(number));
        Ok(Self {
            sink: sink.map_err(CheckpointError::io(number))?,
            number,
            len: 0,
            hash: blake3::Hasher::new(),
        })
    }

    /// Its number.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Adds bytes at the end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        let appended = self.sink.append(bytes);
        appended.map_err(CheckpointError::io(self.number))?;
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Makes what was written durable.
    pub(super) fn sync(&mut self) -> Result<(), CheckpointError> {
        self.sink.sync().map_err(CheckpointError::io(self.number))
    }

    /// Reads the file as it lies in the volume and compares it with what was written. `pause` is called
    /// after each piece with the bytes that were read so far.
    pub(super) fn read_back(
        &self,
        volume: &dyn Volume,
        mut pause: impl FnMut(u64) -> Result<(), CheckpointError>,
    ) -> Result<(), CheckpointError> {
        let failed = CheckpointError::io(self.number);
        let source = volume.open(&name(self.number)).map_err(&failed)?;
        let mut hash = blake3::Hasher::new();
        let mut piece = vec![0; PIECE_BYTES];
        let mut at = 0;
        while at < self.len {
            let len = (self.len - at).min(PIECE_BYTES as u64);
            let piece = &mut piece[..usize::try_from(len).unwrap_or(PIECE_BYTES)];
            source.read_at(at, piece).map_err(&failed)?;
            hash.update(piece);
            at += len;
            pause(at)?;
        }
        let is_same =
            source.len().map_err(&failed)? == self.len && hash.finalize() == self.hash.finalize();
        is_same.then_some(()).ok_or(CheckpointError::Damaged {
            file: self.number,
            offset: 0,
            damage: Damage::ReadBack,
        })
    }
}

/// A checkpoint file being written, at the pace of the caller's control.
pub(super) struct Output<'c> {
    file: NewFile,
    /// What was not handed to the file yet.
    buffer: Vec<u8>,
    /// Bytes handed to the file since the last sync.
    unsynced: usize,
    control: &'c mut Control<'c>,
    pub(super) progress: CheckpointProgress,
}

impl<'c> Output<'c> {
    /// Makes a new file of this number and starts it.
    pub(super) fn create(
        volume: &dyn Volume,
        number: u64,
        control: &'c mut Control<'c>,
    ) -> Result<Self, CheckpointError> {
        Ok(Self {
            file: NewFile::create(volume, number)?,
            buffer: header(number).to_vec(),
            unsynced: 0,
            control,
            progress: CheckpointProgress::default(),
        })
    }

    /// Where the next byte will lie in the file.
    pub(super) fn end(&self) -> u64 {
        self.file.len() + self.buffer.len() as u64
    }

    /// Where to add bytes.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes whole pieces of what was added.
    pub(super) fn advance(&mut self) -> Result<(), CheckpointError> {
        if self.buffer.len() < PIECE_BYTES {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        let (pieces, rest) = buffer.as_chunks::<PIECE_BYTES>();
        for piece in pieces {
            self.append(piece)?;
        }
        self.buffer.extend_from_slice(rest);
        Ok(())
    }

    /// Writes all that was added and `last`, and makes it durable.
    pub(super) fn finish(&mut self, last: &[u8]) -> Result<(), CheckpointError> {
        self.advance()?;
        let buffer = std::mem::take(&mut self.buffer);
        self.append(&buffer)?;
        for piece in last.chunks(PIECE_BYTES) {
            self.append(piece)?;
        }
        self.file.sync()
    }

    /// Reads the file as it lies in the volume and compares it with what was written.
    pub(super) fn read_back(&mut self, volume: &dyn Volume) -> Result<(), CheckpointError> {
        let Self {
            file,
            control,
            progress,
            ..
        } = self;
        file.read_back(volume, |verified| {
            progress.bytes_verified = verified;
            pause(control, *progress)
        })
    }

    fn append(&mut self, piece: &[u8]) -> Result<(), CheckpointError> {
        self.file.append(piece)?;
        self.unsynced += piece.len();
        if self.unsynced >= SYNC_BYTES {
            self.unsynced = 0;
            self.file.sync()?;
        }
        self.progress.bytes_written = self.file.len();
        self.pause()
    }

    /// Lets the caller wait or cancel.
    pub(super) fn pause(&mut self) -> Result<(), CheckpointError> {
        pause(self.control, self.progress)
    }
}

/// Lets the caller wait or cancel.
pub(crate) fn pause(
    control: &mut Control<'_>,
    progress: CheckpointProgress,
) -> Result<(), CheckpointError> {
    match control(progress) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(CheckpointError::Cancelled),
    }
}
