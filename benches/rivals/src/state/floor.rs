//! The floor under a durable commit: bytes appended to a file, and a sync.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

/// What one append writes: a page.
const APPEND_BYTES: usize = 4096;

/// A file that is only ever appended to.
pub(super) struct Floor {
    file: File,
}

impl Floor {
    /// In the folder where the stores are too.
    pub(super) fn new() -> Self {
        let file = tempfile::tempfile().expect("a file to append to");
        Self { file }
    }

    /// Appends a page and syncs, `count` times; how long each took.
    pub(super) fn append(&mut self, count: usize) -> Vec<Duration> {
        let page = [7; APPEND_BYTES];
        let append = |_| {
            let start = Instant::now();
            self.file.write_all(&page).expect("room for the page");
            self.file.sync_data().expect("a disk that syncs");
            start.elapsed()
        };
        (0..count).map(append).collect()
    }
}
