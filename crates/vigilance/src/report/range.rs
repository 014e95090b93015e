//! Which part of the log a report needs.

use rusqlite::OptionalExtension;

use super::scope::Scope;
use super::{REPORT_RECORDS_MAX, ReportError};
use crate::error::ReadError;
use crate::{Trail, read, segment};

impl Trail {
    /// The smallest range with all records of the period, and the neighbours that were observed before and
    /// after it.
    pub(super) fn report_range(&self, scope: &Scope, size: u64) -> Result<(u64, u64), ReportError> {
        let kept = self.matching_range(scope, size)?;
        let moved_out = self.moved_out_range(scope, size)?;
        let (first, end) = match (moved_out, kept) {
            // Where no kept record matches, the range of those only says about where one would be.
            (Some((first, moved)), Some((_, kept))) => (first, moved.max(kept)),
            (range, None) | (None, range) => range.unwrap_or((size, size)),
        };
        let mut first = first.saturating_sub(1);
        let mut end = size.min(end.saturating_add(1));
        for _ in 0..NEIGHBOURS_MAX {
            if first == 0 || self.observed_ns(first)? < scope.from_ns {
                break;
            }
            first -= 1;
        }
        for _ in 0..NEIGHBOURS_MAX {
            if end == size || end == 0 || self.observed_ns(end - 1)? >= scope.until_ns {
                break;
            }
            end += 1;
        }
        let records = end - first;
        if records > REPORT_RECORDS_MAX {
            return Err(ReportError::TooLarge { records });
        }
        Ok((first, end))
    }

    /// From the first to behind the last record of the period; where there is none, around the
    /// place in which it would be.
    fn matching_range(&self, scope: &Scope, size: u64) -> Result<Option<(u64, u64)>, ReadError> {
        let bound = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        let size = size.cast_signed();
        self.shared().read(|conn| {
            let (mut range, mut before): (Option<(i64, i64)>, Option<i64>) = (None, None);
            for table in scope.tables() {
                let text = format!(
                    "SELECT min(idx), max(idx) FROM {table} INDEXED BY {table}_event_ns
                     WHERE event_ns >= ? AND event_ns <= ? AND idx < ?"
                );
                // The last nanosecond that the database holds belongs to what ends after it.
                let last = scope.until_ns.checked_sub(1).map_or(-1, bound);
                let bounds = (bound(scope.from_ns), last, size);
                let found = (conn.prepare_cached(&text)?).query_row(bounds, |row| {
                    Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
                })?;
                if let (Some(first), Some(last)) = found {
                    let (low, high) = range.unwrap_or((first, last));
                    range = Some((low.min(first), high.max(last)));
                }
                let text = format!(
                    "SELECT idx FROM {table} INDEXED BY {table}_event_ns
                     WHERE event_ns < ? AND idx < ? ORDER BY event_ns DESC, idx DESC LIMIT 1"
                );
                let last = (conn.prepare_cached(&text)?)
                    .query_row((bound(scope.from_ns), size), |row| row.get(0))
                    .optional()?;
                before = before.max(last);
            }
            let range = range.or_else(|| before.map(|last| (last, last)));
            let places =
                |(first, last): (i64, i64)| (first.cast_unsigned(), last.cast_unsigned() + 1);
            Ok(range.map(places).or((size > 0).then_some((0, 0))))
        })
    }

    /// The same of the records that were moved out into segments: no table has them, so each is looked
    /// at.
    fn moved_out_range(&self, scope: &Scope, size: u64) -> Result<Option<(u64, u64)>, ReadError> {
        let past = self.shared().read(segment::pruned)?.min(size);
        let mut range: Option<(u64, u64)> = None;
        for index in 0..past {
            let read = self.shared().nodes(|nodes| read::record(nodes, index));
            if scope.matches(&self.noticed(read)?.record) {
                let first = range.map_or(index, |(first, _)| first);
                range = Some((first, index + 1));
            }
        }
        Ok(range)
    }

    fn observed_ns(&self, index: u64) -> Result<u64, ReadError> {
        let read = self.shared().nodes(|nodes| read::record(nodes, index));
        Ok(self.noticed(read)?.record.observed_ns())
    }
}

/// How far is looked, on either side, for a record that was observed outside the period.
const NEIGHBOURS_MAX: u64 = 1_000;
