//! How long a store takes to open.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use super::settle::settle;
use super::store::Kind;
use super::workload::Workload;
use crate::measure::median;

/// Times that a store is opened.
pub(super) const TIMES: usize = 3;

/// How long the store in `folder` takes to open, in milliseconds: as a kill left it, and after it was closed. It
/// is closed at the end.
pub(super) fn after_kill_and_close(kind: Kind, folder: &Path, size: usize) -> (f64, f64) {
    let workload = Workload::new(size);
    // Opening changes what a kill left behind, so each time opens a copy.
    let mut after_kill: Vec<_> = (0..TIMES)
        .map(|_| {
            let copy = tempfile::tempdir().expect("a folder");
            copy_folder(folder, &copy.path().join("store"));
            open_ms(kind, &copy.path().join("store"), &workload)
        })
        .collect();
    open_ms(kind, folder, &workload);
    let mut after_close: Vec<_> = (0..TIMES)
        .map(|_| open_ms(kind, folder, &workload))
        .collect();
    (median(&mut after_kill), median(&mut after_close))
}

/// Milliseconds until a store is open and has answered once.
pub(super) fn open_ms(kind: Kind, folder: &Path, workload: &Workload) -> f64 {
    let keys = workload.keys(500, 1);
    let start = Instant::now();
    let mut store = kind.open(folder, workload.size());
    assert_eq!(store.read(&keys), 1);
    let took = start.elapsed();
    drop(store);
    settle();
    took.as_secs_f64() * 1e3
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder of this run");
    for entry in files(from) {
        let to = to.join(entry.file_name());
        match entry.path() {
            path if path.is_dir() => copy_folder(&path, &to),
            path => drop(fs::copy(path, to).expect("a file that stays")),
        }
    }
}

/// Bytes that the folder's files occupy.
pub(super) fn disk_bytes(folder: &Path) -> u64 {
    files(folder)
        .map(|entry| match entry.path() {
            path if path.is_dir() => disk_bytes(&path),
            path => fs::metadata(path).map_or(0, |file| file.blocks() * 512),
        })
        .sum()
}

fn files(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    let entries = fs::read_dir(folder).expect("a folder of this run");
    entries.map(|entry| entry.expect("it stays meanwhile"))
}
