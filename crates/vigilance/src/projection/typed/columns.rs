//! What each column of a record's row holds.

use std::fmt::Write;

use merkle_core::Hash;
use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};

use super::{Entry, Table};
use crate::record::{Attack, Event, Execution, IndexRange, Metric, Text};

/// Takes the columns of a row one after the other.
pub(crate) trait Bind {
    /// An integer that SQLite can hold.
    fn integer(&mut self, value: u64) -> rusqlite::Result<()>;
    /// A real.
    fn real(&mut self, value: f64) -> rusqlite::Result<()>;
    /// A text.
    fn text(&mut self, value: &str) -> rusqlite::Result<()>;
    /// Bytes.
    fn blob(&mut self, value: &[u8]) -> rusqlite::Result<()>;
    /// Nothing.
    fn null(&mut self) -> rusqlite::Result<()>;

    /// An integer or nothing.
    fn maybe_integer(&mut self, value: Option<u64>) -> rusqlite::Result<()> {
        match value {
            Some(value) => self.integer(value),
            None => self.null(),
        }
    }

    /// A text or nothing.
    fn maybe_text(&mut self, value: Option<&str>) -> rusqlite::Result<()> {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// A hash or nothing.
    fn maybe_hash(&mut self, value: Option<&Hash>) -> rusqlite::Result<()> {
        match value {
            Some(value) => self.blob(value.as_bytes()),
            None => self.null(),
        }
    }

    /// A text that is part of the record; nothing for one that can be erased.
    fn plain(&mut self, value: Option<&Text>) -> rusqlite::Result<()> {
        match value {
            Some(Text::Plain(value)) => self.text(value),
            Some(Text::Erasable(_)) | None => self.null(),
        }
    }
}

pub(super) fn execution_row(it: &Execution, bind: &mut dyn Bind) -> rusqlite::Result<()> {
    bind.text(&it.tx_id)?;
    bind.maybe_text(it.bundle_hash.as_deref())?;
    bind.text(&it.intent_name)?;
    bind.text(it.status.as_str())?;
    bind.plain(it.result.as_ref())?;
    bind.maybe_hash(it.merkle_root_before.as_ref())?;
    bind.maybe_hash(it.merkle_root_after.as_ref())?;
    bind.maybe_integer(it.state_version)?;
    bind.integer(it.event_ns)?;
    bind.integer(it.observed_ns)?;
    bind.maybe_integer(it.elapsed_ns)?;
    let outcomes = it.layer_results.iter();
    bind.text(&json_object(
        outcomes.map(|(name, it)| (name, it.as_json())),
    ))?;
    bind.text(&json_object(it.telemetry.iter()))
}

pub(super) fn attack_row(it: &Attack, bind: &mut dyn Bind) -> rusqlite::Result<()> {
    bind.text(&it.attack_id)?;
    bind.integer(it.event_ns)?;
    bind.integer(it.observed_ns)?;
    bind.text(&it.attack_type)?;
    bind.text(&it.category)?;
    bind.text(&it.blocked_by_layer)?;
    bind.integer(it.severity.micros().into())?;
    bind.plain(it.code_snippet.as_ref())?;
    bind.maybe_text(it.detection_method.as_deref())?;
    bind.plain(it.metadata.as_ref())?;
    bind.maybe_text(it.tx_id.as_deref())?;
    bind.maybe_text(it.bundle_hash.as_deref())
}

pub(super) fn metric_row(it: &Metric, bind: &mut dyn Bind) -> rusqlite::Result<()> {
    bind.text(&it.tx_id)?;
    bind.text(&it.metric_name)?;
    // There is one zero, as in the canonical bytes.
    bind.real(if it.metric_value == 0.0 {
        0.0
    } else {
        it.metric_value
    })?;
    bind.integer(it.event_ns)?;
    bind.integer(it.observed_ns)
}

pub(super) fn event_row(it: &Event, bind: &mut dyn Bind) -> rusqlite::Result<()> {
    bind.text(it.kind.as_str())?;
    bind.integer(it.event_ns)?;
    bind.integer(it.observed_ns)?;
    bind.maybe_text(it.source.as_deref())?;
    bind.maybe_integer(it.severity.map(|it| it.micros().into()))?;
    bind.text(&json_ranges(&it.ranges))?;
    bind.maybe_integer(it.count)?;
    bind.maybe_hash(it.hash.as_ref())?;
    bind.plain(it.message.as_ref())?;
    bind.plain(it.detail.as_ref())
}

/// `{"name":value,…}`; the values are JSON as they are.
fn json_object<V: std::fmt::Display>(
    entries: impl Iterator<Item = (impl AsRef<str>, V)>,
) -> String {
    let mut json = String::from("{");
    for (at, (name, value)) in entries.enumerate() {
        if at > 0 {
            json.push(',');
        }
        json_string(&mut json, name.as_ref());
        // Writing to a string does not fail.
        let _ = write!(json, ":{value}");
    }
    json.push('}');
    json
}

/// A name, which has no control characters.
fn json_string(json: &mut String, name: &str) {
    json.push('"');
    for char in name.chars() {
        if matches!(char, '"' | '\\') {
            json.push('\\');
        }
        json.push(char);
    }
    json.push('"');
}

/// `[[first,count],…]`
fn json_ranges(ranges: &[IndexRange]) -> String {
    let mut json = String::from("[");
    for (at, range) in ranges.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        let _ = write!(json, "[{},{}]", range.first, range.count);
    }
    json.push(']');
    json
}

/// Binds a row to a statement.
pub(super) struct Binder<'s, 'c> {
    statement: &'s mut Statement<'c>,
    at: usize,
}

impl<'s, 'c> Binder<'s, 'c> {
    pub(super) fn new(statement: &'s mut Statement<'c>) -> Self {
        Self { statement, at: 0 }
    }

    fn bind(&mut self, value: impl rusqlite::ToSql) -> rusqlite::Result<()> {
        self.at += 1;
        self.statement.raw_bind_parameter(self.at, value)
    }
}

impl Bind for Binder<'_, '_> {
    fn integer(&mut self, value: u64) -> rusqlite::Result<()> {
        self.bind(value.cast_signed())
    }

    fn real(&mut self, value: f64) -> rusqlite::Result<()> {
        self.bind(value)
    }

    fn text(&mut self, value: &str) -> rusqlite::Result<()> {
        self.bind(value)
    }

    fn blob(&mut self, value: &[u8]) -> rusqlite::Result<()> {
        self.bind(value)
    }

    fn null(&mut self) -> rusqlite::Result<()> {
        self.bind(rusqlite::types::Null)
    }
}

/// The first column of a stored row that is not what the record says.
pub(super) fn differing(
    row: &Row<'_>,
    table: &'static Table,
    entry: Entry<'_>,
) -> rusqlite::Result<Option<&'static str>> {
    let mut compare = Comparer {
        row,
        at: 0,
        differs: None,
    };
    super::row(entry.index, entry.record, &mut compare)?;
    let column = compare.differs.map(|at| match at {
        0 => "idx",
        at => table.columns[at - 1],
    });
    Ok(column)
}

/// Compares a stored row with what would be bound.
struct Comparer<'r, 's> {
    row: &'r Row<'s>,
    at: usize,
    differs: Option<usize>,
}

impl Comparer<'_, '_> {
    fn expect(&mut self, same: impl FnOnce(ValueRef<'_>) -> bool) -> rusqlite::Result<()> {
        let at = self.at;
        self.at += 1;
        if self.differs.is_none() && !same(self.row.get_ref(at)?) {
            self.differs = Some(at);
        }
        Ok(())
    }
}

impl Bind for Comparer<'_, '_> {
    fn integer(&mut self, value: u64) -> rusqlite::Result<()> {
        self.expect(|stored| stored == ValueRef::Integer(value.cast_signed()))
    }

    fn real(&mut self, value: f64) -> rusqlite::Result<()> {
        self.expect(|stored| match stored {
            ValueRef::Real(stored) => stored.to_bits() == value.to_bits(),
            _ => false,
        })
    }

    fn text(&mut self, value: &str) -> rusqlite::Result<()> {
        self.expect(|stored| stored == ValueRef::Text(value.as_bytes()))
    }

    fn blob(&mut self, value: &[u8]) -> rusqlite::Result<()> {
        self.expect(|stored| stored == ValueRef::Blob(value))
    }

    fn null(&mut self) -> rusqlite::Result<()> {
        self.expect(|stored| stored == ValueRef::Null)
    }
}
