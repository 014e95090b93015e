//! RocksDB as a plain store, with the system's library: nothing is authenticated, one version.

use std::path::Path;
use std::time::Duration;

use rivals::{Change, Key, Peer, Store, each};
use rocksdb::{BlockBasedOptions, Cache, DB, Options, WriteBatch, WriteOptions};

/// RocksDB with the entries in it.
pub(crate) const ROCKSDB: Peer = Peer {
    name: "rocksdb",
    open: |folder, _| Box::new(Rocks { db: open(folder) }),
};

/// Memory for blocks: what the others have by default for theirs, or more.
const CACHE_BYTES: usize = 1 << 30;

struct Rocks {
    db: DB,
}

/// A database in `folder` with a cache that holds a million entries; else the defaults.
pub(crate) fn open(folder: &Path) -> DB {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    blocks.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    // Both cores for what it does in the background.
    options.increase_parallelism(2);
    DB::open(&options, folder).expect("a folder of this run")
}

/// Each write is in the log on disk before it returns.
pub(crate) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

impl Store for Rocks {
    fn commit(&mut self, batches: Vec<Vec<Change>>, limit: Duration) -> Vec<Duration> {
        let synced = synced();
        each(&batches, limit, |changes| {
            let mut batch = WriteBatch::default();
            for (key, value) in changes {
                batch.put(key, value);
            }
            self.db.write_opt(batch, &synced).expect("sound");
        })
    }

    fn read(&mut self, keys: &[Key]) -> usize {
        let there = |key: &&Key| self.db.get_pinned(key).expect("sound").is_some();
        keys.iter().filter(there).count()
    }
}
