//! The handle of a trail.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use merkle_core::{Hash, SignedNote, SignerKey, TreeHead};

use crate::error::{AppendError, CheckpointError};
use crate::health::Health;
use crate::lock::FolderLock;
use crate::open::OpenReport;
use crate::options::{Durability, Options};
use crate::record::{EncodedRecord, Event, EventKind, Record, Text};
use crate::shared::Shared;
use crate::writer::{Appended, Job, Prepared, Reply, Writer};

/// An audit trail in a folder: a Merkle log of records, and tables made from them.
///
/// Clones are handles of the same trail. One thread writes; everybody reads. When the last handle is
/// dropped, what was appended is made durable, marked and checkpointed.
///
/// ```
/// use vigilance::{Attack, Options, Severity, Trail};
///
/// let folder = tempfile::tempdir()?;
/// let trail = Trail::open(folder.path(), &Options::new())?;
/// let attack = Attack::new(
///     "1d9523ad3c042f46", "injection", "code_injection", "input_sanitizer",
///     Severity::from_f64(0.9)?, 1_770_585_433_316_856_900,
/// );
/// let index = trail.append(attack)?.index().expect("the disk is not full");
///
/// let proof = trail.prove_inclusion(index, trail.size())?;
/// let record = trail.record(index)?;
/// assert!(proof.verify_entry(&record.canonical, &trail.head()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Trail {
    handle: Arc<Handle>,
}

/// What all handles share: when it goes, the trail is closed.
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) options: Options,
    thread: Mutex<Option<JoinHandle<()>>>,
    report: OpenReport,
    _lock: FolderLock,
}

impl Handle {
    pub(crate) fn new(
        shared: Arc<Shared>,
        thread: JoinHandle<()>,
        lock: FolderLock,
        report: OpenReport,
        options: Options,
    ) -> Self {
        Self {
            shared,
            options,
            thread: Mutex::new(Some(thread)),
            report,
            _lock: lock,
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue().close();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A panic of the thread was answered to whoever waited for it.
            let _ = thread.join();
        }
        self.shared.close_readers();
    }
}

/// An append that was asked for and not waited for yet.
#[derive(Debug)]
#[must_use = "whether the records are in is known after waiting"]
pub struct Ticket {
    answer: mpsc::Receiver<Result<Vec<Appended>, AppendError>>,
}

impl Ticket {
    /// Waits until the records are as durable as was asked for.
    ///
    /// # Errors
    ///
    /// [`AppendError`].
    pub fn wait(self) -> Result<Vec<Appended>, AppendError> {
        self.answer.recv().unwrap_or(Err(AppendError::Stopped))
    }
}

impl Trail {
    pub(crate) fn from_handle(handle: Handle) -> Self {
        Self {
            handle: Arc::new(handle),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    pub(crate) fn options(&self) -> &Options {
        &self.handle.options
    }

    /// Appends a record, and returns once it is durable.
    ///
    /// Many threads that append at once share a sync.
    ///
    /// # Errors
    ///
    /// [`AppendError`]. After [`AppendError::Unknown`] it may be in; after others it is not.
    pub fn append(&self, record: impl Into<Record>) -> Result<Appended, AppendError> {
        let answers = self.append_all(vec![record.into()])?;
        answers.first().copied().ok_or(AppendError::Stopped)
    }

    /// Appends records one after the other, all or none, and returns once they are durable.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn append_all(&self, records: Vec<Record>) -> Result<Vec<Appended>, AppendError> {
        self.submit(records, Durability::Durable)?.wait()
    }

    /// Hands records in to be appended, all or none, without waiting for it. Waits while the queue is
    /// full.
    ///
    /// # Errors
    ///
    /// [`AppendError::Record`] or [`AppendError::Stopped`]; others come with the [`Ticket`].
    pub fn submit(
        &self,
        records: Vec<Record>,
        durability: Durability,
    ) -> Result<Ticket, AppendError> {
        let records = prepare(records)?;
        let (reply, answer) = mpsc::sync_channel(1);
        let job = Job::Append {
            records,
            durability,
            reply,
        };
        self.put(job)?;
        Ok(Ticket { answer })
    }

    /// Appends records at the places that they have elsewhere, in the order of the caller's own log.
    ///
    /// Records that are there already must be the same, so it can be called again after a crash.
    /// Duplicates are not asked about. [`Durability::Deferred`] does not sync: the caller can give the
    /// records again. Gives size and root of the log afterwards.
    ///
    /// # Errors
    ///
    /// [`AppendError::Gap`], [`AppendError::Diverged`], and others of [`AppendError`].
    pub fn apply(
        &self,
        first_index: u64,
        records: &[EncodedRecord],
        durability: Durability,
    ) -> Result<TreeHead, AppendError> {
        let prepared = records.iter().enumerate().map(|(at, encoded)| {
            let record = encoded.decode();
            let record = record.map_err(|source| AppendError::Record { at, source })?;
            Ok(Prepared::new(record, encoded.clone()))
        });
        let records = prepared.collect::<Result<Vec<_>, AppendError>>()?;
        self.ask(|reply| Job::Apply {
            first: first_index,
            records,
            durability,
            reply,
        })?;
        Ok(self.head())
    }

    /// Takes in the erasable texts of records that are [applied](Self::apply) later, by canonical bytes
    /// alone; durable when it returns. Texts whose record never comes are erased at the next opening.
    ///
    /// # Errors
    ///
    /// [`AppendError`].
    pub fn stage_erasable(&self, records: &[EncodedRecord]) -> Result<(), AppendError> {
        let contents = records.iter().flat_map(|it| it.erasable.iter().cloned());
        let contents: Vec<_> = contents.collect();
        if contents.is_empty() {
            return Ok(());
        }
        self.ask(|reply| Job::Stage { contents, reply })
    }

    /// Overwrites staged texts whose records never came, and gives how many they were: for a caller who
    /// had them [kept](Options::keep_staged) at opening. Texts that are staged at the same time by
    /// others would be among them.
    ///
    /// # Errors
    ///
    /// [`AppendError`].
    pub fn sweep_staged(&self) -> Result<usize, AppendError> {
        self.run(Writer::sweep_staged)?
    }

    /// Makes everything appended so far durable.
    ///
    /// # Errors
    ///
    /// [`AppendError`].
    pub fn sync(&self) -> Result<(), AppendError> {
        self.ask(|reply| Job::Sync { reply })
    }

    /// How many records there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.handle.shared.edge().size()
    }

    /// Root of the log.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.head().root
    }

    /// Size and root of the log.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.handle.shared.edge().head()
    }

    /// How many records are durable.
    #[must_use]
    pub fn durable_size(&self) -> u64 {
        self.handle.shared.durable()
    }

    /// Whether damage is known.
    #[must_use]
    pub fn health(&self) -> Health {
        self.handle.shared.health()
    }

    /// What was found when the trail was opened.
    #[must_use]
    pub fn open_report(&self) -> &OpenReport {
        &self.handle.report
    }

    /// Waits until there are more than `size` records, or the time is over; gives how many there are.
    /// Whoever reads from `size` on then misses nothing.
    #[must_use]
    pub fn wait_beyond(&self, size: u64, timeout: Duration) -> u64 {
        self.handle.shared.wait_beyond(size, timeout)
    }

    /// Makes everything appended so far durable, and signs it: size and root of the log, as a C2SP
    /// checkpoint. A copy is kept outside the database.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`].
    pub fn checkpoint(&self) -> Result<SignedNote, CheckpointError> {
        if self.handle.options.signer.is_none() {
            return Err(CheckpointError::NoKey);
        }
        let text = self.run(|writer| {
            writer.make_durable()?;
            writer.keep_checkpoint(None).map_err(AppendError::from)
        })??;
        Ok(SignedNote::parse(text.as_bytes())?)
    }

    /// Signs with another key from now on. The log says so, and a checkpoint is signed by both keys: whoever
    /// trusts the old one can follow. Open the trail with the new key as [signer](Options::signer) next
    /// time, and the old one [trusted](Options::trust).
    ///
    /// # Errors
    ///
    /// [`CheckpointError`].
    pub fn rotate_key(&self, key: SignerKey, event_ns: u64) -> Result<SignedNote, CheckpointError> {
        let mut event = Event::new(EventKind::KeyRotated, event_ns);
        event.source = Some("vigilance".to_owned());
        event.message = Some(Text::plain(key.verifier_key().to_string()));
        self.append(event)?;
        let text = self.run(move |writer| {
            writer.make_durable()?;
            writer.outside.trust(key.verifier_key());
            let text = writer.keep_checkpoint(Some(&key))?;
            writer.options.signer = Some(key);
            Ok::<_, AppendError>(text)
        })??;
        Ok(SignedNote::parse(text.as_bytes())?)
    }

    /// Lets the writing thread do something between two groups.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, AppendError> {
        let (say, hear) = mpsc::sync_channel(1);
        self.put(Job::Run(Box::new(move |writer| {
            let _ = say.send(run(writer));
        })))?;
        hear.recv().map_err(|_| AppendError::Stopped)
    }

    fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, AppendError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.put(job(reply))?;
        answer.recv().unwrap_or(Err(AppendError::Stopped))
    }

    fn put(&self, job: Job) -> Result<(), AppendError> {
        let queue = self.handle.shared.queue();
        queue.put(job).map_err(|_| AppendError::Stopped)
    }
}

/// Encodes and hashes, on the caller's thread.
fn prepare(records: Vec<Record>) -> Result<Vec<Prepared>, AppendError> {
    let prepared = records.into_iter().enumerate().map(|(at, record)| {
        let encoded = record.encode();
        let encoded = encoded.map_err(|source| AppendError::Record { at, source })?;
        Ok(Prepared::new(record, encoded))
    });
    prepared.collect()
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail")
            .field("folder", &self.handle.shared.folder())
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}
