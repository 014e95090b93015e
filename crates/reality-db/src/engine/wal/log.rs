//! The files of the log: which of them is written, and where.

use std::io;
use std::sync::Arc;

use super::frame::{self, Check, Frame, FrameHead};
use super::pending::{Changes, Pending};
use crate::engine::EngineBatch;
use crate::volume::{Edit, Volume};

/// The files, which take turns.
const NAMES: [&str; 2] = ["0.log", "1.log"];

/// The log, at its end.
pub(super) struct Log {
    volume: Arc<dyn Volume>,
    /// Each once it was written in this session.
    files: [Option<File>; 2],
    /// Which of them is being written.
    current: usize,
    /// Where the next frame goes.
    end: u64,
    /// Of the next frame.
    next: FrameHead,
    synced: bool,
    /// For the frame to be written.
    buffer: Vec<u8>,
}

struct File {
    edit: Box<dyn Edit>,
    /// Bytes for which there is room on the disk.
    len: u64,
}

/// Why a frame was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("a write of more than 4 GiB")]
    TooLarge,
}

impl Log {
    /// Reads the log, as far as the engine does not have it: it has all up to the frame `stored`.
    pub(super) fn open(volume: Arc<dyn Volume>, stored: u64) -> io::Result<(Self, Pending)> {
        let mut files = Vec::with_capacity(NAMES.len());
        for (at, name) in NAMES.iter().enumerate() {
            let (frames, end) = read(&*volume, name)?;
            files.push((at, frames, end));
        }
        files.sort_by_key(|(_, frames, _)| frames.first().map_or(0, |frame| frame.head.sequence));
        let all = || files.iter().flat_map(|(_, frames, _)| frames);
        // Above all that were ever used: what the log goes on without must not come back.
        let session = 1 + all().map(|frame| frame.head.session).max().unwrap_or(0);
        let mut last = FrameHead {
            sequence: stored,
            session,
            previous: Check::default(),
        };
        let mut parts: Vec<(usize, Changes, u64, u64)> = Vec::new();
        let mut before: Option<Frame> = None;
        for (at, frames, end) in files {
            let mut changes = Changes::default();
            for mut frame in frames {
                let sequence = frame.head.sequence;
                let follows = (before.as_ref()).is_none_or(|before| before.precedes(&frame));
                if sequence == last.sequence + 1 && (follows || sequence == stored + 1) {
                    last.sequence = sequence;
                    last.previous = frame.check;
                    changes.add(std::mem::take(&mut frame.batch));
                }
                // Others the engine has; or something is missing before them, and the mark tells
                // whether that was acknowledged.
                before = Some(frame);
            }
            if !changes.is_empty() {
                parts.push((at, changes, last.sequence, end));
            }
        }
        let (current, newest, end) = match parts.pop() {
            Some((at, changes, _, end)) => (at, changes, end),
            None => (0, Changes::default(), 0),
        };
        let older = parts
            .pop()
            .map(|(_, changes, sequence, _)| (changes, sequence));
        let mut log = Self {
            volume,
            files: [None, None],
            current,
            end,
            next: FrameHead {
                sequence: last.sequence + 1,
                ..last
            },
            synced: true,
            buffer: Vec::new(),
        };
        log.make_durable()?;
        Ok((log, Pending::new(older, newest)))
    }

    /// Makes what was read durable: whoever wrote it may have ended before it was.
    fn make_durable(&mut self) -> io::Result<()> {
        let names = self.volume.list()?;
        for (at, name) in NAMES.iter().enumerate() {
            if names.iter().any(|known| known == name) {
                self.file(at)?.edit.sync()?;
            }
        }
        self.volume.sync()
    }

    /// Where the next frame goes in its file.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Number of the last frame.
    pub(super) fn sequence(&self) -> u64 {
        self.next.sequence - 1
    }

    /// Writes a frame with these changes; not durable before [`sync`](Self::sync). After an error
    /// there may be a part of it.
    pub(super) fn append(&mut self, batch: &EngineBatch) -> Result<(), LogError> {
        let head = self.next;
        let mut buffer = std::mem::take(&mut self.buffer);
        let check = frame::encode(&mut buffer, &head, batch).ok_or(LogError::TooLarge)?;
        let (current, at) = (self.current, self.end);
        let end = at + buffer.len() as u64;
        let file = self.file(current)?;
        if end > file.len {
            // Zeros behind it: syncs are faster where a file does not get longer.
            let room = (end + file.len.clamp(ROOM_BYTES_MIN, ROOM_BYTES_MAX))
                .next_multiple_of(ROOM_BYTES_MIN);
            let zeros = usize::try_from(room - end).unwrap_or(0);
            let frame_bytes = buffer.len();
            buffer.resize(frame_bytes + zeros, 0);
            file.edit.write_at(at, &buffer)?;
            file.len = room;
        } else {
            file.edit.write_at(at, &buffer)?;
        }
        (self.end, self.synced) = (end, false);
        self.next = FrameHead {
            sequence: head.sequence + 1,
            previous: check,
            ..head
        };
        if buffer.capacity() <= BUFFER_BYTES_MAX {
            self.buffer = buffer;
        }
        Ok(())
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.synced {
            let current = self.current;
            self.file(current)?.edit.sync()?;
            self.synced = true;
        }
        Ok(())
    }

    /// Goes on at the start of the other file, whose content is needed no more. All was synced.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        self.sync()?;
        let other = 1 - self.current;
        self.file(other)?;
        (self.current, self.end) = (other, 0);
        Ok(())
    }

    pub(super) fn disk_bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for name in self.volume.list()? {
            bytes += self.volume.open(&name)?.len()?;
        }
        Ok(bytes)
    }

    /// A file, which is made if it is not there.
    fn file(&mut self, at: usize) -> io::Result<&mut File> {
        let slot = &mut self.files[at];
        if slot.is_none() {
            let name = NAMES[at];
            let edit = match self.volume.edit(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.volume.create(name)?.sync()?;
                    self.volume.sync()?;
                    self.volume.edit(name)?
                }
                edit => edit?,
            };
            let len = self.volume.open(name)?.len()?;
            *slot = Some(File { edit, len });
        }
        Ok(slot.as_mut().expect("it was put there"))
    }
}

/// The frames of a file from its start on, as far as they are whole and follow one another, and where
/// they end.
fn read(volume: &dyn Volume, name: &str) -> io::Result<(Vec<Frame>, u64)> {
    let source = match volume.open(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        source => source?,
    };
    let len = usize::try_from(source.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    source.read_at(0, &mut bytes)?;
    let (mut frames, mut end) = (Vec::<Frame>::new(), 0);
    while let Some(frame) = frame::decode(&bytes[end..]) {
        if frames.last().is_some_and(|last| !last.precedes(&frame)) {
            break; // it was written before those
        }
        end += frame.len;
        frames.push(frame);
    }
    Ok((frames, end as u64))
}

/// Room that is made at a time, at least and at most.
const ROOM_BYTES_MIN: u64 = 64 << 10;
const ROOM_BYTES_MAX: u64 = 1 << 20;

/// The longest buffer that is kept.
const BUFFER_BYTES_MAX: usize = 4 << 20;
