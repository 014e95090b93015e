//! Which identifiers were committed, as filters: who asks for something new needs no look-up in the trail.

use std::hash::RandomState;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use fastbloom::BloomFilter;
use vigilance::Record;

use crate::queue::Id;

/// The identifiers of all records, in Bloom filters under keys of this process.
///
/// What is not here was never committed. What is here was, or looks like one that was, one in a
/// thousand of the others: the trail tells. Costs about two bytes an identifier, and no more than
/// 60 MB: beyond some thirty million of them more are looked up in the trail.
#[derive(Default)]
pub(crate) struct Ids {
    /// Each has room for twice as many as the one before it.
    layers: RwLock<Vec<Layer>>,
    /// All records that were there at opening are in it.
    complete: AtomicBool,
}

/// A filter, and how many more identifiers it is made for.
struct Layer {
    filter: BloomFilter<RandomState>,
    room: usize,
}

/// Identifiers that the first layer is made for.
const ROOM: usize = 1 << 20;

/// Layers, the last of which takes all that there is no room for.
const LAYERS_MAX: usize = 5;

/// How many of those that are new are looked up nevertheless.
const FALSE_POSITIVES: f64 = 0.001;

impl Ids {
    /// Adds what was committed. Before callers are told, so that nobody misses it.
    pub(crate) fn add<'i>(&self, ids: impl IntoIterator<Item = &'i Id>) {
        let mut layers = self.layers.write().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            let newest = newest(&mut layers);
            newest.filter.insert(id);
            newest.room = newest.room.saturating_sub(1);
        }
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
        let layers = self.layers.read().unwrap_or_else(PoisonError::into_inner);
        !layers.iter().any(|layer| layer.filter.contains(id))
    }
}

/// The layer that takes the next identifier.
fn newest(layers: &mut Vec<Layer>) -> &mut Layer {
    let is_full = layers.last().is_none_or(|layer| layer.room == 0);
    if is_full && layers.len() < LAYERS_MAX {
        let room = ROOM << layers.len();
        let filter = BloomFilter::with_false_pos(FALSE_POSITIVES).hasher(RandomState::new());
        layers.push(Layer {
            filter: filter.expected_items(room),
            room,
        });
    }
    layers.last_mut().expect("there is a first one by now")
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

    #[test]
    fn none_is_forgotten_when_a_layer_is_full() {
        let ids = Ids::default();
        let id = |nth: usize| Id::Execution(nth.to_string());
        let count = ROOM + ROOM / 2;
        let all: Vec<Id> = (0..count).map(id).collect();
        ids.add(&all);
        ids.completed();
        assert_eq!(ids.layers.read().unwrap().len(), 2);
        assert!(!all.iter().any(|id| ids.is_new(id)));
        let taken_for_known = (count..2 * count).filter(|nth| !ids.is_new(&id(*nth)));
        assert!(
            taken_for_known.count() < count / 200,
            "twice as many as it should be, of two layers"
        );
    }
}
