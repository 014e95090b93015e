//! Which identifiers were committed, as hashes: who asks for something new needs no look-up in the trail.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use vigilance::Record;

use crate::queue::Id;

/// The identifiers of all records, as hashes of 64 bits under a key of this process.
///
/// What is not here was never committed. What is here was, or has the hash of one that was: the trail
/// tells. Costs about 20 bytes an identifier.
#[derive(Default)]
pub(crate) struct Ids {
    key: RandomState,
    hashes: RwLock<HashSet<u64>>,
    /// All records that were there at opening are in it.
    complete: AtomicBool,
}

impl Ids {
    /// Adds what was committed. Before callers are told, so that nobody misses it.
    pub(crate) fn add<'i>(&self, ids: impl IntoIterator<Item = &'i Id>) {
        let mut hashes = self.hashes.write().unwrap_or_else(PoisonError::into_inner);
        hashes.extend(ids.into_iter().map(|id| self.key.hash_one(id)));
    }

    /// Says that all that was there at opening was added.
    pub(crate) fn completed(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Whether nothing with this identifier was committed, for sure.
    pub(crate) fn is_new(&self, id: &Id) -> bool {
        if !self.complete.load(Ordering::Acquire) {
            return false;
        }
        let hashes = self.hashes.read().unwrap_or_else(PoisonError::into_inner);
        !hashes.contains(&self.key.hash_one(id))
    }
}

impl Id {
    /// The identifier of a record, if it is one of those that are committed once.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        match record {
            Record::Execution(it) => Some(Self::Execution(it.tx_id.clone())),
            Record::Attack(it) => Some(Self::Attack(it.attack_id.clone())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_for_sure_is_new() {
        let ids = Ids::default();
        let id = |text: &str| Id::Execution(text.to_owned());
        assert!(
            !ids.is_new(&id("a")),
            "what was there before is not known yet"
        );
        ids.add([&id("a")]);
        ids.completed();
        assert!(!ids.is_new(&id("a")));
        assert!(ids.is_new(&id("b")));
        assert!(ids.is_new(&Id::Attack("a".to_owned())), "another kind");
    }
}
