//! sled 0.34.7: the engine under ours, with the entries in it as they are. It authenticates nothing
//! and keeps no version but the newest.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::super::store::{Peer, Store, each};
use super::super::workload::{Change, Key};

/// sled, the engine under ours, with a table in it.
pub const SLED: Peer = Peer {
    name: "sled",
    open: |folder, _| Box::new(Sled::open(folder)),
};

struct Sled {
    db: sled::Db,
    log: File,
}

impl Sled {
    fn open(folder: &Path) -> Self {
        let config = sled::Config::new().path(folder).flush_every_ms(None);
        let db = config.open().expect("a folder of this run");
        let log = File::open(folder.join("db")).expect("the file that sled writes to");
        Self { db, log }
    }
}

impl Store for Sled {
    fn commit(&mut self, batches: Vec<Vec<Change>>, limit: Duration) -> Vec<Duration> {
        each(batches, limit, |changes| {
            let mut batch = sled::Batch::default();
            for (key, value) in &changes {
                batch.insert(key, value.as_slice());
            }
            self.db.apply_batch(batch).expect("sound");
            self.db.flush().expect("sound");
            // Its flush leaves the file unsynced: docs/decisions/0020.
            self.log.sync_data().expect("sound");
        })
    }

    fn read(&mut self, keys: &[Key]) -> usize {
        let there = |key: &&Key| self.db.get(key).expect("sound").is_some();
        keys.iter().filter(there).count()
    }
}
