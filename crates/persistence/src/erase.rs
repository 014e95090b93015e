//! Erasing texts, on the record; and saying of texts that are lost that they are gone.

use vigilance::{Erased, Erasure, Event, EventKind, IndexRange, Record, Text};

use crate::audit::AuditError;
use crate::{ExecuteError, Persistence, StorageError};

impl Persistence {
    /// Erases texts: a redaction enters the log, by way of the journal like every record, and salts and
    /// texts are overwritten where they lie. Roots, receipts and proofs stay as they are.
    ///
    /// No journal and no backup ever had the texts.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`]. If the redaction was recorded, what it names is erased, at the next opening at
    /// the latest.
    ///
    /// ```
    /// use persistence::{Attack, Config, Erasure, Persistence, Severity, Text};
    /// use vigilance::{ErasableField, Salt};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let (persistence, _) = Persistence::open(Config::new(folder.path()))?;
    /// let mut attack = Attack::new("a1", "injection", "code", "sanitizer", Severity::MAX, 1);
    /// let text = Text::erasable(ErasableField::CodeSnippet, "'; DROP TABLE", Salt::random()?);
    /// attack.code_snippet = Some(text);
    /// let recorded = persistence.save_attack(attack)?;
    /// let erased = persistence.erase(&Erasure::Records([recorded.index].into()), 2)?;
    /// assert_eq!(erased.records, [recorded.index].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn erase(&self, what: &Erasure, time_ns: u64) -> Result<Erased, ExecuteError> {
        let storage = |error: AuditError| ExecuteError::from(StorageError::from(error));
        self.catch_up()?;
        let events = self.audit().redactions(what, time_ns);
        let mut erased = Erased::default();
        for event in events.map_err(|error| storage(error.into()))? {
            for range in &event.ranges {
                erased.records.extend(range.first..range.end());
            }
            erased.redactions.push(self.log_event(event)?.index);
        }
        self.catch_up()?;
        let scrubbed = self.audit().scrub();
        erased.is_scrubbed = scrubbed.map_err(|error| storage(error.into()))?;
        Ok(erased)
    }

    /// Says of all texts that are not there, and were not erased, that they are gone: behind a trail that
    /// was made again from the journal, which has no texts. How many records had some.
    pub(crate) fn redact_lost(&self, time_ns: u64) -> Result<u64, ExecuteError> {
        let size = self.catch_up()?.log.size.get();
        let mut lost = Lost::default();
        let mut next = 0;
        while next < size {
            let page = self.audit().records(next, PAGE);
            for stored in page.map_err(AuditError::from).map_err(StorageError::from)? {
                next = stored.index + 1;
                lost.see(stored.index, &stored.record);
            }
        }
        let (ranges, records) = lost.finish();
        for ranges in ranges.chunks(vigilance::RANGES_MAX) {
            let mut event = Event::new(EventKind::Redacted, time_ns);
            event.source = Some("persistence".to_owned());
            event.count = Some(ranges.iter().map(|range| range.count).sum());
            event.ranges = ranges.to_vec();
            event.message = Some(Text::plain(LOST));
            self.log_event(event)?;
        }
        self.catch_up()?;
        Ok(records)
    }
}

/// Ranges of records whose texts are all gone.
#[derive(Default)]
struct Lost {
    ranges: Vec<IndexRange>,
    /// The range that goes on: it may have records without texts in it.
    open: Option<IndexRange>,
    /// The records of the ranges that had texts.
    records: Vec<u64>,
    redacted: Vec<IndexRange>,
}

impl Lost {
    fn see(&mut self, index: u64, record: &Record) {
        if let Record::Event(event) = record
            && event.kind == EventKind::Redacted
        {
            self.redacted.extend(&event.ranges);
        }
        match texts(record) {
            (0, 0) => {}
            (0, _) => {
                self.records.push(index);
                let open = self.open.get_or_insert(IndexRange {
                    first: index,
                    count: 1,
                });
                open.count = index + 1 - open.first;
            }
            _ => self.ranges.extend(self.open.take()),
        }
    }

    /// The ranges to be redacted, and how many records with lost texts are in them. None if all that is
    /// gone was redacted before.
    fn finish(mut self) -> (Vec<IndexRange>, u64) {
        self.ranges.extend(self.open.take());
        let is_new = |index: &&u64| !self.redacted.iter().any(|range| range.contains(**index));
        match self.records.iter().filter(is_new).count() {
            0 => (Vec::new(), 0),
            records => (self.ranges, records as u64),
        }
    }
}

/// How many erasable texts of a record are there, and how many are not.
fn texts(record: &Record) -> (u64, u64) {
    let (texts, subject) = match record {
        Record::Execution(it) => ([it.result.as_ref(), None], it.subject.as_ref()),
        Record::Attack(it) => {
            let texts = [it.code_snippet.as_ref(), it.metadata.as_ref()];
            (texts, it.subject.as_ref())
        }
        Record::Event(it) => (
            [it.message.as_ref(), it.detail.as_ref()],
            it.subject.as_ref(),
        ),
        _ => return (0, 0),
    };
    let erasable = texts.into_iter().flatten().filter_map(|text| match text {
        Text::Erasable(text) => Some(text),
        _ => None,
    });
    erasable
        .chain(subject)
        .fold((0, 0), |(there, gone), text| match text.text().is_some() {
            true => (there + 1, gone),
            false => (there, gone + 1),
        })
}

/// Why texts are gone that nobody erased.
const LOST: &str = "the trail was made again from the journal, which has no erasable texts";

/// Records that are read at a time.
const PAGE: usize = 1024;
