//! Numbers that only go up.

use super::conservation::text;
use super::{Change, Invariant, Reading, Violation};

/// How a nonce goes on when its key is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// To any number that is not below.
    NotBelow,
    /// To any number above.
    #[default]
    Above,
    /// To the next number.
    ByOne,
}

/// The values of the keys with a prefix only go up, and their keys are never deleted.
///
/// A key that has no value yet begins with any number.
#[derive(Clone, Debug)]
pub struct Nonces {
    name: String,
    prefix: Vec<u8>,
    reading: Reading,
    step: Step,
}

impl Nonces {
    /// The keys that begin with `prefix` have nonces, read this way.
    #[must_use]
    pub fn new(name: &str, prefix: &[u8], reading: Reading, step: Step) -> Self {
        Self {
            name: name.to_owned(),
            prefix: prefix.to_vec(),
            reading,
            step,
        }
    }
}

impl Invariant for Nonces {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, change: &Change<'_>) -> Result<(), Violation> {
        for write in change.writes() {
            if !write.key.starts_with(&self.prefix) {
                continue;
            }
            let refused = |why: String| Violation::new(format!("{}: {why}", text(write.key)));
            let read = |value: &[u8]| {
                self.reading
                    .read(value)
                    .map_err(|error| refused(error.to_string()))
            };
            let before = write.before.map(read).transpose()?;
            let after = match (write.after, before) {
                (Some(after), _) => read(after)?,
                (None, Some(_)) => return Err(refused("a nonce is not deleted".to_owned())),
                (None, None) => continue,
            };
            let Some(before) = before else {
                continue;
            };
            let holds = match self.step {
                Step::NotBelow => after >= before,
                Step::Above => after > before,
                Step::ByOne => before.checked_add(1) == Some(after),
            };
            if !holds {
                return Err(refused(format!("nonce {after} does not follow {before}")));
            }
        }
        Ok(())
    }
}
