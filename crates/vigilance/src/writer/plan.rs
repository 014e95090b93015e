//! Where the records of a job go, before anything is written.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::{Appended, Prepared};
use crate::error::AppendError;
use crate::options::{Duplicates, Options};
use crate::record::{Record, RecordKind};

/// Places given out in a transaction that is not committed yet.
pub(super) struct Planner<'w> {
    conn: &'w Connection,
    options: &'w Options,
    /// The next place.
    pub(super) next: u64,
    /// Ids that were given a place in this transaction.
    fresh: HashMap<(RecordKind, String), u64>,
}

/// Where the records of one job go.
pub(super) struct Plan {
    pub(super) outcomes: Vec<Appended>,
    pub(super) records: Vec<(u64, Prepared)>,
}

impl<'w> Planner<'w> {
    pub(super) fn new(conn: &'w Connection, options: &'w Options, next: u64) -> Self {
        Self {
            conn,
            options,
            next,
            fresh: HashMap::new(),
        }
    }

    /// Places for records that are appended, by the policy on duplicates. All or none.
    pub(super) fn append(&mut self, records: Vec<Prepared>) -> Result<Plan, AppendError> {
        let mut plan = Plan {
            outcomes: Vec::with_capacity(records.len()),
            records: Vec::with_capacity(records.len()),
        };
        let (mut next, mut fresh) = (self.next, Vec::new());
        for prepared in records {
            let id = self.asked(&prepared.record);
            if let Some((kind, id, policy)) = id {
                let known = fresh
                    .iter()
                    .rev()
                    .find(|(key, _)| *key == (kind, id.to_owned()));
                let known = match known {
                    Some((_, index)) => Some(*index),
                    None => self.find(kind, id)?,
                };
                match (known, policy) {
                    (Some(index), Duplicates::Answer) => {
                        plan.outcomes.push(Appended::Duplicate { index });
                        continue;
                    }
                    (Some(index), _) => {
                        let id = id.to_owned();
                        return Err(AppendError::Duplicate { kind, id, index });
                    }
                    (None, _) => fresh.push(((kind, id.to_owned()), next)),
                }
            }
            plan.outcomes.push(Appended::At { index: next });
            plan.records.push((next, prepared));
            next += 1;
        }
        self.next = next;
        self.fresh.extend(fresh);
        Ok(plan)
    }

    /// Records that have their place already: those that are there must be the same.
    pub(super) fn apply(
        &mut self,
        first: u64,
        records: Vec<Prepared>,
    ) -> Result<Vec<(u64, Prepared)>, AppendError> {
        if first > self.next {
            let size = self.next;
            return Err(AppendError::Gap { first, size });
        }
        let mut new = Vec::with_capacity(records.len());
        let committed = self.next;
        for (index, prepared) in (first..).zip(records) {
            if index >= committed {
                new.push((index, prepared));
                continue;
            }
            let stored = stored(self.conn, index)?;
            if stored.is_none_or(|stored| stored != prepared.encoded.canonical) {
                return Err(AppendError::Diverged { index });
            }
        }
        self.next += new.len() as u64;
        Ok(new)
    }

    /// The id of a record that may not come twice, and what happens if it does.
    fn asked<'r>(&self, record: &'r Record) -> Option<(RecordKind, &'r str, Duplicates)> {
        let (id, policy) = match record {
            Record::Execution(it) => (&it.tx_id, self.options.duplicate_executions),
            Record::Attack(it) => (&it.attack_id, self.options.duplicate_attacks),
            Record::Metric(_) | Record::Event(_) => return None,
        };
        (policy != Duplicates::Keep).then_some((record.kind(), id.as_str(), policy))
    }

    fn find(&self, kind: RecordKind, id: &str) -> rusqlite::Result<Option<u64>> {
        // One allocation a record: only where the policy asks.
        if let Some(index) = self.fresh.get(&(kind, id.to_owned())) {
            return Ok(Some(*index));
        }
        newest_by_id(self.conn, kind, id)
    }
}

/// The newest record of a kind with this id.
pub(crate) fn newest_by_id(
    conn: &Connection,
    kind: RecordKind,
    id: &str,
) -> rusqlite::Result<Option<u64>> {
    let text = match kind {
        RecordKind::Execution => "SELECT max(idx) FROM executions WHERE tx_id = ?",
        RecordKind::Attack => "SELECT max(idx) FROM attacks WHERE attack_id = ?",
        RecordKind::Metric | RecordKind::Event => return Ok(None),
    };
    let index: Option<i64> = conn
        .prepare_cached(text)?
        .query_row([id], |row| row.get(0))?;
    Ok(index.map(i64::cast_unsigned))
}

fn stored(conn: &Connection, index: u64) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut select = conn.prepare_cached("SELECT canonical FROM records WHERE idx = ?")?;
    select
        .query_row([index.cast_signed()], |row| row.get(0))
        .optional()
}
