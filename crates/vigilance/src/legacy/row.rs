//! One row, and what was not taken from it.

use std::collections::BTreeMap;

use merkle_core::Hash;
use rusqlite::types::Value;
use serde_json::Value as Json;

use super::LeftoverReason;
use crate::{LayerOutcome, civil};

/// A row from which a record is being made. What is not taken is left over.
#[derive(Debug)]
pub(super) struct Row {
    number: i64,
    values: BTreeMap<String, Value>,
    bad: Vec<(String, LeftoverReason)>,
}

impl Row {
    /// The columns behind the first, which is the row's number.
    pub(super) fn take(row: &rusqlite::Row<'_>, columns: &[String]) -> rusqlite::Result<Self> {
        let mut values = BTreeMap::new();
        let mut bad = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            let value = row.get_ref(at + 1)?;
            // Text that is not UTF-8 is the only value that cannot be had.
            match Value::try_from(value) {
                Ok(Value::Null) => {}
                Ok(value) => drop(values.insert(column.clone(), value)),
                Err(_) => bad.push((column.clone(), LeftoverReason::BadValue)),
            }
        }
        Ok(Self {
            number: row.get(0)?,
            values,
            bad,
        })
    }

    pub(super) const fn number(&self) -> i64 {
        self.number
    }

    /// What was not taken, and what was wrong.
    pub(super) fn left(self) -> impl Iterator<Item = (String, LeftoverReason)> {
        let unknown = |column| (column, LeftoverReason::UnknownColumn);
        self.bad
            .into_iter()
            .chain(self.values.into_keys().map(unknown))
    }

    /// Says that the row makes no record, because of `column`. Its other values are no loss of
    /// their own.
    pub(super) fn refuse<T>(&mut self, column: &str) -> Option<T> {
        self.values.clear();
        self.bad = vec![(column.into(), LeftoverReason::BadRow)];
        None
    }

    /// A column that has no meaning of its own, as the number of the row.
    pub(super) fn ignore(&mut self, column: &str) {
        self.values.remove(column);
    }

    pub(super) fn text(&mut self, column: &str) -> Option<String> {
        match self.values.remove(column)? {
            Value::Text(text) => Some(text),
            _ => self.wrong(column),
        }
    }

    /// The value, if `convert` accepts it.
    pub(super) fn with<T>(
        &mut self,
        column: &str,
        convert: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(column)?;
        convert(&text).or_else(|| self.wrong(column))
    }

    pub(super) fn real(&mut self, column: &str) -> Option<f64> {
        match self.values.remove(column)? {
            Value::Real(value) if value.is_finite() => Some(value),
            #[expect(clippy::cast_precision_loss, reason = "as SQLite itself would")]
            Value::Integer(value) => Some(value as f64),
            _ => self.wrong(column),
        }
    }

    /// Seconds since 1970 as nanoseconds.
    pub(super) fn seconds(&mut self, column: &str) -> Option<u64> {
        let seconds = self.real(column)?;
        decimal(seconds, 9).or_else(|| self.wrong(column))
    }

    /// Milliseconds as nanoseconds.
    pub(super) fn milliseconds(&mut self, column: &str) -> Option<u64> {
        let milliseconds = self.real(column)?;
        decimal(milliseconds, 6).or_else(|| self.wrong(column))
    }

    /// A date and time.
    pub(super) fn date(&mut self, column: &str) -> Option<u64> {
        self.with(column, civil::parse)
    }

    pub(super) fn hash(&mut self, column: &str) -> Option<Hash> {
        self.with(column, parse_hash)
    }

    /// A JSON object, each member of which `convert` accepts or leaves over.
    pub(super) fn members<T>(
        &mut self,
        column: &str,
        convert: impl Fn(&Json) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let object = self.with(column, |text| match serde_json::from_str(text).ok()? {
            Json::Object(object) => Some(object),
            _ => None,
        });
        let mut members = BTreeMap::new();
        for (name, value) in object.unwrap_or_default() {
            match convert(&value) {
                Some(value) => drop(members.insert(name, value)),
                None => self
                    .bad
                    .push((format!("{column}.{name}"), LeftoverReason::BadValue)),
            }
        }
        members
    }

    /// All that is left, as the members of a JSON object; `None` where nothing is.
    pub(super) fn rest(&mut self) -> Option<String> {
        let values = std::mem::take(&mut self.values);
        if values.is_empty() {
            return None;
        }
        let members = values
            .into_iter()
            .map(|(column, value)| (column, json(value)));
        Some(Json::Object(members.collect()).to_string())
    }

    fn wrong<T>(&mut self, column: &str) -> Option<T> {
        self.bad.push((column.into(), LeftoverReason::BadValue));
        None
    }
}

pub(super) fn outcome(value: &Json) -> Option<LayerOutcome> {
    match value {
        Json::Bool(passed) => Some((*passed).into()),
        Json::Null => Some(LayerOutcome::Skipped),
        _ => None,
    }
}

fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(value) => value.into(),
        Value::Real(value) => value.into(),
        // Texts that are JSON stay structured.
        Value::Text(text) => match serde_json::from_str(&text) {
            Ok(structured @ (Json::Object(_) | Json::Array(_))) => structured,
            _ => text.into(),
        },
        Value::Blob(bytes) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            Json::String(digits.collect())
        }
    }
}

/// The shortest decimal form of `value`, shifted by so many digits; `None` where that is no
/// number that the database can hold.
pub(super) fn decimal(value: f64, digits: usize) -> Option<u64> {
    if !(0.0..1e16).contains(&value) {
        return None;
    }
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let kept = &fraction[..fraction.len().min(digits)];
    let shifted: u64 = format!("{whole}{kept:0<digits$}").parse().ok()?;
    i64::try_from(shifted).is_ok().then_some(shifted)
}

fn parse_hash(text: &str) -> Option<Hash> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let mut bytes = [0; Hash::LEN];
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    }
    Some(Hash::from_bytes(bytes))
}
