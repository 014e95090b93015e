//! Records as they come, without a gap.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::ReadError;
use crate::filter::Filter;
use crate::{StoredRecord, Trail};

/// The records of a trail from an index on, and then each as it comes.
///
/// It remembers the next index and nothing else: whoever stores
/// [`next_index`](Self::next_index) goes on from there after a restart, without a gap and without a record
/// twice. Being slow loses nothing either: records are read from the trail, not from a queue.
///
/// As an iterator it blocks until there is another record, for ever. [`next_within`](Self::next_within) waits
/// for a while, [`poll`](Self::poll) not at all: call that from asynchronous code.
#[derive(Debug)]
pub struct Subscription {
    trail: Trail,
    filter: Option<Filter>,
    next_index: u64,
    ready: VecDeque<StoredRecord>,
}

impl Trail {
    /// The records from `index` on. Begin at [`size`](Self::size) for those to come.
    #[must_use]
    pub fn subscribe(&self, index: u64) -> Subscription {
        Subscription {
            trail: self.clone(),
            filter: None,
            next_index: index,
            ready: VecDeque::new(),
        }
    }
}

impl Subscription {
    /// Only the records that a filter lets through. The others are passed over.
    #[must_use]
    pub fn only(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// The index from which to subscribe again, so that what was given out is not given again.
    #[must_use]
    pub fn next_index(&self) -> u64 {
        self.ready
            .front()
            .map_or(self.next_index, |record| record.index)
    }

    /// The records that are there, at most `limit` of them, without waiting. Looks at 256 at most,
    /// so that it may give none although there are some: ask again as long as
    /// [`is_behind`](Self::is_behind).
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the next call tries the same again.
    pub fn poll(&mut self, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        if self.ready.is_empty() {
            self.fill()?;
        }
        let count = limit.min(self.ready.len());
        Ok(self.ready.drain(..count).collect())
    }

    /// Whether there are records that were not looked at.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.ready.is_empty() || self.next_index < self.trail.size()
    }

    /// The next record, waiting for it as long as `timeout` at most.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the next call tries the same again.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<StoredRecord>, ReadError> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(Some(record));
            }
            let size = self.trail.wait_beyond(self.next_index, timeout);
            if size <= self.next_index {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        let size = self.trail.size();
        if self.next_index >= size {
            return Ok(());
        }
        let records = self.trail.records(self.next_index, RECORDS_AT_A_TIME)?;
        if let Some(last) = records.last() {
            self.next_index = last.index + 1;
        }
        let filter = self.filter.as_ref();
        let wanted = |it: &StoredRecord| filter.is_none_or(|filter| filter.matches(&it.record));
        self.ready.extend(records.into_iter().filter(wanted));
        Ok(())
    }
}

/// Blocks until there is another record, or reading fails.
impl Iterator for Subscription {
    type Item = Result<StoredRecord, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_within(Duration::from_secs(3_600)) {
                Ok(None) => {}
                Ok(Some(record)) => return Some(Ok(record)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

const RECORDS_AT_A_TIME: usize = 256;
