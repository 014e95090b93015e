//! A set of keys keeps its total.

use super::{Change, Invariant, Reading, Violation};

/// The values of the keys with a prefix keep their total.
///
/// Only the keys that an execution changes are read: their values before and after must add up to the
/// same. A key without a value counts nothing. Some intents may be exempt, or nothing could ever be
/// issued.
///
/// ```
/// use persistence::{Conservation, Reading};
///
/// let supply = Conservation::new("supply", b"account:", Reading::json("/balance"))
///     .except(&["genesis", "mint"]);
/// ```
#[derive(Clone, Debug)]
pub struct Conservation {
    name: String,
    prefix: Vec<u8>,
    reading: Reading,
    except: Vec<String>,
}

impl Conservation {
    /// The keys that begin with `prefix` keep the total of their values, read this way.
    #[must_use]
    pub fn new(name: &str, prefix: &[u8], reading: Reading) -> Self {
        Self {
            name: name.to_owned(),
            prefix: prefix.to_vec(),
            reading,
            except: Vec::new(),
        }
    }

    /// Lets executions of these intents change the total.
    #[must_use]
    pub fn except(mut self, intents: &[&str]) -> Self {
        self.except
            .extend(intents.iter().map(|intent| (*intent).to_owned()));
        self
    }

    fn read(&self, key: &[u8], value: Option<&[u8]>) -> Result<i128, Violation> {
        let Some(value) = value else {
            return Ok(0);
        };
        (self.reading.read(value))
            .map_err(|error| Violation::new(format!("{}: {error}", text(key))))
    }
}

impl Invariant for Conservation {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, change: &Change<'_>) -> Result<(), Violation> {
        if self.except.contains(&change.execution().record.intent_name) {
            return Ok(());
        }
        let mut gained: i128 = 0;
        for write in change.writes() {
            if !write.key.starts_with(&self.prefix) {
                continue;
            }
            let before = self.read(write.key, write.before)?;
            let after = self.read(write.key, write.after)?;
            gained = after
                .checked_sub(before)
                .and_then(|more| gained.checked_add(more))
                .ok_or_else(|| Violation::new("the total is too large to be told"))?;
        }
        match gained {
            0 => Ok(()),
            gained => Err(Violation::new(format!("the total changes by {gained}"))),
        }
    }
}

/// A key for people.
pub(super) fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
