//! The mark of the last acknowledged commit, beside the journal.
//!
//! A journal whose end is gone is as valid as a shorter one. The mark tells them apart: it is
//! written after each commit, over the older of two slots, so that one of them is whole whenever
//! the power goes. It is not synced, so it may lag behind the journal; a journal that lags behind
//! it has lost its end.
//!
//! ```text
//! file = slot ‖ zeros ‖ slot                              632 bytes: slots at 0 and 512
//! slot = "rdbhead1" ‖ version u64 ‖ root ‖ record hash ‖ small u64 ‖ check
//! check = BLAKE3 in derive-key mode, over what stands before it,
//!         in the context "DIOTEC360 reality-db 2026 head mark"
//! ```
//! Numbers are big-endian. Each slot is in a disk sector of its own.

use std::io;
use std::sync::Arc;

use merkle_core::Hash;

use crate::volume::{Edit, Volume};

/// A commit, as the mark knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Its version.
    pub(crate) version: u64,
    /// The root it leads to.
    pub(crate) root: Hash,
    /// The hash of its record in the journal.
    pub(crate) record: Hash,
    /// How many small records were written beside the journal.
    pub(crate) small: u64,
}

/// The mark of a database that is open.
pub(crate) struct Head {
    file: Box<dyn Edit>,
    /// The slot that is written next: not the one with the newest mark.
    next: Slot,
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The newest mark.
    pub(crate) mark: Mark,
    /// The slot it is in.
    slot: Slot,
    /// Where the other slot starts in the file, if it is damaged. A loss of power may do that.
    pub(crate) damaged: Option<u64>,
}

/// One of the two places of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    First,
    Second,
}

impl Slot {
    const fn at(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Second => SECOND_AT as u64,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// Why there is no mark.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadError {
    /// The file could not be read or written.
    #[error("the mark of the last commit could not be read or written")]
    Io(#[from] io::Error),
    /// Both slots are damaged: no loss of power does that.
    #[error("the mark of the last commit is damaged")]
    Damaged,
}

impl Head {
    /// Makes the file, with `mark` in both slots, all or nothing and durable. Replaces an old one.
    pub(crate) fn create(volume: Arc<dyn Volume>, mark: &Mark) -> Result<Self, HeadError> {
        let slot = encode(mark);
        let mut file = [0; FILE_BYTES];
        file[..SLOT_BYTES].copy_from_slice(&slot);
        file[SECOND_AT..].copy_from_slice(&slot);
        let mut sink = volume.create(NEW_NAME)?;
        sink.append(&file)?;
        sink.sync()?;
        volume.rename(NEW_NAME, NAME)?;
        volume.sync()?;
        let file = volume.edit(NAME)?;
        let next = Slot::Second;
        Ok(Self { file, next })
    }

    /// Reads the mark, or none where there is no file, and goes on writing after it.
    pub(crate) fn open(volume: Arc<dyn Volume>) -> Result<Option<(Self, Reading)>, HeadError> {
        let Some(reading) = read(&*volume)? else {
            return Ok(None);
        };
        let file = volume.edit(NAME)?;
        let next = reading.slot.other();
        Ok(Some((Self { file, next }, reading)))
    }

    /// Writes `mark`: one small write, not synced. After an error the newest mark is this one or
    /// the one before, and this may be tried again.
    pub(crate) fn write(&mut self, mark: &Mark) -> Result<(), HeadError> {
        self.file.write_at(self.next.at(), &encode(mark))?;
        self.next = self.next.other();
        Ok(())
    }
}

/// Reads the mark, or none where there is no file. One damaged slot leaves the other.
pub(crate) fn read(volume: &dyn Volume) -> Result<Option<Reading>, HeadError> {
    let source = match volume.open(NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        source => source?,
    };
    let slot = |slot: Slot| {
        let mut bytes = [0; SLOT_BYTES];
        match source.read_at(slot.at(), &mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(decode(&bytes)),
        }
    };
    let found = |mark, slot| Reading {
        mark,
        slot,
        damaged: None,
    };
    let reading = match (slot(Slot::First)?, slot(Slot::Second)?) {
        (Some(first), Some(second))
            if (second.version, second.small) > (first.version, first.small) =>
        {
            found(second, Slot::Second)
        }
        (Some(first), Some(_)) => found(first, Slot::First),
        (Some(first), None) => Reading {
            damaged: Some(Slot::Second.at()),
            ..found(first, Slot::First)
        },
        (None, Some(second)) => Reading {
            damaged: Some(Slot::First.at()),
            ..found(second, Slot::Second)
        },
        (None, None) => return Err(HeadError::Damaged),
    };
    Ok(Some(reading))
}

fn encode(mark: &Mark) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(MAGIC);
    slot[8..16].copy_from_slice(&mark.version.to_be_bytes());
    slot[16..48].copy_from_slice(mark.root.as_bytes());
    slot[48..80].copy_from_slice(mark.record.as_bytes());
    slot[80..88].copy_from_slice(&mark.small.to_be_bytes());
    let check = check(&slot[..CHECKED_BYTES]);
    slot[CHECKED_BYTES..].copy_from_slice(&check);
    slot
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Option<Mark> {
    let (fields, stored) = slot.split_at(CHECKED_BYTES);
    if stored != check(fields) {
        return None;
    }
    let (magic, fields) = fields.split_first_chunk::<8>()?;
    let (version, fields) = fields.split_first_chunk::<8>()?;
    let (root, fields) = fields.split_first_chunk::<32>()?;
    let (record, fields) = fields.split_first_chunk::<32>()?;
    let (small, _) = fields.split_first_chunk::<8>()?;
    (magic == MAGIC).then_some(Mark {
        version: u64::from_be_bytes(*version),
        root: Hash::from(*root),
        record: Hash::from(*record),
        small: u64::from_be_bytes(*small),
    })
}

fn check(fields: &[u8]) -> [u8; 32] {
    blake3::derive_key("DIOTEC360 reality-db 2026 head mark", fields)
}

const NAME: &str = "HEAD";
const NEW_NAME: &str = "HEAD.new";

const MAGIC: &[u8; 8] = b"rdbhead1";
const CHECKED_BYTES: usize = 8 + 8 + 32 + 32 + 8;
const SLOT_BYTES: usize = CHECKED_BYTES + 32;
const SECOND_AT: usize = 512;
const FILE_BYTES: usize = SECOND_AT + SLOT_BYTES;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::memory::MemoryVolume;

    fn mark(version: u64) -> Mark {
        Mark {
            version,
            root: Hash::from([version.to_le_bytes()[0]; 32]),
            record: Hash::from([0xee; 32]),
            small: 0,
        }
    }

    fn volume() -> (MemoryVolume, Arc<dyn Volume>) {
        let volume = MemoryVolume::default();
        (volume.clone(), Arc::new(volume))
    }

    fn newest(volume: &dyn Volume) -> Mark {
        read(volume).unwrap().unwrap().mark
    }

    #[test]
    fn is_absent_at_first() {
        let (_, volume) = volume();
        assert!(read(&*volume).unwrap().is_none());
        assert!(Head::open(volume).unwrap().is_none());
    }

    #[test]
    fn says_what_was_written_last() {
        let (_, volume) = volume();
        Head::create(volume.clone(), &mark(0)).unwrap();
        for start in [0, 10, 21] {
            let (mut head, reading) = Head::open(volume.clone()).unwrap().unwrap();
            assert_eq!((reading.mark.version, reading.damaged), (start, None));
            let stop = if start == 0 { 10 } else { 21 };
            for version in start + 1..=stop {
                head.write(&mark(version)).unwrap();
                assert_eq!(newest(&*volume), mark(version));
            }
        }
    }

    #[test]
    fn is_whole_or_the_one_before_after_a_loss_of_power() {
        for seed in 0..500 {
            let (memory, volume) = volume();
            let mut head = Head::create(volume.clone(), &mark(0)).unwrap();
            memory.lose_power(seed);
            assert_eq!(newest(&*volume), mark(0));

            head.write(&mark(1)).unwrap();
            memory.lose_power(seed);
            let after = newest(&*volume);
            assert!([mark(0), mark(1)].contains(&after));

            let (mut head, _) = Head::open(volume.clone()).unwrap().unwrap();
            head.write(&mark(2)).unwrap();
            memory.lose_power(!seed);
            assert!([after, mark(2)].contains(&newest(&*volume)));
        }
    }

    #[test]
    fn is_there_or_not_when_the_power_goes_while_it_is_made() {
        let (memory, volume) = volume();
        let mut sink = volume.create(NEW_NAME).unwrap();
        sink.append(&[1; 9]).unwrap();
        memory.lose_power(7);
        assert!(read(&*volume).unwrap().is_none());
        Head::create(volume.clone(), &mark(0)).unwrap();
        assert_eq!(volume.list().unwrap(), [NAME]);
    }

    #[test]
    fn knows_every_changed_byte_of_a_slot() {
        let (_, volume) = volume();
        let mut head = Head::create(volume.clone(), &mark(6)).unwrap();
        head.write(&mark(7)).unwrap(); // in the second slot
        let mut file = [0; FILE_BYTES];
        volume.open(NAME).unwrap().read_at(0, &mut file).unwrap();
        for at in 0..FILE_BYTES {
            let changed = [file[at] ^ 1 << (at % 8)];
            volume.overwrite(NAME, at as u64, &changed).unwrap();
            let reading = read(&*volume).unwrap().unwrap();
            let expected = match at {
                0..SLOT_BYTES => (7, Some(0)),
                SLOT_BYTES..SECOND_AT => (7, None),
                _ => (6, Some(512)),
            };
            assert_eq!((reading.mark.version, reading.damaged), expected, "{at}");
            volume.overwrite(NAME, at as u64, &file[at..=at]).unwrap();
        }
        assert_eq!(newest(&*volume), mark(7));
    }

    #[test]
    fn writes_over_a_damaged_slot_first() {
        let (_, volume) = volume();
        let mut head = Head::create(volume.clone(), &mark(1)).unwrap();
        head.write(&mark(2)).unwrap();
        volume.overwrite(NAME, 512, &[0; SLOT_BYTES]).unwrap();
        let (mut head, reading) = Head::open(volume.clone()).unwrap().unwrap();
        assert_eq!((reading.mark, reading.damaged), (mark(1), Some(512)));
        head.write(&mark(2)).unwrap();
        let reading = read(&*volume).unwrap().unwrap();
        assert_eq!((reading.mark, reading.damaged), (mark(2), None));
    }

    #[test]
    fn refuses_a_file_without_a_whole_slot() {
        let (_, volume) = volume();
        for file in [&b""[..], &[0; FILE_BYTES], &[0xff; 5000]] {
            volume.create(NAME).unwrap().append(file).unwrap();
            assert!(matches!(read(&*volume), Err(HeadError::Damaged)));
        }
    }
}
