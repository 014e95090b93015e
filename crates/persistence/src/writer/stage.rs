//! From a group of requests to durable versions, and answers.

use std::sync::Arc;

use merkle_core::{Batch, CompactRange, log_leaf_hash};
use reality_db::{CommitError, CommitOptions, Staged};
use vigilance::{EncodedRecord, Record};

use super::Writer;
use super::group::{Item, Slot};
use crate::envelope::{Carried, Envelope};
use crate::follower::Work;
use crate::recent::{Outcome, Transition};
use crate::shared::Head;
use crate::step::{Step, reached};
use crate::{ExecuteError, Executed, Execution, Recorded, StorageError, Write};

impl Writer {
    /// Commits slots, each as one version, all with one sync, and answers.
    pub(crate) fn commit(&mut self, (slots, again): (Vec<Slot>, Vec<Item>)) {
        if !slots.is_empty() {
            self.commit_slots(slots);
        }
        for item in again {
            let asked = item.asked();
            let id = asked.id.as_ref();
            let repeated = id.map(|id| self.repeated(id, asked.digest, asked.searched));
            let outcome = match repeated.transpose().map(Option::flatten) {
                // The one that it repeats was not committed either.
                Ok(None) => Err(ExecuteError::Busy),
                Ok(Some(Outcome::Executed(executed))) => Ok(Outcome::Executed(Executed {
                    repeated: true,
                    ..executed
                })),
                Ok(Some(Outcome::Recorded(recorded))) => Ok(Outcome::Recorded(Recorded {
                    repeated: true,
                    ..recorded
                })),
                Err(error) => Err(error),
            };
            item.answer(outcome);
        }
    }

    /// Commits one more thing by itself.
    pub(crate) fn commit_item(&mut self, item: Item) {
        self.commit_slots(vec![Slot::of(item)]);
    }

    fn commit_slots(&mut self, slots: Vec<Slot>) {
        reached(Step::Staged);
        let outcome = {
            let batches: Vec<Batch<'_>> = slots.iter().map(batch).collect();
            self.commit_batches(&slots, &batches)
        };
        match outcome {
            Ok(done) => {
                reached(Step::Committed);
                self.done(slots, done);
            }
            Err(error) => {
                tracing::error!(%error, "a group was not committed");
                self.failed(slots, error);
            }
        }
    }

    fn commit_batches(
        &mut self,
        slots: &[Slot],
        batches: &[Batch<'_>],
    ) -> Result<Done, CommitError> {
        let vault = self.shared.vault_head();
        let times: Vec<u64> = (slots.iter())
            .map(|slot| {
                let observed = slot.items.iter().map(Item::observed_ns).max();
                self.time_ns = self.time_ns.max(observed.unwrap_or_default());
                self.time_ns
            })
            .collect();
        let commits: Vec<_> = (batches.iter().zip(&times))
            .map(|(batch, time)| (batch, CommitOptions::new().time_ns(*time)))
            .collect();
        let mut done = Done {
            log: self.log.clone(),
            versions: Vec::with_capacity(slots.len()),
            vault,
            seals: self.shared.seal_count(),
        };
        self.shared.db.commit_staged(&commits, |at, staged| {
            done.describe(&slots[at], &batches[at], staged)
        })?;
        Ok(done)
    }

    /// Publishes what is durable, and answers.
    fn done(&mut self, slots: Vec<Slot>, done: Done) {
        self.log = done.log;
        let applied = self.shared.applied();
        let mut works = Vec::with_capacity(done.versions.len());
        let mut outcomes = Vec::with_capacity(done.versions.len());
        for version in done.versions {
            if let Some(transition) = version.transition {
                self.shared
                    .keep_transition(version.head.version, Arc::new(transition));
            }
            works.push(Work {
                records: version.records,
                head: version.head,
            });
            outcomes.push(version.outcomes);
        }
        let items = slots.iter().flat_map(|slot| &slot.items);
        let ids = items.filter_map(|item| item.asked().id.as_ref());
        self.shared.ids.add(ids);
        self.shared.publish(works);
        for (slot, outcomes) in slots.into_iter().zip(outcomes) {
            for (item, outcome) in slot.items.into_iter().zip(outcomes) {
                if let Some(id) = item.asked().id.clone() {
                    let digest = item.asked().digest;
                    self.recent.insert(id, digest, outcome.clone());
                }
                item.answer(Ok(outcome));
            }
        }
        self.recent.shrink(applied);
        reached(Step::Published);
    }

    fn failed(&mut self, slots: Vec<Slot>, error: CommitError) {
        let is_unknown = matches!(error, CommitError::Unknown(_));
        self.interrupted |= is_unknown;
        let error = Arc::new(error);
        self.shared.notice_commit(&error);
        for item in slots.into_iter().flat_map(|slot| slot.items) {
            let source = StorageError::Commit(error.clone());
            item.answer(Err(match is_unknown {
                true => ExecuteError::Unknown(source),
                false => ExecuteError::Storage(source),
            }));
        }
    }
}

/// Versions that are being committed.
struct Done {
    /// The log with their records.
    log: CompactRange,
    versions: Vec<DoneVersion>,
    vault: crate::shared::VaultHead,
    seals: u64,
}

struct DoneVersion {
    records: Vec<EncodedRecord>,
    outcomes: Vec<Outcome>,
    transition: Option<Transition>,
    head: Head,
}

impl Done {
    /// Makes the records of a version whose roots are known now; returns its envelope.
    fn describe(&mut self, slot: &Slot, batch: &Batch<'_>, staged: &Staged) -> Vec<u8> {
        let before = self.log.head().expect("it begins with the first record");
        let first = self.log.end();
        let mut records = Vec::with_capacity(slot.items.len());
        let mut outcomes = Vec::with_capacity(slot.items.len());
        for (index, item) in (first..).zip(&slot.items) {
            let record = item.record(staged);
            let encoded = record.encode().expect("it was encoded before, as long");
            let appended = self.log.append(&log_leaf_hash(&encoded.canonical));
            appended.expect("there are fewer than 2^63 records");
            records.push(encoded);
            outcomes.push(item.outcome(index, staged));
        }
        let carried = records.iter().zip(&slot.items);
        let envelope = Envelope {
            first,
            log_root: before.root,
            vault_root: self.vault.root,
            seals: self.seals,
            records: carried
                .map(|(encoded, item)| Carried {
                    record: &encoded.canonical,
                    request: item.asked().digest,
                })
                .collect(),
        }
        .encode();
        self.versions.push(DoneVersion {
            records,
            outcomes,
            transition: slot.changes.then(|| transition(batch, staged)),
            head: Head {
                log: self.log.head().expect("it begins with the first record"),
                version: staged.number,
                state_root: staged.root,
                vault: self.vault,
            },
        });
        envelope
    }
}

fn transition(batch: &Batch<'_>, staged: &Staged) -> Transition {
    let write = |(key, value): (&[u8], Option<merkle_core::Value<'_>>)| Write {
        key: key.to_vec(),
        value: value
            .and_then(merkle_core::Value::bytes)
            .map(<[u8]>::to_vec),
    };
    Transition {
        writes: batch.changes().map(write).collect(),
        proof: staged.transition.encode(),
    }
}

/// What a slot writes.
fn batch(slot: &Slot) -> Batch<'_> {
    match &slot.items[..] {
        [Item::Execution { request, .. }] if slot.changes => {
            writes_batch(&request.execution).expect("the keys were checked before")
        }
        _ => Batch::new(),
    }
}

/// The writes of an execution as a batch.
pub(crate) fn writes_batch(execution: &Execution) -> Result<Batch<'_>, merkle_core::KeyError> {
    let mut batch = Batch::with_capacity(execution.writes.len());
    for write in &execution.writes {
        match &write.value {
            Some(value) => batch.put(&write.key, value)?,
            None => batch.delete(&write.key)?,
        };
    }
    Ok(batch)
}

impl Item {
    fn observed_ns(&self) -> u64 {
        match self {
            Self::Execution { request, .. } => request.execution.record.observed_ns,
            Self::Record(request) => request.record.observed_ns(),
        }
    }

    fn record(&self, staged: &Staged) -> Record {
        match self {
            Self::Execution { request, .. } => {
                let mut record = request.execution.record.clone();
                record.merkle_root_before = Some(staged.root_before);
                record.merkle_root_after = Some(staged.root);
                record.state_version = Some(staged.number);
                Record::Execution(record)
            }
            Self::Record(request) => request.record.clone(),
        }
    }

    fn outcome(&self, index: u64, staged: &Staged) -> Outcome {
        match self {
            Self::Execution { request, refusal } => Outcome::Executed(Executed {
                tx_id: request.execution.record.tx_id.clone(),
                status: request.execution.record.status,
                refusal: refusal.clone(),
                index,
                version: staged.number,
                root_before: staged.root_before,
                root_after: staged.root,
                repeated: false,
            }),
            Self::Record(_) => Outcome::Recorded(Recorded {
                index,
                version: staged.number,
                repeated: false,
            }),
        }
    }
}
