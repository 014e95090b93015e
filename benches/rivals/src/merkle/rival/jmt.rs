//! jmt: nodes in a hash map, stale ones removed, so that it holds one version as our map does.

use std::collections::HashMap;

use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{KeyHash, OwnedValue, Sha256Jmt, Version};

/// A tree and its store.
#[derive(Default)]
pub(crate) struct Jmt {
    store: Store,
    version: Version,
}

#[derive(Default)]
struct Store {
    nodes: HashMap<NodeKey, Node>,
    values: HashMap<KeyHash, OwnedValue>,
}

impl Jmt {
    /// Sets values; our keys are as good as hashes, and go in as they are.
    pub(crate) fn update<'a>(&mut self, changes: impl Iterator<Item = (&'a [u8; 32], &'a [u8])>) {
        let changes = changes.map(|(key, value)| (KeyHash(*key), Some(value.to_vec())));
        let (_, batch) = Sha256Jmt::new(&self.store)
            .put_value_set(changes, self.version)
            .expect("the store never fails");
        self.version += 1;
        for stale in batch.stale_node_index_batch {
            self.store.nodes.remove(&stale.node_key);
        }
        for (key, node) in batch.node_batch.nodes() {
            self.store.nodes.insert(key.clone(), node.clone());
        }
        for ((_, key), value) in batch.node_batch.values() {
            self.store
                .values
                .insert(*key, value.clone().unwrap_or_default());
        }
    }
}

impl TreeReader for Store {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(self.nodes.get(key).cloned())
    }

    fn get_value_option(&self, _: Version, key: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        Ok(self.values.get(&key).cloned())
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("only restoring a tree asks for it")
    }
}
