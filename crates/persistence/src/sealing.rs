//! Making seals, and the chain of them.

use std::sync::Arc;

use merkle_core::Hash;
use vigilance::{Event, EventKind, Record, Text};

use crate::queue::{Asked, RecordRequest, Ticket};
use crate::seal::Seal;
use crate::shared::{Head, Shared, lock};
use crate::step::{Step, reached};
use crate::writer::{Item, Writer};
use crate::{ExecuteError, SealError, StorageError};

/// The chain of seals as far as it goes.
#[derive(Default)]
pub(crate) struct Chain {
    /// The newest one.
    pub(crate) last: Option<Arc<Sealed>>,
    /// One that was made since, for receipts.
    pub(crate) between: Option<Arc<Sealed>>,
}

/// A seal, and the bytes of it that are signed.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) seal: Seal,
    pub(crate) note: Vec<u8>,
}

impl Shared {
    /// How many seals the chain has.
    pub(crate) fn seal_count(&self) -> u64 {
        let chain = lock(&self.chain);
        let last = chain.last.as_ref().and_then(|last| last.seal.number);
        last.map_or(0, |number| number + 1)
    }

    /// How many records the newest seal of the chain covers.
    pub(crate) fn sealed_records(&self) -> u64 {
        let chain = lock(&self.chain);
        let last = chain.last.as_ref();
        last.map_or(0, |last| last.seal.log.size.get())
    }

    /// A seal over what everything holds at `head`, behind `previous`.
    pub(crate) fn seal_at(
        &self,
        head: &Head,
        number: Option<u64>,
        previous: Option<Hash>,
        time_ns: u64,
    ) -> Result<Sealed, SealError> {
        let seal = self.unsigned_seal(head, number, previous, time_ns);
        let note = seal.sign(&self.signer)?;
        Ok(Sealed { seal, note })
    }

    /// The same, not signed yet.
    pub(crate) fn unsigned_seal(
        &self,
        head: &Head,
        number: Option<u64>,
        previous: Option<Hash>,
        time_ns: u64,
    ) -> Seal {
        Seal {
            origin: self.signer.name().to_owned(),
            number,
            log: head.log,
            version: head.version,
            state_root: head.state_root,
            profile: self.db.profile(),
            vault_objects: head.vault.objects,
            vault_root: head.vault.root,
            previous,
            time_ns,
            vault_roots: None,
        }
    }

    /// Makes the files again of seals that the log has and the folder has not: `count` are in the
    /// log. Returns how many.
    pub(crate) fn restore_seals(&self, count: u64) -> Result<u64, StorageError> {
        let folder = StorageError::file(&self.config.seals_path());
        let numbers = self.seals.numbers().map_err(folder)?;
        let known: std::collections::BTreeSet<u64> = numbers.into_iter().collect();
        let mut missing: Vec<u64> = (0..count)
            .filter(|number| !known.contains(number))
            .collect();
        let restored = missing.len() as u64;
        let mut index = self.head().log.size.get();
        while let Some(&newest) = missing.last()
            && index > 0
        {
            index -= 1;
            let Some(record) = self.audit.record(index)? else {
                continue;
            };
            if let Some((number, note)) = note_of(&record)
                && number == newest
            {
                let seal = Seal::verify(note.as_bytes(), &self.keys)?;
                let folder = StorageError::file(&self.config.seals_path());
                self.seals.write(number, note.as_bytes()).map_err(folder)?;
                let mut chain = lock(&self.chain);
                if (chain.last.as_ref()).is_none_or(|last| last.seal.number < Some(number)) {
                    let note = note.as_bytes().to_vec();
                    chain.last = Some(Arc::new(Sealed { seal, note }));
                }
                missing.pop();
            }
        }
        Ok(restored - missing.len() as u64)
    }

    /// A seal that covers the first `size` records, all of which the trail has: the newest of the
    /// chain if it does, else one between.
    pub(crate) fn seal_covering(&self, size: u64) -> Result<Arc<Sealed>, StorageError> {
        let covers = |sealed: &&Arc<Sealed>| sealed.seal.log.size.get() >= size;
        {
            let chain = lock(&self.chain);
            let known = [&chain.last, &chain.between];
            if let Some(known) = known.into_iter().flatten().find(covers) {
                return Ok(known.clone());
            }
        }
        let head = self.wait_until_applied(size)?;
        let mut chain = lock(&self.chain);
        let last = chain.last.as_ref();
        let (previous, time_ns) = last.map_or((Hash::default(), 0), |last| {
            (last.seal.digest(), last.seal.time_ns)
        });
        let between = Arc::new(self.seal_at(&head, None, Some(previous), time_ns)?);
        chain.between = Some(between.clone());
        Ok(between)
    }
}

impl Writer {
    /// Makes the next seal of the chain: signs it, records it, writes it into its file.
    pub(crate) fn seal(&mut self, time_ns: u64) -> Result<Arc<Sealed>, ExecuteError> {
        self.prepare()?;
        let time_ns = time_ns.max(self.time_ns);
        let shared = self.shared.clone();
        let head = Head {
            vault: shared.vault_head(),
            ..shared.head()
        };
        // What is sealed is durable in the trail too.
        (shared
            .wait_until_applied(head.log.size.get())
            .map_err(ExecuteError::Storage))?;
        let synced = shared.audit.sync().map_err(StorageError::from);
        synced.map_err(ExecuteError::Storage)?;
        reached(Step::Synced);
        let last = lock(&shared.chain).last.clone();
        let number = last.as_ref().and_then(|last| last.seal.number);
        let number = number.map_or(0, |number| number + 1);
        let previous = last.as_ref().map(|last| last.seal.digest());
        let sealed = shared.seal_at(&head, Some(number), previous, time_ns);
        let sealed = Arc::new(sealed.map_err(StorageError::from)?);
        reached(Step::Signed);
        self.record_now(Record::Event(seal_event(&sealed, time_ns)))?;
        reached(Step::SealRecorded);
        {
            let mut chain = lock(&shared.chain);
            chain.last = Some(sealed.clone());
            chain.between = None;
        }
        let written = shared.seals.write(number, &sealed.note);
        written.map_err(|source| {
            ExecuteError::Storage(StorageError::File {
                path: shared.config.seals_path(),
                source,
            })
        })?;
        reached(Step::SealWritten);
        tracing::info!(number, version = head.version, "sealed");
        Ok(sealed)
    }

    /// Commits a record that the writer itself makes.
    pub(crate) fn record_now(&mut self, record: Record) -> Result<crate::Recorded, ExecuteError> {
        let encoded = record.encode()?;
        let (ticket, answer) = Ticket::new();
        let request = RecordRequest {
            asked: Asked {
                digest: Hash::default(),
                id: None,
                searched: 0,
                record_bytes: encoded.canonical.len(),
            },
            record,
            answer,
        };
        self.commit_item(Item::Record(Box::new(request)));
        ticket.wait()
    }
}

/// The record of a seal: it has all of it, so that a lost file can be made again.
fn seal_event(sealed: &Sealed, time_ns: u64) -> Event {
    let mut event = Event::new(EventKind::Checkpointed, time_ns);
    event.source = Some(SEAL_SOURCE.to_owned());
    event.count = sealed.seal.number;
    event.hash = Some(sealed.seal.digest());
    event.message = Some(Text::plain(String::from_utf8_lossy(&sealed.note)));
    event
}

/// The signed seal in a record, if it is the record of one.
pub(crate) fn note_of(record: &Record) -> Option<(u64, &str)> {
    match record {
        Record::Event(event)
            if event.kind == EventKind::Checkpointed
                && event.source.as_deref() == Some(SEAL_SOURCE) =>
        {
            Some((event.count?, event.message.as_ref()?.as_str()?))
        }
        _ => None,
    }
}

/// Who says so in the record of a seal.
const SEAL_SOURCE: &str = "persistence.seal";
