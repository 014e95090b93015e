//! What only sled does.

mod rewrite;

use std::fs;

use super::super::VALUE_BYTES_MAX;
use super::*;

fn open(path: &Path) -> SledEngine {
    SledEngine::open(path, CACHE_BYTES).unwrap()
}

/// A commit of `chunks` values of the biggest size, all different.
fn commit(engine: &SledEngine, version: u32, chunks: u32) {
    let changes = (0..chunks)
        .map(|chunk| {
            let key = [version.to_be_bytes(), chunk.to_be_bytes()].concat();
            let mut value = (version * 1_000 + chunk).to_le_bytes().repeat(1_024);
            value.truncate(VALUE_BYTES_MAX);
            (key, Some(value))
        })
        .collect();
    engine.write(EngineBatch { changes }).unwrap();
    engine.sync().unwrap();
}

#[test]
fn keeps_every_value_in_its_log() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let engine = open(folder.path());
        for version in 0..40 {
            commit(&engine, round * 100 + version, 1 + version * 7 % 90);
        }
        assert_eq!(blobs(folder.path()), 0);
    }
    let engine = open(folder.path());
    let changes = engine.scan(b"", b"\xff", usize::MAX).unwrap();
    assert!(changes.len() > 3_000);
    let changes = changes.into_iter().map(|(key, _)| (key, None)).collect();
    engine.write(EngineBatch { changes }).unwrap();
    engine.sync().unwrap();
    drop(engine);
    assert_eq!(blobs(folder.path()), 0);
}

/// Files that sled made beside its log, which nobody syncs.
fn blobs(path: &Path) -> usize {
    fs::read_dir(path.join("blobs")).unwrap().count()
}

#[test]
fn opens_after_a_summary_that_was_not_finished() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    commit(&engine, 1, 3);
    drop(engine);
    for unfinished in [&b""[..], b"begun, not ended"] {
        let name = "snap.00000000004FF981.generating";
        fs::write(folder.path().join(name), unfinished).unwrap();
        let engine = open(folder.path());
        assert_eq!(engine.scan(b"", b"\xff", 9).unwrap().len(), 3);
    }
}

#[test]
fn counts_its_bytes_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    for version in 0..10 {
        commit(&engine, version, 30);
    }
    let log = fs::metadata(folder.path().join("db")).unwrap().len();
    assert!(engine.disk_bytes().unwrap() >= log.max(10 * 30 * 4096));
}

#[test]
fn refuses_a_second_opening() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let second = SledEngine::open(folder.path(), CACHE_BYTES);
    assert!(matches!(second, Err(EngineError::Io(_))));
    drop(first);
    open(folder.path());
}

#[test]
fn says_that_a_panic_broke_it() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    commit(&engine, 1, 1);
    let error = engine.read(|_| -> sled::Result<()> { panic!("a {}", "test") });
    assert!(matches!(error, Err(EngineError::Broken(why)) if why == "sled panicked: a test"));
    assert!(matches!(engine.get(b"a"), Err(EngineError::Broken(_))));
    assert!(matches!(engine.sync(), Err(EngineError::Broken(_))));
    drop(engine);
    assert_eq!(open(folder.path()).scan(b"", b"\xff", 9).unwrap().len(), 1);
}

#[test]
fn writes_no_more_after_a_failed_write() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    commit(&engine, 1, 1);
    let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    let error = engine.change(|_| -> Result<(), _> { Err(full().into()) });
    assert!(matches!(error, Err(EngineError::Io(_))));
    let batch = EngineBatch::default();
    assert!(matches!(engine.write(batch), Err(EngineError::Broken(_))));
    assert!(matches!(engine.sync(), Err(EngineError::Broken(_))));
    assert_eq!(engine.scan(b"", b"\xff", 9).unwrap().len(), 1);
}

/// sled's own checks let some damage pass and panic at other: the journal above it checks what it
/// reads. Here: a flipped bit ends in an answer or an error, soon, and nothing worse.
#[test]
fn answers_or_fails_whatever_bit_is_flipped() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("original");
    let engine = open(&original);
    for version in 0..12 {
        commit(&engine, version, 1 + version % 4 * 5);
    }
    let killed = folder.path().join("killed");
    copy(&original, &killed);
    drop(engine);
    drop(open(&original)); // writes its summary of the log, which the other has not

    let mut outcomes = [0; 3];
    for store in [&original, &killed] {
        for file in ["db", "conf"] {
            let bytes = fs::read(store.join(file)).unwrap();
            let used = 1 + bytes.iter().rposition(|byte| *byte != 0).unwrap();
            for step in 0..60 {
                let at = (step * used / 60 + step * 7) % used;
                let flipped = folder.path().join(format!("{file}-{step}"));
                copy(store, &flipped);
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << (step % 8);
                fs::write(flipped.join(file), bytes).unwrap();
                let outcome = match SledEngine::open(&flipped, CACHE_BYTES) {
                    Err(EngineError::Damaged(_)) => 0,
                    Err(error) => panic!("{file} at {at}: {error:?}"),
                    Ok(engine) => 1 + usize::from(engine.scan(b"", b"\xff", 9_999).is_ok()),
                };
                outcomes[outcome] += 1;
                fs::remove_dir_all(flipped).unwrap();
            }
        }
    }
    println!("damaged at opening, at reading, answered: {outcomes:?}");
    assert!(outcomes.iter().all(|count| *count > 0));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
