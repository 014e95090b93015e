//! Keeping the index in step with the segments, and its file with the index.

use std::collections::BTreeSet;
use std::io;
use std::sync::{PoisonError, TryLockError};

use super::{IGNORED, Shared};
use crate::index::{Covered, IndexFile, Place, Run};
use crate::segment::{self, FILE_HEADER_BYTES, Found, Header, Scan};

/// So many changes are read from segments at an opening without taking long.
const CHANGES_MAX: usize = 64 << 10;

impl Shared {
    /// Takes in what other processes put or moved since the last time.
    pub(crate) fn refresh(&self) -> io::Result<()> {
        let present = self.refresh_present()?;
        let known: Vec<u32> = self.known().keys().copied().collect();
        let mut gone: BTreeSet<u32> = known
            .into_iter()
            .filter(|it| !present.contains(it))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        // What disappeared in another way is damage, and stays to be told of.
        let collection = self.collection()?;
        gone.retain(|number| collection.takes(*number));
        if gone.is_empty() {
            return Ok(());
        }
        // The copies that were made before they went may be in a segment that the list did not have yet.
        self.refresh_present()?;
        for number in &gone {
            self.known().remove(number);
            self.complete().remove(number);
            self.close_file(*number);
        }
        self.index_mut().remove_segments(&gone);
        Ok(())
    }

    /// Takes in what is in the segments that there are.
    fn refresh_present(&self) -> io::Result<BTreeSet<u32>> {
        let names = self.segments.list()?;
        let present: BTreeSet<u32> = names
            .iter()
            .filter_map(|name| segment::number(name))
            .collect();
        for &number in &present {
            if !self.complete().contains(&number) {
                self.refresh_segment(number)?;
            }
        }
        Ok(present)
    }

    fn close_file(&self, number: u32) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        files.remove(&number);
    }

    fn refresh_segment(&self, number: u32) -> io::Result<()> {
        if self.writer().holds(number) {
            return Ok(()); // entered as it is written
        }
        let from = self.known().get(&number).copied();
        let from = from.unwrap_or(FILE_HEADER_BYTES as u64);
        let file = match self.file(number) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        // Asked before its length: what is sealed afterwards may have grown before.
        let sealed = file.is_sealed()?;
        if file.len()? < FILE_HEADER_BYTES as u64 {
            // Its process may have died: then it is removed, and another gets its number.
            self.close_file(number);
            return Ok(());
        }
        if from == IGNORED || file.len()? <= from {
            if sealed {
                self.complete().insert(number);
            }
            return Ok(());
        }
        for found in Scan::new(&*file, from)? {
            match found? {
                Found::Record { at, header } => self.enter(number, at, &header),
                // Its end is being written, or was never: read again the next time.
                Found::Gap { at_end: true, .. } => break,
                Found::Gap { .. } => {}
            }
        }
        Ok(())
    }

    /// Enters a record of another process.
    fn enter(&self, segment: u32, at: u64, header: &Header) {
        let mut index = self.index_mut();
        index.enter(header.address, Place::new(segment, at, header));
        self.known().insert(segment, at + header.record_bytes());
    }

    /// Writes the index if so much was put since that reading it from the segments would take long.
    /// That it cannot be written is no reason not to put: the segments have everything.
    pub(crate) fn settle_index_if_due(&self) {
        let changes = self.index().changes();
        let due = CHANGES_MAX.max(usize::try_from(self.index().len() / 4).unwrap_or(usize::MAX));
        if changes >= due {
            let _ = self.settle_index();
        }
    }

    /// Makes all durable that the index knows, and then the index.
    pub(crate) fn settle_index(&self) -> io::Result<()> {
        let _settling = match self.settling.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()), // somebody does
        };
        if self.index().changes() == 0 {
            return Ok(());
        }
        let (file, to) = {
            let writer = self.writer(); // nothing is appended meanwhile
            let (run, others) = {
                let index = self.index();
                (Run::collect(index.all().into_iter()), index.others())
            };
            let known = self.known();
            let covered = (known.iter()).filter(|(_, bytes)| **bytes != IGNORED);
            let covered = covered.map(|(&segment, &bytes)| Covered { segment, bytes });
            let covered = covered.collect();
            let file = IndexFile {
                covered,
                run,
                others,
            };
            (file, writer.appended())
        };
        self.make_durable(to).map_err(io::Error::other)?;
        for covered in &file.covered {
            // Those of other processes too: what the index says is there must be there after a loss of
            // power. Where it is on the disk already, this takes microseconds.
            if !self.writer().holds(covered.segment) {
                match self.file(covered.segment) {
                    // Collected in this moment: whoever opens the vault knows.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    file => file?.sync()?,
                }
            }
        }
        file.write(&*self.root)?;
        self.index_mut().settle(file.run);
        Ok(())
    }
}
