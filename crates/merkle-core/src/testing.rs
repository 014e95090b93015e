//! What the unit tests of the map share: maps and batches from plain collections.

use std::collections::BTreeMap;

use crate::{Batch, Hasher, Map};

pub(crate) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

pub(crate) type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

pub(crate) fn batch(changes: &Changes) -> Batch<'_> {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key, value).unwrap(),
            None => batch.delete(key).unwrap(),
        };
    }
    batch
}

pub(crate) fn map_of<H: Hasher>(hasher: H, model: &Model) -> Map<H> {
    let mut batch = Batch::new();
    for (key, value) in model {
        batch.put(key, value).unwrap();
    }
    let mut map = Map::with_hasher(hasher);
    map.update(&batch);
    map
}

pub(crate) fn apply_to_model(model: &mut Model, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}
