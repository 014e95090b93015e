//! QMDB of commonware-storage, its `current` variant with values of one size: the log is never cut,
//! so every version stays in it, and proofs are of the newest.

use std::num::{NonZeroU16, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use commonware_codec::EncodeSize;
use commonware_cryptography::Sha256;
use commonware_parallel::Rayon;
use commonware_runtime::buffer::paged::{CacheRef, page_size};
use commonware_runtime::tokio::{Config, Context, Runner};
use commonware_runtime::{BLOB_PAGE_SIZE, Runner as _, Strategizer, Supervisor};
use commonware_storage::journal::contiguous::fixed::Config as LogConfig;
use commonware_storage::merkle::full::Config as MerkleConfig;
use commonware_storage::merkle::mmb::Family;
use commonware_storage::qmdb::current::FixedConfig;
use commonware_storage::qmdb::current::unordered::fixed::Db;
use commonware_storage::qmdb::floor::Proportional;
use commonware_storage::translator::EightCap;
use commonware_utils::sequence::FixedBytes;
use rivals::{Change, Key, Peer, Proved, Store, Value};

/// QMDB, in the variant without an order of keys, which is the faster one.
pub(crate) const QMDB: Peer = Peer {
    name: "qmdb",
    open: |folder, _| Box::new(Qmdb::open(folder)),
};

/// What its own benches take where they say nothing else.
const ITEMS_A_FILE: NonZeroU64 = NonZeroU64::new(10_000_000).expect("not zero");
const BUFFER: NonZeroUsize = NonZeroUsize::new(2 << 20).expect("not zero");
const INIT_CACHE: NonZeroUsize = NonZeroUsize::new(1 << 18).expect("not zero");
const PAGE: NonZeroU16 = page_size(BLOB_PAGE_SIZE);
const CHUNK_BYTES: usize = 32;

/// 1 GiB of pages, as much as ours may take: a million entries lie in memory.
const CACHE_PAGES: NonZeroUsize = NonZeroUsize::new((1 << 30) / 4096).expect("not zero");

/// As many as there are cores.
const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

type Database = Db<Family, Context, FixedBytes<32>, Value, Sha256, EightCap, CHUNK_BYTES, Rayon>;

/// What the thread is asked that has the database.
enum Ask {
    Commit(Vec<Vec<Change>>, Duration, Sender<Vec<Duration>>),
    Read(Vec<Key>, Sender<usize>),
    Prove(Vec<Key>, Sender<Proved>),
}

/// It runs within a runtime of its own, in a thread of its own.
struct Qmdb {
    /// `None` once it is to end.
    ask: Option<Sender<Ask>>,
    thread: Option<JoinHandle<()>>,
}

impl Qmdb {
    fn open(folder: &Path) -> Self {
        let (ask, asked) = channel();
        let (opened, is_open) = channel();
        let folder = folder.to_owned();
        let thread = std::thread::spawn(move || serve(folder, &asked, &opened));
        is_open.recv().expect("it opens");
        Self {
            ask: Some(ask),
            thread: Some(thread),
        }
    }

    fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> Ask) -> T {
        let (say, hear) = channel();
        let ask = self.ask.as_ref().expect("it is not dropped yet");
        ask.send(question(say)).expect("its thread lives");
        hear.recv().expect("its thread lives")
    }
}

impl Drop for Qmdb {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it ends by itself");
        }
    }
}

impl Store for Qmdb {
    fn commit(&mut self, batches: Vec<Vec<Change>>, limit: Duration) -> Vec<Duration> {
        self.ask(|say| Ask::Commit(batches, limit, say))
    }

    fn read(&mut self, keys: &[Key]) -> usize {
        self.ask(|say| Ask::Read(keys.to_vec(), say))
    }

    fn prove(&mut self, keys: &[Key]) -> Option<Proved> {
        Some(self.ask(|say| Ask::Prove(keys.to_vec(), say)))
    }
}

/// Answers until nobody can ask any more.
fn serve(folder: PathBuf, asked: &Receiver<Ask>, opened: &Sender<()>) {
    let config = Config::new()
        .with_storage_directory(folder)
        .with_worker_threads(THREADS.get());
    Runner::new(config).start(|context| async move {
        let config = config_of(&context);
        let init = Database::init(context.child("storage"), config, None);
        let mut db = init.await.expect("a folder of this run");
        opened.send(()).expect("who opens waits");
        while let Ok(ask) = asked.recv() {
            match ask {
                Ask::Commit(batches, limit, say) => {
                    let times;
                    (db, times) = commit(db, batches, limit).await;
                    say.send(times).expect("who asks waits");
                }
                Ask::Read(keys, say) => say.send(read(&db, &keys).await).expect("who asks waits"),
                Ask::Prove(keys, say) => {
                    say.send(prove(&db, &keys).await).expect("who asks waits");
                }
            }
        }
    });
}

async fn commit(
    mut db: Database,
    batches: Vec<Vec<Change>>,
    limit: Duration,
) -> (Database, Vec<Duration>) {
    let mut spent = Duration::ZERO;
    let mut times = Vec::new();
    for changes in batches {
        let start = Instant::now();
        let batch = (changes.into_iter()).fold(db.new_batch(), |batch, (key, value)| {
            batch.write(FixedBytes::new(key), Some(value))
        });
        let batch = batch.merkleize(&db, None, &mut Proportional).await;
        let applied = db.apply_batch(batch.expect("sound")).await;
        db = applied.expect("sound").commit().await.expect("sound");
        times.push(start.elapsed());
        spent += start.elapsed();
        if spent >= limit {
            break;
        }
    }
    (db, times)
}

async fn read(db: &Database, keys: &[Key]) -> usize {
    let mut there = 0;
    for key in keys {
        let value = db.get(&FixedBytes::new(*key)).await.expect("sound");
        there += usize::from(value.is_some());
    }
    there
}

async fn prove(db: &Database, keys: &[Key]) -> Proved {
    let root = db.root();
    let mut proofs = Vec::with_capacity(keys.len());
    let start = Instant::now();
    for key in keys {
        let proof = db.key_value_proof(FixedBytes::new(*key)).await;
        proofs.push(proof.expect("sound"));
    }
    let made = start.elapsed();
    // Its proofs do not have the value: reading it is not counted.
    let mut values = Vec::with_capacity(keys.len());
    for key in keys {
        let value = db.get(&FixedBytes::new(*key)).await.expect("sound");
        values.push(value.expect("it is there"));
    }
    let start = Instant::now();
    for ((key, value), proof) in keys.iter().zip(values).zip(&proofs) {
        let key = FixedBytes::new(*key);
        assert!(Database::verify_key_value_proof(key, value, proof, &root));
    }
    let verified = start.elapsed();
    let bytes: usize = (proofs.iter())
        .map(|proof| size_of::<Change>() + proof.encode_size())
        .sum();
    Proved {
        made,
        verified,
        bytes: Some(bytes as f64 / keys.len() as f64),
    }
}

fn config_of(context: &Context) -> FixedConfig<EightCap, Rayon> {
    let page_cache = CacheRef::new(PAGE, CACHE_PAGES);
    FixedConfig {
        merkle_config: MerkleConfig {
            journal_partition: "nodes".to_owned(),
            metadata_partition: "pruned-nodes".to_owned(),
            items_per_blob: ITEMS_A_FILE,
            write_buffer: BUFFER,
            replay_buffer: BUFFER,
            strategy: context.strategy(THREADS),
            page_cache: page_cache.clone(),
        },
        journal_config: LogConfig {
            partition: "log".to_owned(),
            items_per_blob: ITEMS_A_FILE,
            page_cache,
            write_buffer: BUFFER,
            replay_buffer: BUFFER,
        },
        grafted_metadata_partition: "grafted-metadata".to_owned(),
        translator: EightCap,
        init_cache: Some(INIT_CACHE),
        init_buffer: BUFFER,
        init_concurrency: (),
    }
}
