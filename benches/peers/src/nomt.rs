//! nomt 1.0.5 with its files: one version, BLAKE3.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bitvec::prelude::*;
use nomt::hasher::{Blake3Hasher, ValueHasher};
use nomt::trie::LeafData;
use nomt::{KeyReadWrite, Nomt, Options, SessionParams, WitnessMode};
use rivals::{Change, Key, Peer, Proved, Store, each};

/// nomt, with the hash function that is faster.
pub(crate) const NOMT: Peer = Peer {
    name: "nomt",
    open: |folder, size| Box::new(Trie::open(folder, size)),
};

/// Keys for each bucket of its table of pages, which does not grow while it is open: so it stays
/// half empty.
const KEYS_A_BUCKET: usize = 2;

struct Trie {
    trie: Nomt<Blake3Hasher>,
}

impl Trie {
    fn open(folder: &Path, size: usize) -> Self {
        let mut options = Options::new();
        options.path(folder);
        let buckets = (size / KEYS_A_BUCKET).max(64_000);
        options.hashtable_buckets(u32::try_from(buckets).expect("fewer than 2^33 keys"));
        let trie = Nomt::open(options).expect("a folder of this run");
        Self { trie }
    }
}

impl Store for Trie {
    fn commit(&mut self, batches: Vec<Vec<Change>>, limit: Duration) -> Vec<Duration> {
        each(&batches, limit, |changes| {
            // Sorted, and each key once.
            let changes: BTreeMap<_, _> = (changes.iter())
                .map(|(key, value)| (*key, KeyReadWrite::Write(Some(value.to_vec()))))
                .collect();
            let params = SessionParams::default().witness_mode(WitnessMode::disabled());
            let session = self.trie.begin_session(params);
            let finished = session.finish(changes.into_iter().collect());
            finished.expect("sound").commit(&self.trie).expect("sound");
        })
    }

    fn read(&mut self, keys: &[Key]) -> usize {
        let session = self.trie.begin_session(SessionParams::default());
        let there = |key: &&Key| session.read(**key).expect("sound").is_some();
        keys.iter().filter(there).count()
    }

    fn prove(&mut self, keys: &[Key]) -> Option<Proved> {
        let session = self.trie.begin_session(SessionParams::default());
        let start = Instant::now();
        let proofs: Vec<_> = (keys.iter())
            .map(|key| session.prove(*key).expect("sound"))
            .collect();
        let made = start.elapsed();
        // A proof of ours shows the value, one of nomt's its hash: so the value goes beside it, and
        // reading it is not counted.
        let values = (keys.iter()).map(|key| session.read(*key).expect("sound"));
        let values: Vec<_> = values.map(|value| value.expect("it is there")).collect();
        let root = session.prev_root().into_inner();
        let start = Instant::now();
        for ((key, value), proof) in keys.iter().zip(&values).zip(&proofs) {
            let leaf = LeafData {
                key_path: *key,
                value_hash: Blake3Hasher::hash_value(value),
            };
            let verified = proof.verify::<Blake3Hasher>(key.view_bits::<Msb0>(), root);
            let shown = verified.expect("a proof of this trie").confirm_value(&leaf);
            assert_eq!(shown.ok(), Some(true));
        }
        let verified = start.elapsed();
        // No encoding of its own: the key, the value and the siblings.
        let siblings = proofs.iter().map(|proof| proof.siblings.len());
        let bytes = siblings.map(|count| size_of::<Change>() + count * size_of::<Key>());
        Some(Proved {
            made,
            verified,
            bytes: Some(bytes.sum::<usize>() as f64 / keys.len() as f64),
        })
    }
}
