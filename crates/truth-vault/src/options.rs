//! How a vault is opened, and how safe a blob is to be.

/// How safe a blob is when a call that puts it returns.
///
/// In every class the bytes are with the operating system then, so that the death of the process
/// loses nothing; the classes differ in what a loss of power may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Durability {
    /// The operating system writes it when it likes.
    None,
    /// On the disk when [`Vault::sync`](crate::Vault::sync) returns or the last handle is dropped, and
    /// never more than 64 MiB behind.
    Batch,
    /// On the disk. Calls of several threads share one sync.
    #[default]
    Each,
}

/// How a vault is opened.
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    pub(crate) create: bool,
    pub(crate) segment_bytes: u64,
    pub(crate) compress: Option<i32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            segment_bytes: 256 << 20,
            compress: None,
        }
    }
}

impl Options {
    /// Creates the vault if there is none; segments of 256 MiB; nothing compressed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a vault is created where there is none.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// How long a segment file may become, in bytes; at least 4 KiB, at most 16 GiB. One blob more than
    /// that makes it longer.
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes.clamp(4 << 10, 16 << 30);
        self
    }

    /// Compresses blobs with zstd at `level` (1 to 22) where that makes them smaller. Addresses are
    /// of the plain bytes whatever is stored.
    pub fn compress(mut self, level: i32) -> Self {
        self.compress = Some(level.clamp(1, 22));
        self
    }
}
