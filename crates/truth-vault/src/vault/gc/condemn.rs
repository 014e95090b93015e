//! Saying which segments go next.

use std::collections::HashMap;
use std::io;

use super::{Collector, GcError};
use crate::index::Place;
use crate::segment::{self, FILE_HEADER_BYTES, HEADER_BYTES, Kind, padded};
use crate::vault::IGNORED;

impl Collector<'_> {
    /// Condemns the segments of which enough is dead.
    pub(super) fn condemn(&mut self) -> Result<(), GcError> {
        let needed = self.needed_bytes()?;
        let names = self.shared.segments.list()?;
        let mut numbers: Vec<u32> = (names.iter())
            .filter_map(|name| segment::number(name))
            .filter(|number| !self.collection.takes(*number))
            .collect();
        numbers.sort_unstable();
        let before = self.collection.clone();
        for number in numbers {
            let needed = needed.get(&number).copied().unwrap_or(0);
            if self.is_dead_enough(number, needed)? && self.close(number)? {
                let now_ns = self.options.now_ns;
                self.collection.condemned.insert(number, now_ns);
                self.report.condemned.push(segment::name(number));
            }
        }
        if !self.options.dry_run && self.collection != before {
            self.publish()?;
        }
        Ok(())
    }

    /// How many bytes of each segment are records that are needed, counting one copy of each blob.
    fn needed_bytes(&mut self) -> Result<HashMap<u32, u64>, GcError> {
        let mut needed: HashMap<u32, u64> = HashMap::new();
        let all = self.shared.index().all();
        for (address, place) in all {
            if self.live.contains(&address) {
                self.report.needed += 1;
                *needed.entry(place.segment).or_default() += record_bytes(place);
                continue;
            }
            self.report.unneeded += 1;
            self.report.unneeded_bytes += record_bytes(place);
            if place.kind == Kind::Large
                && let Ok(header) = self.shared.read_header(&address, place)
            {
                self.report.unneeded_bytes += header.plain_bytes;
            }
        }
        Ok(needed)
    }

    fn is_dead_enough(&self, number: u32, needed: u64) -> io::Result<bool> {
        // A segment that could not be read, or synced, is left to whoever looks into that.
        let known = self.shared.known().get(&number).copied();
        if known.is_none_or(|known| known == IGNORED) {
            return Ok(false);
        }
        let len = self.shared.file(number)?.len()?;
        let records = len.saturating_sub(FILE_HEADER_BYTES as u64);
        let dead = records.saturating_sub(needed);
        let enough =
            u128::from(dead) * 100 >= u128::from(records) * u128::from(self.options.dead_percent);
        Ok(dead > 0 && enough)
    }

    /// Makes sure that nothing more is written to a segment; `false` if somebody else writes it, or if it
    /// is the last one. That one stays, so that no number is given twice.
    fn close(&self, number: u32) -> io::Result<bool> {
        let shared = self.shared;
        let name = segment::name(number);
        if self.options.dry_run {
            let ours = shared.writer().is_writing(number);
            let last = segment::last(&*shared.segments)? == Some(number);
            return Ok(ours || !last && shared.file(number)?.is_sealed()?);
        }
        shared.writer().roll(&*shared.segments, number)?;
        if segment::last(&*shared.segments)? == Some(number) {
            return Ok(false);
        }
        if shared.file(number)?.is_sealed()? {
            return Ok(true);
        }
        // Left by a process that ended, or written by one that lives.
        let held = match shared.segments.hold(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            held => held?,
        };
        let Some(file) = held else { return Ok(false) };
        shared.refresh()?;
        if shared.known().get(&number).copied() != Some(file.len()?) {
            return Ok(false); // it ends in something half written: whoever opens the vault cuts it
        }
        file.sync()?;
        shared.segments.seal(&name)?;
        Ok(true)
    }
}

fn record_bytes(place: Place) -> u64 {
    HEADER_BYTES as u64 + padded(u64::from(place.stored_bytes))
}
