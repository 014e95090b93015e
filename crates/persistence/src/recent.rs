//! What was committed lately: answers to those who ask again, and proofs for those who ask for them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use merkle_core::Hash;

use crate::queue::Id;
use crate::{Executed, Recorded, Write};

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Executed(Executed),
    Recorded(Recorded),
}

impl Outcome {
    pub(crate) fn index(&self) -> u64 {
        match self {
            Self::Executed(executed) => executed.index,
            Self::Recorded(recorded) => recorded.index,
        }
    }
}

/// What was committed lately, by identifier.
#[derive(Default)]
pub(crate) struct Recent {
    outcomes: HashMap<Id, (Hash, Outcome)>,
    /// The identifiers in the order of their records.
    order: VecDeque<(u64, Id)>,
    /// Where the records begin that are known here: all identifiers of those are.
    from: u64,
}

impl Recent {
    /// Nothing yet; the records before `from` are known elsewhere.
    pub(crate) fn new(from: u64) -> Self {
        Self {
            from,
            ..Self::default()
        }
    }

    /// The digest of the request with this identifier and what became of it.
    pub(crate) fn get(&self, id: &Id) -> Option<&(Hash, Outcome)> {
        self.outcomes.get(id)
    }

    /// Whether all identifiers that are not among the first `searched` records are known here.
    pub(crate) fn goes_back_to(&self, searched: u64) -> bool {
        self.from <= searched
    }

    pub(crate) fn insert(&mut self, id: Id, digest: Hash, outcome: Outcome) {
        self.order.push_back((outcome.index(), id.clone()));
        self.outcomes.insert(id, (digest, outcome));
    }

    /// Forgets the oldest beyond so many, of those that the trail has: it answers for them.
    pub(crate) fn shrink(&mut self, applied: u64) {
        while self.order.len() > RECENT_MAX
            && let Some((index, _)) = self.order.front()
            && *index < applied
        {
            if let Some((index, id)) = self.order.pop_front() {
                self.outcomes.remove(&id);
                self.from = index + 1;
            }
        }
    }
}

/// What proves a transition: the changes, in order, and a proof that they lead from root to root.
#[derive(Clone, Debug)]
pub(crate) struct Transition {
    pub(crate) writes: Vec<Write>,
    pub(crate) proof: Vec<u8>,
}

/// Transitions that were committed lately, by version.
#[derive(Default)]
pub(crate) struct Transitions {
    by_version: BTreeMap<u64, Arc<Transition>>,
    bytes: usize,
}

impl Transitions {
    pub(crate) fn get(&self, version: u64) -> Option<Arc<Transition>> {
        self.by_version.get(&version).cloned()
    }

    pub(crate) fn insert(&mut self, version: u64, transition: Arc<Transition>) {
        self.bytes += weight(&transition);
        self.by_version.insert(version, transition);
        while self.bytes > TRANSITION_BYTES_MAX
            && let Some((_, oldest)) = self.by_version.pop_first()
        {
            self.bytes -= weight(&oldest);
        }
    }
}

fn weight(transition: &Transition) -> usize {
    let write = |write: &Write| 64 + write.key.len() + write.value.as_ref().map_or(0, Vec::len);
    128 + transition.proof.len() + transition.writes.iter().map(write).sum::<usize>()
}

/// Outcomes that are kept at least.
const RECENT_MAX: usize = 16_384;

/// Bytes of transitions that are kept.
const TRANSITION_BYTES_MAX: usize = 64 << 20;
