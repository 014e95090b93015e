//! SQL for a filter: one index leads, the other conditions are computed beside.

use rusqlite::types::Value;

use super::table;
use crate::cursor::Place;
use crate::filter::{Column, Filter};

/// A statement whose rows are candidates: index, time, and whether all conditions hold.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

/// What leads through the candidates.
enum Lead<'f> {
    /// Equality of a column with an index.
    Equal(Column, &'f str),
    /// Severe attacks have an index of their own.
    Severe,
    /// The index on time.
    Time,
}

impl Plan {
    /// The candidates from a place on, or from one end. Of a text query, those that the text index has.
    pub(super) fn new(filter: &Filter, is_upwards: bool, place: Option<Place>, taken: u64) -> Self {
        if filter.text_query().is_some() {
            return Self::of_text(filter, is_upwards, place, taken);
        }
        let lead = Lead::of(filter);
        let table = table(filter.kind());
        let mut values = Vec::new();
        let conditions = conditions(filter, &lead, &mut values);
        let mut text = format!(
            "SELECT idx, event_ns, {conditions} FROM {table} INDEXED BY {} WHERE ",
            lead.index(table)
        );
        match lead {
            Lead::Equal(column, value) => {
                text += &format!("{} = ? AND ", column.name());
                values.push(Value::Text(value.into()));
            }
            Lead::Severe => text += "severity_micros >= 900000 AND ",
            Lead::Time => {}
        }
        text += &times(filter, is_upwards, place, &mut values);
        let (_, order) = direction(is_upwards);
        text += &format!(" ORDER BY event_ns {order}, idx {order}");
        Self { text, values }
    }

    /// The text index leads, in the order of the log. Records of other kinds are candidates that no
    /// condition holds for.
    fn of_text(filter: &Filter, is_upwards: bool, place: Option<Place>, taken: u64) -> Self {
        let mut values = Vec::new();
        let conditions = conditions(filter, &Lead::Time, &mut values);
        values.extend(bounds(filter).map(Value::Integer));
        let (_, order) = direction(is_upwards);
        let mut text = format!(
            "SELECT search.rowid, 0, coalesce({conditions} AND event_ns >= ? AND event_ns <= ?, 0)
             FROM search LEFT JOIN {} AS it ON it.idx = search.rowid
             WHERE search MATCH ? AND search.rowid < ?",
            table(filter.kind())
        );
        let query = filter
            .text_query()
            .map(|query| query.fts5())
            .unwrap_or_default();
        values.push(Value::Text(query));
        let taken = taken.cast_signed();
        let past = place
            .filter(|_| !is_upwards)
            .map_or(taken, |place| place.index.min(taken));
        values.push(Value::Integer(past));
        if let Some(place) = place.filter(|_| is_upwards) {
            text += " AND search.rowid > ?";
            values.push(Value::Integer(place.index));
        }
        text += &format!(" ORDER BY search.rowid {order}");
        Self { text, values }
    }
}

impl<'f> Lead<'f> {
    fn of(filter: &'f Filter) -> Self {
        if let Some((column, value)) = filter.equals().first() {
            return Self::Equal(*column, value);
        }
        match filter.least_severity() {
            Some(least) if least.micros() >= 900_000 => Self::Severe,
            _ => Self::Time,
        }
    }

    fn index(&self, table: &str) -> String {
        match self {
            Self::Equal(column, _) => format!("{table}_{}", column.name()),
            Self::Severe => format!("{table}_severe"),
            Self::Time => format!("{table}_event_ns"),
        }
    }
}

/// The conditions that the leading index does not see to, as one expression.
fn conditions(filter: &Filter, lead: &Lead<'_>, values: &mut Vec<Value>) -> String {
    let mut conditions = String::from("1");
    for (column, value) in filter.equals() {
        if matches!(lead, Lead::Equal(leading, _) if leading == column) {
            continue;
        }
        conditions += &format!(" AND {} IS ?", column.name());
        values.push(Value::Text(value.clone()));
    }
    if let Some(least) = filter.least_severity() {
        conditions += " AND severity_micros >= ?";
        values.push(Value::Integer(i64::from(least.micros())));
    }
    conditions
}

/// From where to where. There is one bound on each side, so that none is left to the index to choose:
/// the place where the page begins takes that of the filter's time.
fn times(
    filter: &Filter,
    is_upwards: bool,
    place: Option<Place>,
    values: &mut Vec<Value>,
) -> String {
    let [from, last] = bounds(filter);
    let is_within = |place: &Place| {
        if is_upwards {
            place.event_ns >= from
        } else {
            place.event_ns <= last
        }
    };
    let Some(place) = place.filter(is_within) else {
        values.extend([from, last].map(Value::Integer));
        return "event_ns >= ? AND event_ns <= ?".into();
    };
    let at = [place.event_ns, place.index].map(Value::Integer);
    if is_upwards {
        values.push(Value::Integer(last));
        values.extend(at);
        return "event_ns <= ? AND (event_ns, idx) > (?, ?)".into();
    }
    values.push(Value::Integer(from));
    values.extend(at);
    "event_ns >= ? AND (event_ns, idx) < (?, ?)".into()
}

const fn direction(is_upwards: bool) -> (&'static str, &'static str) {
    if is_upwards {
        (">", "ASC")
    } else {
        ("<", "DESC")
    }
}

/// The first and the last time that a filter lets through; no time lies between them where it lets none.
fn bounds(filter: &Filter) -> [i64; 2] {
    let (from, until) = filter.times_ns();
    // No record is later than the database can say.
    let last = until
        .checked_sub(1)
        .map(|last| i64::try_from(last).unwrap_or(i64::MAX));
    match (i64::try_from(from), last) {
        (Ok(from), Some(last)) => [from, last],
        _ => [i64::MAX, -1],
    }
}
