//! jmt 0.12 over RocksDB: every version kept, as ours does.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{KeyHash, OwnedValue, Sha256Jmt, Version};
use rivals::{Change, Key, Peer, Proved, Store, each};
use rocksdb::{DB, Direction, IteratorMode, WriteBatch};

use crate::rocks;

/// jmt with its nodes and values in RocksDB.
pub(crate) const JMT: Peer = Peer {
    name: "jmt+rocksdb",
    open: |folder, _| Box::new(Jmt::open(folder)),
};

// Before the key of a node, of a value, and of the number of the newest version.
const NODE: u8 = b'n';
const VALUE: u8 = b'v';
const NEWEST: u8 = b'h';

struct Jmt {
    nodes: Nodes,
    /// The version that the next commit makes.
    next: Version,
}

struct Nodes {
    db: DB,
}

impl Jmt {
    fn open(folder: &Path) -> Self {
        let db = rocks::open(folder);
        let newest = db.get([NEWEST]).expect("sound");
        let next = newest.map_or(0, |newest| {
            let newest = newest.try_into().expect("eight bytes");
            Version::from_be_bytes(newest) + 1
        });
        Self {
            nodes: Nodes { db },
            next,
        }
    }
}

impl Store for Jmt {
    fn commit(&mut self, batches: Vec<Vec<Change>>, limit: Duration) -> Vec<Duration> {
        let synced = rocks::synced();
        each(&batches, limit, |changes| {
            // Our keys are as good as hashes, and go in as they are.
            let changes = changes.iter();
            let changes = changes.map(|(key, value)| (KeyHash(*key), Some(value.to_vec())));
            let (_, update) = Sha256Jmt::new(&self.nodes)
                .put_value_set(changes, self.next)
                .expect("sound");
            let mut batch = WriteBatch::default();
            for (key, node) in update.node_batch.nodes() {
                batch.put(node_key(key), borsh::to_vec(node).expect("it has a form"));
            }
            for ((version, key), value) in update.node_batch.values() {
                batch.put(value_key(key, *version), value.as_deref().unwrap_or(&[]));
            }
            batch.put([NEWEST], self.next.to_be_bytes());
            self.nodes.db.write_opt(batch, &synced).expect("sound");
            self.next += 1;
        })
    }

    fn read(&mut self, keys: &[Key]) -> usize {
        let tree = Sha256Jmt::new(&self.nodes);
        let newest = self.next - 1;
        let there = |key: &&Key| {
            let value = tree.get(KeyHash(**key), newest);
            value.expect("sound").is_some()
        };
        keys.iter().filter(there).count()
    }

    fn prove(&mut self, keys: &[Key]) -> Option<Proved> {
        let tree = Sha256Jmt::new(&self.nodes);
        let newest = self.next - 1;
        let start = Instant::now();
        let proofs: Vec<_> = (keys.iter())
            .map(|key| tree.get_with_proof(KeyHash(*key), newest).expect("sound"))
            .collect();
        let made = start.elapsed();
        let root = tree.get_root_hash(newest).expect("sound");
        let start = Instant::now();
        for (key, (value, proof)) in keys.iter().zip(&proofs) {
            let value = value.as_ref().expect("the key is there");
            proof
                .verify_existence(root, KeyHash(*key), value)
                .expect("a proof of this tree");
        }
        let verified = start.elapsed();
        let bytes = proofs.iter().map(|(value, proof)| {
            let proof = borsh::to_vec(proof).expect("it has a form");
            size_of::<Key>() + value.as_ref().map_or(0, Vec::len) + proof.len()
        });
        Some(Proved {
            made,
            verified,
            bytes: Some(bytes.sum::<usize>() as f64 / keys.len() as f64),
        })
    }
}

impl TreeReader for Nodes {
    fn get_node_option(&self, key: &NodeKey) -> Result<Option<Node>> {
        let node = self.db.get_pinned(node_key(key))?;
        Ok(node.map(|node| borsh::from_slice(&node)).transpose()?)
    }

    fn get_value_option(&self, newest: Version, key: KeyHash) -> Result<Option<OwnedValue>> {
        let from = value_key(&key, newest);
        let mode = IteratorMode::From(&from, Direction::Reverse);
        let Some(found) = self.db.iterator(mode).next() else {
            return Ok(None);
        };
        let (found, value) = found?;
        let same = found.starts_with(&from[..from.len() - size_of::<Version>()]);
        Ok(same.then(|| value.into_vec()))
    }

    fn get_rightmost_leaf(&self) -> Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("only restoring a tree asks for it")
    }
}

/// Where a node lies.
fn node_key(key: &NodeKey) -> Vec<u8> {
    let mut bytes = vec![NODE];
    borsh::to_writer(&mut bytes, key).expect("it has a form");
    bytes
}

/// Where a value lies: versions of one key in their order.
fn value_key(key: &KeyHash, version: Version) -> Vec<u8> {
    let mut bytes = vec![VALUE];
    bytes.extend(key.0);
    bytes.extend(version.to_be_bytes());
    bytes
}
