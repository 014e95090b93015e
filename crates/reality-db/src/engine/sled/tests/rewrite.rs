//! Writing the store anew.

use super::*;
use crate::engine::sled::DISK_BYTES_MIN;

const MIB: u64 = 1 << 20;

/// Many versions, of which all but the last are removed: what a journal is that was pruned.
fn pruned(folder: &Path) -> (SledEngine, Vec<Entry>) {
    let engine = open(folder);
    for version in 0..60 {
        commit(&engine, version, 50);
    }
    let (kept, removed) = (59_u32.to_be_bytes(), 0_u32.to_be_bytes());
    for (key, _) in engine.scan(&removed, &kept, usize::MAX).unwrap() {
        let changes = vec![(key, None)];
        engine.write(EngineBatch { changes }).unwrap();
    }
    engine.sync().unwrap();
    let kept = content(&engine);
    assert_eq!(kept.len(), 50);
    (engine, kept)
}

fn content(engine: &SledEngine) -> Vec<Entry> {
    engine.scan(b"", b"\xff", usize::MAX).unwrap()
}

/// Names in the folder that the store's lies in.
fn names(store: &Path) -> Vec<String> {
    let entries = fs::read_dir(store.parent().unwrap()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn gives_back_what_was_removed_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (engine, kept) = pruned(&path);
    let before = engine.disk_bytes().unwrap();
    assert!(before > 10 * MIB, "{before}");

    engine.reclaim(before).unwrap(); // all of it is needed
    assert_eq!(engine.disk_bytes().unwrap(), before);

    engine.reclaim(MIB).unwrap();
    let after = engine.disk_bytes().unwrap();
    assert!(after <= DISK_BYTES_MIN, "{after} of {before}");
    assert_eq!(content(&engine), kept);
    commit(&engine, 100, 3); // it goes on
    assert_eq!(content(&engine).len(), 53);
    drop(engine);
    assert_eq!(names(&path), ["journal"]);
    assert_eq!(content(&open(&path)).len(), 53);
}

#[test]
fn goes_on_with_what_there_is_if_it_cannot_be_copied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (engine, kept) = pruned(&path);
    let before = engine.disk_bytes().unwrap();
    fs::write(folder.path().join("journal.new"), b"in the way").unwrap();
    engine.reclaim(0).unwrap();
    assert_eq!(engine.disk_bytes().unwrap(), before);
    commit(&engine, 100, 3);
    assert_eq!(content(&engine).len(), kept.len() + 3);
}

/// The process can end between any two steps: what they leave is made here.
#[test]
fn is_whole_wherever_it_was_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (engine, kept) = pruned(&path);
    drop(engine);
    let (new, old) = (path.with_extension("new"), path.with_extension("old"));
    let check = |step: &str| {
        assert_eq!(content(&open(&path)), kept, "{step}");
        assert_eq!(names(&path), ["journal"], "{step}");
    };

    let begun = open(&new);
    commit(&begun, 1, 1);
    drop(begun);
    check("while it was copied");

    drop(open(&new));
    fs::rename(&path, &old).unwrap();
    check("when the old one had lost its name");

    copy(&path, &new);
    fs::rename(&path, &old).unwrap();
    fs::rename(&new, &path).unwrap();
    check("when the new one had its name");
}

#[test]
fn says_so_if_nothing_opens_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (engine, _) = pruned(&path);
    // A file that is in the way of the old one's other name: neither name is its own then.
    fs::write(path.with_extension("old"), b"in the way").unwrap();
    let error = engine.reclaim(0);
    assert!(error.is_err(), "{error:?}");
    assert!(matches!(engine.get(b"a"), Err(EngineError::Broken(_))));
    assert!(matches!(engine.sync(), Err(EngineError::Broken(_))));
    drop(engine);
    fs::remove_file(path.with_extension("old")).unwrap();
    assert_eq!(content(&open(&path)).len(), 50);
}
