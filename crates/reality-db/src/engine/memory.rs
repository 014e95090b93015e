//! A journal in memory, which forgets what was not synced when the power goes.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{End, Engine, EngineBatch, EngineError, Entry};

/// A journal in memory. Its clones are the same journal, as two openings of a folder are.
#[derive(Clone, Default)]
pub(crate) struct MemoryEngine {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// For each batch since the last sync, what undoes it.
    unsynced: Vec<EngineBatch>,
}

impl State {
    /// Applies `batch` and returns what undoes it.
    fn apply(&mut self, batch: EngineBatch) -> EngineBatch {
        let mut undo = Vec::with_capacity(batch.changes.len());
        for (key, value) in batch.changes {
            let old = match value {
                Some(value) => self.entries.insert(key.clone(), value),
                None => self.entries.remove(&key),
            };
            undo.push((key, old));
        }
        undo.reverse(); // a key changed twice has its first value back at last
        EngineBatch { changes: undo }
    }
}

impl MemoryEngine {
    /// How many batches a loss of power could take.
    pub(crate) fn unsynced(&self) -> usize {
        self.state().unsynced.len()
    }

    /// The power goes: of the batches that were not synced, the first `kept` are there afterwards.
    pub(crate) fn lose_power(&self, kept: usize) {
        let mut state = self.state();
        while state.unsynced.len() > kept {
            if let Some(undo) = state.unsynced.pop() {
                state.apply(undo);
            }
        }
        state.unsynced.clear();
    }

    // Nothing panics while it is locked, and a map that is whole is whole whoever else failed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.state().entries.get(key).cloned())
    }

    fn edge(&self, end: End, from: &[u8], to: &[u8]) -> Result<Option<Entry>, EngineError> {
        if from >= to {
            return Ok(None);
        }
        let state = self.state();
        let mut range = state
            .entries
            .range::<[u8], _>((Included(from), Excluded(to)));
        let edge = match end {
            End::First => range.next(),
            End::Last => range.next_back(),
        };
        Ok(edge.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, EngineError> {
        if from >= to {
            return Ok(Vec::new());
        }
        Ok(self
            .state()
            .entries
            .range::<[u8], _>((Included(from), Excluded(to)))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn write(&self, batch: EngineBatch) -> Result<(), EngineError> {
        let mut state = self.state();
        let undo = state.apply(batch);
        state.unsynced.push(undo);
        Ok(())
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.state().unsynced.clear();
        Ok(())
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(engine: &MemoryEngine, key: u8, value: u8) {
        let changes = vec![(vec![key], Some(vec![value]))];
        engine.write(EngineBatch { changes }).unwrap();
    }

    #[test]
    fn loses_a_suffix_of_what_was_not_synced() {
        for kept in 0..=4 {
            let engine = MemoryEngine::default();
            put(&engine, 1, 1);
            put(&engine, 2, 1);
            engine.sync().unwrap();
            put(&engine, 1, 2);
            put(&engine, 3, 1);
            let changes = vec![(vec![1], Some(vec![3])), (vec![1], None), (vec![2], None)];
            engine.write(EngineBatch { changes }).unwrap();
            assert_eq!(engine.unsynced(), 3);

            engine.lose_power(kept);
            let expected: &[(u8, u8)] = match kept {
                0 => &[(1, 1), (2, 1)],
                1 => &[(1, 2), (2, 1)],
                2 => &[(1, 2), (2, 1), (3, 1)],
                _ => &[(3, 1)],
            };
            let expected: Vec<Entry> = expected.iter().map(|e| (vec![e.0], vec![e.1])).collect();
            assert_eq!(
                engine.scan(b"", b"\xff", 9).unwrap(),
                expected,
                "{kept} kept"
            );
            assert_eq!(engine.unsynced(), 0);
        }
    }
}
