//! The oldest version that a retention keeps.

use merkle_core::Hash;

use crate::Retention;
use crate::error::Fault;
use crate::journal::{Journal, Link};
use crate::record::record_hash;

/// What the last pruning found out for the retention, so that the next goes on from there.
#[derive(Default)]
pub(crate) struct RetentionFloor {
    counted: Option<Counted>,
    timed: Option<Timed>,
}

/// A version up to which the journal was gone over, with the hash of its record: as long as that is there, so
/// is all before it that was not pruned.
#[derive(Clone, Copy)]
struct CountedTo {
    version: u64,
    record: Hash,
}

/// The versions from `first` on, so many of them.
#[derive(Clone, Copy)]
struct Counted {
    first: u64,
    count: u64,
    until: CountedTo,
}

/// No version up to here states a time at or after `since`, and those below `floor` are before it.
#[derive(Clone, Copy)]
struct Timed {
    since: u64,
    floor: u64,
    until: CountedTo,
}

impl RetentionFloor {
    /// The oldest version that must stay readable, of those from `oldest` to `head`.
    ///
    /// Costs small reads, no more than two for each version that came since the last call; for the first
    /// call, one for each version that is kept by count, or let go by time.
    pub(super) fn of(
        &mut self,
        retention: Retention,
        journal: &Journal,
        oldest: u64,
        head: &Link,
    ) -> Result<u64, Fault> {
        match retention {
            Retention::All => Ok(0),
            Retention::Last(count) => self.last(journal, oldest, head, count.max(1)),
            Retention::Since(since) => self.since(journal, oldest, head, since),
        }
    }

    /// The oldest of the newest `count` versions.
    fn last(
        &mut self,
        journal: &Journal,
        oldest: u64,
        head: &Link,
        count: u64,
    ) -> Result<u64, Fault> {
        if head.version.saturating_sub(oldest) < count {
            return Ok(oldest); // there are no more versions than numbers
        }
        let known = match self.counted.take() {
            // Where as many may have come since or are to go, they are counted back from the newest.
            Some(known)
                if known.first >= oldest
                    && known.count / 2 <= count
                    && (head.version.checked_sub(known.until.version))
                        .is_some_and(|came| came < count) =>
            {
                is_there(journal, &known.until)?.then_some(known)
            }
            _ => None,
        };
        let until = CountedTo::at(head);
        let mut kept = Counted {
            first: head.version,
            count: 1,
            until,
        };
        if let Some(known) = known {
            kept = Counted { until, ..known };
            let mut last = known.until.version;
            while let Some(next) = journal.after(last)?.filter(|next| *next <= head.version) {
                last = next;
                kept.count += 1;
            }
        }
        while kept.count < count
            && kept.first > oldest
            && let Some(before) = journal
                .before(kept.first)?
                .filter(|before| *before >= oldest)
        {
            kept.first = before;
            kept.count += 1;
        }
        while kept.count > count
            && let Some(next) = journal.after(kept.first)?
        {
            kept.first = next;
            kept.count -= 1;
        }
        self.counted = Some(kept);
        Ok(kept.first)
    }

    /// The oldest version of which it is not known that it was before `since`: behind the last one that states
    /// an earlier time, of those before the first that states a later one.
    fn since(
        &mut self,
        journal: &Journal,
        oldest: u64,
        head: &Link,
        since: u64,
    ) -> Result<u64, Fault> {
        let known = match self.timed.take() {
            Some(known) if known.since <= since && known.until.version <= head.version => {
                is_there(journal, &known.until)?.then_some(known)
            }
            _ => None,
        };
        let (mut from, mut floor) = known.map_or((oldest, oldest), |known| {
            (known.until.version.saturating_add(1), known.floor)
        });
        let mut until = None;
        while let Some((version, header)) = journal.peek(from)?
            && version <= head.version
            && header.time_ns < since
        {
            from = version.saturating_add(1);
            if header.time_ns > 0 {
                floor = from;
            }
            until = Some(version);
        }
        self.timed = match until {
            None => known,
            Some(version) => hash_at(journal, version)?.map(|record| Timed {
                since,
                floor,
                until: CountedTo { version, record },
            }),
        };
        Ok(floor.min(head.version))
    }
}

impl CountedTo {
    fn at(link: &Link) -> Self {
        Self {
            version: link.version,
            record: link.record_hash,
        }
    }
}

/// Whether the record is the same: a way out of panic mode may have taken it away.
fn is_there(journal: &Journal, until: &CountedTo) -> Result<bool, Fault> {
    Ok(hash_at(journal, until.version)? == Some(until.record))
}

fn hash_at(journal: &Journal, version: u64) -> Result<Option<Hash>, Fault> {
    let record = journal.read(version)?;
    Ok(record.map(|record| record_hash(&record)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::memory::MemoryEngine;
    use crate::record::{Changes, CommitKind, Header};

    /// A journal with records of these versions, each with its time; of more than one chunk.
    struct Records {
        journal: Journal,
        head: Link,
        versions: Vec<u64>,
    }

    impl Records {
        fn new() -> Self {
            let mut records = Self {
                journal: Journal::new(Arc::new(MemoryEngine::default())),
                head: Link {
                    version: 0,
                    root: Hash::default(),
                    record_hash: Hash::default(),
                    entries: 0,
                },
                versions: Vec::new(),
            };
            records.add(1, 0);
            records
        }

        fn add(&mut self, version: u64, time_ns: u64) {
            let header = Header {
                kind: CommitKind::Changes,
                version,
                previous_version: self.head.version,
                root_before: Hash::default(),
                root: Hash::default(),
                previous_record: self.head.record_hash,
                time_ns,
                entries: 0,
            };
            let record = header.encode(&[0; 9000], &Changes::default());
            (self.head.version, self.head.record_hash) = (version, record_hash(&record));
            self.journal.append(&[(version, record)]).unwrap();
            self.versions.push(version);
        }

        fn last(&self, count: u64) -> u64 {
            let before = usize::try_from(count).unwrap().min(self.versions.len());
            self.versions[self.versions.len() - before]
        }
    }

    #[test]
    fn counts_versions_whatever_their_numbers_and_however_many_came_since() {
        for count in 1..12 {
            let mut records = Records::new();
            let mut known = RetentionFloor::default();
            for round in 0..40_u64 {
                for more in 0..(round * 7) % 11 {
                    let step = [1, 1, 100, 3][usize::try_from((round + more) % 4).unwrap()];
                    records.add(records.head.version + step, 0);
                }
                let mut floor = |count| {
                    let retention = Retention::Last(count);
                    known
                        .of(retention, &records.journal, 1, &records.head)
                        .unwrap()
                };
                assert_eq!(floor(count), records.last(count), "{count} {round}");
                if round % 5 == 0 {
                    let other = count + round % 3;
                    assert_eq!(floor(other), records.last(other), "{count} {round}");
                }
            }
        }
    }

    #[test]
    fn counts_again_where_the_journal_went_back() {
        let mut records = Records::new();
        let mut known = RetentionFloor::default();
        for _ in 0..20 {
            records.add(records.head.version + 1, 0);
        }
        let before = records.head;
        for _ in 0..5 {
            records.add(records.head.version + 1, 0);
        }
        let nine = Retention::Last(9);
        known.of(nine, &records.journal, 1, &records.head).unwrap();
        records.journal.remove_above(before.version).unwrap();
        records
            .versions
            .retain(|version| *version <= before.version);
        records.head = before;
        records.add(before.version + 5, 7);
        let floor = known.of(nine, &records.journal, 1, &records.head);
        assert_eq!(floor.unwrap(), records.last(9));
        let (three, newest) = (Retention::Last(3), records.head.version);
        let floor = known.of(three, &records.journal, newest, &records.head);
        assert_eq!(floor.unwrap(), records.head.version);
    }

    #[test]
    fn goes_on_behind_the_versions_whose_times_it_knows() {
        let mut records = Records::new();
        let mut known = RetentionFloor::default();
        let mut floor = |records: &Records, since| {
            let since = Retention::Since(since);
            known.of(since, &records.journal, 1, &records.head).unwrap()
        };
        assert_eq!(floor(&records, 50), 1);
        records.add(2, 0);
        assert_eq!(floor(&records, 50), 1);
        records.add(3, 49);
        records.add(4, 0);
        assert_eq!(floor(&records, 50), 4);
        records.add(5, 60);
        records.add(6, 10);
        assert_eq!(floor(&records, 50), 4);
        assert_eq!(floor(&records, 61), 6);
        records.add(7, 0);
        assert_eq!(floor(&records, 61), 7);
        assert_eq!(floor(&records, 60), 4);
        assert_eq!(floor(&records, 5), 1);
    }
}
