//! sparse-merkle-tree: its default store, with SHA-256 in place of its BLAKE2b.

use sha2::Digest;
use sparse_merkle_tree::default_store::DefaultStore;
use sparse_merkle_tree::traits::{Hasher, Value};
use sparse_merkle_tree::{H256, SparseMerkleTree};

/// A tree and its store.
#[derive(Default)]
pub(crate) struct Smt(SparseMerkleTree<Sha256, Bytes, DefaultStore<Bytes>>);

impl Smt {
    /// Sets values.
    pub(crate) fn update<'a>(&mut self, changes: impl Iterator<Item = (&'a [u8; 32], &'a [u8])>) {
        let changes = changes.map(|(key, value)| (H256::from(*key), Bytes(value.to_vec())));
        self.0
            .update_all(changes.collect())
            .expect("the store never fails");
    }
}

#[derive(Clone, Default)]
struct Bytes(Vec<u8>);

impl Value for Bytes {
    fn to_h256(&self) -> H256 {
        if self.0.is_empty() {
            return H256::zero();
        }
        <[u8; 32]>::from(sha2::Sha256::digest(&self.0)).into()
    }

    fn zero() -> Self {
        Self::default()
    }
}

#[derive(Default)]
struct Sha256(sha2::Sha256);

impl Hasher for Sha256 {
    fn write_h256(&mut self, hash: &H256) {
        self.0.update(hash.as_slice());
    }

    fn write_byte(&mut self, byte: u8) {
        self.0.update([byte]);
    }

    fn finish(self) -> H256 {
        <[u8; 32]>::from(self.0.finalize()).into()
    }
}
