//! What a store of blobs is asked.

use std::path::Path;

/// A store of blobs that is measured beside ours.
#[derive(Clone, Copy, Debug)]
pub struct VaultPeer {
    /// Its name in the rows.
    pub name: &'static str,
    /// Opens a new one in an empty folder; `None` if it cannot be had on this machine.
    pub open: fn(&Path) -> Option<Box<dyn BlobStore>>,
}

/// An open store.
pub trait BlobStore {
    /// Whatever has to be done before the clock runs: files for programs that take files.
    fn prepare(&mut self, blobs: &[Vec<u8>]) {
        let _ = blobs;
    }

    /// Puts the blobs; when it returns, what the store promises of them holds.
    fn put(&mut self, blobs: &[Vec<u8>]);

    /// Gets the `at`th blob that was put, checked if the store does that, and says how long it is.
    /// `None` if the store is not asked one by one.
    fn get(&mut self, at: usize) -> Option<usize>;
}
