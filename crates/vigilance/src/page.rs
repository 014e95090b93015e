//! Pages of filtered records, at the same cost at any depth.

mod plan;
mod tail;

use rusqlite::Connection;

use crate::cursor::{Cursor, CursorError, Place};
use crate::error::ReadError;
use crate::filter::{Filter, NoSuchField};
use crate::health::Damage;
use crate::projection::text;
use crate::read;
use crate::tiles::Nodes;
use crate::{RecordKind, StoredRecord, Trail};
use plan::Plan;

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PageFrom {
    /// With the newest record.
    Newest,
    /// Behind this place, towards older records.
    Older(Cursor),
    /// Before this place, towards newer records.
    Newer(Cursor),
    /// With the oldest record.
    Oldest,
}

/// Some records, each checked against the log, the newest first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The records: not more than asked for, perhaps fewer although there are more.
    pub records: Vec<StoredRecord>,
    /// Where newer ones begin; none if nothing was looked at. Newer ones may come at any time.
    pub newer: Option<Cursor>,
    /// Where older ones begin; none if there are none. Records that come late are not seen behind it.
    pub older: Option<Cursor>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// A condition that the kind of record has no field for.
    #[error(transparent)]
    NoSuchField(#[from] NoSuchField),
    /// The cursor cannot be used.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// Reading failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Trail {
    /// The newest executions.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn recent_executions(&self, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        self.recent(&Filter::executions(), limit)
    }

    /// The newest attacks.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn recent_attacks(&self, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        self.recent(&Filter::attacks(), limit)
    }

    fn recent(&self, filter: &Filter, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        let page = self.scan(filter, PageFrom::Newest, None, limit)?;
        Ok(page.records)
    }

    /// A page of the records that a filter lets through, by when they happened; with a text query, by
    /// their place in the log. At most `limit` of them, and at most 1,000.
    ///
    /// Costs the same at any depth. Where a condition lets few records through and has no index of its own,
    /// a page looks at 10,000 at most: it may have fewer records than asked for, even none, and still
    /// a cursor to go on from. The list is over when there is no cursor.
    ///
    /// # Errors
    ///
    /// [`PageError`].
    pub fn page(&self, filter: &Filter, from: PageFrom, limit: usize) -> Result<Page, PageError> {
        filter.check()?;
        let place = match from {
            PageFrom::Older(cursor) | PageFrom::Newer(cursor) => Some(cursor.place_in(filter)?),
            PageFrom::Newest | PageFrom::Oldest => None,
        };
        Ok(self.scan(filter, from, place, limit)?)
    }

    fn scan(
        &self,
        filter: &Filter,
        from: PageFrom,
        place: Option<Place>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let is_upwards = matches!(from, PageFrom::Newer(_) | PageFrom::Oldest);
        let limit = limit.clamp(1, RECORDS_MAX);
        let read = self.shared().nodes(|nodes| {
            let found = find(nodes, filter, is_upwards, place, limit)?;
            let records = found
                .matching
                .iter()
                .map(|index| load(nodes, filter, *index));
            let mut records = records.collect::<Result<Vec<_>, ReadError>>()?;
            if is_upwards {
                records.reverse();
            }
            let cursor = |place| Cursor::new(filter, place);
            let begin = found.first.or(place).map(cursor);
            let end = found.last.or(place).map(cursor);
            let end = end.filter(|_| is_upwards || !found.is_over);
            let (newer, older) = if is_upwards {
                (end, begin)
            } else {
                (begin, end)
            };
            Ok(Page {
                records,
                newer,
                older,
            })
        });
        self.noticed(read)
    }
}

/// What a scan saw.
#[derive(Debug)]
struct Found {
    matching: Vec<u64>,
    first: Option<Place>,
    last: Option<Place>,
    /// There are no more.
    is_over: bool,
    /// How many more may match.
    room: usize,
    /// How many more candidates may be looked at.
    looks: usize,
}

impl Found {
    fn is_wanted(&self) -> bool {
        self.room > 0 && self.looks > 0
    }

    /// Takes the next candidate.
    fn see(&mut self, place: Place, matches: bool) {
        self.looks -= 1;
        self.first = self.first.or(Some(place));
        self.last = Some(place);
        if matches {
            self.room -= 1;
            self.matching.push(place.index.cast_unsigned());
        }
    }
}

/// Goes over candidates until the page is full, enough were looked at, or there are no more.
fn find(
    nodes: &Nodes<'_>,
    filter: &Filter,
    is_upwards: bool,
    place: Option<Place>,
    limit: usize,
) -> rusqlite::Result<Found> {
    let mut found = Found {
        matching: Vec::new(),
        first: None,
        last: None,
        is_over: false,
        room: limit,
        looks: CANDIDATES_MAX,
    };
    let (conn, size) = (nodes.conn, nodes.edge.size());
    if filter.text_query().is_none() {
        let plan = Plan::new(filter, is_upwards, place, size);
        look(conn, &plan, size, &mut found)?;
        return Ok(found);
    }
    let taken = text::taken(conn, size)?;
    let plan = Plan::new(filter, is_upwards, place, taken);
    let tail = |found: &mut Found| {
        let range = (taken, size);
        tail::look(conn, filter, range, is_upwards, place, found)
    };
    // In the order of the log: the index has the older ones.
    if is_upwards {
        look(conn, &plan, size, &mut found)?;
        if found.is_over {
            found.is_over = false;
            tail(&mut found)?;
        }
    } else {
        tail(&mut found)?;
        if found.is_over {
            found.is_over = false;
            look(conn, &plan, size, &mut found)?;
        }
    }
    Ok(found)
}

/// Adds what a plan finds.
fn look(conn: &Connection, plan: &Plan, size: u64, found: &mut Found) -> rusqlite::Result<()> {
    let mut select = conn.prepare_cached(&plan.text)?;
    let mut rows = select.query(rusqlite::params_from_iter(&plan.values))?;
    while found.is_wanted() {
        let Some(row) = rows.next()? else {
            found.is_over = true;
            break;
        };
        let (index, event_ns): (i64, i64) = (row.get(0)?, row.get(1)?);
        // The tables may be ahead of the log that everybody sees.
        if index >= size.cast_signed() {
            continue;
        }
        found.see(Place { event_ns, index }, row.get(2)?);
    }
    Ok(())
}

/// The record behind a row, which must be what the row said.
fn load(nodes: &Nodes<'_>, filter: &Filter, index: u64) -> Result<StoredRecord, ReadError> {
    let stored = read::record(nodes, index)?;
    if filter.matches(&stored.record) {
        return Ok(stored);
    }
    let is_text = filter.text_query().is_some();
    Err(ReadError::from(Damage::Projection {
        table: if is_text {
            "search"
        } else {
            table(filter.kind())
        }
        .into(),
        row: format!("idx {index}"),
        column: "*".into(),
        index: Some(index),
    }))
}

/// The table of a kind of record.
const fn table(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Execution => "executions",
        RecordKind::Attack => "attacks",
        RecordKind::Metric => "metrics",
        RecordKind::Event => "events",
    }
}

/// Most records of a page.
const RECORDS_MAX: usize = 1_000;

/// Most rows that a page looks at.
const CANDIDATES_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
