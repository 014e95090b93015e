//! Checking the records: each against the one before it.

use merkle_core::Hash;

use super::Check;
use crate::Damage;
use crate::error::Fault;
use crate::open::genesis;
use crate::provable::Records;
use crate::record::{Record, record_hash};

/// Most damaged records that a report names.
const RECORDS_NAMED_MAX: usize = 1000;

/// What a check found of the records.
#[derive(Default)]
pub(super) struct Chain {
    /// Versions whose records are sound.
    pub(super) versions: u64,
    pub(super) damage: Vec<Damage>,
    /// Where it stopped, and what the damage does not say: where a record is none, nobody can tell whether
    /// there were others between it and the one before it.
    pub(super) records: Records,
}

impl Check<'_> {
    /// Every record against the one before it, and against what is known of it elsewhere. Behind a bad one
    /// it goes on.
    pub(super) fn chain(&self) -> Result<Chain, Fault> {
        let mut found = Chain::default();
        let (oldest, newest) = (self.oldest, self.head.version);
        self.show(|progress| progress.versions_total = (newest - oldest).saturating_add(1));
        let (mut before, mut from, mut untold) = (None, oldest, 0);
        let mut records = self.journal.scan(from, newest);
        let unseen_from = loop {
            let next = before.map_or(oldest, |before: Before| before.version.saturating_add(1));
            if self.progress.is_ended() {
                break Some(next);
            }
            let (version, checked) = match records.next() {
                None => break None,
                Some(Ok((version, bytes))) => (version, self.check_record(version, &bytes, before)),
                Some(Err(Fault::Damage(damage @ Damage::Record { version }))) => {
                    if version < from || version >= newest {
                        found.damage.push(damage);
                        found.records.add_bad(next..=version);
                        before = Some(Before::bad(version));
                        break (version < newest).then_some(next);
                    }
                    from = version + 1;
                    records = self.journal.scan(from, newest);
                    (version, (None, Some(damage)))
                }
                Some(Err(fault)) => return Err(fault),
            };
            // No record before it tells that the first is gone.
            if before.is_none() && version > oldest {
                found.damage.push(Damage::Record { version: oldest });
                found.records.add_bad(oldest..=version - 1);
            }
            let (hash, damage) = checked;
            before = Some(Before { version, hash });
            match damage {
                None => found.versions += 1,
                Some(_) if found.damage.len() == RECORDS_NAMED_MAX => break Some(next),
                Some(damage) => {
                    if hash.is_none() {
                        found.records.add_bad(next..=version);
                    }
                    found.damage.push(damage);
                }
            }
            untold += 1;
            if untold == 256 {
                untold = 0;
                self.show(|progress| progress.versions = (version - oldest).saturating_add(1));
            }
        };
        found.records.unseen_from = unseen_from;
        let is_there = before.is_some_and(|before| {
            before.version == newest && before.hash.is_none_or(|it| it == self.head.record_hash)
        });
        if unseen_from.is_none() && !is_there {
            found.damage.push(Damage::TailLost {
                acknowledged: newest,
                found: before.map(|before| before.version),
            });
        }
        if unseen_from.is_none() {
            self.show(|progress| progress.versions = progress.versions_total);
        }
        Ok(found)
    }

    /// The hash of a record, if it is one, and what is wrong with it.
    fn check_record(
        &self,
        version: u64,
        bytes: &[u8],
        before: Option<Before>,
    ) -> (Option<Hash>, Option<Damage>) {
        let bad = (None, Some(Damage::Record { version }));
        let Ok(Record { header, .. }) = Record::decode(bytes) else {
            return bad;
        };
        let is_genesis = version == 0 && bytes == genesis(&self.shared.format).1;
        if header.version != version || (version == 0 && !is_genesis) {
            return bad;
        }
        let hash = record_hash(bytes);
        let known = (self.pointers.iter()).find(|pointer| pointer.version == version);
        if known.is_some_and(|known| (known.record, known.root) != (hash, header.root)) {
            return bad;
        }
        let broken = before.filter(|before| {
            before.version != header.previous_version
                || before.hash.is_some_and(|it| it != header.previous_record)
        });
        let damage = broken.map(|before| Damage::Chain {
            version,
            follows: before.version,
        });
        (Some(hash), damage)
    }
}

/// The record before another one.
#[derive(Clone, Copy)]
struct Before {
    version: u64,
    /// None if the record is no record: what follows it cannot be held against it.
    hash: Option<Hash>,
}

impl Before {
    fn bad(version: u64) -> Self {
        Self {
            version,
            hash: None,
        }
    }
}
