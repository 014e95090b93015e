//! What every engine promises, asked of each of them.

use std::path::Path;

use super::memory::MemoryEngine;
use super::{End, Engine, EngineBatch, Entry, VALUE_BYTES_MAX};

/// A way to open an engine on a folder, again and again.
type Opener<'a> = &'a dyn Fn(&Path) -> Box<dyn Engine>;

fn batch(changes: &[(&[u8], Option<&[u8]>)]) -> EngineBatch {
    let changes = changes
        .iter()
        .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)))
        .collect();
    EngineBatch { changes }
}

fn puts(entries: &[(&[u8], &[u8])]) -> EngineBatch {
    let changes: Vec<_> = entries
        .iter()
        .map(|(key, value)| (*key, Some(*value)))
        .collect();
    batch(&changes)
}

fn entry(key: &[u8], value: &[u8]) -> Entry {
    (key.to_vec(), value.to_vec())
}

/// A promise, and what checks it in a fresh folder.
type Promise = (&'static str, fn(Opener<'_>, &Path));

const PROMISES: &[Promise] = &[
    ("reads what was written", reads_what_was_written),
    ("scans in order", scans_in_order),
    ("finds the edges of a range", finds_the_edges_of_a_range),
    ("knows empty ranges", knows_empty_ranges),
    (
        "takes the last change of a key",
        takes_the_last_change_of_a_key,
    ),
    ("takes a batch of nothing", takes_a_batch_of_nothing),
    ("keeps what was synced", keeps_what_was_synced),
    ("takes big batches", takes_big_batches),
    ("takes the biggest values", takes_the_biggest_values),
    ("forgets what was removed", forgets_what_was_removed),
    ("serves several threads", serves_several_threads),
];

fn keep(open: Opener<'_>) {
    for (promise, check) in PROMISES {
        println!("{promise}");
        let folder = tempfile::tempdir().unwrap();
        check(open, &folder.path().join("engine"));
    }
}

#[test]
fn memory_keeps_the_promises() {
    use std::collections::HashMap;
    use std::path::PathBuf;
    use std::sync::Mutex;

    let engines = Mutex::new(HashMap::<PathBuf, MemoryEngine>::new());
    keep(&|path| {
        let mut engines = engines.lock().unwrap();
        Box::new(engines.entry(path.to_owned()).or_default().clone())
    });
}

#[cfg(feature = "sled")]
#[test]
fn sled_keeps_the_promises() {
    use super::sled::{CACHE_BYTES, SledEngine};

    keep(&|path| Box::new(SledEngine::open(path, CACHE_BYTES).unwrap()));
}

/// Whole files after a few writes, or after one: whatever is read lies in several places.
#[test]
fn a_log_before_an_engine_keeps_the_promises() {
    use std::collections::HashMap;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    use super::wal::{WalEngine, WalOptions};
    use crate::volume::memory::MemoryVolume;

    for (file_bytes, thread) in [
        (1, false),
        (1, true),
        (900, false),
        (5_000, true),
        (1 << 20, true),
    ] {
        let engines = Mutex::new(HashMap::<PathBuf, (MemoryEngine, MemoryVolume)>::new());
        keep(&|path| {
            let mut engines = engines.lock().unwrap();
            let (engine, volume) = engines.entry(path.to_owned()).or_default().clone();
            let options = WalOptions { file_bytes, thread };
            Box::new(WalEngine::open(Arc::new(volume), Box::new(engine), options).unwrap())
        });
    }
}

#[cfg(feature = "rocksdb")]
#[test]
fn rocksdb_keeps_the_promises() {
    use super::rocksdb::RocksEngine;

    keep(&|path| Box::new(RocksEngine::open(path).unwrap()));
}

fn reads_what_was_written(open: Opener<'_>, path: &Path) {
    let engine = open(path);
    assert_eq!(engine.get(b"a").unwrap(), None);
    engine.write(puts(&[(b"a", b"1"), (b"b", b"")])).unwrap();
    assert_eq!(engine.get(b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(engine.get(b"b").unwrap(), Some(Vec::new()));
    assert_eq!(engine.get(b"").unwrap(), None);
    assert_eq!(engine.get(b"ab").unwrap(), None);
}

fn scans_in_order(open: Opener<'_>, path: &Path) {
    let engine = open(path);
    let entries: &[(&[u8], &[u8])] = &[
        (b"j\xff", b"5"),
        (b"j\x00\x01", b"3"),
        (b"k", b"6"),
        (b"j", b"1"),
        (b"j\x00", b"2"),
        (b"i\xff\xff", b"0"),
        (b"j\x01", b"4"),
    ];
    engine.write(puts(entries)).unwrap();
    let mut sorted: Vec<Entry> = entries.iter().map(|(k, v)| entry(k, v)).collect();
    sorted.sort();
    assert_eq!(engine.scan(b"", b"\xff", 99).unwrap(), sorted);
    assert_eq!(engine.scan(b"j", b"k", 99).unwrap(), sorted[1..6]);
    assert_eq!(engine.scan(b"j", b"k", 2).unwrap(), sorted[1..3]);
    assert_eq!(
        engine.scan(b"j\x00\x00", b"j\xff", 99).unwrap(),
        sorted[3..5]
    );
    assert_eq!(engine.scan(b"j", b"k", 0).unwrap(), []);
}

fn finds_the_edges_of_a_range(open: Opener<'_>, path: &Path) {
    let engine = open(path);
    engine
        .write(puts(&[
            (b"b", b"1"),
            (b"c", b"2"),
            (b"d", b"3"),
            (b"e", b"4"),
        ]))
        .unwrap();
    let edges = |from: &[u8], to: &[u8]| {
        [End::First, End::Last].map(|end| engine.edge(end, from, to).unwrap())
    };
    let [b, c, d] = [entry(b"b", b"1"), entry(b"c", b"2"), entry(b"d", b"3")];
    assert_eq!(edges(b"", b"e"), [Some(b.clone()), Some(d.clone())]);
    assert_eq!(edges(b"b", b"e"), [Some(b), Some(d.clone())]);
    assert_eq!(edges(b"b\x00", b"d\x00"), [Some(c.clone()), Some(d)]);
    assert_eq!(edges(b"c", b"d"), [Some(c.clone()), Some(c)]);
    assert_eq!(edges(b"c\x00", b"d"), [None, None]);
}

fn knows_empty_ranges(open: Opener<'_>, path: &Path) {
    let engine = open(path);
    for _ in 0..2 {
        for (from, to) in [(b"b", b"b"), (b"c", b"b")] {
            assert_eq!(engine.scan(from, to, 9).unwrap(), []);
            assert_eq!(engine.edge(End::First, from, to).unwrap(), None);
            assert_eq!(engine.edge(End::Last, from, to).unwrap(), None);
        }
        engine.write(puts(&[(b"b", b"1"), (b"c", b"2")])).unwrap();
    }
}

fn takes_the_last_change_of_a_key(open: Opener<'_>, path: &Path) {
    let engine = open(path);
    engine.write(puts(&[(b"c", b"0"), (b"d", b"0")])).unwrap();
    engine
        .write(batch(&[
            (b"a", Some(b"1")),
            (b"b", None),
            (b"a", Some(b"2")),
            (b"b", Some(b"3")),
            (b"c", Some(b"4")),
            (b"c", None),
            (b"d", None),
            (b"d", Some(b"5")),
        ]))
        .unwrap();
    let left = [entry(b"a", b"2"), entry(b"b", b"3"), entry(b"d", b"5")];
    assert_eq!(engine.scan(b"", b"z", 9).unwrap(), left);
}

fn takes_a_batch_of_nothing(open: Opener<'_>, path: &Path) {
    let engine = open(path);
    engine.sync().unwrap();
    engine.write(EngineBatch::default()).unwrap();
    engine.write(batch(&[(b"absent", None)])).unwrap();
    engine.sync().unwrap();
    engine.sync().unwrap();
    assert_eq!(engine.scan(b"", b"z", 9).unwrap(), []);
}

fn keeps_what_was_synced(open: Opener<'_>, path: &Path) {
    for round in 0..20_u8 {
        let engine = open(path);
        let expected: Vec<Entry> = (0..round).map(|n| entry(&[b'j', n], &[n; 300])).collect();
        assert_eq!(engine.scan(b"j", b"k", 99).unwrap(), expected);
        engine
            .write(puts(&[(&[b'j', round], &[round; 300])]))
            .unwrap();
        engine.sync().unwrap();
    }
}

fn takes_big_batches(open: Opener<'_>, path: &Path) {
    let changes: Vec<_> = (0..2_000_u32)
        .map(|n| (n.to_be_bytes().to_vec(), Some(chunk(n))))
        .collect();
    let engine = open(path);
    engine.write(EngineBatch { changes }).unwrap();
    engine.sync().unwrap();
    drop(engine);

    let engine = open(path);
    let found = engine.scan(b"", b"\xff", 3_000).unwrap();
    assert_eq!(found.len(), 2_000);
    for (n, (key, value)) in (0_u32..).zip(found) {
        assert_eq!((key, value), (n.to_be_bytes().to_vec(), chunk(n)));
    }
}

fn takes_the_biggest_values(open: Opener<'_>, path: &Path) {
    for round in 0..2_u32 {
        let engine = open(path);
        for n in 0..100 {
            let key = (round * 100 + n).to_be_bytes();
            let value = vec![u8::try_from(n).unwrap(); VALUE_BYTES_MAX];
            engine.write(puts(&[(&key, &value)])).unwrap();
        }
        engine.sync().unwrap();
    }
    let engine = open(path);
    for n in 0..200_u32 {
        let value = engine.get(&n.to_be_bytes()).unwrap().unwrap();
        assert_eq!(value, vec![u8::try_from(n % 100).unwrap(); VALUE_BYTES_MAX]);
    }
}

fn forgets_what_was_removed(open: Opener<'_>, path: &Path) {
    let engine = open(path);
    let keys = |range: std::ops::Range<u32>| range.map(|n| n.to_be_bytes().to_vec());
    let changes = keys(0..500).map(|key| (key, Some(chunk(7)))).collect();
    engine.write(EngineBatch { changes }).unwrap();
    let changes = keys(0..400).map(|key| (key, None)).collect();
    engine.write(EngineBatch { changes }).unwrap();
    engine.sync().unwrap();
    drop(engine);

    let engine = open(path);
    let found = engine.scan(b"", b"\xff", 999).unwrap();
    let found: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, keys(400..500).collect::<Vec<_>>());
    let first = engine.edge(End::First, b"", b"\xff").unwrap();
    assert_eq!(first, Some((400_u32.to_be_bytes().to_vec(), chunk(7))));
}

fn serves_several_threads(open: Opener<'_>, path: &Path) {
    let engine = open(path);
    std::thread::scope(|scope| {
        let engine = &engine;
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    let mut seen = 0;
                    while seen < 200 {
                        let found = engine.scan(b"", b"\xff", 999).unwrap();
                        assert!(found.len() >= seen, "a batch is gone");
                        assert_eq!(found.len() % 2, 0, "half a batch is seen");
                        seen = found.len();
                    }
                })
            })
            .collect();
        for n in 0..100_u8 {
            engine
                .write(puts(&[(&[n, 0], &[n; 50]), (&[n, 1], &[n; 50])]))
                .unwrap();
        }
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

/// A chunk as the journal has them, other bytes for each `n`.
fn chunk(n: u32) -> Vec<u8> {
    n.to_le_bytes().repeat(1_000)
}
