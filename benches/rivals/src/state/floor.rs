//! The floor under a durable commit: a page appended to a file, and a sync.

use std::fs::File;
use std::io::{Seek, Write};
use std::time::{Duration, Instant};

/// What one append writes: a page.
const PAGE: [u8; 4096] = [7; 4096];

/// A file that pages are appended to.
pub(super) struct Floor {
    file: File,
}

impl Floor {
    /// A file where room for `pages` is made beforehand, as journals do: a sync has less to write
    /// then than where the file grows.
    pub(super) fn with_room(pages: usize) -> Self {
        let mut floor = Self::growing();
        for _ in 0..pages {
            floor.file.write_all(&[0; PAGE.len()]).expect("room for it");
        }
        floor.file.sync_all().expect("a disk that syncs");
        floor.file.rewind().expect("a file");
        floor
    }

    /// A file that grows with each append.
    pub(super) fn growing() -> Self {
        // In the folder where the stores are too.
        let file = tempfile::tempfile().expect("a file to append to");
        Self { file }
    }

    /// Appends a page and syncs, `count` times; how long each took.
    pub(super) fn append(&mut self, count: usize) -> Vec<Duration> {
        let append = |_| {
            let start = Instant::now();
            self.file.write_all(&PAGE).expect("room for the page");
            self.file.sync_data().expect("a disk that syncs");
            start.elapsed()
        };
        (0..count).map(append).collect()
    }
}
