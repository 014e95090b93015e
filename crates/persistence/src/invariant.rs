//! What must hold whatever is executed: checked at commit, declared by the caller.

mod conservation;
mod nonce;
mod reading;

use std::collections::BTreeMap;

use reality_db::ReadError;

use crate::Execution;

pub use conservation::Conservation;
pub use nonce::{Nonces, Step};
pub use reading::{NotANumber, Reading};

/// What must hold whatever is executed.
///
/// An execution that violates one is recorded as rejected, with the reason, and writes nothing.
/// Checked by the one thread that commits, in the order in which they were declared: everything that
/// was committed before is visible, nothing else is.
///
/// ```
/// use persistence::{Change, Invariant, Violation};
///
/// /// Nobody writes what the system keeps for itself.
/// struct Reserved;
///
/// impl Invariant for Reserved {
///     fn name(&self) -> &str {
///         "reserved"
///     }
///
///     fn check(&self, change: &Change<'_>) -> Result<(), Violation> {
///         let reserved = |key: &[u8]| key.starts_with(b"system:");
///         match change.writes().find(|write| reserved(write.key)) {
///             Some(write) => Err(Violation::new(format!("{:?} is reserved", write.key))),
///             None => Ok(()),
///         }
///     }
/// }
/// ```
pub trait Invariant: Send + Sync {
    /// Its name, for the reason of a rejection.
    fn name(&self) -> &str;

    /// Whether it holds after `change`.
    ///
    /// # Errors
    ///
    /// [`Violation`] if it does not.
    fn check(&self, change: &Change<'_>) -> Result<(), Violation>;
}

/// An invariant does not hold, or cannot be told to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct Violation {
    /// Why, for people.
    pub reason: String,
}

impl Violation {
    /// A violation for this reason.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// One key that an execution is about to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangedKey<'c> {
    /// The key.
    pub key: &'c [u8],
    /// Its value before, if it has one.
    pub before: Option<&'c [u8]>,
    /// Its value after; none if it is deleted.
    pub after: Option<&'c [u8]>,
}

/// Reads the state as it is before an execution.
pub(crate) type Before<'c> = &'c dyn Fn(&[u8]) -> Result<Option<Vec<u8>>, ReadError>;

/// The values of a key before and after.
type Values<'c> = (Option<Vec<u8>>, Option<&'c [u8]>);

/// What an execution is about to change.
pub struct Change<'c> {
    execution: &'c Execution,
    /// Each key with its value before and after.
    keys: BTreeMap<&'c [u8], Values<'c>>,
    before: Before<'c>,
}

impl<'c> Change<'c> {
    /// The change that `execution` makes to a state which `before` reads.
    pub(crate) fn new(execution: &'c Execution, before: Before<'c>) -> Result<Self, ReadError> {
        let mut keys = BTreeMap::new();
        for write in &execution.writes {
            let after = write.value.as_deref();
            match keys.get_mut(&write.key[..]) {
                Some((_, last)) => *last = after,
                None => {
                    keys.insert(&write.key[..], (before(&write.key)?, after));
                }
            }
        }
        Ok(Self {
            execution,
            keys,
            before,
        })
    }

    /// The execution.
    #[must_use]
    pub fn execution(&self) -> &'c Execution {
        self.execution
    }

    /// The keys that it changes, in order, each once.
    pub fn writes(&self) -> impl Iterator<Item = ChangedKey<'_>> {
        (self.keys.iter()).map(|(key, (before, after))| ChangedKey {
            key,
            before: before.as_deref(),
            after: *after,
        })
    }

    /// The value of any key before.
    ///
    /// # Errors
    ///
    /// [`Violation`] if the state cannot be read: then nothing can be said to hold.
    pub fn before(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Violation> {
        match self.keys.get(key) {
            Some((before, _)) => Ok(before.clone()),
            None => (self.before)(key)
                .map_err(|error| Violation::new(format!("the state cannot be read: {error}"))),
        }
    }

    /// The value of any key after.
    ///
    /// # Errors
    ///
    /// [`Violation`] if the state cannot be read: then nothing can be said to hold.
    pub fn after(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Violation> {
        match self.keys.get(key) {
            Some((_, after)) => Ok(after.map(<[u8]>::to_vec)),
            None => self.before(key),
        }
    }
}

#[cfg(test)]
mod tests;
