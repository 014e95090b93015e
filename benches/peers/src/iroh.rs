//! iroh-blobs: blobs by BLAKE3, small ones in a redb database, others in files, with their trees.
//!
//! It commits in transactions of many blobs, and syncs the database with each; files are not synced.
//! What it reads it checks against the tree.

use iroh_blobs::Hash;
use iroh_blobs::store::fs::FsStore;
use rivals::{BlobStore, VaultPeer};
use tokio::runtime::Runtime;

/// `FsStore` with its defaults.
pub(crate) const IROH: VaultPeer = VaultPeer {
    name: "iroh-blobs",
    open: |folder| {
        let runtime = Runtime::new().expect("threads");
        let store = runtime.block_on(FsStore::load(folder));
        Some(Box::new(Iroh {
            store: store.expect("a folder to write to"),
            runtime,
            hashes: Vec::new(),
        }))
    },
};

struct Iroh {
    store: FsStore,
    runtime: Runtime,
    hashes: Vec<Hash>,
}

/// Blobs that are on their way at a time: it gathers those into transactions.
const AT_A_TIME: usize = 64;

impl BlobStore for Iroh {
    fn put(&mut self, blobs: &[Vec<u8>]) {
        let hashes = self.runtime.block_on(async {
            let mut hashes = Vec::with_capacity(blobs.len());
            for blobs in blobs.chunks(AT_A_TIME) {
                let adding: Vec<_> = (blobs.iter().cloned())
                    .map(|blob| {
                        let store = self.store.clone();
                        // Nothing is collected here, so that a tag in memory is as good as one on disk.
                        tokio::spawn(async move { store.add_bytes(blob).temp_tag().await })
                    })
                    .collect();
                for added in adding {
                    let tag = added.await.expect("no panic").expect("room");
                    hashes.push(tag.hash());
                }
            }
            self.store.sync_db().await.expect("a disk that syncs");
            hashes
        });
        self.hashes.extend(hashes);
    }

    fn get(&mut self, at: usize) -> Option<usize> {
        let bytes = self.store.get_bytes(self.hashes[at]);
        Some(self.runtime.block_on(bytes).expect("it was put").len())
    }
}
