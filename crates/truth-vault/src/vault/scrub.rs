//! Checking a little at a time, what was not checked for longest first; setting aside what is bad;
//! and repairing it from another vault.

use std::collections::BTreeMap;
use std::io;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use super::check::{BadObject, on_all_cores};
use super::{Shared, Vault};
use crate::checked;
use crate::index::Place;
use crate::segment::{self, FILE_HEADER_BYTES, Found, HEADER_BYTES, Header, Kind, Scan};
use crate::sync::SyncPeer;
use crate::volume;
use crate::{Address, Damage, Durability, GetError, PutOptions, SyncError};

/// How much one call of [`Vault::scrub`] does.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ScrubOptions {
    now_ns: u64,
    bytes_max: u64,
    bytes_per_second: Option<u64>,
}

impl ScrubOptions {
    /// All of it, as fast as it goes, at `now_ns`: nanoseconds since 1970, by which the next call
    /// knows what was not checked for longest.
    pub fn new(now_ns: u64) -> Self {
        Self {
            now_ns,
            bytes_max: u64::MAX,
            bytes_per_second: None,
        }
    }

    /// Stops behind so many bytes; the next call goes on there.
    pub fn bytes_max(mut self, bytes: u64) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// Reads no more than so much a second, and sleeps in between.
    pub fn bytes_per_second(mut self, bytes: u64) -> Self {
        self.bytes_per_second = Some(bytes.max(1));
        self
    }
}

/// What one call of [`Vault::scrub`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrubReport {
    /// Records that were read.
    pub records: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Records whose content is not that of their address, and no good copy of the blob is known.
    pub bad: Vec<BadObject>,
    /// Bad records of blobs of which there is a good copy.
    pub superseded: u64,
    /// Places in segments that should be records and are not, as file and byte.
    pub gaps: Vec<(String, u64)>,
    /// Whether everything was checked at least once since this call's time.
    pub complete: bool,
}

/// What [`Vault::repair`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// Blobs that are good again.
    pub healed: Vec<Address>,
    /// Blobs that the other vault does not have, or not good.
    pub not_there: Vec<Address>,
}

/// When each segment was checked, and how far the one is that is being checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScrubState {
    pub(crate) checked_ns: BTreeMap<u32, u64>,
    pub(crate) cursor: Option<(u32, u64)>,
}

/// Its file. It is a cache: without it, all is checked anew.
const STATE_NAME: &str = "scrub";
const STATE_MAGIC: &[u8; 8] = b"d360scr\x01";

impl Vault {
    /// Reads and hashes stored records, those not checked for longest first, and goes on where the
    /// last call stopped. What is bad is copied to the folder `quarantine`, with the names of the
    /// bundles that need it, before anything else happens to it.
    ///
    /// # Errors
    ///
    /// [`GetError::Storage`] or [`GetError::Cancelled`]; what was checked before stays checked.
    pub fn scrub(
        &self,
        options: &ScrubOptions,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<ScrubReport, GetError> {
        self.shared.refresh()?;
        let mut scrub = Scrub {
            shared: &self.shared,
            options,
            state: read_state(&self.shared)?,
            report: ScrubReport::default(),
            started: Instant::now(),
        };
        let done = scrub.run(progress);
        // Also when it was cancelled: what was checked is checked.
        write_state(&self.shared, &scrub.state)?;
        done?;
        Ok(scrub.report)
    }

    /// Fetches good copies of blobs from another vault, and puts them beside the bad ones.
    ///
    /// # Errors
    ///
    /// [`SyncError`]; what was healed before stays healed.
    pub fn repair(
        &self,
        peer: &mut dyn SyncPeer,
        blobs: &[Address],
    ) -> Result<RepairReport, SyncError> {
        let mut report = RepairReport::default();
        for address in blobs {
            let options = PutOptions::new()
                .durability(Durability::Batch)
                .expect(*address);
            let healed = match peer.blob(address)? {
                None => false,
                Some(mut bytes) => match self.put_reader(&mut *bytes, &options) {
                    Ok(_) => true,
                    Err(crate::PutError::OtherAddress { .. }) => false,
                    Err(error) => return Err(error.into()),
                },
            };
            match healed {
                true => report.healed.push(*address),
                false => report.not_there.push(*address),
            }
        }
        self.sync()?;
        Ok(report)
    }

    /// What lies in quarantine: names of files in the vault's folder `quarantine`.
    ///
    /// # Errors
    ///
    /// [`GetError::Storage`].
    pub fn quarantined(&self) -> Result<Vec<String>, GetError> {
        let mut names = self.shared.quarantine.list()?;
        names.sort_unstable();
        Ok(names)
    }
}

struct Scrub<'s> {
    shared: &'s Shared,
    options: &'s ScrubOptions,
    state: ScrubState,
    report: ScrubReport,
    started: Instant,
}

impl Scrub<'_> {
    fn run(&mut self, progress: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<(), GetError> {
        let names = self.shared.segments.list()?;
        let numbers: Vec<u32> = names
            .iter()
            .filter_map(|name| segment::number(name))
            .collect();
        self.state
            .checked_ns
            .retain(|number, _| numbers.contains(number));
        let cursor = self
            .state
            .cursor
            .filter(|(number, _)| numbers.contains(number));
        let mut order: Vec<(u64, u32)> = (numbers.iter())
            .map(|number| {
                (
                    self.state.checked_ns.get(number).copied().unwrap_or(0),
                    *number,
                )
            })
            .filter(|(checked_ns, _)| *checked_ns < self.options.now_ns)
            .collect();
        order.sort_unstable();
        if let Some((first, _)) = cursor {
            order.sort_by_key(|(_, number)| *number != first);
        }
        for (_, number) in order {
            let from = cursor.filter(|(at, _)| *at == number);
            let from = from.map_or(FILE_HEADER_BYTES as u64, |(_, from)| from);
            if !self.segment(number, from, progress)? {
                return Ok(());
            }
            self.state.checked_ns.insert(number, self.options.now_ns);
            self.state.cursor = None;
        }
        self.report.complete = true;
        Ok(())
    }

    /// Checks a segment from `from` on; `false` if there was enough to do before its end.
    fn segment(
        &mut self,
        number: u32,
        from: u64,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<bool, GetError> {
        let file = match self.shared.file(number) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            file => file?,
        };
        let (mut batch, mut batch_bytes) = (Vec::new(), 0);
        for found in Scan::new(&*file, from)? {
            let (at, header) = match found? {
                Found::Record { at, header } => (at, header),
                Found::Gap { at, bytes, at_end } => {
                    let lost = self.lost(number, at..at + bytes)?;
                    // The end of a segment may be being written; where records were, it was written.
                    if lost || !at_end {
                        self.report.gaps.push((segment::name(number), at));
                    }
                    continue;
                }
            };
            if batch_bytes >= self.batch_bytes_max() || batch.len() >= BATCH_RECORDS {
                self.records(&mut batch, progress)?;
                batch_bytes = 0;
            }
            if self.report.bytes.saturating_add(batch_bytes) >= self.options.bytes_max {
                self.records(&mut batch, progress)?;
                self.state.cursor = Some((number, at));
                return Ok(false);
            }
            batch_bytes = read_bytes(&header).saturating_add(batch_bytes);
            batch.push((Place::new(number, at, &header), header));
        }
        self.records(&mut batch, progress)?;
        Ok(true)
    }

    /// How much is read before the caller is asked whether to go on: less than a second's worth.
    fn batch_bytes_max(&self) -> u64 {
        let rate = self.options.bytes_per_second.unwrap_or(u64::MAX);
        (rate / 8).clamp(1, BATCH_BYTES)
    }

    /// Names the blobs that are known to lie where there is no record; whether there are any.
    fn lost(&mut self, number: u32, gap: Range<u64>) -> Result<bool, GetError> {
        let known = self.shared.index().all();
        let lost = known
            .into_iter()
            .filter(|(_, place)| place.segment == number && gap.contains(&place.at));
        let mut any = false;
        for (address, place) in lost {
            any = true;
            self.bad(address, place, Damage::Header)?;
        }
        Ok(any)
    }

    /// Checks records on all cores.
    fn records(
        &mut self,
        batch: &mut Vec<(Place, Header)>,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), GetError> {
        let checked = on_all_cores(batch, |(place, header)| {
            self.shared.read_whole(&header.address, *place).map(drop)
        });
        for ((place, header), checked) in batch.drain(..).zip(checked) {
            self.report.records += 1;
            self.report.bytes = read_bytes(&header).saturating_add(self.report.bytes);
            match checked {
                Ok(()) => {}
                Err(GetError::Damaged { damage, .. }) => self.damaged(&header, place, damage)?,
                Err(error) => return Err(error),
            }
            self.state.cursor = Some((place.segment, place.at + header.record_bytes()));
        }
        self.pace();
        match progress(self.report.bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(GetError::Cancelled),
        }
    }

    fn damaged(&mut self, header: &Header, place: Place, damage: Damage) -> Result<(), GetError> {
        // Not what a collection removed while it was being read.
        self.shared.refresh()?;
        if !self.shared.known().contains_key(&place.segment) {
            return Ok(());
        }
        self.bad(header.address, place, damage)
    }

    /// Sets a bad record aside, and names it.
    fn bad(&mut self, address: Address, place: Place, damage: Damage) -> Result<(), GetError> {
        let needed_by = self.shared.needed_by(address, place);
        let bad = BadObject {
            address,
            file: segment::name(place.segment),
            at: place.at,
            damage,
            needed_by,
        };
        self.shared.set_aside(&bad, place)?;
        match self.shared.has_good_copy(&address, place)? {
            true => self.report.superseded += 1,
            false => self.report.bad.push(bad),
        }
        Ok(())
    }

    /// Sleeps until no more was read than may be.
    fn pace(&self) {
        let Some(rate) = self.options.bytes_per_second else {
            return;
        };
        let due = Duration::from_secs_f64(self.report.bytes as f64 / rate as f64);
        std::thread::sleep(due.saturating_sub(self.started.elapsed()));
    }
}

/// What is read of a blob to check it.
fn read_bytes(header: &Header) -> u64 {
    match header.kind {
        Kind::Large => header.plain_bytes,
        _ => header.stored_bytes,
    }
}

/// What the threads are given at a time.
const BATCH_BYTES: u64 = 16 << 20;

/// Most records of that.
const BATCH_RECORDS: usize = 4096;

impl Shared {
    /// Copies a bad record, and what is known of it, to where nothing is ever changed.
    fn set_aside(&self, bad: &BadObject, place: Place) -> io::Result<()> {
        let name = format!("{}-{:010}-{}", bad.address, place.segment, place.at);
        let known = self.quarantine.list()?;
        let file = self.file(place.segment)?;
        let mut record = vec![0; HEADER_BYTES + place.stored_bytes as usize];
        // As much of it as there is: the file may have been cut.
        let there = usize::try_from(file.len()?.saturating_sub(place.at)).unwrap_or(usize::MAX);
        record.truncate(there);
        file.read_at(place.at, &mut record)?;
        let mut why = format!(
            "{}\n{} at byte {}: {}\n",
            bad.address, bad.file, bad.at, bad.damage
        );
        for bundle in &bad.needed_by {
            why.push_str(&format!("needed by the bundle {bundle}\n"));
        }
        for (kind, bytes) in [("record", &record[..]), ("why", why.as_bytes())] {
            let name = format!("{name}.{kind}");
            if known.contains(&name) {
                continue;
            }
            let kept = self.quarantine.create(&name)?;
            kept.write_at(0, bytes)?;
            kept.sync()?;
            self.quarantine.seal(&name)?;
        }
        self.quarantine.sync()
    }

    /// Whether the blob can be read from elsewhere than `place`.
    fn has_good_copy(&self, address: &Address, place: Place) -> Result<bool, GetError> {
        let copies = self.index().copies(address);
        for copy in copies.into_iter().filter(|copy| *copy != place) {
            match self.read_whole(address, copy) {
                Ok(_) => return Ok(true),
                Err(GetError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

impl ScrubState {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = STATE_MAGIC.to_vec();
        let (segment, at) = self.cursor.unwrap_or((0, 0));
        bytes.extend(segment.to_le_bytes());
        bytes.extend(at.to_le_bytes());
        for (segment, checked_ns) in &self.checked_ns {
            bytes.extend(segment.to_le_bytes());
            bytes.extend(checked_ns.to_le_bytes());
        }
        checked::close(bytes)
    }

    /// `None` for bytes that say nothing.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = checked::open(bytes, STATE_MAGIC)?.as_chunks::<12>();
        let pair = |bytes: &[u8; 12]| {
            let segment = u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"));
            let value = u64::from_le_bytes(bytes[4..].try_into().expect("eight bytes"));
            (segment, value)
        };
        let (first, others) = pairs.split_first()?;
        let cursor = Some(pair(first)).filter(|(segment, _)| *segment != 0);
        let checked_ns = others.iter().map(pair).collect();
        rest.is_empty().then_some(Self { checked_ns, cursor })
    }
}

fn read_state(shared: &Shared) -> io::Result<ScrubState> {
    let file = match shared.root.open(STATE_NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ScrubState::default()),
        file => file?,
    };
    Ok(ScrubState::decode(&volume::read(&*file)?).unwrap_or_default())
}

fn write_state(shared: &Shared, state: &ScrubState) -> io::Result<()> {
    volume::replace(&*shared.root, STATE_NAME, &state.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_read_back_and_no_changed_bit_is() {
        let state = ScrubState {
            checked_ns: BTreeMap::from([(1, 10), (7, 20)]),
            cursor: Some((3, 104)),
        };
        let bytes = state.encode();
        assert_eq!(ScrubState::decode(&bytes), Some(state));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ScrubState::decode(&flipped), None, "bit {bit}");
        }
        let none = ScrubState::default();
        assert_eq!(ScrubState::decode(&none.encode()), Some(none));
    }
}
