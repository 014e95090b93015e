//! Changes that the engine does not have yet.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use crate::engine::{End, EngineBatch, Entry};

/// Keys with their new values, none where they go.
#[derive(Clone, Default)]
pub(super) struct Changes {
    changes: BTreeMap<Vec<u8>, Changed>,
}

/// A new value, or none.
type Changed = Option<Arc<Vec<u8>>>;

impl Changes {
    pub(super) fn add(&mut self, batch: EngineBatch) {
        let changes = batch.changes.into_iter();
        self.changes
            .extend(changes.map(|(key, value)| (key, value.map(Arc::new))));
    }

    /// What has become of a key; none if nothing has.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let changed = self.changes.get(key)?;
        Some(changed.as_ref().map(|value| &value[..]))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Vec<u8>, &Changed)> {
        self.changes.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = (&Vec<u8>, &Changed)> {
        let to = to.max(from); // a range that ends before it starts has none
        self.changes
            .range::<[u8], _>((Included(from), Excluded(to)))
    }

    /// Adds the entries of a range to `found`, until there are `limit`: `stored` with these changes.
    pub(super) fn merge(
        &self,
        from: &[u8],
        to: &[u8],
        stored: Vec<Entry>,
        limit: usize,
        found: &mut Vec<Entry>,
    ) {
        let mut stored = stored.into_iter().peekable();
        for (key, changed) in self.range(from, to) {
            while let Some(entry) = stored.next_if(|entry| entry.0 < *key) {
                found.push(entry);
            }
            stored.next_if(|entry| entry.0 == *key);
            if found.len() >= limit {
                break;
            }
            found.extend(changed.as_ref().map(|value| (key.clone(), value.to_vec())));
        }
        found.extend(stored);
        found.truncate(limit);
    }
}

/// Changes that the engine does not have yet.
#[derive(Default)]
pub(super) struct Pending {
    /// Those in the file that is being written.
    newest: Changes,
    /// Those in the other file, which are on their way to the engine, and the number of the last
    /// frame that they come from.
    turned: Option<(Arc<Changes>, u64)>,
    /// How many times changes were sent on their way, or arrived.
    turns: u64,
    /// Whether something was written since it was opened.
    is_written: bool,
    closing: bool,
}

impl Pending {
    /// What was read from the log: the older file is on its way to the engine, if it has any.
    pub(super) fn new(older: Option<(Changes, u64)>, newest: Changes) -> Self {
        Self {
            newest,
            turned: older.map(|(changes, sequence)| (Arc::new(changes), sequence)),
            ..Self::default()
        }
    }

    /// Adds what was written. Whether that is the first, and there is something to bring to the engine
    /// from before.
    pub(super) fn add(&mut self, batch: EngineBatch) -> bool {
        self.newest.add(batch);
        !std::mem::replace(&mut self.is_written, true) && self.is_turned()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let turned = self.turned.as_ref();
        (self.newest.get(key)).or_else(|| turned.and_then(|(changes, _)| changes.get(key)))
    }

    /// The first or last key of a range that has a new value.
    pub(super) fn edge(&self, end: End, from: &[u8], to: &[u8]) -> Option<Entry> {
        let turned = self.turned.iter().map(|(changes, _)| &**changes);
        let has_value = |key: &&Vec<u8>| matches!(self.get(key), Some(Some(_)));
        let edges = (turned.chain([&self.newest])).filter_map(|changes| {
            let mut keys = changes.range(from, to).map(|(key, _)| key);
            match end {
                End::First => keys.find(has_value),
                End::Last => keys.rev().find(has_value),
            }
        });
        let key = match end {
            End::First => edges.min(),
            End::Last => edges.max(),
        }?;
        Some((key.clone(), self.get(key)??.to_vec()))
    }

    /// All changes of a range.
    pub(super) fn changes(&self, from: &[u8], to: &[u8]) -> Changes {
        let owned = |(key, value): (&Vec<u8>, &Changed)| (key.clone(), value.clone());
        let turned = (self.turned.iter()).flat_map(|(changes, _)| changes.range(from, to));
        Changes {
            changes: (turned.chain(self.newest.range(from, to)))
                .map(owned)
                .collect(),
        }
    }

    /// Sends all changes on their way to the engine; `sequence` is the number of the last frame.
    ///
    /// INVARIANT: those that were on their way before have arrived.
    pub(super) fn turn(&mut self, sequence: u64) {
        debug_assert!(self.turned.is_none(), "the engine has the other file");
        self.turned = Some((Arc::new(std::mem::take(&mut self.newest)), sequence));
        self.turns += 1;
    }

    pub(super) fn turned(&self) -> Option<(Arc<Changes>, u64)> {
        self.turned.clone()
    }

    pub(super) fn is_turned(&self) -> bool {
        self.turned.is_some()
    }

    /// Whether something was written since it was opened.
    pub(super) fn is_written(&self) -> bool {
        self.is_written
    }

    /// Whether there are changes to bring to the engine now.
    pub(super) fn is_due(&self) -> bool {
        self.is_turned() && self.is_written
    }

    /// The engine has those that were on their way.
    pub(super) fn forget(&mut self) {
        self.turned = None;
        self.turns += 1;
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turned.is_none() && self.newest.is_empty()
    }

    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }
}
