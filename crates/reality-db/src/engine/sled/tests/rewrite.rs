//! Writing the store anew.

use std::os::unix::fs::{MetadataExt, symlink};

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

    assert!(!engine.wastes_disk(before / 4).unwrap());
    assert!(engine.wastes_disk(MIB).unwrap());
    engine.reclaim(MIB).unwrap();
    let after = engine.disk_bytes().unwrap();
    assert!(after <= DISK_BYTES_MIN, "{after} of {before}");
    assert!(!engine.wastes_disk(0).unwrap());
    assert_eq!(content(&engine), kept);
    commit(&engine, 100, 3); // it goes on
    assert_eq!(content(&engine).len(), 53);
    drop(engine);
    assert_eq!(names(&path), ["journal"]);
    assert_eq!(content(&open(&path)).len(), 53);
}

#[test]
fn is_left_as_it_is_if_there_is_more_of_it_than_expected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let engine = open(&path);
    for version in 0..60 {
        commit(&engine, version, 50); // 12 MB
    }
    let folder_before = fs::metadata(&path).unwrap().ino();
    engine.reclaim(MIB).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), folder_before);
    assert_eq!(content(&engine).len(), 3_000);
    assert_eq!(names(&path), ["journal"]);
}

#[test]
fn leaves_a_link_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (folder.path().join("journal"), folder.path().join("disk"));
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    let (engine, kept) = pruned(&path);
    let before = engine.disk_bytes().unwrap();
    engine.reclaim(0).unwrap();
    assert!(engine.disk_bytes().unwrap() >= before);
    assert_eq!(content(&engine), kept);
    assert!(path.is_symlink());
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

    fs::write(&new, b"no folder").unwrap();
    check("when somebody has put a file there");

    copy(&path, &new);
    fs::rename(&path, &old).unwrap();
    fs::rename(&new, &path).unwrap();
    check("when the new one had its name");
}
