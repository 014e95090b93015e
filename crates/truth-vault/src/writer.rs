//! Appending records to the segment that this handle holds.

use std::io;
use std::sync::Arc;

use crate::group::Ticket;
use crate::index::Place;
use crate::segment::{self, FILE_HEADER_BYTES, Header};
use crate::volume::{VaultFile, Volume};

/// The segment that is written, and those before it that are not yet on the disk.
pub(crate) struct Writer {
    active: Option<Active>,
    /// Full or given up, and not synced since they were written.
    dirty: Vec<Active>,
    appended: Ticket,
    /// A new segment that has no header yet.
    begun: Option<(u32, Arc<dyn VaultFile>)>,
    /// Above every number that was ever seen.
    next: u32,
    limit: u64,
    buffer: Vec<u8>,
}

/// A segment that this handle holds for writing.
#[derive(Clone)]
pub(crate) struct Active {
    pub(crate) number: u32,
    pub(crate) file: Arc<dyn VaultFile>,
    /// Where the next record goes.
    pub(crate) len: u64,
    /// Up to here it is on the disk.
    pub(crate) synced: u64,
}

impl Writer {
    /// Writes segments up to about `limit` bytes; the first goes on with `active`, if there is one,
    /// which is durable as it is.
    pub(crate) fn new(active: Option<Active>, next: u32, limit: u64) -> Self {
        Self {
            active,
            dirty: Vec::new(),
            begun: None,
            appended: Ticket(0),
            next,
            limit,
            buffer: Vec::new(),
        }
    }

    /// The last blob that was appended.
    pub(crate) fn appended(&self) -> Ticket {
        self.appended
    }

    /// The segments that this handle wrote and that are not on the disk as far as they are written.
    pub(crate) fn unsynced(&self) -> Vec<Active> {
        let active = self
            .active
            .iter()
            .filter(|active| active.synced < active.len);
        self.dirty.iter().chain(active).cloned().collect()
    }

    /// Bytes that were written and are not on the disk.
    pub(crate) fn unsynced_bytes(&self) -> u64 {
        let segments = self.dirty.iter().chain(&self.active);
        segments.map(|segment| segment.len - segment.synced).sum()
    }

    /// Whether this handle is writing the segment, or wrote it and has not synced it.
    pub(crate) fn holds(&self, number: u32) -> bool {
        self.is_writing(number) || self.dirty.iter().any(|dirty| dirty.number == number)
    }

    /// Whether this handle is writing the segment.
    pub(crate) fn is_writing(&self, number: u32) -> bool {
        let active = self.active.as_ref();
        active.is_some_and(|active| active.number == number)
    }

    /// Appends a record. When it fails, nothing is added.
    pub(crate) fn append(
        &mut self,
        volume: &dyn Volume,
        header: &Header,
        stored: &[u8],
    ) -> io::Result<(Place, Ticket)> {
        let bytes = header.record_bytes();
        self.make_room(volume, bytes)?;
        let active = self.active.as_mut().expect("room was made in it");
        self.buffer.clear();
        self.buffer.extend_from_slice(&header.encode());
        self.buffer.extend_from_slice(stored);
        let whole = usize::try_from(bytes).expect("a record fits in memory");
        self.buffer.resize(whole, 0);
        if let Err(error) = active.file.write_at(active.len, &self.buffer) {
            // What was written of it must not lie before the next record.
            if active.file.truncate(active.len).is_err() {
                self.give_up();
            }
            return Err(error);
        }
        let place = Place::new(active.number, active.len, header);
        active.len += bytes;
        self.appended.0 += 1;
        Ok((place, self.appended))
    }

    fn make_room(&mut self, volume: &dyn Volume, bytes: u64) -> io::Result<()> {
        if let Some(active) = &self.active {
            let empty = active.len == FILE_HEADER_BYTES as u64;
            if empty || active.len + bytes <= self.limit {
                return Ok(());
            }
            volume.seal(&segment::name(active.number))?;
            self.give_up();
        }
        self.active = Some(self.start(volume)?);
        Ok(())
    }

    /// Seals the segment that is written, if it is `number`, and begins another: it can be collected then,
    /// and is not the last one.
    pub(crate) fn roll(&mut self, volume: &dyn Volume, number: u32) -> io::Result<()> {
        if !self.is_writing(number) {
            return Ok(());
        }
        let next = self.start(volume)?;
        volume.seal(&segment::name(number))?;
        self.give_up();
        self.active = Some(next);
        Ok(())
    }

    /// Makes a new segment. Its name is durable before anything is written to it.
    fn start(&mut self, volume: &dyn Volume) -> io::Result<Active> {
        let (number, file) = match self.begun.take() {
            Some(begun) => begun,
            None => self.create(volume)?,
        };
        // If this fails, as on a full disk, it is gone on with the next time.
        self.begun = Some((number, Arc::clone(&file)));
        file.write_at(0, &segment::file_header(number))?;
        volume.sync()?;
        self.begun = None;
        Ok(Active {
            number,
            file,
            len: FILE_HEADER_BYTES as u64,
            synced: 0,
        })
    }

    /// Makes a file for a segment, with a number that none ever had.
    fn create(&mut self, volume: &dyn Volume) -> io::Result<(u32, Arc<dyn VaultFile>)> {
        let after = |last: u32| last.checked_add(1).ok_or(io::ErrorKind::StorageFull);
        loop {
            if let Some(last) = segment::last(volume)? {
                self.next = self.next.max(after(last)?);
            }
            let number = self.next;
            self.next = after(number)?;
            let file = match volume.create(&segment::name(number)) {
                Ok(file) => file,
                // Another process was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            // The last one is never collected. So whoever made the last one knows that nobody had its
            // number before; whoever did not tries again.
            if segment::last(volume)? == Some(number) {
                return Ok((number, file));
            }
            volume.remove(&segment::name(number))?;
        }
    }

    /// Stops writing the active segment; the next record begins another.
    fn give_up(&mut self) {
        if let Some(active) = self.active.take()
            && active.synced < active.len
        {
            self.dirty.push(active);
        }
    }

    /// Says that `segments` were synced as far as they were written when they were given out.
    pub(crate) fn synced(&mut self, segments: &[Active]) {
        for segment in segments {
            self.dirty.retain(|dirty| dirty.number != segment.number);
            if let Some(active) = &mut self.active
                && active.number == segment.number
            {
                active.synced = active.synced.max(segment.len);
            }
        }
    }

    /// Says that a sync of `segments` failed: what the disk has of them is unknown. None of them is
    /// written again.
    pub(crate) fn lost(&mut self, segments: &[Active]) {
        let lost = |number| segments.iter().any(|segment| segment.number == number);
        self.dirty.retain(|dirty| !lost(dirty.number));
        self.active.take_if(|active| lost(active.number));
    }
}
