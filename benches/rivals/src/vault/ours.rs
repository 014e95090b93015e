//! truth-vault.

use std::path::Path;

use truth_vault::{Address, Durability, Options, Vault};

use super::store::BlobStore;

/// One vault and one class; `Batch` is synced at the end of each put.
pub(super) struct Ours {
    pub(super) vault: Vault,
    durability: Durability,
    threads: usize,
    addresses: Vec<Address>,
}

impl Ours {
    pub(super) fn open(folder: &Path, durability: Durability, threads: usize) -> Self {
        let vault = Vault::open(folder, &Options::new()).expect("a folder to write to");
        Self {
            vault,
            durability,
            threads,
            addresses: Vec::new(),
        }
    }
}

impl BlobStore for Ours {
    fn put(&mut self, blobs: &[Vec<u8>]) {
        let put = |blobs: &[Vec<u8>]| -> Vec<Address> {
            let put = |blob: &Vec<u8>| self.vault.put(blob, self.durability).expect("room");
            blobs.iter().map(put).collect()
        };
        let each = blobs.len().div_ceil(self.threads);
        let addresses = std::thread::scope(|scope| {
            let workers: Vec<_> = (blobs.chunks(each))
                .map(|blobs| scope.spawn(move || put(blobs)))
                .collect();
            let joined = workers.into_iter().flat_map(|it| it.join().expect("puts"));
            joined.collect::<Vec<_>>()
        });
        if self.durability == Durability::Batch {
            self.vault.sync().expect("a disk that syncs");
        }
        self.addresses.extend(addresses);
    }

    fn get(&mut self, at: usize) -> Option<usize> {
        let blob = self.vault.get(&self.addresses[at]).expect("readable");
        Some(blob.expect("it was put").len())
    }
}
