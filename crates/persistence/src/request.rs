//! What a caller hands over, checked and made ready for the thread that commits.

use merkle_core::Hash;
use reality_db::{METADATA_BYTES_MAX, TooLarge, VALUE_BYTES_MAX};
use sha2::{Digest, Sha256};
use vigilance::{ErasableText, Record, Text};

use crate::{ExecuteError, Execution, Write};

/// The digest of a request: two requests are the same if it is.
///
/// Clocks do not count: whoever asks again does so later. Nor do salts of texts that can be erased.
pub(crate) struct RequestDigest(Sha256);

impl RequestDigest {
    fn new() -> Self {
        Self(Sha256::new_with_prefix(b"DIOTEC360 request 1"))
    }

    fn part(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    fn optional(&mut self, part: Option<&[u8]>) {
        self.0.update([u8::from(part.is_some())]);
        self.part(part.unwrap_or_default());
    }

    fn text(&mut self, text: Option<Text>) {
        match text {
            Some(Text::Plain(text)) => self.optional(Some(text.as_bytes())),
            Some(Text::Erasable(text)) => self.erasable(Some(text)),
            _ => self.optional(None),
        }
    }

    fn erasable(&mut self, text: Option<ErasableText>) {
        self.optional(
            text.as_ref()
                .and_then(|text| text.text())
                .map(str::as_bytes),
        );
    }

    /// The digest of a record whatever its clocks, salts, roots and version.
    fn record(&mut self, record: &Record) -> Result<(), ExecuteError> {
        let mut record = record.clone();
        match &mut record {
            Record::Execution(it) => {
                (it.event_ns, it.observed_ns) = (0, 0);
                self.text(it.result.take());
                self.erasable(it.subject.take());
            }
            Record::Attack(it) => {
                (it.event_ns, it.observed_ns) = (0, 0);
                self.text(it.code_snippet.take());
                self.text(it.metadata.take());
                self.erasable(it.subject.take());
            }
            Record::Metric(it) => (it.event_ns, it.observed_ns) = (0, 0),
            Record::Event(it) => {
                (it.event_ns, it.observed_ns) = (0, 0);
                self.text(it.message.take());
                self.text(it.detail.take());
                self.erasable(it.subject.take());
            }
            _ => {}
        }
        let encoded = record.encode()?;
        self.part(&encoded.canonical);
        Ok(())
    }

    fn write(&mut self, write: &Write) {
        self.part(&write.key);
        self.optional(write.value.as_deref());
    }

    fn finish(self) -> Hash {
        Hash::from_bytes(self.0.finalize().into())
    }
}

/// The digest of a record that is not an execution.
pub(crate) fn digest_of_record(record: &Record) -> Result<Hash, ExecuteError> {
    let mut digest = RequestDigest::new();
    digest.record(record)?;
    Ok(digest.finish())
}

/// The digest of an execution: its record, its bundle, and its writes in the order in which they
/// were handed over.
pub(crate) fn digest_of_execution(execution: &Execution) -> Result<Hash, ExecuteError> {
    let mut digest = RequestDigest::new();
    digest.record(&Record::Execution(execution.record.clone()))?;
    let bundle = execution.bundle.map(|bundle| bundle.address());
    digest.optional(bundle.as_ref().map(|address| &address.as_bytes()[..]));
    digest.optional(execution.expect_root.as_ref().map(AsRef::as_ref));
    for write in &execution.writes {
        digest.write(write);
    }
    Ok(digest.finish())
}

/// Refuses what a commit could not hold.
pub(crate) fn check_writes(execution: &Execution) -> Result<(), ExecuteError> {
    crate::writer::writes_batch(execution)?;
    let mut bytes = METADATA_BYTES_MAX;
    for write in &execution.writes {
        let len = write.value.as_ref().map_or(0, Vec::len);
        if len > VALUE_BYTES_MAX {
            return Err(TooLarge::Value { len }.into());
        }
        bytes = bytes.saturating_add(write.key.len() + len + 8);
    }
    match bytes > WRITES_BYTES_MAX {
        true => Err(TooLarge::Commit { len: bytes }.into()),
        false => Ok(()),
    }
}

/// Most bytes that an execution writes: a quarter of what one commit of the state holds.
const WRITES_BYTES_MAX: usize = reality_db::COMMIT_BYTES_MAX / 4;
