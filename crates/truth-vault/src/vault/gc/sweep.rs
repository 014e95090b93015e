//! Emptying condemned segments, and removing them.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use super::{Collector, GcError, Kept};
use crate::index::Place;
use crate::large::{blob_name, parts_name};
use crate::segment::{self, FILE_HEADER_BYTES, Found, Header, Kind, Scan};
use crate::vault::protect::LARGE_LOCK;
use crate::volume::Sharing;
use crate::{Address, GetError};

/// What became of a condemned segment.
enum Emptied {
    /// Nothing in it is needed any more. The large blobs whose records were in it are not.
    Yes {
        large: Vec<Address>,
    },
    No(Kept),
}

impl Collector<'_> {
    /// Removes the condemned segments whose grace is over.
    pub(super) fn sweep(&mut self) -> Result<(), GcError> {
        let mut emptied = Vec::new();
        let mut secure = BTreeSet::new();
        let mut ripe = Vec::new();
        for (number, since_ns) in self.collection.condemned.clone() {
            let age = Duration::from_nanos(self.options.now_ns.saturating_sub(since_ns));
            if age < self.options.grace {
                self.report.waiting.push(segment::name(number));
                continue;
            }
            // One that is gone, or cannot be read, is no reason to know less of the others.
            let file = self.shared.segments.open(&segment::name(number));
            let bytes = file.and_then(|file| file.len()).unwrap_or_default();
            self.gone_over.total += bytes;
            ripe.push(number);
        }
        for number in ripe {
            match self.empty(number, &mut secure)? {
                Emptied::No(why) => self.report.kept.push((segment::name(number), why)),
                Emptied::Yes { large } => {
                    self.collection.large.extend(large);
                    emptied.push(number);
                }
            }
        }
        // A copy in a segment whose grace is not over, or that has to stay, is there yet.
        let index = self.shared.index();
        let goes = |address: &Address| {
            let copies = index.copies(address);
            copies.iter().all(|copy| emptied.contains(&copy.segment))
        };
        self.report.collected.retain(goes);
        drop(index);
        self.report.removed = emptied
            .iter()
            .map(|number| segment::name(*number))
            .collect();
        if self.options.dry_run {
            return Ok(());
        }
        if !emptied.is_empty() {
            self.remove(&emptied, &secure)?;
        }
        self.remove_large()
    }

    /// Copies what is needed of a segment to where it stays. `secure` are the segments of other copies.
    fn empty(&mut self, number: u32, secure: &mut BTreeSet<u32>) -> Result<Emptied, GcError> {
        let file = match self.shared.segments.open(&segment::name(number)) {
            // Removed by a collection that died before it could say so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Emptied::Yes { large: Vec::new() });
            }
            file => file?,
        };
        let mut large = Vec::new();
        for found in Scan::new(&*file, FILE_HEADER_BYTES as u64)? {
            let (at, header) = match found? {
                Found::Record { at, header } => (at, header),
                Found::Gap { at, .. } => return Ok(Emptied::No(Kept::Gap { at })),
            };
            let address = header.address;
            let place = Place::new(number, at, &header);
            if self.live.contains(&address) {
                if !self.keep(&address, place, secure)? {
                    return Ok(Emptied::No(Kept::Damaged(address)));
                }
            } else {
                self.drop_record(&header, secure, &mut large);
            }
            self.went_over(header.record_bytes())?;
        }
        self.report.freed_bytes += file.len()?;
        Ok(Emptied::Yes { large })
    }

    /// Makes sure that a needed blob is elsewhere; `false` if no copy of it is good.
    fn keep(
        &mut self,
        address: &Address,
        place: Place,
        secure: &mut BTreeSet<u32>,
    ) -> Result<bool, GcError> {
        for copy in self.staying(address) {
            match self.shared.whole_record(address, copy) {
                Ok(_) => {
                    secure.insert(copy.segment);
                    return Ok(true);
                }
                Err(GetError::Storage(error)) => return Err(error.into()),
                Err(_) => {}
            }
        }
        let (header, stored) = match self.shared.whole_record(address, place) {
            Ok(record) => record,
            Err(GetError::Storage(error)) => return Err(error.into()),
            Err(_) => return Ok(false),
        };
        self.report.copied += 1;
        if !self.options.dry_run {
            let copied = self.shared.append_copy(&header, &stored);
            let (copy, _) = copied.map_err(GcError::Copy)?;
            secure.insert(copy.segment);
        }
        Ok(true)
    }

    /// The copies of a blob that no collection takes.
    fn staying(&self, address: &Address) -> Vec<Place> {
        let mut copies = self.shared.index().copies(address);
        copies.retain(|copy| !self.collection.takes(copy.segment));
        copies
    }

    /// Notes what goes with a segment. What somebody wrote anew stays.
    fn drop_record(
        &mut self,
        header: &Header,
        secure: &mut BTreeSet<u32>,
        large: &mut Vec<Address>,
    ) {
        let staying = self.staying(&header.address);
        if staying.is_empty() {
            self.report.collected.push(header.address);
            if header.kind == Kind::Large {
                self.report.freed_bytes += header.plain_bytes;
                large.push(header.address);
            }
        }
        // It may have been put in a class that promises less than this record's.
        secure.extend(staying.iter().map(|copy| copy.segment));
    }

    /// Removes segments, once all copies are durable and whoever looks knows what goes with them.
    fn remove(&mut self, emptied: &[u32], secure: &BTreeSet<u32>) -> Result<(), GcError> {
        // Bound first: whoever syncs takes the writer.
        let ticket = self.shared.writer().appended();
        self.shared.make_durable(ticket).map_err(GcError::Copy)?;
        for &number in secure {
            if !self.shared.writer().holds(number) {
                self.shared.file(number)?.sync()?;
            }
        }
        // The files of large blobs are found again if this process dies between here and the end.
        self.publish()?;
        for &number in emptied {
            self.shared.segments.remove(&segment::name(number))?;
        }
        self.shared.segments.sync()?;
        for &number in emptied {
            self.collection.take(number);
        }
        self.publish()?;
        self.shared.refresh()?;
        Ok(())
    }

    /// Removes the files of large blobs whose records went.
    fn remove_large(&mut self) -> Result<(), GcError> {
        if self.collection.large.is_empty() {
            return Ok(());
        }
        let volume = &*self.shared.large.volume;
        for address in &self.collection.large {
            // Whoever puts the blob, or writes its record anew, has done so by now or waits.
            let _held = self.shared.root.lock(LARGE_LOCK, Sharing::Alone)?;
            self.shared.refresh()?;
            if self.shared.index().get(address).is_none() {
                volume.remove(&blob_name(address))?;
                volume.remove(&parts_name(address))?;
                self.shared.large.forget(address);
            }
        }
        volume.sync()?;
        self.collection.large.clear();
        Ok(self.publish()?)
    }
}
